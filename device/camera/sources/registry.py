"""Finds the source that a URI names."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Generator
from contextlib import suppress

from device.camera import sources
from device.camera.fault_injection import with_fault
from device.camera.frame import RawFrame
from device.camera.source import Pause, Source
from device.config.schema import CameraConfig
from device.errors import SourceError

FILE = "media_file"  # the module for a path, which has no scheme
NOT_SCHEMES = {FILE, "registry"}


def find_source(config: CameraConfig) -> Source:
    """The source that the settings name.

    Raises:
        SourceError: no module has this scheme.
    """
    scheme, is_uri, _ = config.source.partition("://")
    if is_uri and scheme not in schemes():
        examples = ", ".join(_load(name).example for name in schemes())
        raise SourceError(
            f"{config.source}: this source is not known; write {examples}, or the path of a file or folder."
        )
    source = _load(scheme if is_uri else FILE)
    return source if config.fault is None else with_fault(source)


def schemes() -> list[str]:
    """What can stand before `://`."""
    return sorted({module.name for module in pkgutil.iter_modules(sources.__path__)} - NOT_SCHEMES)


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
    _, is_uri, address = config.source.partition("://")
    return find_source(config).open_frames(address if is_uri else config.source, config, pause)


def _load(name: str) -> Source:
    source: Source = importlib.import_module(f"{sources.__name__}.{name}").SOURCE
    return source
