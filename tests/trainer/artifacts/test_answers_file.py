"""Files of answers: written view by view, read back, never mixed up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.artifacts import answers_file
from trainer.artifacts.answers_file import AnswersWriter, decode, encode, files_in, read_answers, views_in
from trainer.artifacts.answers_header import AnswersHeader, difference
from trainer.augment_config import AugmentConfig
from trainer.data.dataset import LABELS
from trainer.errors import CheckpointError

HEADER = AnswersHeader("aa", 20, LABELS, vars(AugmentConfig()), 0.4, 0.5, 0, {"bb": "vgg16"}, 2.0, True)


def codes(view: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(view).integers(0, 256, (20, 7), np.uint8)


def signature(view: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.full(16, view, np.uint8)


def write(folder: Path, views: range, header: AnswersHeader = HEADER) -> AnswersWriter:
    writer = AnswersWriter(folder, header)
    for view in views:
        writer.write(codes(view), signature(view))
    return writer


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for three views a file."""
    monkeypatch.setattr(answers_file, "MAX_BYTES", len(HEADER.line()) + 8 + 3 * HEADER.block_bytes)


@pytest.mark.usefixtures("small_files")
def test_views_come_back_from_several_files(tmp_path: Path) -> None:
    write(tmp_path, range(5))
    writer = write(tmp_path, range(5, 8))  # as a second start does
    assert writer.done == 8 and len(files_in(tmp_path)) == 3
    assert all(file.stat().st_size <= answers_file.MAX_BYTES for file in files_in(tmp_path))
    answers = read_answers([tmp_path])
    assert list(answers.views) == list(range(8)) and answers.header == HEADER and not answers.missing
    for view, answer in answers.views.items():
        assert np.array_equal(answer.codes, codes(view)) and np.array_equal(answer.signature, signature(view))
    one = read_answers([files_in(tmp_path)[1]])
    assert list(one.views) == [3, 4, 5] and not one.missing
    files_in(tmp_path)[1].unlink()
    (sentence,) = read_answers([tmp_path]).missing
    assert sentence.endswith("answers-000.bin: 3 views between 0 and 7 are missing; copy all files.")


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("lost", [1, 50, HEADER.block_bytes - 1])
def test_a_view_that_was_cut_off_is_written_again(tmp_path: Path, lost: int) -> None:
    write(tmp_path, range(5))
    last = files_in(tmp_path)[-1]
    last.write_bytes(last.read_bytes()[:-lost])
    cut = read_answers([tmp_path])
    assert list(cut.views) == [0, 1, 2, 3]
    assert cut.missing == (
        f"{last}: the file ends within view 4, which is left out; copy the file again, or run the same `trainer "
        "answers` again.",
    )
    assert AnswersWriter(tmp_path, HEADER).done == 4
    write(tmp_path, range(4, 5))
    assert np.array_equal(read_answers([tmp_path]).views[4].codes, codes(4))


@pytest.mark.usefixtures("small_files")
def test_views_are_added_behind_a_header_of_another_length(tmp_path: Path) -> None:
    """As where the same weights were given under a shorter name."""
    write(tmp_path, range(4))
    renamed = replace(HEADER, teachers={"bb": "vgg"})
    write(tmp_path, range(4, 8), renamed)
    answers = read_answers([tmp_path])
    assert all(np.array_equal(answers.views[view].codes, codes(view)) for view in range(8))


@pytest.mark.usefixtures("small_files")
def test_a_file_that_a_full_disk_left_empty_is_written_again(tmp_path: Path) -> None:
    write(tmp_path, range(3))
    (tmp_path / "answers-001.bin").touch()
    assert views_in(tmp_path) == 3
    assert write(tmp_path, range(3, 4)).done == 4 and list(read_answers([tmp_path]).views) == [0, 1, 2, 3]


def test_a_damaged_view_is_refused(tmp_path: Path) -> None:
    write(tmp_path, range(2))
    (file,) = files_in(tmp_path)
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"damaged \(view 1\)"):
        read_answers([tmp_path])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"faces": "cc"}, "other faces"),
        ({"augment": vars(AugmentConfig(noise=0.1))}, r"augment\.noise is 0\.0 instead of 0\.1"),
        ({"teachers": {"cc": "resnet18"}}, r"teachers are vgg16 \(bb\) instead of resnet18 \(cc\)"),
        ({"seed": 1}, "seed is 0 instead of 1"),
        ({"mixup": 0.2}, r"mixup is 0\.4 instead of 0\.2"),
        ({"temperature": 3.0}, r"temperature is 2\.0"),
        ({"mirror": False}, "mirror is True"),
    ],
)
def test_answers_of_something_else_are_not_continued(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    write(tmp_path, range(1))
    other = replace(HEADER, **changes)
    with pytest.raises(CheckpointError, match=words):
        AnswersWriter(tmp_path, other)
    write(tmp_path / "other", range(1), other)
    with pytest.raises(CheckpointError, match="do not go with"):
        read_answers([tmp_path, tmp_path / "other"])


def test_an_augmentation_that_came_later_was_off(tmp_path: Path) -> None:
    old = replace(HEADER, augment={name: value for name, value in HEADER.augment.items() if name != "noise"})
    write(tmp_path, range(1), old)
    assert not difference(read_answers([tmp_path]).header, HEADER)


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there are no answers here"):
        read_answers([tmp_path])


@given(st.lists(st.floats(0.01, 20), min_size=7, max_size=7))
def test_what_rounding_changes_is_small(weights: list[float]) -> None:
    shares = np.array(weights) / np.sum(weights)
    stored = np.exp(decode(encode(np.log(shares)))).astype(np.float64)
    stored /= stored.sum()
    assert np.sum(shares * np.log(shares / stored)) < 4e-4  # nats
    assert np.abs(shares - stored).max() < 0.012
