"""One picture for aiming a camera, written by hand only: the service cannot import this."""

from device.snapshot.snapshot import take_snapshot

__all__ = ["take_snapshot"]
