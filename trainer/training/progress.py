"""Progress of long work: bars with images a second and time left, or a line for each epoch.

rich draws the bars, on a terminal. Without rich there are lines, and also in parallel processes,
whose bars would overwrite one another.
"""

from __future__ import annotations

import multiprocessing
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from device.standard_streams import is_terminal

if TYPE_CHECKING:
    from rich.progress import Progress


class Shown:
    """Bars where they can be drawn; otherwise lines, if anything is shown at all."""

    def __init__(self, shown: bool) -> None:
        alone = multiprocessing.parent_process() is None
        self.shown = shown
        self.bars = _bars() if shown and alone and is_terminal(sys.stderr) else None

    def __enter__(self) -> Self:
        if self.bars is not None:
            self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bars is not None:
            self.bars.stop()


class TrainingProgress(Shown):
    """The progress of one training run, on stderr.

    Args:
        kind: name of the network.
        epochs: number of epochs of the whole run.
        done: epochs done before this start.
        faces: faces in an epoch.
        validation: the split on which each epoch is evaluated.
        shown: whether to show anything at all.
    """

    def __init__(self, kind: str, epochs: int, done: int, faces: int, validation: str, shown: bool = True) -> None:
        super().__init__(shown)
        self.epochs, self.kind, self.validation = epochs, kind, validation
        if self.bars is not None:
            self.total = self.bars.add_task(f"{kind}, whole run", total=epochs * faces, completed=done * faces)
            self.current = self.bars.add_task("this epoch", total=faces)

    def step(self, faces: int) -> None:
        """Advance by a number of faces."""
        if self.bars is not None:
            self.bars.advance(self.total, faces)
            self.bars.advance(self.current, faces)

    def epoch(self, entry: dict[str, Any], best: float) -> None:
        """Show the result of an epoch."""
        if not self.shown:
            return
        line = (
            f"{self.kind} epoch {entry['epoch']}/{self.epochs}  loss {entry['loss']:.4f}"
            f"  {self.validation} {entry['accuracy']:.4f} (best {best:.4f})"
            f"  {entry['images_per_s']:.0f} images/s  {entry['seconds']:.0f} s"
        )
        if self.bars is None:
            print(line, file=sys.stderr, flush=True)
        else:
            self.bars.reset(self.current)
            self.bars.console.print(line)


class AnswersProgress(Shown):
    """The progress of the teachers on seeded views, on stderr.

    Args:
        count: number of views of each face.
        faces: number of faces.
        done: views done before this start.
        shown: whether to show anything at all.
    """

    def __init__(self, count: int, faces: int, done: int, shown: bool = True) -> None:
        super().__init__(shown)
        self.count = count
        if self.bars is not None:
            self.task = self.bars.add_task("views for the teachers", total=count * faces, completed=done * faces)

    def step(self, faces: int) -> None:
        """Advance by a number of faces."""
        if self.bars is not None:
            self.bars.advance(self.task, faces)

    def view(self, done: int) -> None:
        """Show that `done` views of each face are done."""
        if self.shown and self.bars is None:
            print(f"teachers: {done} of {self.count} views of each face done", file=sys.stderr, flush=True)


def _bars() -> Progress | None:
    """A bar for the run and one for the epoch; None where rich is not installed."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
        from rich.text import Text
    except ImportError:
        return None

    class ImagesPerSecond(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f} images/s" if task.speed else "", style="cyan")

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), ImagesPerSecond(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))
