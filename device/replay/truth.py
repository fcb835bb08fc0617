"""Reads what photos and clips really show: boxes and expressions of photos, tracks of clips."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from device.errors import UsageError
from device.inference.box import Box
from device.replay.csv_files import read_header, read_number, read_rows

PHOTO_COLUMNS = ("image", "x", "y", "width", "height", "kind", "emotion")
CLIP_COLUMNS = ("clip", "tracks", "emotion")
FACE, IGNORE, NONE = "face", "ignore", "none"  # kinds of a line
UNCLEAR = ("", "unclear")  # no expression is known


@dataclass(frozen=True)
class TrueFace:
    """One face of a photo."""

    box: Box  # pixels
    emotion: str | None  # None where the eye is not sure


@dataclass(frozen=True)
class PhotoTruth:
    """What one photo shows."""

    image: str  # file name
    faces: tuple[TrueFace, ...] = ()
    ignored: tuple[Box, ...] = ()  # where a detection counts neither way

    def scaled(self, factor: float) -> PhotoTruth:
        """The same photo, enlarged by a factor."""
        faces = tuple(TrueFace(_scaled(face.box, factor), face.emotion) for face in self.faces)
        return PhotoTruth(self.image, faces, tuple(_scaled(box, factor) for box in self.ignored))


@dataclass(frozen=True)
class ClipTruth:
    """What one clip shows."""

    clip: str  # file name
    tracks: int  # people in it, each to be followed by one track
    emotion: str | None  # of all of them, most of the time; None where the eye is not sure


def is_of_clips(path: Path) -> bool:
    """Whether a truth file is one of clips: its header has a column `clip`.

    Raises:
        UsageError: the file cannot be read.
    """
    return "clip" in read_header(path)


def read_photos(path: Path) -> list[PhotoTruth]:
    """Read the faces of photos; docs/field.md describes the file.

    Returns:
        The photos in the order of the file, boxes in pixels of the photo's file.

    Raises:
        UsageError: the file cannot be read, or a line of it is invalid.
    """
    faces: dict[str, list[TrueFace]] = {}
    ignored: dict[str, list[Box]] = {}
    for number, row in read_rows(path, PHOTO_COLUMNS):
        image, kind = row["image"], row["kind"]
        of_image = faces.setdefault(image, [])
        if kind == NONE:
            continue
        x, y, width, height = (read_number(path, number, row, key) for key in ("x", "y", "width", "height"))
        if kind not in (FACE, IGNORE) or min(width, height) <= 0:
            raise UsageError(
                f"{path}, line {number}: kind must be {FACE}, {IGNORE} or {NONE}, and a box needs a width and a height."
            )
        box = Box(x, y, width, height)
        if kind == FACE:
            of_image.append(TrueFace(box, _emotion(row["emotion"])))
        else:
            ignored.setdefault(image, []).append(box)
    if not faces:
        raise UsageError(f"{path}: the file has no photos; add lines with {','.join(PHOTO_COLUMNS)}.")
    return [PhotoTruth(image, tuple(found), tuple(ignored.get(image, ()))) for image, found in faces.items()]


def read_clips(path: Path) -> list[ClipTruth]:
    """Read what clips show; docs/field.md describes the file.

    Raises:
        UsageError: the file cannot be read, or a line of it is invalid.
    """
    clips = []
    for number, row in read_rows(path, CLIP_COLUMNS):
        tracks = read_number(path, number, row, "tracks")
        if tracks != int(tracks):
            raise UsageError(f"{path}, line {number}: tracks is {row['tracks']!r}; it must be a whole number.")
        clips.append(ClipTruth(row["clip"], int(tracks), _emotion(row["emotion"])))
    if not clips:
        raise UsageError(f"{path}: the file has no clips; add lines with {','.join(CLIP_COLUMNS)}.")
    return clips


def chosen(photos: Iterable[PhotoTruth], which: str) -> list[PhotoTruth]:
    """The photos with an odd or an even number, or all.

    Args:
        photos: of a truth file.
        which: odd or even, by the last number in a photo's name; or all.

    Raises:
        UsageError: a photo's name has no number, or no photo is left.
    """
    left = [photo for photo in photos if which == "all" or _number(photo.image) % 2 == (which == "odd")]
    if not left:
        raise UsageError(f"no photo of the truth file has an {which} number; use --photos all.")
    return left


def check_emotions(emotions: Iterable[str | None], labels: Iterable[str]) -> None:
    """Check that the model has every expression of a truth file.

    Raises:
        UsageError: it has not.
    """
    known = tuple(labels)
    for emotion in emotions:
        if emotion is not None and emotion not in known:
            raise UsageError(
                f"the truth file has the expression {emotion!r}, which the model does not have; use one of "
                f"{', '.join(known)}, or unclear."
            )


def _number(image: str) -> int:
    found = re.findall(r"\d+", Path(image).stem)
    if not found:
        raise UsageError(f"{image}: this name has no number, so it is neither odd nor even; use --photos all.")
    return int(found[-1])


def _emotion(cell: str) -> str | None:
    return None if cell in UNCLEAR else cell


def _scaled(box: Box, factor: float) -> Box:
    return Box(*(factor * value for value in box))
