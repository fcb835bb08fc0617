"""Values that deploy/ repeats are equal everywhere. `make lint-deploy` checks the rest."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from device.config import usage_policy
from device.config.schema import load_config

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
ROLE = DEPLOY / "roles" / "emotion_device"
UNIT = (ROOT / "systemd" / "emotion-device.service").read_text()


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_every_variable_has_a_default_and_a_description() -> None:
    specs = read(ROLE / "meta" / "argument_specs.yml")["argument_specs"]
    described = {name for spec in specs.values() for name in spec["options"]}
    assert described == set(read(ROLE / "defaults" / "main.yml"))


def test_every_variable_that_the_tasks_use_exists() -> None:
    known = set(read(ROLE / "defaults" / "main.yml")) | set(read(ROLE / "vars" / "main.yml"))
    for file in sorted(ROLE.rglob("*.yml")):
        known |= {
            name for match in re.findall(r"register: (\w+)|set_fact:\s+(\w+):", file.read_text()) for name in match
        }
    used = {name for file in ROLE.rglob("*.yml") for name in re.findall(r"\bemotion_device_\w+", file.read_text())}
    assert used <= known


def tasks_in(found: Any) -> Iterator[dict[str, Any]]:
    """Tasks of a file, and those in their blocks."""
    for task in found:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks_in(task.get(part, ()))


def test_a_condition_is_true_or_false() -> None:
    """Ansible takes no text for one: `when: a_text and so_on` fails where the text is empty."""
    texts = {name for name, value in read(ROLE / "defaults" / "main.yml").items() if not isinstance(value, bool)}
    conditions = [
        str(task.get("when", ""))
        for folder in ("tasks", "handlers")
        for file in (ROLE / folder).glob("*.yml")
        for task in tasks_in(read(file))
    ]
    terms = {term.strip() for one in conditions for term in re.split(r"\band\b|\bor\b", one)}
    assert "emotion_device_wheelhouse | length > 0" in terms
    assert not terms & texts


def test_the_unit_and_the_role_mean_the_same_places() -> None:
    variables = read(ROLE / "vars" / "main.yml")
    home, etc = variables["emotion_device_home"], variables["emotion_device_etc"]
    assert f"ExecStart={home}/venv/bin/device run --config {etc}/config.yaml\n" in UNIT
    wrapper = (ROLE / "files" / "emotion-device").read_text()
    assert f'{home}/venv/bin/device "$command" "$@" --config "{etc}/$settings.yaml"' in wrapper


def test_the_unit_of_more_cameras_differs_in_names_only() -> None:
    more = (ROOT / "systemd" / "emotion-device@.service").read_text()
    pairs = zip(UNIT.partition("[Unit]")[2].splitlines(), more.partition("[Unit]")[2].splitlines(), strict=True)
    changed = {theirs for ours, theirs in pairs if ours != theirs}
    keys = {line.partition("=")[0] for line in changed}
    assert keys == {"Description", "ExecStart", "User", "StateDirectory", "LoadCredential"}
    assert all("%i" in line for line in changed)


def test_the_unit_of_the_dashboard_means_the_same_places_and_is_as_closed() -> None:
    unit = (ROOT / "systemd" / "emotion-dashboard.service").read_text()
    variables = read(ROLE / "vars" / "main.yml")
    home, etc = variables["emotion_device_home"], variables["emotion_device_etc"]
    start = f"ExecStart={home}/venv/bin/device dashboard --config {etc}/config.yaml --set device.state_dir=null\n"
    assert start in unit
    loaded = dict(re.findall(r"^LoadCredential=(\S+):(\S+)$", unit, flags=re.MULTILINE))
    assert loaded.pop("dashboard-token") == "emotion-dashboard.token"
    of_device = dict(re.findall(r"^LoadCredential=(mqtt-\S+):(\S+)$", UNIT, flags=re.MULTILINE))
    assert loaded == of_device
    own = {"AF_NETLINK", "video"}
    closed = {
        line
        for line in UNIT.partition("# What it may access.")[2].partition("MemoryMax")[0].splitlines()
        if "=" in line and not line.startswith(("#", "Device", "ProcSubset")) and not own & set(re.split(r"[= ]", line))
    }
    assert len(closed) > 25 and closed <= set(unit.splitlines())


def test_the_unit_takes_the_secrets_that_the_role_writes() -> None:
    loaded = dict(re.findall(r"^LoadCredential=(\S+):(\S+)$", UNIT, flags=re.MULTILINE))
    written = read(ROLE / "vars" / "main.yml")["emotion_device_credentials"]
    assert loaded == {name: f"emotion-device.{name}" for name in written}


def test_the_device_looks_for_the_secrets_that_the_unit_gives() -> None:
    modules = (ROOT / "device" / "mqtt" / "credentials.py", ROOT / "device" / "camera" / "network.py")
    asked = {name for file in modules for name in re.findall(r'"((?:mqtt|camera)-\w+)"\)', file.read_text())}
    assert asked == set(re.findall(r"^LoadCredential=([\w-]+)", UNIT, flags=re.MULTILINE))


def test_the_example_is_a_config_that_the_device_takes(tmp_path: Path) -> None:
    settings = read(DEPLOY / "example" / "group_vars" / "emotion_devices.yml")["emotion_device_config"]
    (tmp_path / "config.yaml").write_text(json.dumps({"device": settings}))
    usage_policy.check(load_config(tmp_path / "config.yaml"))


def test_the_controller_needs_what_the_extra_names() -> None:
    wanted = [line for line in (DEPLOY / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    project = (ROOT / "pyproject.toml").read_text()
    assert [line for line in wanted if f'"{line}"' not in project] == []


def test_the_probe_tells_of_this_machine() -> None:
    probe = ROLE / "files" / "probe.py"
    told = json.loads(subprocess.run([sys.executable, probe], capture_output=True, check=True, text=True).stdout)
    assert told["machine"] == os.uname().machine
    assert told["bits"] == 64
    assert told["python"] == ".".join(map(str, sys.version_info[:3]))
    asked = set(re.findall(r"emotion_device_board\.(\w+)", "".join(file.read_text() for file in ROLE.rglob("*.yml"))))
    assert asked == set(told)


def test_install_asks_for_settings() -> None:
    done = subprocess.run([DEPLOY / "install.sh"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("install.sh: name the settings file: ")


@pytest.mark.parametrize("playbook", ["site.yml", "rollout.yml", "uninstall.yml"])
def test_the_playbooks_can_be_read(playbook: str) -> None:
    ansible = shutil.which("ansible-playbook") or pytest.skip("Ansible is not installed: pip install .[deploy]")
    check = [ansible, "--syntax-check", "--inventory", "example/inventory.yml", playbook]
    done = subprocess.run(check, cwd=DEPLOY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
