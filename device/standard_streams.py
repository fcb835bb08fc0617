"""Standard output and error of the commands: an error there is one sentence, no traceback.

What libraries and other people's files write there cannot control a terminal.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TextIO

from device.errors import StateError
from device.plain_text import shown

# How the messages of the libraries begin that decode pictures, and have no setting against it.
DECODERS = (b"libpng ", b"Corrupt JPEG data", b"Premature end of JPEG", b"Invalid SOS", b"Unsupported marker")
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


@contextmanager
def guarded() -> Iterator[None]:
    """Escape characters that the terminal lacks, and flush standard output at the end.

    Raises:
        StateError: standard output cannot be written.
        BrokenPipeError: its reader has ended.
    """
    _occupy_closed_descriptors()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:  # None where the caller closed it, as some supervisors do
                sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
        raise
    except OSError as error:
        if error.filename is not None or error.errno not in UNWRITABLE:
            raise
        discard_output()
        raise unwritable(error) from error


def _occupy_closed_descriptors() -> None:
    """Open the null device where the caller closed descriptor 0, 1 or 2.

    Else the next file that is opened, the outbox for example, gets this number, and what C code
    writes to its standard error goes into it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest free number


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at it; a stream that the caller closed is None."""
    return stream is not None and stream.isatty()


def unwritable(error: OSError) -> StateError:
    """The error for a standard output on a full disk, for example."""
    return StateError(f"standard output cannot be written: {error.strerror}; check where it is redirected to.")


def discard_output() -> None:
    """Send the buffer to the null device, or Python reports the error again at exit."""
    with suppress(OSError, ValueError):  # a stream without a descriptor
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


class LogFormatter(logging.Formatter):
    """Log lines without characters that control a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, or the lines of a traceback."""
        return "\n".join(map(shown, super().format(record).split("\n")))


def log_to_stderr(level: int) -> None:
    """Log from `level` on, as the commands do; harmless if logging is set up already."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter("device: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])


@contextmanager
def filtered_stderr(wanted: Callable[[bytes], bool]) -> Iterator[None]:
    """Hold back what C code writes to file descriptor 2, and write the wanted lines at the end.

    For libraries that have no setting for their messages. Lines of other threads are late, not
    lost, if they are wanted.

    Args:
        wanted: whether a line is kept.
    """
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # it is closed, so nothing can be written there
        yield
        return
    held = os.memfd_create("stderr")
    os.dup2(held, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        with os.fdopen(held, "rb") as stream:
            stream.seek(0)
            for line in stream:
                if wanted(line):
                    os.write(2, shown(line.decode("utf-8", "replace").rstrip("\n")).encode() + b"\n")


def quiet_decoders() -> AbstractContextManager[None]:
    """Drop what libpng and libjpeg write to stderr inside; the caller reports damaged pictures."""
    return filtered_stderr(lambda line: not line.startswith(DECODERS))
