"""Standard output and error of the commands: an error there is one sentence, no traceback."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from device.errors import StateError

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


@contextmanager
def guarded() -> Iterator[None]:
    """Escape characters that the terminal lacks, and flush standard output at the end.

    Raises:
        StateError: standard output cannot be written.
        BrokenPipeError: its reader has ended.
    """
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


def unwritable(error: OSError) -> StateError:
    """The error for a standard output on a full disk, for example."""
    return StateError(f"standard output cannot be written: {error.strerror}; check where it is redirected to.")


def discard_output() -> None:
    """Send the buffer to the null device, or Python reports the error again at exit."""
    with suppress(OSError, ValueError):  # a stream without a descriptor
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
