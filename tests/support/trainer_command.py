"""The `trainer` command without a new process, which would import PyTorch anew: seconds a call."""

from __future__ import annotations

import io
import subprocess
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

from trainer.cli import main


def call_trainer(*args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run one command in this process.

    Args:
        args: what a user types after `trainer`.
        cwd: the working directory of the command.

    Returns:
        Exit code and output, as `subprocess.run` gives them. What a user would see as a traceback
        is raised.
    """
    command = [*map(str, args)]
    out, err = io.StringIO(), io.StringIO()
    with chdir(cwd), redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(command)
        except SystemExit as exit_:  # argparse leaves this way
            code = exit_.code if isinstance(exit_.code, int) else 1
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())
