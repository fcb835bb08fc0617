"""Four new users, in a clone and with a wheel in an empty folder: no traceback, no silence."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.clips import PORTRAIT, portrait, write_clip

ROOT = Path(__file__).parents[2]
LAW = ("--set", "device.purpose=test", "--set", "device.jurisdiction=elsewhere")
Done = subprocess.CompletedProcess[str]

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


class User:
    """Somebody who types commands in a folder, with the package from a place."""

    def __init__(self, folder: Path, package: Path) -> None:
        self.folder, self._package = folder, package

    def types(self, program: str, *arguments: object) -> Done:
        """Run a command; no traceback, and never silence without success."""
        module = {"device": "device", "trainer": "trainer.cli"}[program]
        around = os.environ | {"PYTHONPATH": str(self._package), "STATE_DIRECTORY": str(self.folder / "state")}
        command = [sys.executable, "-P", "-m", module, *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, env=around, capture_output=True, text=True, timeout=300)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.stdout or done.stderr, f"{arguments}: not a word"
        return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel of this source installs, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    pytest.importorskip("setuptools", reason="setuptools is not installed, so no wheel can be built")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    built = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300)
    if built.returncode:
        pytest.skip(f"no wheel can be built here: {built.stderr.strip().splitlines()[-1:]}")
    (file,) = folder.glob("emotion_edge-*.whl")
    zipfile.ZipFile(file).extractall(folder / "site")
    return folder / "site"


@pytest.fixture(params=["clone", "wheel"])
def user(request: pytest.FixtureRequest, tmp_path: Path) -> User:
    """In a clone the shipped config.yaml lies in the folder; with a wheel nothing does."""
    if request.param == "wheel":
        return User(tmp_path, request.getfixturevalue("wheel"))
    (tmp_path / "config.yaml").write_text((ROOT / "config.yaml").read_text())
    return User(tmp_path, ROOT)


def test_a_maker_comes_from_nothing_to_events(user: User) -> None:
    missing = user.types("device", "run", "--source", PORTRAIT, "--fast")
    assert missing.returncode == 2 and "device.purpose and device.jurisdiction are not set" in missing.stderr
    printed = user.types("device", "check-config", "--print")
    assert printed.returncode == 0
    text = printed.stdout.replace("purpose: null", "purpose: home").replace("jurisdiction: null", "jurisdiction: eu")
    (user.folder / "config.yaml").write_text(text)
    assert user.types("device", "check-config").returncode == 0
    events = user.types("device", "run", "--source", PORTRAIT, "--fast")
    assert events.returncode == 0 and '"emotion":"happy"' in events.stdout


def test_a_researcher_gets_a_table_and_a_reason_where_there_is_none(user: User) -> None:
    write_clip(user.folder / "film.avi", [portrait()] * 8)
    done = user.types("device", "analyze", PORTRAIT, "film.avi", "--csv", "faces.csv", *LAW)
    assert done.returncode == 0 and len((user.folder / "faces.csv").read_text().splitlines()) > 3
    school = ("--set", "device.purpose=education", "--set", "device.jurisdiction=elsewhere")
    assert "groups only" in user.types("device", "analyze", PORTRAIT, *school).stderr
    quiet = user.types("device", "run", "--source", PORTRAIT, "--fast", *school)
    assert quiet.returncode == 0 and "fewer than 5 faces" in quiet.stderr


def test_a_fleet_engineer_is_told_what_is_missing(user: User) -> None:
    assert user.types("device", "selftest", "--no-camera", *LAW).returncode in (0, 1)  # a busy machine is too slow
    assert user.types("device", "model", "list").returncode == 0
    fleet = user.types("device", "fleet", "--seconds", "1")
    assert fleet.returncode == 2 and "device.mqtt.host is not set" in fleet.stderr


def test_a_researcher_of_networks_reads_data_and_rows(user: User) -> None:
    assert user.types("trainer", "--version").stdout.startswith("emotion-edge ")
    assert user.types("trainer", "data", "--data", "toy", "--recipe", "record").returncode == 0
    assert user.types("trainer", "compare", "--list", "--models", "pooled").returncode == 0
    wrong = user.types("trainer", "distill", "--recipe", "fsat")
    assert wrong.returncode == 2 and "born-again" in wrong.stderr
    nothing = user.types("trainer", "convert")
    assert nothing.returncode in (1, 2) and nothing.stderr.count("\n") == 1
