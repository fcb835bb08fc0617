"""`device cameras`: the cameras that are there."""

from __future__ import annotations

import argparse
import dataclasses
import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from device.cli.options import add_json_option

if TYPE_CHECKING:
    from device.camera.source import FoundCamera, Mode

HELP = "the cameras that are there, and what they can give"
DESCRIPTION = """\
Lists the cameras of this machine: how to write each in device.camera.source,
a path that stays the same when USB cameras change places, and its sizes with
the most frames a second. The first one is taken where device.camera.source is
auto. Exit code 1 means that there is none."""
EPILOG = """\
examples:
  device cameras
  device cameras --json | jq -r '.[].uri'"""
WIDTH = 78  # columns of a line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `device cameras`."""
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Find the cameras and print them."""
    from importlib.util import find_spec

    from device.camera.sources.registry import find_cameras

    cameras = list(find_cameras(modes=True))
    if args.json:
        print(json.dumps([_as_dict(camera) for camera in cameras], indent=2))
    else:
        for camera in cameras:
            print("\n".join(_lines(camera)))
        if not cameras:
            print("no camera was found.")
        if find_spec("picamera2") is None:
            print("picamera2 is not installed: cameras on a ribbon cable are not listed.")
    return 0 if any(camera.problem is None for camera in cameras) else 1


def _as_dict(camera: FoundCamera) -> dict[str, object]:
    return dataclasses.asdict(camera) | {"modes": [mode._asdict() for mode in camera.modes]}


def _lines(camera: FoundCamera) -> Iterator[str]:
    yield f"{camera.uri}  {camera.name}"
    if camera.path is not None:
        yield f"  also v4l2://{camera.path}"
    if camera.problem is not None:
        yield f"  {camera.problem}"
    for pixel_format in dict.fromkeys(mode.pixel_format for mode in camera.modes):
        yield from _wrapped(pixel_format, [mode for mode in camera.modes if mode.pixel_format == pixel_format])


def _wrapped(pixel_format: str, modes: Sequence[Mode]) -> Iterator[str]:
    """Sizes with their most frames a second: `MJPG  1920x1080 30, 1280x720 60`."""
    sizes = [f"{mode.width}x{mode.height}" + (f" {mode.fps:g}" if mode.fps else "") for mode in modes]
    start = f"  {pixel_format:<8}"
    text = ", ".join(size.replace(" ", "\0") for size in sizes)  # a size and its rate stay on one line
    for line in textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=" " * len(start)):
        yield line.replace("\0", " ")
