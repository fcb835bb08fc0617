"""Truth files: what photos and clips show; an error names the line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from device.errors import SourceError, UsageError
from device.inference.box import Box
from device.replay.truth import (
    ClipTruth,
    PhotoTruth,
    TrueFace,
    chosen,
    find_file,
    is_of_clips,
    read_clips,
    read_photos,
)

HEAD = "image,x,y,width,height,kind,emotion\n"
CLIPS = "clip,tracks,emotion\n"


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "truth.csv"
    path.write_text(text)
    return path


def test_faces_and_ignored_places_are_read_by_photo(tmp_path: Path) -> None:
    text = HEAD + "a1.jpg,10,20,30,40,face,happy\nb2.jpg,0,0,0,0,none,\na1.jpg,1,2,3,4,ignore,\n"
    text += "a1.jpg,50.5,60,30,40,face,unclear\n"
    faces = TrueFace(Box(10, 20, 30, 40), "happy"), TrueFace(Box(50.5, 60, 30, 40), None)
    assert read_photos(file(tmp_path, text)) == [
        PhotoTruth("a1.jpg", faces, (Box(1, 2, 3, 4),)),
        PhotoTruth("b2.jpg"),
    ]


def test_columns_may_have_any_order_and_there_may_be_more(tmp_path: Path) -> None:
    text = "tags,emotion,kind,height,width,y,x,image\nside,sad,face,4,3,2,1,a.jpg\n"
    assert read_photos(file(tmp_path, text)) == [PhotoTruth("a.jpg", (TrueFace(Box(1, 2, 3, 4), "sad"),))]


def test_clips_are_read(tmp_path: Path) -> None:
    path = file(tmp_path, CLIPS + "a.mp4,0,\nb.mp4,2,neutral\n")
    assert is_of_clips(path)
    assert read_clips(path) == [ClipTruth("a.mp4", 0, None), ClipTruth("b.mp4", 2, "neutral")]
    assert not is_of_clips(file(tmp_path, HEAD))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (HEAD, "the file has no photos; add lines with image,x,y,width,height,kind,emotion."),
        ("image,x,y\n", "line 1: the header has no column width; add it."),
        (HEAD + "a.jpg,1,2,3,4,dog,\n", "line 2: kind must be face, ignore or none, and a box needs"),
        (HEAD + "a.jpg,1,2,0,4,face,\n", "line 2: kind must be face, ignore or none, and a box needs"),
        (HEAD + "a.jpg,1,2,wide,4,face,\n", "line 2: width is 'wide'; it must be a number of at least 0."),
        (HEAD + "a.jpg,1,2,3,4,face\n", "line 2: this line must have 7 cells, like the header."),
        (HEAD + "a.jpg,0,0,1e308,1e308,face,\n", "line 2: the box has a number above 1,000,000; they are pixels of"),
        (HEAD + "a.jpg,0,0,inf,4,face,\n", "line 2: width is 'inf'; it must be a number of at least 0."),
        (HEAD + ",1,2,3,4,face,\n", "line 2: image is ''; it must be the name of a file."),
        (HEAD + 2 * "a.jpg,1,2,3,4,face,\n", "line 3: a line above has the same photo and the same box; remove one"),
        (HEAD + "a.jpg,1,2,3,4,face,\na.jpg,1,2.0,3,4,ignore,\n", "line 3: a line above has the same photo and the"),
        (HEAD + 2 * "a.jpg,0,0,0,0,none,\n", "line 3: a line above has the same photo and the same box; remove one"),
        (HEAD + "a.jpg,0,0,0,0,none,\na.jpg,1,2,3,4,face,\n", "line 3: a.jpg has both a line of kind none and one"),
        (HEAD + "a.jpg,1,2,3,4,face,\na.jpg,0,0,0,0,none,\n", "line 3: a.jpg has both a line of kind none and one"),
    ],
)
def test_an_invalid_truth_of_photos_is_an_error(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=r"truth\.csv") as raised:
        read_photos(file(tmp_path, text))
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (CLIPS, "the file has no clips; add lines with clip,tracks,emotion."),
        (CLIPS + "a.mp4,1.5,\n", "line 2: tracks is '1.5'; it must be a whole number."),
        (CLIPS + "a.mp4,some,\n", "line 2: tracks is 'some'; it must be a number of at least 0."),
        (CLIPS + ",1,\n", "line 2: clip is ''; it must be the name of a file."),
        (CLIPS + ".,1,\n", "line 2: clip is '.'; it must be the name of a file."),
        (CLIPS + "a.mp4,1,\nb.mp4,1,\na.mp4,2,\n", "line 4: a line above has the same clip; remove one of them."),
    ],
)
def test_an_invalid_truth_of_clips_is_an_error(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_clips(file(tmp_path, text))
    assert sentence in str(raised.value)


def test_a_photo_is_scaled_with_all_its_boxes() -> None:
    photo = PhotoTruth("a.jpg", (TrueFace(Box(10, 20, 30, 40), None),), (Box(2, 4, 6, 8),))
    assert photo.scaled(0.5) == PhotoTruth("a.jpg", (TrueFace(Box(5, 10, 15, 20), None),), (Box(1, 2, 3, 4),))


def test_photos_are_chosen_by_the_last_number_of_their_names() -> None:
    photos = [PhotoTruth(name) for name in ("set2-photo-001.jpg", "set2-photo-002.jpg", "3.jpg")]
    assert [photo.image for photo in chosen(photos, "odd")] == ["set2-photo-001.jpg", "3.jpg"]
    assert [photo.image for photo in chosen(photos, "even")] == ["set2-photo-002.jpg"]
    assert chosen(photos, "all") == photos


def test_photos_that_cannot_be_chosen_are_an_error() -> None:
    with pytest.raises(UsageError, match=r"ada\.jpg: this name has no number.*use --photos all\.$"):
        chosen([PhotoTruth("ada.jpg")], "odd")
    with pytest.raises(UsageError, match=r"no photo of the truth file has an even number; use --photos all\.$"):
        chosen([PhotoTruth("1.jpg")], "even")


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (read_photos, HEAD + "a.jpg,1,2,3,4,face,happy\na.jpg,9,9,3,4,face,joyful\n"),
        (read_clips, CLIPS + "a.mp4,1,\nb.mp4,1,joyful\n"),
    ],
)
def test_an_expression_that_the_model_does_not_have_is_an_error(
    tmp_path: Path, read: Callable[[Path, tuple[str, ...] | None], object], text: str
) -> None:
    path = file(tmp_path, text)
    read(path, None)
    read(path, ("joyful", "happy"))
    with pytest.raises(UsageError) as raised:
        read(path, ("happy", "sad"))
    what = "the expression is 'joyful', which the model does not have; use one of happy, sad, or unclear."
    assert str(raised.value) == f"{path}, line 3: {what}"


def test_a_clip_may_be_a_folder_and_is_no_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "clip").mkdir()
    assert find_file(tmp_path, "clip", folders=True) == tmp_path / "clip"
    for name, folders in (("pipe", True), ("absent", True), ("clip", False)):
        with pytest.raises(SourceError, match=rf"{name}: there is no such photo or clip; name their folder after"):
            find_file(tmp_path, name, folders)
