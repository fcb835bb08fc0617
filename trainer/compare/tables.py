"""The results of `trainer compare` as tables, in Markdown and CSV; unknown values stay empty."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from trainer.compare.result import EpochScores, ExperimentResult, History, ModelFile, Status
from trainer.data.splits import PROTOCOLS
from trainer.reporting.tables import ScoreTable, percent

EMPTY = "-"
Columns = dict[str, Callable[[ExperimentResult], str]]


def tables(results: Sequence[ExperimentResult]) -> list[ScoreTable]:
    """All tables that have a row; every result is in the table of accuracies."""
    return [table for table in (published(results), accuracy(results), learning(results), files(results)) if table.rows]


def published(results: Sequence[ExperimentResult]) -> ScoreTable:
    """The rows for which a study reports a figure, beside ours."""
    columns: Columns = {
        "published": lambda r: r.published,
        "ours, test": lambda r: _test(r) if r.test else status(r),
        "tested on": lambda r: r.tested_on or EMPTY,
        "ours, validation": lambda r: _share(r.history and r.history.best.accuracy),
        "ours, training, same epoch": lambda r: _share(r.history and r.history.best.train_accuracy),
        "epochs": _epochs,
        "parameters, M": lambda r: _number(r.parameters and 1e-6 * r.parameters, "{:.2f}"),
    }
    return _table("published, and ours", [r for r in results if r.published and _has_schedule(r)], columns)


def accuracy(results: Sequence[ExperimentResult]) -> ScoreTable:
    """Scores on the test faces, of the network as it was trained."""
    columns: Columns = {
        "state": status,
        "split": lambda r: r.protocol,
        "tested on": lambda r: r.tested_on or EMPTY,
        "n": lambda r: _number(r.faces and r.faces.test, "{:,}"),
        "parameters, M": lambda r: _number(r.parameters and 1e-6 * r.parameters, "{:.2f}"),
        "MMAC": lambda r: _number(r.macs and 1e-6 * r.macs, "{:,.0f}"),
        "test": _test,
        "without duplicates": lambda r: _share(r.test and r.test.without_duplicates),
        "top 5": lambda r: _share(r.test and r.test.top5),
        "macro F1": lambda r: _number(r.test and r.test.macro_f1, "{:.3f}"),
        "weighted F1": lambda r: _number(r.test and r.test.weighted_f1, "{:.3f}"),
        "weighted precision": lambda r: _number(r.test and r.test.weighted_precision, "{:.3f}"),
        "weighted recall": lambda r: _number(r.test and r.test.weighted_recall, "{:.3f}"),
        "mean AUC": lambda r: _number(r.test and r.test.mean_auc, "{:.3f}"),
    }
    return _table("accuracy on the test faces", results, columns)


def learning(results: Sequence[ExperimentResult]) -> ScoreTable:
    """How the training of each row went."""
    columns: Columns = {
        "epochs": _epochs,
        "best epoch": lambda r: _number(r.history and r.history.best.epoch, "{}"),
        **_moment("best", lambda history: history.best),
        **_moment("last", lambda history: history.last),
        "r of loss and accuracy": lambda r: _number(r.history and r.history.r, "{:+.3f}"),
        "training, s": lambda r: _number(r.history and r.history.seconds, "{:,.0f}"),
        "trained on": lambda r: r.trained_on or EMPTY,
        "note": lambda r: r.note or EMPTY,
    }
    return _table("training", [r for r in results if r.history], columns)


def _moment(when: str, epoch_of: Callable[[History], EpochScores | None]) -> Columns:
    """The columns of one epoch of the training."""

    def found(result: ExperimentResult) -> EpochScores | None:
        return epoch_of(result.history) if result.history else None

    return {
        f"train, {when}": lambda r: _share((e := found(r)) and e.train_accuracy),
        f"validation, {when}": lambda r: _share((e := found(r)) and e.accuracy),
        f"top 5, {when}": lambda r: _share((e := found(r)) and e.top5),
        f"divergence, {when}": lambda r: _number((e := found(r)) and e.divergence, "{:+.3f}"),
    }


def files(results: Sequence[ExperimentResult]) -> ScoreTable:
    """Each row as a .tflite: its form, its accuracy, its cost."""
    filed = {result.key: result.file for result in results if result.file}
    columns: dict[str, Callable[[ModelFile], str]] = {
        "file": lambda f: f.dtype or EMPTY,
        "kB": lambda f: _number(f.bytes and 1e-3 * f.bytes, "{:,.0f}"),
        "test": lambda f: _share(f.accuracy),
        "same prediction": lambda f: _share(f.agreement),
        "ms a face": lambda f: _number(f.latency and f.latency.median_ms, "{:.2f}"),
        "pieces": lambda f: _number(f.latency and f.latency.pieces, "{}"),
        "operators left out": _left_out,
        "gates failed": lambda f: "; ".join(f.gates_failed) or EMPTY,
        "test set, s": lambda f: _number(f.seconds, "{:.1f}"),
    }
    before = {result.key: _number(result.test_seconds, "{:.1f}") for result in results}
    rows = [[key, *(show(file) for show in columns.values()), before[key]] for key, file in filed.items()]
    return ScoreTable("as a file for a device", ["row", *columns, "test set before, s"], rows)


def listing(results: Sequence[ExperimentResult]) -> str:
    """The rows before any work, in 80 columns; a study's figure is below its row."""
    lines = ["row                           network             split    epochs  M par.   MMAC"]
    for r in results:
        row = f"{r.key:<29} {r.network if r.network != r.name else '':<19} {r.protocol:<8}"
        epochs, parameters = _number(r.epochs.planned, "{}"), _number(r.parameters and 1e-6 * r.parameters, "{:.2f}")
        lines.append(f"{row} {epochs:>6} {parameters:>7} {_number(r.macs and 1e-6 * r.macs, '{:,.0f}'):>6}")
        lines += [f"    published: {r.published}"] if r.published else []
    return "\n".join(line for text in lines for line in textwrap.wrap(text, 80, subsequent_indent=" " * 6))


