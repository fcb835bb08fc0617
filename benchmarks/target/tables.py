"""The counted instructions as tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

from benchmarks.field_tables import Table
from benchmarks.target.emulator import CORES, Count
from benchmarks.target.networks import FER
from device.errors import EmotionEdgeError

Counts = dict[str, dict[str, Count]]  # by name, then by processor


def network_table(counts: Counts) -> Table:
    """Millions of instructions of one inference, and times those of fer's network."""
    cores = _cores(counts)
    columns = [word for core in cores for word in (CORES[core].title, "times fer")]
    return Table("Million instructions of one inference", tuple(columns), tuple(_networks(counts, cores)))


def _networks(counts: Counts, cores: list[str]) -> Iterator[tuple[str, ...]]:
    for name, of_core in counts.items():
        pairs = ((_millions(of_core[core]), _times(of_core[core], counts[FER][core])) for core in cores)
        yield name, *(cell for pair in pairs for cell in pair)


def frame_table(counts: Counts) -> Table:
    """Millions of instructions of a frame, and times those of the first configuration."""
    cores, first = _cores(counts), next(iter(counts))
    columns = [word for core in cores for word in (CORES[core].title, f"times {first}")]
    lines = (
        (name, *(cell for core in cores for cell in (_millions(row[core]), _times(row[core], counts[first][core]))))
        for name, row in counts.items()
    )
    return Table("Million instructions of a frame", tuple(columns), tuple(lines))


def layer_table(counts: Counts) -> Table:
    """Thousands of instructions of each operator: what the network costs more with it."""
    cores, before, lines = _cores(counts), dict.fromkeys(_cores(counts), 0), []
    for name, row in counts.items():
        lines.append((name, *(f"{(row[core].total - before[core]) / 1e3:,.0f}" for core in cores)))
        before = {core: row[core].total for core in cores}
    return Table("Thousand instructions of each operator", tuple(CORES[core].title for core in cores), tuple(lines))


def replaced(text: str, name: str, table: Table) -> str:
    """A document with the table between its marks `<!-- NAME:begin -->` and `<!-- NAME:end -->`.

    Raises:
        EmotionEdgeError: it has no such marks.
    """
    pattern = re.compile(rf"(<!-- {name}:begin -->\n).*?(\n?<!-- {name}:end -->)", re.DOTALL)
    if not pattern.search(text):
        raise EmotionEdgeError(f"the document has no lines <!-- {name}:begin --> and <!-- {name}:end -->.")
    return pattern.sub(lambda found: f"{found[1]}{table.markdown()}\n<!-- {name}:end -->", text)


def _cores(counts: Counts) -> list[str]:
    return list(next(iter(counts.values())))


def _millions(count: Count) -> str:
    return f"{count.total / 1e6:.2f}" if count.total < 100e6 else f"{count.total / 1e6:.1f}"


def _times(count: Count, other: Count) -> str:
    return f"{count.total / other.total:.2f}"
