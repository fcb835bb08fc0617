"""Photos are read at once, films as `device run` reads them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from device import FaceRow, analyze
from device.analysis import find_media
from device.errors import ConfigError, SourceError
from tests.support.clips import PORTRAIT, portrait, scene, write_clip

LAW = {"purpose": "test", "jurisdiction": "eu"}


def test_a_photo_is_read_at_once_for_what_it_shows() -> None:
    (row,) = analyze(PORTRAIT, **LAW)
    assert (row.file, row.time_s, row.face, row.emotion) == (str(PORTRAIT), None, 1, "happy")
    assert row.confidence == row.scores["happy"] == max(row.scores.values()) > 0.5
    assert sum(row.scores.values()) == pytest.approx(1)
    x, y, width, height = row.box
    assert 100 < x < x + width < 330 and 20 < y < y + height < 250  # where the portrait's face is


def test_the_faces_of_a_photo_are_counted_from_the_left_in_each_photo(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        cv2.imwrite(str(tmp_path / name), scene([(380, 150, 200), (40, 150, 200)]))
    rows = list(analyze(tmp_path, **LAW))
    assert [(Path(row.file).name, row.face) for row in rows] == [
        ("one.png", 1), ("one.png", 2), ("two.png", 1), ("two.png", 2)
    ]  # fmt: skip
    assert rows[0].box[0] < rows[1].box[0]


def test_a_small_face_of_a_photo_is_unknown_but_has_a_row(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "face.png"), scene([(200, 100, 200)]))
    (row,) = analyze(tmp_path, **LAW, settings=["device.smoother.min_face_px=4000"])
    assert row.emotion == "unknown"


def test_a_film_has_rows_with_its_own_time_and_one_number_for_one_face(tmp_path: Path) -> None:
    film = write_clip(tmp_path / "film.avi", [portrait()] * 30, fps=10.0)
    rows = list(analyze(film, **LAW))
    times = [row.time_s for row in rows]
    assert times == pytest.approx([n / 10 for n in range(2, 30)])  # confirmed on the third frame
    assert {row.face for row in rows} == {1}
    assert (rows[0].emotion, rows[-1].emotion) == ("unknown", "happy")


def test_each_film_begins_anew(tmp_path: Path) -> None:
    for name in ("a.avi", "b.avi"):
        write_clip(tmp_path / name, [portrait()] * 6)
    rows = list(analyze([tmp_path / "a.avi", tmp_path / "b.avi"], **LAW))
    assert [(row.file[-5:], row.time_s, row.face) for row in rows[:4]] == [
        ("a.avi", pytest.approx(n / 10), 1) for n in range(2, 6)
    ]
    assert [(row.time_s, row.face) for row in rows[4:]] == [(row.time_s, row.face) for row in rows[:4]]


def test_a_folder_is_searched_with_its_folders_and_other_files_are_counted(tmp_path: Path) -> None:
    names = ["day-2/b.PNG", "day-10/c.jpg", "a.mp4", "notes.txt", ".hidden/d.jpg", "day-2/.e.jpg"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    media = find_media([tmp_path, tmp_path / "a.mp4"])
    assert [str(file.relative_to(tmp_path)) for file in media.files] == ["a.mp4", "day-2/b.PNG", "day-10/c.jpg"]
    assert media.passed_over == 1


@pytest.mark.parametrize(("purpose", "words"), [(None, "device.purpose is not set"), ("audience", "groups only")])
def test_a_purpose_is_required_that_allows_single_faces(purpose: str | None, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        analyze(PORTRAIT, purpose=purpose, jurisdiction="elsewhere")


def test_a_wrong_path_is_refused_at_the_call(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        analyze(tmp_path / "absent.jpg", **LAW)
    with pytest.raises(SourceError, match="no photo and no film"):
        analyze(tmp_path, **LAW)


def test_a_picture_that_is_cut_short_is_refused_when_its_turn_comes(tmp_path: Path) -> None:
    (tmp_path / "cut.jpg").write_bytes(PORTRAIT.read_bytes()[:300])
    rows = analyze([PORTRAIT, tmp_path / "cut.jpg"], **LAW)
    assert isinstance(next(rows), FaceRow)
    with pytest.raises(SourceError, match="cannot be decoded"):
        next(rows)


def test_a_picture_without_a_face_gives_no_row(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((480, 640, 3), 100, np.uint8))
    assert list(analyze(tmp_path / "grey.png", **LAW)) == []


def test_the_package_alone_imports_nothing_of_it() -> None:
    program = "import sys, device; print([name for name in sys.modules if name.startswith('device.')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
