"""Loads LiteRT where it is needed, without its log lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from device.errors import ModelError
from device.plain_text import shown
from device.standard_streams import filtered_stderr

MAX_REASON = 200  # characters of what the runtime says, which may hold names of the file's tensors


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
        with filtered_stderr(_is_no_information):
            interpreter = interpreter_class(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
    except OSError as error:
        raise ModelError(f"{path}: the model cannot be read: {error.strerror}.") from error
    except (ValueError, RuntimeError) as error:
        reason = shown(str(error).strip().partition("\n")[0].rstrip("."), MAX_REASON)
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


def _is_no_information(line: bytes) -> bool:
    """The runtime logs each delegate, and has no setting against it."""
    return not line.startswith(b"INFO:")
