"""The rows that a call of `trainer compare` selects, with the settings of its command line."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from device.errors import UsageError
from trainer.compare.studies import EXTRA, STUDIES, Experiment
from trainer.compare.studies.compact import STUDY as BALANCED
from trainer.compare.studies.transfer import STUDY as TRANSFER
from trainer.compare.studies.transfer import from_imagenet
from trainer.config import StudyConfig, TrainConfig
from trainer.data.dataset import Dataset
from trainer.data.splits import studied
from trainer.errors import DataError


def chosen(args: argparse.Namespace, config: TrainConfig) -> list[Experiment]:
    """The selected rows, with the settings of the command line in place of their own.

    Raises:
        UsageError: an unknown name, or an option out of range.
    """
    if config.study != StudyConfig():
        raise UsageError("trainer.study is set by each row itself; choose rows with --models and --studies.")
    if (
        (args.epochs is not None and args.epochs < 1)
        or (args.hours is not None and not args.hours > 0)
        or args.jobs < 1
    ):
        raise UsageError("--epochs and --jobs must be at least 1, and --hours above 0.")
    if not 0 < args.minutes < math.inf:
        raise UsageError("--minutes must be a number above 0.")
    found = _named(args.studies, args.models)
    if args.epochs is not None:
        found = [row.with_epochs(args.epochs) for row in found]
    if args.short:
        found = [row.with_minutes(args.minutes) for row in found]
    if args.split_protocol is not None:
        found = [row.with_protocol(args.split_protocol) for row in found]
    if args.imagenet is not None:
        found = [_with_weights(row, args.imagenet) if row.study == TRANSFER else row for row in found]
    if args.balance_with is not None:
        folder = str(args.balance_with)
        found = [row.with_study(balance_with=folder) if row.study.startswith(BALANCED) else row for row in found]
    return found


def _named(studies: Sequence[str] | None, models: Sequence[str] | None) -> list[Experiment]:
    every = STUDIES | EXTRA
    for name in studies or ():
        if name not in every:
            raise UsageError(f"--studies: there is no study {name!r}; there are {', '.join(every)}.")
    rows = [row for name in (studies or STUDIES) for row in every[name]]
    if models is None:
        return rows
    for name in models:
        if not any(_is(row, name) for row in rows):
            raise UsageError(f"--models: no row is named {name!r} here; `trainer compare --list` names them.")
    return [row for row in rows if any(_is(row, name) for name in models)]


def _is(row: Experiment, name: str) -> bool:
    return name in (row.key, row.name) or (row.model is None and name == row.config.study.network)


def _with_weights(row: Experiment, folder: Path) -> Experiment:
    """The row with its network's ImageNet weights from a folder.

    Raises:
        DataError: the folder has no such file.
    """
    files = sorted(folder.glob(f"{row.config.study.network}*.pth"))
    if not files:
        raise DataError(f"{folder}: no file {row.config.study.network}*.pth is here, as torchvision names its weights.")
    return from_imagenet(row, str(files[0]))


def faces_of(rows: Sequence[Experiment], dataset: Dataset) -> dict[str, Dataset]:
    """Each row's faces, by its key; rows with the same split and balancing share them."""
    forms: dict[object, Dataset] = {}
    found = {}
    for row in rows:
        study = row.config.study
        form = (study.protocol, study.balance_to, study.balance_with)
        found[row.key] = forms[form] = forms.get(form) or studied(dataset, study)
    return found
