"""Face detectors on real photos, side by side with the default: any program can be one.

    python -m benchmarks.detectors ../shared/data/field [--repeats 3] [--json]
                                   [--config NAME:KEY=VALUE,KEY=VALUE] [--program 'NAME:COMMAND']

Scored like `device replay --truth ... --detection-only`: photos fitted into 640x480, each searched
once in the whole frame, faces below `device.detector.min_face_px` of the default left out.

A program is started once. It reads the path of a picture (PPM, 8 bits) a line and answers each with
one line of JSON on its standard output. "ms" is the processor time of the search, of all threads,
without reading the file (Python: `time.process_time()`; Node.js: `process.cpuUsage()`):

    {"boxes": [[x, y, width, height, score], ...], "ms": 12.3}

All take turns on the same photos, with one thread; programs with runtimes that OMP_NUM_THREADS does
not limit have to see to it. Of each photo the quickest of the repeats counts, so the ratio of the
milliseconds is valid on a busy machine too. No file is left behind.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.classifier import cpu_name
from benchmarks.field_tables import Table
from device.config.schema import CameraConfig, DetectorConfig, load_config
from device.errors import EmotionEdgeError, UsageError
from device.inference.box import Box
from device.replay.photo_metrics import detection_metrics
from device.replay.photos import Photo, PhotoScore, open_photo, score_boxes
from device.replay.truth import chosen, read_photos
from device.vision.detection import Detection, keep_largest
from device.vision.detector import open_detector

DEFAULT = "default"
FROM_PX = 24.0  # the smallest faces that the product promises to find
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Image = NDArray[np.uint8]


class Searcher(Protocol):
    """Finds the faces of a photo."""

    def search(self, image: Image, file: Path) -> tuple[list[Box], float]:
        """The boxes, and the milliseconds of processor time that they took.

        Args:
            image: (H, W, 3) BGR.
            file: the same as PPM.
        """


class Bundled:
    """A detector of the device.

    Raises:
        EmotionEdgeError: a setting or a network is invalid.
    """

    def __init__(self, settings: list[str]) -> None:
        self._detector = open_detector(load_config(None, settings).detector)

    def search(self, image: Image, file: Path) -> tuple[list[Box], float]:
        """See `Searcher`."""
        began_s = time.process_time()
        found = self._detector.detect(image)
        return [each.box for each in found], 1000 * (time.process_time() - began_s)


class Program:
    """Another detector, as the module says. A context manager: it ends with it.

    Raises:
        UsageError: it cannot be started.
    """

    def __init__(self, name: str, command: str) -> None:
        self._name = name
        try:
            self._process = subprocess.Popen(
                shlex.split(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | ONE_THREAD,
            )
        except OSError as error:
            raise UsageError(f"--program {name}: {command} cannot be started ({error.strerror}).") from None

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def search(self, image: Image, file: Path) -> tuple[list[Box], float]:
        """See `Searcher`.

        Raises:
            UsageError: it ended, or its answer is not as the module says.
        """
        assert self._process.stdin and self._process.stdout
        answer = ""
        with contextlib.suppress(BrokenPipeError):
            print(file, file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        try:
            said = json.loads(answer)
            found = [Detection(Box(*map(float, row[:4])), float(row[4])) for row in said["boxes"]]
            return [each.box for each in keep_largest(found, DetectorConfig())], float(said["ms"])
        except (ValueError, KeyError, TypeError, IndexError):
            shown = f"it printed {answer.strip()[:80]!r}" if answer else "it ended"
            raise UsageError(
                f'--program {self._name}: {shown}; it must answer each path with {{"boxes": [[x, y, width, height, '
                'score], ...], "ms": milliseconds}.'
            ) from None


@dataclass
class Row:
    """A detector, and what was measured of it."""

    searcher: Searcher
    scores: dict[str, list[PhotoScore]] = field(default_factory=lambda: {"odd": [], "even": []})
    took_ms: float = 0.0  # all photos together, the quickest search of each


def main() -> int:
    """Measure; exit 1 where something cannot be read, 2 for wrong usage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="with truth.csv and photos/")
    parser.add_argument("--config", action="append", default=[], metavar="NAME:KEY=VALUE,...", help="one more row")
    parser.add_argument("--program", action="append", default=[], metavar="NAME:COMMAND", help="one more row")
    parser.add_argument("--repeats", type=int, default=3, help="searches of each photo (default: 3)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    try:
        result = measure(args)
    except EmotionEdgeError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(result, indent=2) if args.json else as_text(result))
    return 0


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every row on all photos: the JSON of `main`.

    Raises:
        EmotionEdgeError: a photo, a setting or an answer of a program is invalid.
    """
    truths = read_photos(args.folder / "truth.csv")
    camera = CameraConfig()
    with contextlib.ExitStack() as stack:
        file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "frame.ppm"
        cv2.setNumThreads(1)
        rows = {name: Row(searcher) for name, searcher in _searchers(args, stack)}
        for which in ("odd", "even"):
            for n, truth in enumerate(chosen(truths, which)):
                photo = open_photo(args.folder / "photos", truth, camera)
                cv2.imwrite(str(file), photo.image)
                _search(list(rows.values()), photo, file, which, n, args.repeats)
    default_ms = rows[DEFAULT].took_ms
    return {
        "machine": cpu_name(),
        "photos": len(truths),
        "repeats": args.repeats,
        "rows": {name: _report(row, len(truths), default_ms) for name, row in rows.items()},
    }


def _searchers(args: argparse.Namespace, stack: contextlib.ExitStack) -> Iterator[tuple[str, Searcher]]:
    yield DEFAULT, Bundled([])
    for each in args.config:
        name, _, settings = each.partition(":")
        yield name, Bundled([f"device.detector.{setting}" for setting in settings.split(",")])
    for each in args.program:
        name, _, command = each.partition(":")
        yield name, stack.enter_context(Program(name, command))


def _search(rows: list[Row], photo: Photo, file: Path, which: str, turn: int, repeats: int) -> None:
    """One photo through every row; each time another one begins."""
    took_ms: dict[int, list[float]] = {n: [] for n in range(len(rows))}
    for repeat in range(repeats):
        for k in range(len(rows)):
            n = (k + turn + repeat) % len(rows)
            boxes, ms = rows[n].searcher.search(photo.image, file)
            took_ms[n].append(ms)
            if not repeat:
                rows[n].scores[which].append(score_boxes(photo, boxes))
    for n, row in enumerate(rows):
        row.took_ms += min(took_ms[n])


def _report(row: Row, photos: int, default_ms: float) -> dict[str, Any]:
    report: dict[str, Any] = {"ms": row.took_ms / photos, "times_default": row.took_ms / default_ms}
    for which, scores in row.scores.items():
        metrics = detection_metrics(scores)
        wanted = [face for score in scores for face in score.faces if face.side_px >= FROM_PX]
        found = {band: (each.found, each.faces) for band, each in metrics.bands.items()}
        found[f"from {FROM_PX:.0f}"] = sum(face.found for face in wanted), len(wanted)
        report[which] = {"found": found, "false_alarms": metrics.false_alarms}
    return report


def as_text(result: dict[str, Any]) -> str:
    """A table."""
    columns, lines = ["ms", "times default"], []
    for which in ("odd", "even"):
        faces = result["rows"][DEFAULT][which]["found"]
        columns += [f"{which}: {band} ({faces[band][1]})" for band in ("all", "from 24", "from 40")] + ["false alarms"]
    for name, row in result["rows"].items():
        cells = [f"{row['ms']:.1f}", f"{row['times_default']:.2f}"]
        for which in ("odd", "even"):
            found = row[which]["found"]
            cells += [str(found[band][0]) for band in ("all", "from 24", "from 40")] + [str(row[which]["false_alarms"])]
        lines.append((name, *cells))
    title = f"{result['photos']} photos in 640x480, {result['repeats']} searches of each, {result['machine']}"
    return Table(title, tuple(columns), tuple(lines)).text()


if __name__ == "__main__":
    sys.exit(main())
