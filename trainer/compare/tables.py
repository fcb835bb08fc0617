"""The rows of `trainer compare` as tables, in Markdown and CSV; what is not known stays empty."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from trainer.data.splits import PROTOCOLS
from trainer.reporting.tables import ScoreTable, percent

Result = dict[str, Any]
EMPTY = "-"


def tables(results: Sequence[Result]) -> list[ScoreTable]:
    """All tables that have a row; every row stands in the one of accuracies, in the others those that have figures."""
    return [table for table in (published(results), accuracy(results), learning(results), files(results)) if table.rows]


def published(results: Sequence[Result]) -> ScoreTable:
    """The rows of which a study gives a figure, beside ours."""
    columns: dict[str, Callable[[Result], str]] = {
        "published": lambda r: r["published"],
        "ours, test": lambda r: _test(r) if r.get("test") else state(r),
        "tested on": lambda r: r.get("tested_on", EMPTY),
        "ours, validation": lambda r: _share(r, "dynamics", "best", "accuracy"),
        "ours, training, same epoch": lambda r: _share(r, "dynamics", "best", "train_accuracy"),
        "epochs": _epochs,
    }
    return _table("published, and ours", [r for r in results if r["published"] and _is_of_a_study(r)], columns)


def accuracy(results: Sequence[Result]) -> ScoreTable:
    """The test faces, read by the network as it was taught."""
    columns: dict[str, Callable[[Result], str]] = {
        "state": state,
        "split": lambda r: r["protocol"],
        "tested on": lambda r: r.get("tested_on", EMPTY),
        "n": lambda r: _at(r, "{:,}", "faces", "test"),
        "parameters, M": lambda r: f"{r['parameters'] / 1e6:.2f}",
        "MMAC": lambda r: f"{r['macs'] / 1e6:,.0f}",
        "test": _test,
        "without duplicates": lambda r: _share(r, "test", "without_duplicates", "accuracy"),
        "top 5": lambda r: _share(r, "test", "top5"),
        "macro F1": lambda r: _at(r, "{:.3f}", "test", "macro_f1"),
        "weighted F1": lambda r: _at(r, "{:.3f}", "test", "weighted_f1"),
        "weighted precision": lambda r: _at(r, "{:.3f}", "test", "weighted_precision"),
        "weighted recall": lambda r: _at(r, "{:.3f}", "test", "weighted_recall"),
        "mean AUC": lambda r: _at(r, "{:.3f}", "test", "mean_auc"),
        "published": lambda r: r["published"] or EMPTY,
    }
    return _table("accuracy on the test faces", results, columns)


def learning(results: Sequence[Result]) -> ScoreTable:
    """How each row learnt, and how it was judged on the way."""
    moment = {"train": "train_accuracy", "validation": "accuracy", "top 5": "top5"}
    columns: dict[str, Callable[[Result], str]] = {
        "epochs": _epochs,
        "best epoch": lambda r: _at(r, "{}", "dynamics", "best", "epoch"),
    }
    for when in ("best", "last"):
        for name, key in moment.items():
            columns[f"{name}, {when}"] = lambda r, when=when, key=key: _share(r, "dynamics", when, key)  # type: ignore[misc]
        columns[f"divergence, {when}"] = lambda r, when=when: _at(r, "{:+.3f}", "dynamics", when, "divergence")  # type: ignore[misc]
    columns["r of loss and accuracy"] = lambda r: _at(r, "{:+.3f}", "dynamics", "r")
    columns["taught, s"] = lambda r: _at(r, "{:,.0f}", "dynamics", "seconds")
    columns["taught on"] = lambda r: r.get("taught_on", EMPTY)
    columns["note"] = lambda r: r["note"] or EMPTY
    return _table("how the rows learnt", [r for r in results if "dynamics" in r], columns)


def files(results: Sequence[Result]) -> ScoreTable:
    """Each row as a .tflite: what became of it, and what it costs."""
    columns: dict[str, Callable[[Result], str]] = {
        "file": lambda r: _at(r, "{}", "file", "dtype"),
        "kB": lambda r: _at(r, "{:,.0f}", "file", "bytes", by=1e-3),
        "test": lambda r: _share(r, "file", "accuracy"),
        "reads as before": lambda r: _share(r, "file", "agreement"),
        "ms a face": lambda r: _at(r, "{:.2f}", "file", "latency", "median_ms"),
        "pieces": lambda r: _at(r, "{}", "file", "latency", "pieces"),
        "operators in the way": _in_the_way,
        "gates failed": lambda r: "; ".join(_get(r, "file", "gates_failed") or []) or EMPTY,
        "test set, s": lambda r: _at(r, "{:.1f}", "file", "seconds"),
        "test set before, s": lambda r: _at(r, "{:.1f}", "test_seconds"),
    }
    return _table("as a file for a device", [r for r in results if "file" in r], columns)


def _table(title: str, results: Sequence[Result], columns: dict[str, Callable[[Result], str]]) -> ScoreTable:
    rows = [[result["key"], *(show(result) for show in columns.values())] for result in results]
    return ScoreTable(title, ["row", *columns], rows)


def state(result: Result) -> str:
    """`trained`, `not trained`, or `under way, 3 of 50 epochs`; and why."""
    told: str = result["state"]
    if told == "under way":
        told = f"{told}, {result['epochs']['done']} of {result['epochs']['planned']} epochs"
    return f"{told} ({result['why']})" if result["why"] else told


def _is_of_a_study(result: Result) -> bool:
    """Whether the row is taught here; of our own files there is no schedule, and what is published is their card's."""
    return result["epochs"]["planned"] is not None


