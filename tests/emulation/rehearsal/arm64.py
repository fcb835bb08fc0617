"""The wheel in an aarch64 user space: installation without extras, self-test, a clip, events.

make rehearse-arm64, or:
  sudo scripts/dev/rehearse-arm64                    # Bookworm (Python 3.11) and Trixie (3.13)
  sudo scripts/dev/rehearse-arm64 --install trixie   # fetch the tools that are missing
  sudo scripts/dev/rehearse-arm64 --json report.json bookworm
Emulated: what it computes is what a Raspberry Pi computes, how fast it does so is not.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tests.emulation.rehearsal import debian, workshop
from tests.emulation.rehearsal.broker import Listener, broker
from tests.emulation.rehearsal.emulated import CPU, Root, emulation
from tests.emulation.rehearsal.steps import Rehearsal, Step, conduct, expect, wait_for

PROGRAMS = {
    "qemu-aarch64-static": "qemu-user-static",
    "mmdebstrap": "mmdebstrap",
    debian.KEYRING: "debian-archive-keyring",
    "arch-test": "arch-test",
    "zstd": "zstd",
    "mosquitto": "mosquitto",
    "mosquitto_sub": "mosquitto-clients",
}
# What Raspberry Pi OS has of itself, as far as the wheels want it.
PACKAGES = (
    *("base-files", "base-passwd", "bash", "ca-certificates", "coreutils", "dash", "libc-bin", "libstdc++6"),
    *("python3", "python3-venv"),
)
BIN = "/opt/emotion-edge/venv/bin"
DEVICE = "rehearsal"
# The same kernels in the same order give the same integers, so nothing less than equality will do.
SAME = """\
from device.inference import golden
from device.inference.classifier import BUNDLED, Classifier
stored, here = golden.read(BUNDLED), golden.measure(BUNDLED, Classifier(BUNDLED))
assert stored is not None
print(stored.steps_off(here))
"""
# The demo's film, every second frame of it: emulation is slow.
CLIP = """\
from pathlib import Path
from device.demo.clip import FPS, write_clip
folder = Path("/opt/clip")
write_clip(folder)
for picture in sorted(folder.iterdir())[1::2]:
    picture.unlink()
