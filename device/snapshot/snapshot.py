"""Takes one frame of the camera, marks the faces that are found, and writes it to a file."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.camera.camera import open_camera
from device.camera.frame import Frame
from device.config.schema import CameraConfig, DeviceConfig
from device.errors import EmotionEdgeError, SourceError, without_secrets
from device.snapshot.drawing import COUNTS, IGNORED, SMALL, blur, draw_face, draw_regions
from device.snapshot.private_file import write_private
from device.vision.detection import Detection
from device.vision.detector import open_detector
from device.vision.ignore_regions import is_ignored

SETTLE_S = 2.0  # a camera adapts its exposure and colours in this time


@dataclass(frozen=True)
class Snapshot:
    """What was written."""

    path: Path
    source: str
    width: int
    height: int
    faces: int  # whose expression would be read
    small: int  # found, but below device.smoother.min_face_px
    ignored: int  # in an area of device.detector.ignore

    def sentence(self) -> str:
        """What a user wants to know."""
        return (
            f"{self.path}: {self.source}, {self.width}x{self.height}, faces: {self.faces}, "
            f"too small to be read: {self.small}, ignored: {self.ignored}; delete it when the camera is aimed."
        )


def take_snapshot(config: DeviceConfig, path: Path, blurred: bool) -> Snapshot:
    """Write one annotated frame, readable by this user only.

    Args:
        path: a .png or .jpg file; it is replaced if it exists.
        blurred: make the picture below the marks unrecognisable.

    Raises:
        SourceError: the camera gives no frame.
        EmotionEdgeError: the file cannot be written.
    """
    import cv2

    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise EmotionEdgeError(f"{path}: the picture must be a .png or .jpg file; choose another --out.")
    source, frame = _settled_frame(config.camera)
    image = (
        frame.image
        if frame.image.ndim == 3
        else np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    )
    faces = open_detector(config.detector).detect(image)
    canvas = blur(image) if blurred else image.copy()
    counts = _annotate(canvas, faces, config)
    write_private(path, cv2.imencode(path.suffix.lower(), canvas)[1].tobytes())
    height, width = image.shape[:2]
    return Snapshot(path, source, width, height, counts[COUNTS], counts[SMALL], counts[IGNORED])


def _settled_frame(config: CameraConfig) -> tuple[str, Frame]:
    """The camera, and a frame of it after it has adapted to the light; of a file, the first one."""
    with open_camera(dataclasses.replace(config, fast=True)) as camera:  # a file needs no second process
        until_s = time.monotonic() + SETTLE_S
        for frame in camera:
            if not camera.live or time.monotonic() >= until_s:
                return camera.source, frame
    raise SourceError(f"{without_secrets(config.source)}: no frame received.")


def _annotate(
    canvas: NDArray[np.uint8], faces: list[Detection], config: DeviceConfig
) -> dict[tuple[int, int, int], int]:
    """Draw into the picture; the number of faces drawn in each colour."""
    draw_regions(canvas, config.detector.ignore)
    counts = dict.fromkeys((COUNTS, SMALL, IGNORED), 0)
    for face in faces:
        side = face.box.mean_side
        if is_ignored(face, config.detector.ignore, canvas.shape):
            colour, text = IGNORED, "ignored"
        elif side < config.smoother.min_face_px:
            colour, text = SMALL, f"{side:.0f} px: too small"
        else:
            colour, text = COUNTS, f"{side:.0f} px"
        counts[colour] += 1
        draw_face(canvas, face.box, colour, text)
    return counts
