"""Checks and timings that show whether this machine can run the device."""

from device.selftest.runner import selftest

__all__ = [
    "selftest",
]
