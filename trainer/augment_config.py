"""Settings of augmentation; each states the value with which it is off."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Self

from device.config.loader import setting


def augmentation(default: float, doc: str, *, off: float, **rules: Any) -> Any:
    """Declare one setting of `AugmentConfig`.

    Args:
        default: its default.
        doc: one line of documentation.
        off: the value with which it changes no image, alone or with the others off.
        rules: further arguments of `setting`.
    """
    metadata = setting(default, doc, **rules).metadata
    return field(default=default, metadata={**metadata, "off": off})


@dataclass(frozen=True)
class AugmentConfig:
    """Random augmentation of training faces, drawn anew for each view."""

    flip: float = augmentation(0.5, "probability of mirroring", off=0, ge=0, le=1, advanced=True)
    rotate_deg: float = augmentation(12.0, "largest rotation either way, degrees", off=0, ge=0, le=180)
    scale: float = augmentation(0.12, "largest change of size either way, as a share", off=0, ge=0, lt=1)
    crop: float = augmentation(
        0.0, "probability of cutting out a square and resizing it to the whole", off=0, ge=0, le=1, advanced=True
    )
    crop_area: float = augmentation(
        0.64, "smallest such square, as a share of the face", off=0.64, gt=0, le=1, advanced=True
    )
    shift: float = augmentation(0.08, "largest shift either way, as a share of the side", off=0, ge=0, le=1)
    brightness: float = augmentation(
        0.2, "largest offset either way, of the range 0 to 1", off=0, ge=0, le=1, advanced=True
    )
    contrast: float = augmentation(
        0.3, "largest change of contrast either way, as a share", off=0, ge=0, lt=1, advanced=True
    )
    noise: float = augmentation(
        0.0,
        "largest standard deviation of sensor noise, of the range 0 to 1; each face draws its own",
        off=0,
        ge=0,
        le=1,
        advanced=True,
    )
    erase: float = augmentation(0.3, "probability of erasing a rectangle", off=0, ge=0, le=1)
    erase_area: float = augmentation(0.15, "largest erased share of the face", off=0.2, gt=0, le=1, advanced=True)

    @classmethod
    def only(cls, **used: float) -> Self:
        """The given augmentations, and all others off, whatever their defaults are.

        Raises:
            TypeError: a field is not declared with `augmentation`, or there is no such field.
        """
        undeclared = [f.name for f in fields(cls) if "off" not in f.metadata]
        if undeclared:
            raise TypeError(f"{cls.__name__}.{undeclared[0]} must be declared with `augmentation(..., off=...)`.")
        return cls(**{f.name: f.metadata["off"] for f in fields(cls)} | used)