print(FPS / 2, len(list(folder.iterdir())))
"""
BRIEF = ("selftest.budget_ms=60000", "selftest.runs=8", "selftest.warmup=1")
PATIENCE_S = 30.0


def main() -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(
        prog="rehearse-arm64", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("releases", nargs="*", metavar="RELEASE", help=f"{' or '.join(debian.PYTHONS)}; default: both")
    parser.add_argument("--install", action="store_true", help="fetch missing tools with apt-get")
    parser.add_argument("--json", type=Path, metavar="F", help="write times, self-test and events there")
    options = parser.parse_args()
    releases = options.releases or list(debian.PYTHONS)
    if unknown := set(releases) - set(debian.PYTHONS):
        parser.error(f"{', '.join(sorted(unknown))}: not known; there are {' and '.join(debian.PYTHONS)}")

    def work() -> dict[str, Any]:
        workshop.need(PROGRAMS, options.install)
        with workshop.scratch() as scratch, emulation(scratch):
            return {release: rehearse(release, scratch) for release in releases}

    return conduct("rehearse-arm64", work, options.json)


def rehearse(release: str, scratch: Path) -> dict[str, Any]:
    """All of it on one release; the report."""
    rehearsal = Rehearsal(f"arm64-{release}", workshop.LOGS)
    rehearsal.facts["emulated"] = f"latencies are those of qemu's {CPU} on this machine, not of a board"
    root = prepare(rehearsal, release, scratch / release)
    test_itself(rehearsal, root)
    with broker(rehearsal, scratch, DEVICE) as listener:
        play_a_clip(rehearsal, root, listener)
    print(f"\n{rehearsal.table()}\n")
    return rehearsal.report()


def prepare(rehearsal: Rehearsal, release: str, folder: Path) -> Root:
    """A root file system with the program installed as on a board without internet."""
    python = debian.PYTHONS[release]
    with rehearsal.step("make the root file system") as step:
        step.came = f"Debian {release}, arm64"
        archive = debian.root_archive(rehearsal, release, "extract", PACKAGES)
        root = Root(rehearsal, debian.unpack(rehearsal, archive, folder))
        debian.trust(folder)
    with rehearsal.step("fetch the wheels of others"):
        wheels = workshop.wheelhouse(rehearsal, python)
        rehearsal.run("mkdir", "--parents", folder / "opt" / "wheels")
        rehearsal.run("tar", "--directory", folder / "opt" / "wheels", "--extract", "--file", wheels)
    with rehearsal.step("build the wheel") as step:
        ours = workshop.wheel(rehearsal, folder / "opt" / "ours")
        step.came = ours.name
    with rehearsal.step("make the virtual environment"):
        root.run("python3", "-m", "venv", "/opt/emotion-edge/venv")
    with rehearsal.step("install without extras") as step:
        offline = ("--no-index", "--find-links", "/opt/wheels", "--only-binary=:all:")
        root.run(f"{BIN}/pip", "install", "--quiet", "--no-compile", *offline, f"/opt/ours/{ours.name}")
        listed = json.loads(root.run(f"{BIN}/pip", "list", "--format=json"))
        rehearsal.facts["installed"] = {one["name"]: one["version"] for one in listed if one["name"] != "pip"}
        step.came = f"{len(listed)} packages"
    return root


def test_itself(rehearsal: Rehearsal, root: Root) -> None:
    """Run the self-test, and compare the network's integers with those in its card."""
    with rehearsal.step("self-test") as step:
        told = root.run(f"{BIN}/python", "-c", "import platform as p; print(p.machine(), p.python_version())").split()
        rehearsal.facts["machine"], rehearsal.facts["python"] = told
        report = json.loads(root.run(f"{BIN}/device", "selftest", "--no-camera", "--json", *setting(*BRIEF)))
        rehearsal.facts["selftest"] = report
        expect(report["ok"], f"the self-test says {report}")
        step.came = f"{rehearsal.facts['machine']}, Python {rehearsal.facts['python']}"
    with rehearsal.step("compare the int8 outputs") as step:
        off = float(root.run(f"{BIN}/python", "-c", SAME))
        expect(off == 0.0, f"the network's outputs are {off:g} steps off those of x86-64; they were the same before")
        step.came = "the same as on x86-64"


def setting(*settings: str) -> list[str]:
    """The options that change settings of the device."""
    return [word for one in settings for word in ("--set", f"device.{one}")]


def play_a_clip(rehearsal: Rehearsal, root: Root, listener: Listener) -> None:
    """`device run` on the demo's film; its events must arrive, none missing."""
    with rehearsal.step("play a clip") as step:
        root.run("mkdir", "/opt/clip")
        fps, frames = root.run(f"{BIN}/python", "-c", CLIP).split()
        declared = (f"id={DEVICE}", "purpose=test", "jurisdiction=elsewhere", "state_dir=/var/lib/emotion-device")
        patient = ("camera.timeout_s=120", "mqtt.connect_timeout_s=120")
        broker_is = ("mqtt.host=127.0.0.1", f"mqtt.port={listener.port}")
        wanted = setting(*declared, *patient, *broker_is, f"camera.fps={fps}")
        root.run(f"{BIN}/device", "run", "--source", "/opt/clip", "--fast", *wanted)
        wait_for(lambda: listener.texts("availability")[-1:] == ["offline"], "the last word", PATIENCE_S)
        judge(listener, rehearsal, step, int(frames))


def judge(listener: Listener, rehearsal: Rehearsal, step: Step, frames: int) -> None:
    """One face came, was read and left; the numbers of the events have no gap."""
    events = listener.objects("events")
    kinds = [event["type"] for event in events]
    expect({"start", "end"} <= set(kinds), f"a start and an end should have come; came: {kinds}")
    numbers = [event["seq"] for event in events]
    expect(numbers == list(range(1, len(numbers) + 1)), f"events are missing: {numbers}")
    statuses = listener.objects("status")
    expect(statuses and statuses[-1]["camera"] == "ended", "no status told of the clip's end")
    rehearsal.facts |= {"frames": frames, "events": events}
    told = ", ".join(f"{event['type']} ({event['emotion']})" for event in events)
    step.came = f"{frames} frames: {told}"


if __name__ == "__main__":
    sys.exit(main())
