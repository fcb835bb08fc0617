"""Truth files: what photos and clips show; an error names the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.errors import UsageError
from device.inference.box import Box
from device.replay.truth import (
    ClipTruth,
    PhotoTruth,
    TrueFace,
    check_emotions,
    chosen,
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


def test_an_expression_that_the_model_does_not_have_is_an_error() -> None:
    check_emotions(["happy", None], ("happy", "sad"))
    with pytest.raises(UsageError, match=r"'joyful', which the model does not have; use one of happy, sad, or unclear"):
        check_emotions(["joyful"], ("happy", "sad"))
