"""The header of a file of answers: its first line, which names what the answers belong to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from device.config.loader import from_dict
from device.errors import ConfigError, unreadable_as
from device.plain_text import quoted, shown
from trainer.augment_config import AugmentConfig
from trainer.errors import CheckpointError

FORMAT, VERSION = "emotion-edge answers", 1
MAX_HEADER_BYTES = 2**20
SIGNED = 16  # faces whose mean grey levels are a view's signature
CHECKSUM_BYTES = 4


@dataclass(frozen=True)
class AnswersHeader:
    """To what the answers of a file belong.

    Attributes:
        faces: sha256 over the pixels and labels of the Training faces, hexadecimal.
        count: number of these faces.
        labels: of the answers, in order.
        augment: every setting of `AugmentConfig` with which the views are drawn.
        mixup: alpha; 0 where nothing is mixed.
        mixup_share: share of the chunks that are mixed.
        seed: of the views.
        teachers: name of each teacher by the sha256 of its weights.
        temperature: of the softmax of each teacher; the answers are the logarithm of their mean.
        mirror: whether the mean is also over the mirror image of each view.
        first: number of the first view in this file.
    """

    faces: str
    count: int
    labels: tuple[str, ...]
    augment: dict[str, float]
    mixup: float
    mixup_share: float
    seed: int
    teachers: dict[str, str]
    temperature: float
    mirror: bool
    first: int = 0

    @property
    def signed(self) -> int:
        """Bytes of a view's signature."""
        return min(SIGNED, self.count)

    @property
    def block_bytes(self) -> int:
        """Bytes of one view in a file."""
        return self.count * len(self.labels) + self.signed + CHECKSUM_BYTES

    @property
    def teacher_names(self) -> str:
        """The teachers in words: `vgg16 (3cb9c437)`."""
        return ", ".join(f"{shown(name)} ({shown(sha256[:8])})" for sha256, name in self.teachers.items()) or "none"

    def line(self) -> bytes:
        """The first line of a file."""
        return json.dumps({"format": FORMAT, "version": VERSION} | asdict(self)).encode() + b"\n"


Rule = tuple[str, Callable[[Any], bool]]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


RULES: dict[str, Rule] = {
    "faces": ("text", _is_text),
    "count": ("a whole number at least 1", lambda v: _is_whole(v) and v >= 1),
    "labels": ("a list of at least two names", lambda v: isinstance(v, list) and len(v) > 1 and all(map(_is_text, v))),
    "augment": ("an object", lambda v: isinstance(v, dict)),
    "mixup": ("a number from 0 to 10", lambda v: _is_number(v) and 0 <= v <= 10),
    "mixup_share": ("a number from 0 to 1", lambda v: _is_number(v) and 0 <= v <= 1),
    "seed": ("a whole number from 0 to 4294967295", lambda v: _is_whole(v) and 0 <= v < 2**32),
    "teachers": ("an object of names", lambda v: isinstance(v, dict) and all(map(_is_text, v.values()))),
    "temperature": ("a number above 0 and at most 100", lambda v: _is_number(v) and 0 < v <= 100),
    "mirror": ("true or false", lambda v: isinstance(v, bool)),
    "first": ("a whole number at least 0", lambda v: _is_whole(v) and v >= 0),
}
"""What each field of a header must be: in words, and whether a value is."""


def read_header(path: Path) -> AnswersHeader:
    """The header of one file.

    Raises:
        CheckpointError: the file is missing, or holds no answers, or a field is not as it must be.
    """
    with unreadable_as(CheckpointError, path, "the answers"), path.open("rb") as file:
        line = file.readline(MAX_HEADER_BYTES)
    try:
        values = json.loads(line)
        found, version = values.pop("format"), values.pop("version")
        if found != FORMAT or version != VERSION or not line.endswith(b"\n"):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:  # or nested a thousand times
        raise CheckpointError(f"{path}: this is no file of answers of this version of the trainer.") from error
    if problems := _problems(values):
        raise CheckpointError(
            f"{path}: the header of these answers cannot be used: {problems[0]}; copy the file again."
        )
    return AnswersHeader(**values | {"labels": tuple(values["labels"]), "augment": _augment(values["augment"], path)})


def _augment(values: dict[str, float], path: Path) -> dict[str, float]:
    """Every setting of augmentation; one that is newer than the file is off.

    Raises:
        CheckpointError: one is unknown, or not a number within its bounds.
    """
    every = vars(AugmentConfig.only())
    if unknown := sorted(values.keys() - every.keys()):
        raise CheckpointError(
            f"{path}: these answers have augment.{shown(unknown[0])}, which this version of the trainer does not know."
        )
    try:
        return vars(from_dict(AugmentConfig, every | values, "augment", "their header"))
    except ConfigError as error:
        raise CheckpointError(f"{path}: these answers cannot be used: {error}") from error


def _problems(values: dict[str, Any]) -> list[str]:
    """What is wrong with the fields of a header, in words."""
    required = {field.name for field in fields(AnswersHeader) if field.default is MISSING}
    missing, unknown = sorted(required - values.keys()), sorted(values.keys() - RULES.keys())
    return [
        *(f"it has no {name}" for name in missing),
        *(f"{shown(name)} is unknown to this version of the trainer" for name in unknown),
        *(
            f"{name} is {quoted(values[name])}, but must be {words}"
            for name, (words, is_right) in RULES.items()
            if name in values and not is_right(values[name])
        ),
    ]


def difference(one: AnswersHeader, other: AnswersHeader) -> str:
    """What distinguishes two headers, apart from `first`, in words; empty if nothing does."""
    for name in ("faces", "count"):
        if getattr(one, name) != getattr(other, name):
            return f"they are of other faces ({one.count:,} instead of {other.count:,}, or others)"
    for name in sorted(one.augment.keys() | other.augment.keys()):
        if one.augment.get(name) != other.augment.get(name):
            return f"augment.{name} is {one.augment.get(name)} instead of {other.augment.get(name)}"
    if one.teachers.keys() != other.teachers.keys():
        return f"the teachers are {one.teacher_names} instead of {other.teacher_names}"
    for name in ("labels", "mixup", "mixup_share", "seed", "temperature", "mirror"):
        if getattr(one, name) != getattr(other, name):
            return f"{name} is {getattr(one, name)} instead of {getattr(other, name)}"
    return ""
