"""fer2013new.csv beside fer2013.csv gives the FER+ votes."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.data.dataset import Dataset
from trainer.data.fer2013 import load_dataset

USAGE = {"training": "Training", "public_test": "PublicTest", "private_test": "PrivateTest"}
HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


@pytest.mark.parametrize("missing", [0, 1])
def test_votes_beside_the_csv(
    tmp_path: Path, faces: Dataset, csv_text: str, missing: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fer2013.csv").write_text(csv_text)
    usages = [USAGE[split] for split, part in faces.splits.items() for _ in part.labels]
    lines = [f"{usage},,{n % 10},0,0,0,0,0,0,0,0,1" for n, usage in enumerate(usages)]
    (tmp_path / "fer2013new.csv").write_text("\n".join([HEADER, *lines[missing:]]) + "\n")
    read = load_dataset(str(tmp_path / "fer2013.csv"))
    assert read.digest == faces.digest
    votes = read["public_test"].votes
    if missing:
        assert votes is None and "left out" in capsys.readouterr().err
    else:
        assert votes is not None and votes[:3].tolist() == [[n, *[0] * 8, 1] for n in (4, 5, 6)]
