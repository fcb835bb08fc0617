"""A fer2013.csv that a spreadsheet saved again gives the same faces."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.data.dataset import Dataset
from trainer.data.fer2013 import load_dataset


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
