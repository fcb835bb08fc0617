"""Programs outside the repository import data sets by the path from before the rooms."""

from __future__ import annotations

import trainer.dataset
from trainer.data import dataset, fer2013


def test_the_older_path_has_the_same_objects() -> None:
    assert trainer.dataset.LABELS is dataset.LABELS and trainer.dataset.FaceSet is dataset.FaceSet
    assert trainer.dataset.load_dataset is fer2013.load_dataset
    assert trainer.dataset.toy_dataset is fer2013.toy_dataset
