"""A command imports only the libraries that it needs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from trainer.cli import SUBCOMMANDS

PROGRAM = """
import contextlib, io, json, sys
from trainer.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main({arguments!r})
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""
ABSENT = dict.fromkeys(("torch", "rich", "matplotlib", "sklearn", "scipy", "litert_torch", "ai_edge_quantizer"))
HIDDEN = f"import sys; sys.modules.update({ABSENT})"


def loaded(*arguments: str) -> set[str]:
    """The top-level modules in memory after a command."""
    program = PROGRAM.format(arguments=list(arguments))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=150)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["compare", "--help"], ["data", "--data", "toy"]], ids=" ".join)
def test_no_torch_and_no_matplotlib(arguments: list[str]) -> None:
    assert not loaded(*arguments) & {"torch", "matplotlib", "sklearn", "ai_edge_litert"}


def test_the_list_of_rows_needs_no_matplotlib() -> None:
    found = loaded("compare", "--list", "--models", "pooled")
    assert "torch" in found and not found & {"matplotlib", "sklearn", "ai_edge_litert"}


def test_the_help_of_each_command_needs_none_of_the_extra_train() -> None:
    program = f"""{HIDDEN}
import contextlib
from trainer.cli import main
for command in {list(SUBCOMMANDS)}:
    with contextlib.suppress(SystemExit):
        main([command, "--help"])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert ran.stderr == ""
    for command in SUBCOMMANDS:
        assert f"usage: trainer {command} " in ran.stdout and f"\n  trainer {command} " in ran.stdout


@pytest.mark.parametrize("command", [["data", "--data", "toy"], ["compare", "--list"]], ids=" ".join)
def test_what_only_reads_needs_none_of_the_extra_train(command: list[str]) -> None:
    program = f"{HIDDEN}; from trainer.cli import main; sys.exit(main({command}))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert len(lines) > 15 and max(map(len, lines)) <= 80
    if command[0] == "compare":
        assert "MMAC" in ran.stdout and "counted where PyTorch is installed" in ran.stderr


@pytest.mark.parametrize("command", [["distill"], ["convert"], ["teacher"], ["report"]])
def test_without_the_extra_train_a_command_is_refused_in_one_sentence(command: list[str]) -> None:
    """As after `make demo`, which installs no PyTorch."""
    program = f"import sys; sys.modules['torch'] = None; from trainer.cli import main; sys.exit(main({command}))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 2
    assert ran.stderr.startswith(
        f"trainer: `trainer {command[0]}` needs torch, which is not installed; run: pip install"
    )
    assert ran.stderr.count("\n") == 1
