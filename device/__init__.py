"""The program for the Raspberry Pi: camera frames in, expression events over MQTT out.

`from device import analyze` reads photos and films in Python; docs/api.md describes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from device.analysis import FaceRow, analyze

__all__ = ["FaceRow", "analyze"]


def __getattr__(name: str) -> object:
    """Import the public names when they are asked for: every import of a room passes here."""
    if name not in __all__:
        raise AttributeError(f"module 'device' has no attribute {name!r}")
    from device import analysis

    return getattr(analysis, name)
