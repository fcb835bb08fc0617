"""Reads what photos and clips really show: boxes and expressions of photos, tracks of clips."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from device.errors import SourceError, UsageError, unreadable_as
from device.inference.box import Box
from device.replay.csv_files import read_header, read_name, read_number, read_rows

PHOTO_COLUMNS = ("image", "x", "y", "width", "height", "kind", "emotion")
CLIP_COLUMNS = ("clip", "tracks", "emotion")
FACE, IGNORE, NONE = "face", "ignore", "none"  # kinds of a line
UNCLEAR = ("", "unclear")  # no expression is known
MAX_PX = 1_000_000  # of a box; no photo is as large


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
    # "FILE, line N" of each box; of None: a line of kind none
    line_of_box: Mapping[Box | None, str] = field(default_factory=dict, compare=False)

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


def read_photos(path: Path, labels: Collection[str] | None = None) -> list[PhotoTruth]:
    """Read the faces of photos; docs/field.md describes the file.

    Args:
        path: of the file.
        labels: the expressions that may occur; None: any.

    Returns:
        The photos in the order of the file, boxes in pixels of the photo's file.

    Raises:
        UsageError: the file cannot be read, or a line of it is invalid.
    """
    line_of_box: dict[str, dict[Box | None, str]] = {}  # by image
    faces: dict[str, list[TrueFace]] = {}
    ignored: dict[str, list[Box]] = {}
    for number, row in read_rows(path, PHOTO_COLUMNS):
        image, where = read_name(path, number, row, "image"), f"{path}, line {number}"
        box, of_image = _box(path, number, row), line_of_box.setdefault(image, {})
        if box in of_image:
            raise UsageError(f"{where}: a line above has the same photo and the same box; remove one of them.")
        of_image[box] = where
        if box is not None and row["kind"] == FACE:
            faces.setdefault(image, []).append(TrueFace(box, _emotion(row["emotion"], labels, where)))
        elif box is not None:
            ignored.setdefault(image, []).append(box)
        if None in of_image and image in faces:
            raise UsageError(f"{where}: {image} has both a line of kind {NONE} and one of kind {FACE}; remove one.")
    if not line_of_box:
        raise UsageError(f"{path}: the file has no photos; add lines with {','.join(PHOTO_COLUMNS)}.")
    return [
        PhotoTruth(image, tuple(faces.get(image, ())), tuple(ignored.get(image, ())), of_image)
        for image, of_image in line_of_box.items()
    ]


def read_clips(path: Path, labels: Collection[str] | None = None) -> list[ClipTruth]:
    """Read what clips show; docs/field.md describes the file.

    Args:
        path: of the file.
        labels: the expressions that may occur; None: any.

    Raises:
        UsageError: the file cannot be read, or a line of it is invalid.
    """
    clips: dict[str, ClipTruth] = {}
    for number, row in read_rows(path, CLIP_COLUMNS):
        clip, where = read_name(path, number, row, "clip"), f"{path}, line {number}"
        tracks = read_number(path, number, row, "tracks")
        if tracks != int(tracks):
            raise UsageError(f"{where}: tracks is {row['tracks']!r}; it must be a whole number.")
        if clip in clips:
            raise UsageError(f"{where}: a line above has the same clip; remove one of them.")
        clips[clip] = ClipTruth(clip, int(tracks), _emotion(row["emotion"], labels, where))
    if not clips:
        raise UsageError(f"{path}: the file has no clips; add lines with {','.join(CLIP_COLUMNS)}.")
    return list(clips.values())


def find_file(folder: Path, name: str, folders: bool = False) -> Path:
    """The photo or clip that a truth file names.

    Args:
        folder: where it is.
        name: in the truth file.
        folders: whether it may be a folder of pictures.

    Raises:
        SourceError: it is not there.
    """
    path = folder / name
    with unreadable_as(SourceError, path):
        if path.is_file() or (folders and path.is_dir()):
            return path
    raise SourceError(f"{path}: there is no such photo or clip; name their folder after the options.")


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


def _number(image: str) -> int:
    found = re.findall(r"\d+", Path(image).stem)
    if not found:
        raise UsageError(f"{image}: this name has no number, so it is neither odd nor even; use --photos all.")
    return int(found[-1])


def _box(path: Path, number: int, row: dict[str, str]) -> Box | None:
    """The box of a line; None of kind `none`."""
    if row["kind"] == NONE:
        return None
    box = Box(*(read_number(path, number, row, key) for key in ("x", "y", "width", "height")))
    if row["kind"] not in (FACE, IGNORE) or min(box.width, box.height) <= 0:
        raise UsageError(
            f"{path}, line {number}: kind must be {FACE}, {IGNORE} or {NONE}, and a box needs a width and a height."
        )
    if max(box) > MAX_PX:
        raise UsageError(f"{path}, line {number}: the box has a number above {MAX_PX:,}; they are pixels of the photo.")
    return box


def _emotion(cell: str, labels: Collection[str] | None, where: str) -> str | None:
    if cell in UNCLEAR:
        return None
    if labels is not None and cell not in labels:
        raise UsageError(
            f"{where}: the expression is {cell!r}, which the model does not have; use one of {', '.join(labels)}, "
            "or unclear."
        )
    return cell


def _scaled(box: Box, factor: float) -> Box:
    return Box(*(factor * value for value in box))
