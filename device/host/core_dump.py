"""Core dumps: a process that holds frames must leave none, for a dump would show faces."""

from __future__ import annotations

import ctypes
import resource

PR_SET_DUMPABLE = 4


def forbid_core_dumps() -> None:
    """Neither a file, nor a pipe to a crash reporter, nor a debugger of the same user gets memory.

    A limit of 0 alone does not stop the kernel from piping a dump to a program (core(5)).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
