"""Faces, attention, events and alerts of one or several boards, live in a terminal or as lines."""

from device.watch.command import watch

__all__ = ["watch"]
