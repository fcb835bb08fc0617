"""Known vulnerabilities of the locked dependencies, from a file of advisories; and the locks."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from scripts.dev.check_deps import LOCKS, locked
from scripts.dev.lock_deps import RELEASES, wanted

ROOT = Path(__file__).parents[2]


def check(folder: Path, vulnerable: str | None, left_out: str | None, *options: str) -> tuple[int, str]:
    """Exit code and output with advisories that know every locked package but one."""
    entries = [
        {"name": name, "version": version, "vulns": [{"id": "CVE-1-1"}] if name == vulnerable else []}
        for name, version in locked()
        if name != left_out
    ]
    (folder / "advisories.json").write_text(json.dumps({"dependencies": entries}))
    command = [
        sys.executable,
        "scripts/dev/check_deps.py",
        "--offline",
        "--advisories",
        str(folder / "advisories.json"),
    ]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_no_known_vulnerability(tmp_path: Path) -> None:
    assert check(tmp_path, None, None, "--require") == (
        0,
        f"check-deps: no known vulnerability in {len(locked())} packages.\n",
    )


def test_a_vulnerable_package_is_named(tmp_path: Path) -> None:
    code, said = check(tmp_path, "pyyaml", None)
    assert code == 1 and said.startswith("check-deps: pyyaml ") and "has CVE-1-1; take another version." in said


def test_a_package_that_was_not_checked_is_told_and_stops_a_release(tmp_path: Path) -> None:
    code, said = check(tmp_path, None, "paho-mqtt")
    assert code == 0 and f"skipped for 1 of {len(locked())} packages, --offline: paho-mqtt" in said
    assert check(tmp_path, None, "paho-mqtt", "--require")[0] == 1


@pytest.mark.parametrize("content", [None, "", "[]", "{"])
def test_without_advisories_all_is_skipped_and_said(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "advisories.json"
    if content is not None:
        file.write_text(content)
    command = [sys.executable, "scripts/dev/check_deps.py", "--offline", "--advisories", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and "skipped for" in done.stdout


@pytest.mark.parametrize("release", RELEASES)
def test_the_locks_hold_what_the_device_needs(release: str) -> None:
    lines = (LOCKS / f"{release}.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    for text in [*wanted(), *RELEASES[release][1]]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pinned[requirement.name]), f"{text}: run scripts/dev/lock_deps.py"


def test_a_release_checks_them() -> None:
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    assert "make check-deps ARGUMENTS=--require" in workflow
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert any(line.startswith("pip-audit") for line in extras["deploy"])
