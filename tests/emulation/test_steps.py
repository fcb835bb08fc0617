"""What the rehearsals are made of, as far as it needs neither root nor an emulator."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from device.config import usage_policy
from device.config.schema import load_config
from tests.emulation.rehearsal import debian, model_acts, stage, workshop
from tests.emulation.rehearsal.emulated import CORE
from tests.emulation.rehearsal.steps import Rehearsal, RehearsalError, Skipped, conduct, expect, wait_for

SOURCES = "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n"


@pytest.fixture
def rehearsal(tmp_path: Path) -> Rehearsal:
    return Rehearsal("play", tmp_path)


def test_steps_are_timed_and_logged(rehearsal: Rehearsal, capsys: pytest.CaptureFixture[str]) -> None:
    with rehearsal.step("speak") as step:
        step.came = rehearsal.run("echo", "well said").strip()
    assert "well said" in capsys.readouterr().out
    assert "well said" in rehearsal.table()
    assert rehearsal.log.read_text() == "== speak\n$ echo 'well said'\nwell said\n"
    assert [one["what"] for one in json.loads(json.dumps(rehearsal.report()))["steps"]] == ["speak"]


def test_a_failed_command_is_told_with_its_last_words(rehearsal: Rehearsal) -> None:
    with pytest.raises(RehearsalError, match=r"(?s)ended with 3:.*no such luck"):
        rehearsal.run("sh", "-c", "echo no such luck >&2; exit 3")
    assert "no such luck" in rehearsal.log.read_text()


def test_a_command_may_fail(rehearsal: Rehearsal) -> None:
    assert rehearsal.tries("sh", "-c", "echo said; exit 3") == (3, "said\n")
    assert "said" in rehearsal.log.read_text()


def test_waiting_ends(rehearsal: Rehearsal) -> None:
    left = iter([0, 0, 7])
    assert wait_for(lambda: next(left), "seven", 10, pause_s=0) == 7
    with pytest.raises(RehearsalError, match="in vain for godot"):
        wait_for(lambda: False, "godot", 0, pause_s=0)


@pytest.mark.parametrize(
    ("mishap", "code"), [(Skipped("no"), 0), (RehearsalError("no"), 1), (KeyboardInterrupt(), 130)]
)
def test_a_mishap_becomes_an_exit_code(
    mishap: BaseException, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> dict[str, str]:
        raise mishap

    assert conduct("play", work, tmp_path / "report.json") == code
    assert "passed" not in capsys.readouterr().out
    assert not (tmp_path / "report.json").exists()


def test_what_is_expected() -> None:
    expect([1], "fine")
    with pytest.raises(RehearsalError, match=r"^not fine$"):
        expect([], "not fine")


def test_another_releases_sources_come_from_this_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "debian.sources").write_text(SOURCES)
    monkeypatch.setattr(debian, "HOST_SOURCES", (tmp_path / "absent", tmp_path / "debian.sources"))
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "debian", "VERSION_CODENAME": "bookworm"})
    assert debian.sources("trixie") == SOURCES.replace("bookworm", "trixie")
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "ubuntu", "VERSION_CODENAME": "noble"})
    assert debian.sources("trixie") is None


def test_only_one_rehearses_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workshop, "CACHE", tmp_path)
    (tmp_path / "work.killed").mkdir()
    with workshop.scratch() as scratch:
        assert not (tmp_path / "work.killed").exists()
        (scratch / "file").touch()
        with pytest.raises(RehearsalError, match="another rehearsal runs"), workshop.scratch():
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_the_emulated_processor_is_an_arm() -> None:
    assert "CPU implementer\t: 0x41" in CORE.format(number=0)


def test_a_playbooks_last_word_of_a_host_counts() -> None:
    told = "pi : ok=1 changed=9 failed=0\nhall : ok=7 changed=7 failed=7\npi     : ok=31   changed=0    failed=1\n"
    assert stage.recap(told) == {"ok": 31, "changed": 0, "failed": 1}
    with pytest.raises(RehearsalError, match="says nothing of porch"):
        stage.recap(told, "porch")


def test_an_old_verdict_said_again_is_no_verdict() -> None:
    corrupt = {"state": "rolled_back", "since": 10.0, "reason": "corrupt"}
    last = model_acts.newest([corrupt])
    heard = [corrupt, corrupt, {"state": "trial", "since": 20.0, "reason": None}]
    assert model_acts.ended(heard, "rolled_back", last) is None
    wrong = {"state": "rolled_back", "since": 30.0, "reason": "wrong"}
    assert model_acts.ended([*heard, wrong, wrong], "rolled_back", last) == wrong
    assert model_acts.newest([]) == 0.0


@pytest.mark.parametrize("emulated", [True, False])
def test_the_device_takes_the_settings_of_the_stage(emulated: bool, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(json.dumps({"device": stage.settings(emulated, 1883)}))
    usage_policy.check(load_config(tmp_path / "config.yaml"))


@pytest.mark.parametrize("script", ["rehearse-arm64", "rehearse-pi"])
def test_help_needs_nothing(script: str) -> None:
    command = [str(workshop.REPOSITORY / "scripts" / "dev" / script), "--help"]
    done = subprocess.run(
        command, env={"PATH": "/usr/bin:/bin", "PYTHON": sys.executable}, capture_output=True, text=True
    )
    assert done.returncode == 0 and "--install" in done.stdout


@pytest.mark.parametrize("script", ["rehearse-arm64", "rehearse-pi"])
def test_an_unknown_release_is_wrong_usage(script: str) -> None:
    done = subprocess.run([workshop.REPOSITORY / "scripts" / "dev" / script, "buster"], capture_output=True, text=True)
    assert done.returncode == 2 and "buster" in done.stderr
