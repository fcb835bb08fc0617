"""Fifteen ways in which a camera spoils a face, each in five severities, drawn anew from a seed and nothing else.

After Hendrycks & Dietterich 2019 (arXiv:1903.12261), whose fifteen suit photographs of 224 pixels; these suit a grey
face of 48 that a fixed camera saw: they add bad light, a bad crop, sunglasses and masks, and leave out the weather.
Places are shares of the side, where FER2013 has them: in the mean training face the eyes lie at 0.36 from above.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEVERITIES = (1, 2, 3, 4, 5)
EYES = ((0.32, 0.36), (0.69, 0.36))  # x, y
READ_NOISE = 2.0  # grey levels that a sensor adds in the dark
SUBPIXELS = 8  # a blur kernel is drawn this much larger, then averaged

Grey = NDArray[np.uint8]
Light = NDArray[np.floating[Any]]
Draw = np.random.Generator


def corrupt(faces: Grey, kind: str, severity: int, seed: int = 0) -> Grey:
    """Faces, spoilt in one way: what happens to a face depends on kind, severity, seed and its place in the row.

    Args:
        faces: uint8 (N, S, S), grey.
        kind: a key of `KINDS`.
        severity: 1 to 5.
        seed: of everything that is drawn.
    """
    corruption = KINDS[kind]
    strength = corruption.strengths[SEVERITIES.index(severity)]
    code = zlib.crc32(kind.encode())  # and not its place in KINDS, so that a new kind leaves the others as they are
    spoilt = np.empty_like(faces)
    for index, face in enumerate(faces):
        generator = np.random.default_rng((seed, code, severity, index))
        values = corruption.apply(face.astype(np.float32), strength, generator)
        spoilt[index] = np.clip(np.rint(values), 0, 255)
    return spoilt


def gaussian_noise(face: Light, sigma: float, draw: Draw) -> Light:
    """Noise of the same strength everywhere; `sigma` in grey levels."""
    return face + draw.normal(0, sigma, face.shape)


def shot_noise(face: Light, photons: float, draw: Draw) -> Light:
    """Too few photons: as many as `photons` where the face is white."""
    return draw.poisson(face / 255 * photons) * 255 / photons


def impulse_noise(face: Light, share: float, draw: Draw) -> Light:
    """A share of the pixels turns black or white."""
    chance = draw.random(face.shape)
    return np.where(chance < share, 255.0 * (chance < share / 2), face)


def defocus_blur(face: Light, radius: float, draw: Draw) -> Light:
    """The lens is out of focus: each point becomes a disc of `radius` pixels."""
    y, x = _plane(radius)
    return _blurred(face, x**2 + y**2 <= radius**2)


def motion_blur(face: Light, length: float, draw: Draw) -> Light:
    """The head moves: each point becomes a line of `length` pixels, in any direction."""
    y, x = _plane(length / 2)
    angle = draw.uniform(0, np.pi)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return _blurred(face, (abs(along) <= length / 2) & (abs(across) <= 0.5))


def over_exposure(face: Light, stops: float, draw: Draw) -> Light:
    """Too much light by so many stops; what was bright is white."""
    return face * math.pow(2, stops)


def low_light(face: Light, stops: float, draw: Draw) -> Light:
    """Too little light by so many stops, and the sensor's own noise in it."""
    return face * math.pow(2, -stops) + draw.normal(0, READ_NOISE, face.shape)


def low_contrast(face: Light, kept: float, draw: Draw) -> Light:
    """Haze, or a lamp behind the head: a share of the contrast is kept."""
    mean = float(face.mean())
    return mean + (face - mean) * kept


def side_light(face: Light, lost: float, draw: Draw) -> Light:
    """A window on one side, any: at the far edge so much of the light is lost."""
    ramp = np.linspace(-1, 1, len(face))
    angle = draw.uniform(0, 2 * np.pi)
    towards = (ramp * np.cos(angle) + ramp[:, np.newaxis] * np.sin(angle)) / math.sqrt(2)  # (S, S), -1 to 1
    return np.asarray(face * (1 - lost * (1 + towards) / 2))


def jpeg(face: Light, quality: float, draw: Draw) -> Light:
    """Packed as JPEG by a camera that saves bandwidth."""
    import cv2

    _, packed = cv2.imencode(".jpg", face.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.float32)


def low_resolution(face: Light, side: float, draw: Draw) -> Light:
    """A face far away: seen with `side` pixels, enlarged as `device.inference.preprocess.crop_face` does."""
    import cv2

    small = cv2.resize(face, (int(side), int(side)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, face.shape, interpolation=cv2.INTER_LINEAR), np.float32)


