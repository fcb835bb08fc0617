"""What the head, the eyes and the mouth of one face do over time: values, and alerts.

Pure: it knows times and numbers, no pictures. docs/attention.md has the definitions and figures.
"""

from device.attention.face import FaceAttention
from device.attention.group import group_attention
from device.attention.measurement import Measurement

__all__ = ["FaceAttention", "Measurement", "group_attention"]
