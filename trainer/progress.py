"""How long work shows itself: bars with images a second and time left on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class ImagesPerSecond(ProgressColumn):
    """Speed of a task that counts images."""

    def render(self, task: Task) -> Text:
        """`690 images/s`, or nothing before the first."""
        return Text(f"{task.speed:,.0f} images/s" if task.speed else "", style="cyan")


class TrainingProgress:
    """The progress of one training run, on stderr.

    Args:
        kind: what is taught.
        epochs: how many there are in all.
        done: how many were done before this start.
        faces: faces an epoch.
        shown: whether to show anything at all.
    """

    def __init__(self, kind: str, epochs: int, done: int, faces: int, shown: bool = True) -> None:
        self.shown = shown
        self.console = Console(stderr=True)
        self.epochs, self.faces, self.kind = epochs, faces, kind
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            ImagesPerSecond(),
            TimeRemainingColumn(),
        )
        self.bars = Progress(*columns, console=self.console, disable=not (shown and self.console.is_terminal))
        self.total = self.bars.add_task(f"{kind}, whole run", total=epochs * faces, completed=done * faces)
        self.current = self.bars.add_task("this epoch", total=faces)

    def __enter__(self) -> TrainingProgress:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def step(self, faces: int) -> None:
        """Some faces of the epoch are done."""
        self.bars.advance(self.total, faces)
        self.bars.advance(self.current, faces)

    def epoch(self, entry: dict[str, Any], best: float) -> None:
        """An epoch is done: say how it went."""
        self.bars.reset(self.current)
        if not self.shown:
            return
        line = (
            f"{self.kind} epoch {entry['epoch']}/{self.epochs}  loss {entry['loss']:.4f}"
            f"  PublicTest {entry['accuracy']:.4f} (best {best:.4f})"
            f"  {entry['images_per_s']:.0f} images/s  {entry['seconds']:.0f} s"
        )
        print(line, file=sys.stderr, flush=True) if self.bars.disable else self.console.print(line)
