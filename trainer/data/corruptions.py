"""Fifteen image corruptions of a camera, each in five severities, repeatable from a seed.

After Hendrycks & Dietterich 2019 (arXiv:1903.12261). Their fifteen are for photographs of 224
pixels; these are for grey faces of 48 pixels from a fixed camera. They add bad light, a bad crop,
sunglasses and masks, and leave out the weather. Positions are shares of the side, as in FER2013: in
the mean training face the eyes are at 0.36 from the top.
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
READ_NOISE = 2.0  # of the sensor in low light, grey levels
SUBPIXELS = 8  # a blur kernel is drawn this much larger, then averaged

Grey = NDArray[np.uint8]
Light = NDArray[np.floating[Any]]
Draw = np.random.Generator


def corrupt(faces: Grey, kind: str, severity: int, seed: int = 0) -> Grey:
    """Apply one corruption; the result for a face depends on kind, severity, seed and its index.

    Args:
        faces: uint8 (N, S, S), grey.
        kind: a key of `KINDS`.
        severity: 1 to 5.
        seed: of everything that is drawn.
    """
    corruption = KINDS[kind]
    strength = corruption.strengths[SEVERITIES.index(severity)]
    code = zlib.crc32(kind.encode())  # not its position in KINDS, so that a new kind does not change the others
    corrupted = np.empty_like(faces)
    for index, face in enumerate(faces):
        generator = np.random.default_rng((seed, code, severity, index))
        values = corruption.apply(face.astype(np.float32), strength, generator)
        corrupted[index] = np.clip(np.rint(values), 0, 255)
    return corrupted


def gaussian_noise(face: Light, sigma: float, draw: Draw) -> Light:
    """Noise of the same strength everywhere; `sigma` in grey levels."""
    return face + draw.normal(0, sigma, face.shape)


def shot_noise(face: Light, photons: float, draw: Draw) -> Light:
    """Too few photons: `photons` for a white pixel."""
    return draw.poisson(face / 255 * photons) * 255 / photons


def impulse_noise(face: Light, share: float, draw: Draw) -> Light:
    """A share of the pixels becomes black or white."""
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
    """Too much light by a number of stops; bright pixels become white."""
    return face * math.pow(2, stops)


def low_light(face: Light, stops: float, draw: Draw) -> Light:
    """Too little light by a number of stops, with the sensor's noise."""
    return face * math.pow(2, -stops) + draw.normal(0, READ_NOISE, face.shape)


def low_contrast(face: Light, kept: float, draw: Draw) -> Light:
    """Haze or back light: a share of the contrast is kept."""
    mean = float(face.mean())
    return mean + (face - mean) * kept


def side_light(face: Light, lost: float, draw: Draw) -> Light:
    """Light from one side, any: a share of it is lost at the far edge."""
    ramp = np.linspace(-1, 1, len(face))
    angle = draw.uniform(0, 2 * np.pi)
    towards = (ramp * np.cos(angle) + ramp[:, np.newaxis] * np.sin(angle)) / math.sqrt(2)  # (S, S), -1 to 1
    return np.asarray(face * (1 - lost * (1 + towards) / 2))


def jpeg(face: Light, quality: float, draw: Draw) -> Light:
    """JPEG compression."""
    import cv2

    _, packed = cv2.imencode(".jpg", face.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.float32)


def low_resolution(face: Light, side: float, draw: Draw) -> Light:
    """A face far away: `side` pixels, enlarged as in `device.inference.preprocess.crop_face`."""
    import cv2

    small = cv2.resize(face, (int(side), int(side)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, face.shape, interpolation=cv2.INTER_LINEAR), np.float32)


def rotation(face: Light, degrees: float, draw: Draw) -> Light:
    """The head is tilted to the left or right."""
    return _moved(face, degrees * draw.choice((-1, 1)), 1.0, (0.0, 0.0))


def off_centre(face: Light, share: float, draw: Draw) -> Light:
    """A bad crop: shifted by a share of the side in any direction, and scaled by the same share."""
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
    """A mask over chin, mouth and perhaps nose; `covered` is its share of the height."""
    y, x = _places(face)
    return np.where((y > 1 - covered) & (abs(x - 0.5) < 0.38), draw.uniform(110, 240), face)


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption: its function, its five strengths and their unit."""

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
    """y and x, in pixels, of a blur kernel's fine grid that extends at least `reach` each way."""
    half = int(np.ceil(reach + 0.5)) + 0.5
    places = (np.arange(2 * half * SUBPIXELS) + 0.5) / SUBPIXELS - half
    return places[:, np.newaxis], places


def _blurred(face: Light, fine: NDArray[np.bool_]) -> Light:
    """The face filtered with a kernel that is given on the fine grid."""
    import cv2

    side = len(fine) // SUBPIXELS
    kernel = fine.reshape(side, SUBPIXELS, side, SUBPIXELS).mean((1, 3))
    return np.asarray(cv2.filter2D(face, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), np.float32)


def _moved(face: Light, degrees: float, zoom: float, shift: tuple[float, float]) -> Light:
    """The face rotated about its centre, scaled and shifted; the border is replicated."""
    import cv2

    middle = (len(face) - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), degrees, zoom)
    matrix[:, 2] += np.array(shift)
    return np.asarray(cv2.warpAffine(face, matrix, face.shape, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _places(face: Light) -> tuple[Light, Light]:
    """y and x of every pixel's centre, as shares of the side."""
    places = (np.arange(len(face)) + 0.5) / len(face)
    return places[:, np.newaxis], places