def _epochs(result: Result) -> str:
    planned, done = result["epochs"]["planned"], result["epochs"]["done"]
    if planned is None:
        return EMPTY
    if done == planned:
        return str(done)
    return f"{done} of {planned}" + (", patience over" if result["state"] in ("trained", "taught") else "")


def _test(result: Result) -> str:
    if not result.get("test"):
        return EMPTY
    return f"{percent(result['test']['accuracy'])} ± {100 * result['test']['standard_error']:.2f}"


def _in_the_way(result: Result) -> str:
    told = [f"{count} {name}" for name, count in (_get(result, "file", "latency", "outside") or {}).items()]
    why = _get(result, "file", "why_not")
    return "; ".join([*([", ".join(told)] if told else []), *([why] if why else [])]) or EMPTY


def _get(result: Result, *path: str) -> Any:
    value: Any = result
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _at(result: Result, form: str, *path: str, by: float | None = None) -> str:
    value = _get(result, *path)
    if value is None:
        return EMPTY
    return form.format(value if by is None else value * by)


def _share(result: Result, *path: str) -> str:
    value = _get(result, *path)
    return EMPTY if value is None else percent(value)


def as_csv(results: Iterable[Result]) -> str:
    """One line a row, one column a figure; by emotion and confusion are left to the JSON."""
    lines = [_flat({k: v for k, v in result.items() if k != "data_digest"}) for result in results]
    names = list(dict.fromkeys(name for line in lines for name in line))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _flat(values: Result, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if name in ("per_class", "confusion"):
            continue
        if isinstance(value, dict) and name != "outside":
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = "; ".join(map(str, value)) if isinstance(value, list | dict) else value
    return flat


def listing(results: Sequence[Result]) -> ScoreTable:
    """The rows before anything is done."""
    columns: dict[str, Callable[[Result], str]] = {
        "network": lambda r: r["network"],
        "split": lambda r: r["protocol"],
        "epochs": lambda r: EMPTY if r["epochs"]["planned"] is None else str(r["epochs"]["planned"]),
        "parameters, M": lambda r: f"{r['parameters'] / 1e6:.2f}",
        "MMAC": lambda r: f"{r['macs'] / 1e6:,.0f}",
        "published": lambda r: r["published"] or EMPTY,
    }
    return _table("rows", results, columns)


LEGEND = """Splits:

{splits}

Accuracies of different splits are of different faces. ± is the standard error, n the number of test faces. *Duplicates*
are test faces whose exact pixels stand in what the row was taught on. An epoch is chosen on validation; where the data
hold no PrivateTest, split `original` has no other faces to be tested on, and *tested on* says so. Validation and test
are read as the row was taught, in bfloat16 where the settings say so. *As a file* is a plain post-training conversion,
and the gates are those of `trainer convert`. Milliseconds a face are of one thread, seconds of all;
both are CPU time, which work beside it may lengthen. *Operators in the way* are those
that XNNPACK leaves to slow kernels, counted in the file's graph."""


def legend() -> str:
    """What the splits are, and what the columns are of."""
    return LEGEND.format(splits="\n".join(f"- `{name}`: {text}." for name, text in PROTOCOLS.items()))
