"""The wheel on aarch64, under qemu: what `make rehearse-arm64` does, for one release."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.emulation.rehearsal import arm64, debian, workshop

SCRIPT = workshop.REPOSITORY / "scripts" / "dev" / "rehearse-arm64"
ASKED = os.environ.get("REHEARSE_ARM64", "").split()  # releases; .ci/run asks for one
WARM = [release for release in debian.PYTHONS if debian.archive_path(release, "extract", arm64.PACKAGES).exists()]
RELEASES = ASKED or WARM[:1]
SUDO = ["sudo", "--non-interactive", "--preserve-env=REHEARSAL_CACHE,PYTHON"]
AS_ROOT = SUDO if os.geteuid() != 0 and shutil.which("sudo") else []


@pytest.mark.arm64
@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not RELEASES, reason="nothing is cached: make rehearse-arm64 once, or REHEARSE_ARM64=bookworm")
def test_the_wheel_works_on_aarch64(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    more = ["--install"] if ASKED else []
    done = subprocess.run(
        [*AS_ROOT, SCRIPT, *more, "--json", report, *RELEASES],
        env=os.environ | {"PYTHON": sys.executable},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if not report.exists() and done.returncode == 0:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(report.read_text())
    for release in RELEASES:
        assert told[release]["machine"] == "aarch64"
        assert told[release]["python"].startswith(f"{debian.PYTHONS[release]}.")
        assert told[release]["selftest"]["ok"]
        assert not {"torch", "amqtt", "prometheus_client"} & {name.lower() for name in told[release]["installed"]}
        assert {"start", "end"} <= {event["type"] for event in told[release]["events"]}