def _table(title: str, results: Sequence[ExperimentResult], columns: Columns) -> ScoreTable:
    rows = [[result.key, *(show(result) for show in columns.values())] for result in results]
    return ScoreTable(title, ["row", *columns], rows)


def status(result: ExperimentResult) -> str:
    """`trained`, `not trained`, or `in progress, 3 of 50 epochs`; and why."""
    text = result.status.label
    if result.status is Status.IN_PROGRESS:
        text = f"{text}, {result.epochs.done:g} of {result.epochs.planned} epochs"
    return f"{text} ({result.why})" if result.why else text


def _has_schedule(result: ExperimentResult) -> bool:
    """Whether the row is trained here; a finished file has no schedule."""
    return result.epochs.planned is not None


def _epochs(result: ExperimentResult) -> str:
    planned, done = result.epochs.planned, result.epochs.done
    if planned is None or done is None:
        return EMPTY
    if done == planned:
        return str(planned)
    stopped = result.status in (Status.EVALUATED, Status.TRAINED)
    why = "short schedule" if result.short else "stopped early"
    return f"{done:g} of {planned}" + (f", {why}" if stopped else "")


def _test(result: ExperimentResult) -> str:
    if not result.test:
        return EMPTY
    return f"{percent(result.test.accuracy)} ± {100 * result.test.standard_error:.2f}"


def _left_out(file: ModelFile) -> str:
    """The operators that XNNPACK does not take, and why there is no int8 file."""
    outside = file.latency.outside if file.latency else {}
    counts = ", ".join(f"{count} {name}" for name, count in outside.items())
    return "; ".join(text for text in (counts, file.why_not) if text) or EMPTY


def _number(value: float | None, form: str) -> str:
    return EMPTY if value is None else form.format(value)


def _share(value: float | None) -> str:
    return EMPTY if value is None else percent(value)


def as_csv(results: Iterable[ExperimentResult]) -> str:
    """One line a row, one column a figure; scores by emotion and confusion are in the JSON only."""
    lines = [_flat({k: v for k, v in result.to_json().items() if k != "data_digest"}) for result in results]
    names = list(dict.fromkeys(name for line in lines for name in line))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if name in ("per_class", "confusion"):
            continue
        if isinstance(value, dict) and name != "outside":
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = "; ".join(map(str, value)) if isinstance(value, list | dict) else value
    return flat


LEGEND = """Splits:

{splits}

Accuracies of different splits are of different faces. ± is the standard error, n the number of test faces. *Duplicates*
are test faces whose exact pixels occur in the row's training faces. The epoch is chosen on validation. Without
PrivateTest in the data, split `original` has no other faces to be tested on, and *tested on* shows it. Validation
and test are computed as in training, in bfloat16 where the settings choose it. *As a file* is a plain post-training
quantisation, and the gates are those of `trainer convert`. *Same prediction* is the share of test faces that the file
and the network classify alike. Milliseconds a face are of one thread, seconds of all; both are CPU time, which other
work on the machine may lengthen. *Operators left out* are those that XNNPACK leaves to slow kernels, counted in the
file's graph."""


def legend() -> str:
    """The splits, and the meaning of the columns."""
    return LEGEND.format(splits="\n".join(f"- `{name}`: {text}." for name, text in PROTOCOLS.items()))
