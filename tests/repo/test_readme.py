"""What the README tells people to type works, and what it links to is there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.command import DEVICE

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"<!-- run -->\n```sh\n(.*?)```", README, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
]


def test_there_are_commands_to_run() -> None:
    assert len(COMMANDS) >= 4


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_works(command: str, tmp_path: Path) -> None:
    around = os.environ | {"PATH": f"{DEVICE.parent}:{os.environ['PATH']}", "STATE_DIRECTORY": str(tmp_path)}
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, env=around, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout


@pytest.mark.parametrize(
    "text", [README, *(p.read_text(encoding="utf-8") for p in sorted((ROOT / "docs").rglob("*.md")))]
)
def test_links_lead_somewhere(text: str) -> None:
    assert text  # which file it is, the first line tells
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert any((folder / target).exists() for folder in (ROOT, ROOT / "docs", ROOT / "docs" / "decisions")), target


@pytest.mark.parametrize("command", re.findall(r"\.venv/bin/(device|trainer) ([a-z-]+)", README))
def test_every_command_that_is_named_exists(command: tuple[str, str]) -> None:
    program, verb = command
    done = subprocess.run([DEVICE.with_name(program), verb, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_make_targets_it_names_exist() -> None:
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"make (demo|test|check|train|clean)\b", README + (ROOT / "CONTRIBUTING.md").read_text()))
    assert {"demo", "test", "check", "train"} <= named <= known


def test_the_demo_output_it_shows_is_complete() -> None:
    shown = re.search(r"<!-- demo:begin -->\n```\n(.*?)```\n<!-- demo:end -->", README, re.DOTALL)
    assert shown is not None
    for kind in ("start", "update", "end"):
        assert re.search(rf"events +{kind} +track 1 ", shown[1])
    assert "The chain works" in shown[1]


def test_the_accuracy_table_is_filled() -> None:
    table = re.search(r"<!-- accuracy:begin -->(.*?)<!-- accuracy:end -->", README, re.DOTALL)
    assert table is not None and "public_test" in table[1].lower().replace(" ", "_").replace(
        "publictest", "public_test"
    )
