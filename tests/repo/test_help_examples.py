"""The examples of `--help`: each is understood, and those that can run here do."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from device.cli.app import build_parser
from device.cli.parser import CommandParser
from tests.support.clips import PORTRAIT, portrait, scene, write_clip
from tests.support.command import DEVICE
from trainer.cli import SUBCOMMANDS
from trainer.cli import build_parser as trainer_parser

NOTE = re.compile(r"   +[^\s].*$")  # what is said of an example, beside it
RUN = (
    "device run --source clip.mp4",
    "device analyze",
    "device check-config",
    "device completion",
    "device model list",
)


def examples(program: str, epilog: str | None) -> Iterator[str]:
    """The commands in a text, without what is said of them."""
    lines = [NOTE.sub("", line.strip()) for line in (epilog or "").splitlines()]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if found := re.match(rf"(?:source <\(|sudo )?({program} .*?)\)?$", line):
            yield found[1].strip()


def device_examples(parser: CommandParser) -> Iterator[str]:
    yield from examples("device", parser.epilog)
    for command in parser.commands.values():
        yield from device_examples(command)


def trainer_examples() -> Iterator[str]:
    for name in SUBCOMMANDS:
        parser = trainer_parser(name)
        (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
        yield from examples("trainer", commands.choices[name].epilog)


OF_DEVICE = sorted(set(device_examples(build_parser())))
OF_TRAINER = sorted(set(trainer_examples()))


def arguments(example: str) -> list[str]:
    """What follows the program's name, up to a pipe or a redirection."""
    words = shlex.split(example, posix=True)[1:]
    return words[: next((n for n, word in enumerate(words) if word in ("|", ">", "<")), len(words))]


def test_there_are_examples() -> None:
    assert len(OF_DEVICE) > 15 and len(OF_TRAINER) > 15


@pytest.mark.parametrize("example", OF_DEVICE)
def test_an_example_of_device_is_understood(example: str) -> None:
    build_parser().parse_args(arguments(example))


@pytest.mark.parametrize("example", OF_TRAINER)
def test_an_example_of_trainer_is_understood(example: str) -> None:
    words = arguments(example)
    trainer_parser(words[0]).parse_args(words)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the examples name."""
    path = tmp_path_factory.mktemp("examples")
    write_clip(path / "clip.mp4", [portrait()] * 12)
    for name in ("photos", "clips"):
        (path / name).mkdir()
        cv2.imwrite(str(path / name / "photo.png"), scene([(200, 100, 200)]))
    (path / "photo.jpg").write_bytes(PORTRAIT.read_bytes())
    (path / "config.yaml").write_text("device: {purpose: test, jurisdiction: eu}\n")
    (path / "mine.yaml").write_text("device: {}\n")
    return path


@pytest.mark.parametrize("example", [each for each in OF_DEVICE if each.startswith(RUN)])
def test_an_example_runs_as_it_stands(example: str, folder: Path) -> None:
    around = {"PATH": f"{DEVICE.parent}:/usr/bin:/bin", "STATE_DIRECTORY": str(folder / "state")}
    line = re.sub(r"> \S+", "> new.yaml", re.sub(r"\| (less|source)", "| tail -1", example))
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=folder, env=around, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    if "jq" in example and "jq: command not found" in done.stderr:
        pytest.skip("jq is not installed")
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
