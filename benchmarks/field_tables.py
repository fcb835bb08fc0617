"""The figures of benchmarks/field.py as tables, in text and in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from device.replay.chain_report import number, percent, seconds

Found = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A line for each figure, a column for each configuration."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]  # a name, then a cell a column

    def text(self) -> str:
        """For a terminal."""
        rows = [("", *self.columns), *self.lines]
        widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
        lines = [
            row[0].ljust(widths[0]) + "".join("  " + cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))
            for row in rows
        ]
        return "\n".join([self.title, *lines])

    def markdown(self) -> str:
        """For a document, without the title."""
        rows = [("", *self.columns), ("---",) * (len(self.columns) + 1), *self.lines]
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def tables(result: Found) -> list[Table]:
    """Detection, what is heard, clips, milliseconds."""
    rows = result["rows"]
    compared = {name: row["photos"] for name, row in rows.items()}
    if "skipped" not in result["fer"]:
        compared["fer"] = result["fer"]
    n = f"{result['n']} photos, {result['photos']}"
    return [
        Table(f"Faces found in the whole frame ({n})", tuple(compared), tuple(_detection(compared))),
        Table(f"Followed and heard after 3 s ({n})", tuple(compared), tuple(_heard(compared))),
        Table("Clips", ("expected", *rows), tuple(_clips(rows))),
        Table("Mean milliseconds a frame, and times those of version 1", tuple(rows), tuple(_times(rows))),
    ]


def _detection(rows: dict[str, Found]) -> Iterator[tuple[str, ...]]:
    first = next(iter(rows.values()))["detection"]
    for band, counts in first["bands"].items():
        shares = (row["detection"]["bands"][band] for row in rows.values())
        yield f"{band} px ({counts['faces']})", *(_of(each["found"], each["faces"]) for each in shares)
    yield "false alarms", *(str(row["detection"]["false_alarms"]) for row in rows.values())


def _heard(rows: dict[str, Found]) -> Iterator[tuple[str, ...]]:
    chains = [row["chain"] for row in rows.values()]
    faces, clear, empty = chains[0]["faces"], chains[0]["clear"], chains[0]["empty_photos"]
    lines: dict[str, Callable[[Found], str]] = {
        f"faces followed ({faces})": lambda chain: _of(chain["followed"], chain["faces"]),
        "tracks a person": lambda chain: number(chain["tracks_per_person"]),
        "tracks of no face": lambda chain: str(chain["false_tracks"]),
        "of these, with a label": lambda chain: str(chain["false_labels"]),
        **({f"events of {empty} photos without a face": lambda chain: str(chain["events_on_empty"])} if empty else {}),
        f"right ({clear} clear faces)": lambda chain: percent(chain["right"]),
        "wrong": lambda chain: percent(chain["wrong"]),
        "unknown": lambda chain: percent(chain["unknown"]),
        "never followed": lambda chain: percent(chain["never_followed"]),
        "right, of those followed": lambda chain: percent(chain["right_of_followed"]),
        "first label, p50": lambda chain: seconds(chain["first_label_p50_s"]),
        "first label, p95": lambda chain: seconds(chain["first_label_p95_s"]),
        "label changes a minute": lambda chain: number(chain["changes_per_minute"]),
    }
    for name, cell in lines.items():
        yield name, *(cell(chain) for chain in chains)


def _clips(rows: dict[str, Found]) -> Iterator[tuple[str, ...]]:
    for n, first in enumerate(next(iter(rows.values()))["clips"]):
        expected = _tracks(first["expected_tracks"], [first["expected_emotion"]] if first["expected_emotion"] else [])
        scores = [row["clips"][n] for row in rows.values()]
        yield first["clip"], expected, *(_tracks(score["tracks"], score["each"]) for score in scores)
        yield "- time by label", "", *(_shares(score["shares"]) for score in scores)
        yield "- label changes", "", *(str(score["changes"]) for score in scores)
        yield "- first label", "", *(seconds(score["first_label_s"]) for score in scores)
        yield "- events", "0" if not first["expected_tracks"] else "", *(str(score["events"]) for score in scores)


def _times(rows: dict[str, Found]) -> Iterator[tuple[str, ...]]:
    for what, first in next(iter(rows.values()))["mean_ms"].items():
        for key, name in (
            ("finding", f"{what}: finding and checking ({first['frames']} frames)"),
            ("following", "- with following"),
        ):
            cells = ((row["mean_ms"][what][key], row["times_version_1"][what][key]) for row in rows.values())
            yield name, *(f"{ms:.2f} ({times:.2f} times)" for ms, times in cells)
        yield "- all stages", *(f"{row['mean_ms'][what]['total']:.2f}" for row in rows.values())


def _tracks(count: int, labels: list[str]) -> str:
    return f"{count} track{'s' if count != 1 else ''}" + (f": {', '.join(labels)}" if labels else "")


def _shares(shares: dict[str, float]) -> str:
    return ", ".join(f"{label} {share:.0%}" for label, share in shares.items()) or "-"


def _of(part: int, whole: int) -> str:
    return f"{part} ({part / whole:.1%})" if whole else "-"
