"""The container: linted where hadolint is installed, built and run where a builder answers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "container" / "Containerfile"
ADDON = ROOT / "deploy" / "home-assistant-addon"
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
TEXT = FILE.read_text()


def builder() -> str | None:
    """A program that can build images here."""
    for name in ("podman", "docker"):
        found = shutil.which(name, path=PATH)
        if found and subprocess.run([found, "info"], capture_output=True, timeout=30).returncode == 0:
            return found
    return None


def test_the_image_runs_without_root_and_copies_what_exists() -> None:
    assert re.findall(r"^USER (\d+)$", TEXT, re.MULTILINE) == ["10001"]
    for line in re.findall(r"^COPY ([^-].*)$", TEXT, re.MULTILINE):
        *sources, _ = line.split()
        assert all((ROOT / source).exists() for source in sources)


def test_the_add_on_has_the_version_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    config = yaml.safe_load((ADDON / "config.yaml").read_text())
    assert config["version"] == version
    assert f"emotion-edge:{version}\n" in (ADDON / "Dockerfile").read_text()
    assert config["environment"]["STATE_DIRECTORY"] == "/data" and config["video"] is True


@pytest.mark.parametrize("file", [FILE, ADDON / "Dockerfile"], ids=lambda file: file.name)
def test_hadolint_finds_nothing(file: Path) -> None:
    hadolint = shutil.which("hadolint", path=PATH) or pytest.skip("hadolint is not installed: pip install .[deploy]")
    done = subprocess.run([hadolint, str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_the_image_is_built_and_the_selftest_passes_in_it() -> None:
    program = builder() or pytest.skip("neither podman nor docker can build here")
    build = [program, "build", "-f", str(FILE), "-t", "emotion-edge-test", str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    run = [program, "run", "--rm", "emotion-edge-test", "selftest", "--no-camera"]
    done = subprocess.run(run, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
