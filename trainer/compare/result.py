"""What is known of one experiment, from `trainer compare --list` to a finished row.

`ExperimentResult.to_json` and `from_json` are the only places that know the keys of row.json,
compare.json and `--json`. Those keys and the values of `Status` never change.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, final


class Status(StrEnum):
    """How far an experiment is. The values are those of the JSON files; `label` is for people."""

    NOT_TRAINED = "not trained"
    IN_PROGRESS = "under way"
    TRAINED = "taught"
    NOT_EVALUATED = "not read"
    EVALUATED = "trained"
    NOT_COMPARABLE = "not comparable"

    @property
    def label(self) -> str:
        """The status in a table."""
        return LABELS.get(self, self.value)


LABELS = {
    Status.IN_PROGRESS: "in progress",
    Status.TRAINED: "trained, not evaluated",
    Status.NOT_EVALUATED: "not evaluated",
}


@dataclass(frozen=True)
class Epochs:
    """Epochs of the schedule, those trained so far (the last maybe in part); None for a file."""

    planned: int | None
    done: float | None


@final
@dataclass(frozen=True)
class FaceCounts:
    """Faces of each split."""

    training: int
    validation: int
    test: int


@final
@dataclass(frozen=True)
class EpochScores:
    """One epoch; `divergence` is training accuracy, on augmented views, less validation's."""

    epoch: int
    accuracy: float
    train_accuracy: float
    top5: float | None = None
    divergence: float | None = None


@final
@dataclass(frozen=True)
class History:
    """How a training went.

    Attributes:
        best: the epoch of the best validation accuracy.
        last: the last epoch.
        r: Pearson's, of validation loss and accuracy.
        seconds: of all epochs.
    """

    best: EpochScores
    last: EpochScores | None = None
    r: float | None = None
    seconds: float | None = None


@final
@dataclass(frozen=True)
class TestScores:
    """Scores on the test faces.

    Attributes:
        without_duplicates: accuracy on the faces whose exact pixels are not in training.
        measured: all scores with the keys of `trainer evaluate --json`, those above too.
    """

    __test__ = False  # it is no test of pytest's

    n: int
    accuracy: float
    standard_error: float
    without_duplicates: float | None = None
    top5: float | None = None
    macro_f1: float | None = None
    weighted_f1: float | None = None
    weighted_precision: float | None = None
    weighted_recall: float | None = None
    mean_auc: float | None = None
    measured: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TestScores:
        """The scores that `to_json` returned."""
        distinct = values.get("without_duplicates")
        known = _known(cls, values) | {"without_duplicates": distinct["accuracy"] if distinct else None}
        return cls(**known | {"measured": values})

    def to_json(self) -> dict[str, Any]:
        """All scores, ready for JSON."""
        return self.measured


@final
@dataclass(frozen=True)
class Latency:
    """Cost of one face on one CPU thread; see `trainer.evaluation.latency.measure`."""

    median_ms: float
    n: int | None = None
    machine: str | None = None
    pieces: int | None = None
    outside: dict[str, int] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class ModelFile:
    """The experiment as a .tflite.

    Attributes:
        dtype: "int8" or "float32"; None where there is no file.
        why_not: why there is no file, or why it is not int8; else empty.
        gates_failed: gates of `trainer convert` that it fails, with their figures.
        bytes: its size.
        accuracy: on the test faces.
        agreement: share of test faces with the prediction that the network had before.
        seconds: CPU time for the test faces.
        latency: of one face.
    """

    dtype: str | None
    why_not: str = ""
    gates_failed: tuple[str, ...] = ()
    bytes: int | None = None
    accuracy: float | None = None
    agreement: float | None = None
    seconds: float | None = None
    latency: Latency | None = None


@dataclass(frozen=True)
class ExperimentResult:
    """One experiment and what is known of it so far; what is not known is None.

    Attributes:
        key: `study/name`, unique.
        published: what the study reports; empty where we have no figure.
        note: what a reader must know.
        why: why nothing more is done; else empty.
        protocol: the split, a key of `trainer.data.splits.PROTOCOLS`.
        macs: multiply-accumulates of one face.
        history: of the training.
        test: scores on the test faces.
        curve: validation accuracy after each epoch.
        test_seconds: CPU time for the test faces, before the conversion.
        trained_on: the machine.
        file: the network as a .tflite.
        model_digest: of a finished file.
        faces: of each split.
        tested_on: what the test faces are, in words.
        data: where the faces come from.
        data_digest: of the faces.
    """

    key: str
    study: str
    name: str
    network: str
    protocol: str
    epochs: Epochs
    parameters: int | None = None
    macs: float | None = None
    published: str = ""
    note: str = ""
    status: Status = Status.NOT_TRAINED
    why: str = ""
    history: History | None = None
    test: TestScores | None = None
    curve: tuple[float, ...] | None = None
    test_seconds: float | None = None
    trained_on: str | None = None
    file: ModelFile | None = None
    model_digest: str | None = None
    faces: FaceCounts | None = None
    tested_on: str | None = None
    data: str | None = None
    data_digest: str | None = None

    @property
    def short(self) -> bool:
        """Whether it was trained for so many minutes only, as `Experiment.with_minutes` notes."""
        return "short schedule" in self.note

    def to_json(self) -> dict[str, Any]:
        """Plain values with the keys of row.json; what is not known has no key."""
        values: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if value is not None:
                values[KEYS.get(one.name, one.name)] = _plain(value)
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ExperimentResult:
        """The result that `to_json` returned, in this version or an earlier one."""
        names = {key: name for name, key in KEYS.items()}
        known = _known(cls, {names.get(key, key): value for key, value in values.items()})
        known["status"] = Status(known.get("status", Status.NOT_TRAINED))
        known["epochs"] = Epochs(**_known(Epochs, known["epochs"]))
        for name, read in READERS.items():
            if known.get(name) is not None:
                known[name] = read(known[name])
        return cls(**known)


KEYS = {"status": "state", "history": "dynamics", "trained_on": "taught_on"}
"""The attributes whose key in the files has another name."""


def history_from_json(values: dict[str, Any]) -> History:
    """The history that `trainer.evaluation.history.dynamics` returned."""
    known = _known(History, values)
    for name in ("best", "last"):
        if known.get(name) is not None:
            known[name] = EpochScores(**_known(EpochScores, known[name]))
    return History(**known)


def _file_from_json(values: dict[str, Any]) -> ModelFile:
    known = _known(ModelFile, values) | {"gates_failed": tuple(values.get("gates_failed", ()))}
    if known.get("latency") is not None:
        known["latency"] = Latency(**_known(Latency, known["latency"]))
    return ModelFile(**known)


READERS: dict[str, Callable[[Any], Any]] = {
    "history": history_from_json,
    "test": TestScores.from_json,
    "curve": tuple,
    "file": _file_from_json,
    "faces": lambda values: FaceCounts(**_known(FaceCounts, values)),
}


def _known(cls: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    """The values that are fields of a class; another version may have left more of them."""
    return {one.name: values[one.name] for one in fields(cls) if one.name in values}


def _plain(value: Any) -> Any:
    """A value ready for JSON."""
    if isinstance(value, TestScores):
        return value.to_json()
    if isinstance(value, ModelFile | History):
        return {
            one.name: _plain(v)
            for one in fields(value)
            if (v := getattr(value, one.name)) is not None or one.name in ALWAYS
        }
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, StrEnum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


ALWAYS = ("dtype", "r")  # keys of nested values that are null where not known
