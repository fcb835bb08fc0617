"""The header of a file of answers: a field that is not as it must be is named in one sentence."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from trainer.artifacts.answers_file import files_in, read_answers, views_in
from trainer.artifacts.answers_header import AnswersHeader, read_header
from trainer.augment_config import AugmentConfig
from trainer.data.dataset import LABELS
from trainer.errors import CheckpointError

HEADER = AnswersHeader("aa", 20, LABELS, vars(AugmentConfig()), 0.4, 0.5, 0, {"bb": "vgg16"}, 2.0, True)
LONG_NAME = "a" * 300


def written(folder: Path, **changes: Any) -> Path:
    """A file with a header of these changes; None leaves a field out."""
    values = json.loads(HEADER.line()) | changes
    file = folder / "answers-000.bin"
    file.write_text(json.dumps({name: value for name, value in values.items() if value is not None}) + "\n")
    return file


def test_a_header_comes_back(tmp_path: Path) -> None:
    assert read_header(written(tmp_path)) == HEADER
    assert read_header(written(tmp_path, first=3)).first == 3
    assert read_header(written(tmp_path, first=None, temperature=2)) == HEADER


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("faces", 1, "faces is 1, but must be text"),
        ("count", "2", "count is '2', but must be a whole number at least 1"),
        ("count", 0, "count is 0, but"),
        ("count", True, "count is True, but"),
        ("labels", "happy", "labels is 'happy', but must be a list"),
        ("labels", ["happy", 3], "labels is .*, but"),
        ("augment", ["flip"], "augment is .*, but must be an object"),
        ("augment", {"flip": "0.5"}, r"augment\.flip is '0\.5', but must be a number"),
        ("augment", {"flip": 2}, r"augment\.flip is 2, but must be a number at least 0 and at most 1"),
        ("augment", {"flip": float("nan")}, r"augment\.flip is nan, but must be a number"),
        ("augment", {"flip": [[]]}, r"augment\.flip is \[\[\]\], but"),
        ("augment", {"glare": 0.5}, r"augment\.glare, which this version of the trainer does not know"),
        ("mixup", float("nan"), "mixup is nan, but must be a number from 0 to 10"),
        ("mixup_share", -0.1, "mixup_share is -0.1, but"),
        ("seed", -1, "seed is -1, but must be a whole number from 0 to 4294967295"),
        ("seed", 0.5, "seed is 0.5, but"),
        ("seed", "x", "seed is 'x', but"),
        ("teachers", ["vgg16"], "teachers is .*, but must be an object of names"),
        ("teachers", {"bb": 1}, "teachers is .*, but"),
        ("temperature", "2", "temperature is '2', but must be a number above 0 and at most 100"),
        ("temperature", 0, "temperature is 0, but"),
        ("temperature", -1.0, "temperature is -1.0, but"),
        ("temperature", float("inf"), "temperature is inf, but"),
        ("mirror", 1, "mirror is 1, but must be true or false"),
        ("first", "0", "first is '0', but must be a whole number at least 0"),
        ("first", -1, "first is -1, but"),
        ("seed", None, "it has no seed"),
        ("views", 20, "views is unknown to this version of the trainer"),
    ],
)
def test_a_field_that_is_not_as_it_must_be_is_named(tmp_path: Path, field: str, value: Any, words: str) -> None:
    file = written(tmp_path, **{field: value})
    for read in (read_header, lambda file: read_answers([file]), lambda file: views_in(file.parent)):
        with pytest.raises(CheckpointError, match=words) as caught:
            read(file)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{}\n", b"\x00\x01", b'{"format": "emotion-edge answers"}\n', b"[]\n", b'"format"\n'),
        *(HEADER.line().rstrip(), b'{"format": ' * 5000, b"[" * 100_000 + b"\n", b"\xff\n", b"9" * 5000 + b"\n"),
    ],
    ids=lambda content: repr(content[:12]),
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "answers-000.bin"
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match="no file of answers"):
        read_answers([file])


def test_a_path_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.bin", tmp_path / LONG_NAME, tmp_path / LONG_NAME / "answers-000.bin"):
        with pytest.raises(CheckpointError, match=r"cannot be read: (No such file|File name too long)"):
            read_answers([path])
    with pytest.raises(CheckpointError, match="cannot be read: File name too long"):
        views_in(tmp_path / LONG_NAME)
    assert files_in(tmp_path / "missing") == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission_is_said(tmp_path: Path) -> None:
    written(tmp_path)
    for path, mode in ((tmp_path / "answers-000.bin", 0o000), (tmp_path, 0o000)):
        path.chmod(mode)
        try:
            with pytest.raises(CheckpointError, match="cannot be read: Permission denied"):
                read_answers([tmp_path])
        finally:
            path.chmod(0o755)
