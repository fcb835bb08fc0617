"""A fer2013.csv that a spreadsheet saved again gives the same faces."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.data.dataset import Dataset
from trainer.data.fer2013 import load_dataset
from trainer.data.statistics import describe
from trainer.errors import DataError


def quoted(text: str) -> str:
    return "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in text.splitlines()) + "\n"


@pytest.mark.parametrize("quotes", [False, True])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_byte_order_mark_line_ends_and_quotes(
    tmp_path: Path, faces: Dataset, csv_text: str, encoding: str, newline: str, quotes: bool
) -> None:
    path = tmp_path / "faces.csv"
    path.write_text(quoted(csv_text) if quotes else csv_text, encoding=encoding, newline=newline)
    assert load_dataset(str(path)).digest == faces.digest


def test_a_pixel_larger_than_any_integer_is_a_sentence(tmp_path: Path, csv_text: str) -> None:
    path = tmp_path / "faces.csv"
    head, first, *rest = csv_text.splitlines()
    label, pixels, usage = first.split(",")
    path.write_text("\n".join([head, f"{label},{'9' * 30} {pixels.split(' ', 1)[1]},{usage}", *rest]))
    with pytest.raises(DataError, match=r"line 2: the pixels are not all whole numbers from 0 to 255\."):
        load_dataset(str(path))


def test_too_few_training_faces_for_another_split(tmp_path: Path, csv_text: str) -> None:
    path = tmp_path / "faces.csv"
    path.write_text("\n".join([*csv_text.splitlines()[:1], *csv_text.splitlines()[1:8]]))
    read = load_dataset(str(path))
    assert list(read.splits) == ["training"] and describe(read)["splits"]["training"]["n"] == 7
