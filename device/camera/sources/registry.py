"""Finds the source that a URI names."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Generator, Iterator
from contextlib import suppress

from device.camera import sources
from device.camera.fault_injection import with_fault
from device.camera.frame import RawFrame
from device.camera.orientation import orientation_of, oriented
from device.camera.source import FoundCamera, Pause, Source
from device.config.schema import CameraConfig
from device.errors import SourceError

FILE = "media_file"  # the module for a path, which has no scheme
NOT_SCHEMES = {FILE, "registry"}
V4L2_FOLDERS = ("/dev/video", "/dev/v4l/")  # a path that begins like this is a camera


def find_source(config: CameraConfig) -> Source:
    """The source that the settings name.

    Raises:
        SourceError: no module has this scheme.
    """
    scheme, _ = _parts(config.source)
    if scheme is not None and scheme not in schemes():
        examples = ", ".join(_load(name).example for name in schemes())
        raise SourceError(
            f"{config.source}: this source is not known; write {examples}, or the path of a file or folder."
        )
    source = _load(scheme or FILE)
    return source if config.fault is None else with_fault(source)


def schemes() -> list[str]:
    """What can stand before `://`."""
    return sorted({module.name for module in pkgutil.iter_modules(sources.__path__)} - NOT_SCHEMES)


def find_cameras(modes: bool) -> Iterator[FoundCamera]:
    """The cameras that are there, with their modes if asked: those of picamera2, then V4L2's."""
    return (camera for scheme in schemes() for camera in _load(scheme).find(modes))


def import_library(config: CameraConfig) -> None:
    """Import the library that the source needs; that can take longer than `timeout_s`."""
    with suppress(ImportError, ValueError, SourceError):  # reported when the source is opened
        importlib.import_module(find_source(config).module)


def open_source(config: CameraConfig, pause: Pause) -> Generator[RawFrame, None, None]:
    """Open the source, yield its frames until it ends, and free it however this ends.

    Args:
        config: which source, and how.
        pause: waits for so many seconds; a file in real time calls it.

    Raises:
        SourceError: there is no such source, or it fails.
    """
    source, steps = find_source(config), orientation_of(config)
    frames = source.open_frames(_parts(config.source)[1], config, pause)
    return oriented(frames, steps) if any(steps) and not source.turns else frames


def _parts(source: str) -> tuple[str | None, str]:
    """The scheme of a source, None for a file, and its address there."""
    if source.startswith(V4L2_FOLDERS):
        return "v4l2", source
    scheme, is_uri, address = source.partition("://")
    return (scheme.lower(), address) if is_uri else (None, source)


def _load(name: str) -> Source:
    source: Source = importlib.import_module(f"{sources.__name__}.{name}").SOURCE
    return source
