"""Reads photos and films at once, without a camera or a broker: one row a face and moment."""

from device.analysis.analyzer import Analyzer, FaceRow, analyze
from device.analysis.media import find_media

__all__ = [
    "Analyzer",
    "FaceRow",
    "analyze",
    "find_media",
]