def rotation(face: Light, degrees: float, draw: Draw) -> Light:
    """The head leans to one side, left or right."""
    return _moved(face, degrees * draw.choice((-1, 1)), 1.0, (0.0, 0.0))


def off_centre(face: Light, share: float, draw: Draw) -> Light:
    """A crop that missed: shifted by a share of the side in any direction, and larger or smaller by the same."""
    angle = draw.uniform(0, 2 * np.pi)
    shift = len(face) * share
    return _moved(face, 0.0, 1 + share * draw.choice((-1, 1)), (shift * np.cos(angle), shift * np.sin(angle)))


def sunglasses(face: Light, radius: float, draw: Draw) -> Light:
    """Dark glasses; the radius is a share of the side."""
    y, x = _places(face)
    lens = [((x - cx) / radius) ** 2 + ((y - cy) / radius) ** 2 <= 1 for cx, cy in EYES]
    bridge = (abs(y - EYES[0][1]) < radius / 5) & (x > EYES[0][0]) & (x < EYES[1][0])
    return np.where(lens[0] | lens[1] | bridge, draw.uniform(5, 45), face)


def mask(face: Light, covered: float, draw: Draw) -> Light:
    """A mask over chin, mouth and, where it reaches so high, nose: from below, so much of the face is covered."""
    y, x = _places(face)
    return np.where((y > 1 - covered) & (abs(x - 0.5) < 0.38), draw.uniform(110, 240), face)


@dataclass(frozen=True)
class Corruption:
    """One kind: what does it, at which five strengths, and what the strength is."""

    apply: Callable[[Light, float, Draw], Light]
    strengths: tuple[float, float, float, float, float]
    unit: str


KINDS = {
    "gaussian_noise": Corruption(gaussian_noise, (8, 14, 20, 28, 38), "grey levels"),
    "shot_noise": Corruption(shot_noise, (200, 100, 50, 25, 12), "photons"),
    "impulse_noise": Corruption(impulse_noise, (0.01, 0.03, 0.06, 0.1, 0.17), "of the pixels"),
    "defocus_blur": Corruption(defocus_blur, (0.75, 1.1, 1.5, 2.0, 2.6), "pixels"),
    "motion_blur": Corruption(motion_blur, (2.5, 4, 5.5, 7, 9), "pixels"),
    "over_exposure": Corruption(over_exposure, (0.3, 0.6, 0.9, 1.2, 1.5), "stops"),
    "low_light": Corruption(low_light, (1, 1.5, 2, 2.5, 3), "stops"),
    "low_contrast": Corruption(low_contrast, (0.7, 0.5, 0.35, 0.25, 0.15), "kept"),
    "side_light": Corruption(side_light, (0.3, 0.5, 0.7, 0.8, 0.9), "lost"),
    "jpeg": Corruption(jpeg, (50, 30, 20, 12, 7), "quality"),
    "low_resolution": Corruption(low_resolution, (32, 24, 20, 16, 12), "pixels"),
    "rotation": Corruption(rotation, (8, 15, 22, 30, 40), "degrees"),
    "off_centre": Corruption(off_centre, (0.04, 0.08, 0.12, 0.16, 0.2), "of the side"),
    "sunglasses": Corruption(sunglasses, (0.08, 0.1, 0.12, 0.14, 0.17), "of the side"),
    "mask": Corruption(mask, (0.14, 0.22, 0.28, 0.34, 0.4), "of the height"),
}


def _plane(reach: float) -> tuple[Light, Light]:
    """y and x, in pixels, of a blur kernel's fine grid that reaches at least so far from its middle."""
    half = int(np.ceil(reach + 0.5)) + 0.5
    places = (np.arange(2 * half * SUBPIXELS) + 0.5) / SUBPIXELS - half
    return places[:, np.newaxis], places


def _blurred(face: Light, fine: NDArray[np.bool_]) -> Light:
    """The face under a kernel that is given on the fine grid."""
    import cv2

    side = len(fine) // SUBPIXELS
    kernel = fine.reshape(side, SUBPIXELS, side, SUBPIXELS).mean((1, 3))
    return np.asarray(cv2.filter2D(face, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), np.float32)


def _moved(face: Light, degrees: float, zoom: float, shift: tuple[float, float]) -> Light:
    """The face turned about its middle, enlarged and shifted; past its edge it repeats, as the device's crop does."""
    import cv2

    middle = (len(face) - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), degrees, zoom)
    matrix[:, 2] += np.array(shift)
    return np.asarray(cv2.warpAffine(face, matrix, face.shape, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _places(face: Light) -> tuple[Light, Light]:
    """y and x of every pixel's middle, as shares of the side."""
    places = (np.arange(len(face)) + 0.5) / len(face)
    return places[:, np.newaxis], places
