"""The names of data sets where they were before the rooms, for programs outside this repository.

New code imports from `trainer.data.dataset` and `trainer.data.fer2013`.
"""

from trainer.data.dataset import LABELS, Dataset, FaceSet
from trainer.data.fer2013 import load_dataset, toy_dataset

__all__ = ["LABELS", "Dataset", "FaceSet", "load_dataset", "toy_dataset"]
