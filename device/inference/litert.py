"""Loads LiteRT where it is needed, without its log lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from device.errors import ModelError


def load_interpreter(path: Path, threads: int = 1) -> Any:
    """An interpreter with its tensors allocated, of `ai_edge_litert` or else `tflite_runtime`.

    Args:
        path: a .tflite file; may have a card at its end.
        threads: CPU threads of one inference.

    Raises:
        ModelError: no runtime is installed, or the file cannot be read, is damaged, or uses an
            operation that the runtime lacks.
    """
    interpreter_class = _interpreter_class()
    try:
        path.open("rb").close()  # the runtime reports an unreadable file as a damaged one
        with _without_info_lines():
            interpreter = interpreter_class(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
    except OSError as error:
        raise ModelError(f"{path}: the model cannot be read: {error.strerror}.") from error
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise ModelError(
            f"{path}: the model cannot be loaded ({reason}); the file is damaged or cut short, copy it again."
        ) from error
    return interpreter


def _interpreter_class() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ImportError as error:
            raise ModelError("LiteRT is not installed; run `pip install ai-edge-litert` (64-bit only).") from error
    return Interpreter


@contextmanager
def _without_info_lines() -> Iterator[None]:
    """Buffer what C++ code writes to stderr, and write all but its INFO lines at the end.

    The runtime logs each delegate to file descriptor 2 and has no setting against it.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    held = os.memfd_create("stderr")
    os.dup2(held, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.lseek(held, 0, os.SEEK_SET)
        with os.fdopen(held, "rb") as stream:
            for line in stream:
                if not line.startswith(b"INFO:"):
                    os.write(2, line)
