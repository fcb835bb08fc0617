"""Is this machine fit? Checks and timings."""

from device.selftest.runner import selftest

__all__ = [
    "selftest",
]
