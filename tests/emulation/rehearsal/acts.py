"""The steps rehearsed on a board: boot, installation over ssh, faults, recovery, access tests."""

from __future__ import annotations

import json
import re
import time

from tests.emulation.rehearsal.arm64 import BIN, CLIP
from tests.emulation.rehearsal.stage import ASSETS, CAMERA, PATIENCE_S, PORTRAIT, SERVICE, Stage
from tests.emulation.rehearsal.steps import expect, wait_for

WEBCAM = "n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0"  # that is what vivid plays; it shows colour bars
FILM = "/opt/clip"
SLOW_FPS = 0.5  # of the film on an emulated board, so that others get to work there, too
UNIT = f"/etc/systemd/system/{SERVICE}.service"
EXPOSURE = 1.4  # at most, as the board's own systemd counts it


def boot(stage: Stage) -> None:
    """Power on, ssh, and the camera."""
    with stage.rehearsal.step("boot until ssh answers") as step:
        stage.board.switch_on()
        told = stage.board.does("uname -mr; python3 --version; systemctl --version | sed -n 's/ (.*//p'")
        step.came = told.replace("\n", ", ").strip(", ")
    if not stage.emulated:
        return
    with stage.rehearsal.step("plug the camera in") as step:
        stage.board.does("echo vivid > /etc/modules-load.d/camera.conf")
        stage.board.does(f"echo options vivid {WEBCAM} > /etc/modprobe.d/camera.conf")
        stage.board.does("modprobe vivid && udevadm settle")
        step.came = stage.board.does("v4l2-ctl -d /dev/video0 --info | sed -n 's/.*Card type *: //p'").strip()


def install(stage: Stage) -> None:
    """The playbook over ssh; a second run has nothing to do."""
    since = stage.mark()
    with stage.rehearsal.step("playbook") as step:
        recap = stage.play("site.yml")
        step.came = f"changed={recap['changed']}"
        expect(recap["failed"] == 0 and recap["changed"] > 0, f"the playbook ended with {recap}")
    with stage.rehearsal.step("playbook again") as step:
        recap = stage.play("site.yml")
        step.came = f"changed={recap['changed']}"
        expect(recap["changed"] == 0, f"the second run changed something: {recap}")
    with stage.rehearsal.step("frames of the camera") as step:
        health = wait_for(lambda: stage.listener.objects("health", since), "health", PATIENCE_S)[-1]
        status = stage.listener.objects("status")[-1]
        expect(status["camera"] == "running", f"the camera is {status['camera']}: {status['camera_error']}")
        step.came = f"{CAMERA if stage.emulated else PORTRAIT}, {health['fps']} frames a second"


def see_faces(stage: Stage) -> None:
    """The demo's film, made on the board, by settings that the running service reads again."""
    with stage.rehearsal.step("the first event of a film") as step:
        stage.board.takes(CLIP, "/opt/rehearsal/clip.py")
        told = stage.board.does(f"mkdir -p {FILM} && {BIN}/python /opt/rehearsal/clip.py && chmod -R a+rX {FILM}")
        fps, fast = (SLOW_FPS, "false") if stage.emulated else (told.split()[0], "true")
        since = stage.mark()
        film = rf"s#source: .*#source: {FILM}\n    fast: {fast}\n    loop: true#; s#fps: .*#fps: {fps}#"
        stage.board.does(f"sed -i '{film}' /etc/emotion-edge/config.yaml && systemctl reload {SERVICE}")
        event = stage.wait_event(since, "a first event", "start")
        step.came = f"{event['type']}, seq {event['seq']}"


def crash(stage: Stage) -> None:
    """SIGKILL: systemd starts it again, and the numbers of the events go on."""
    with stage.rehearsal.step("SIGKILL") as step:
        last, since = stage.listener.objects("events")[-1]["seq"], stage.mark()
        stage.board.does(f"systemctl kill --kill-whom=main --signal=KILL {SERVICE}")
        stage.wait_online(since)
        event = stage.wait_event(since, "an event after SIGKILL")
        step.came = f"seq {last} -> {event['seq']}, restarts {stage.shows('NRestarts')['NRestarts']}"
        expect(event["seq"] > last or event["replayed"], f"the numbers do not grow: {last}, then {event['seq']}")


def hang(stage: Stage) -> None:
    """A process that stands still: the watchdog ends it."""
    with stage.rehearsal.step("hang") as step:
        since, restarts = stage.mark(), int(stage.shows("NRestarts")["NRestarts"])
        stage.board.does(f"systemctl kill --kill-whom=main --signal=STOP {SERVICE}")
        journal = f"journalctl -u {SERVICE} -o cat --no-pager | grep -i 'watchdog timeout' | tail -n 1"
        told = wait_for(lambda: stage.board.asks(journal)[1].strip(), "the watchdog", PATIENCE_S, pause_s=5)
        stage.wait_online(since)
        event = stage.wait_event(since, "an event after the hang")
        step.came = f"{told}; then seq {event['seq']}"
        expect(int(stage.shows("NRestarts")["NRestarts"]) > restarts, "systemd did not start it again")


def break_out(stage: Stage) -> None:
    """From inside the unit's walls: what can be written, and what may be done."""
    stage.board.takes((ASSETS / "walls.py").read_text(encoding="utf-8"), "/opt/rehearsal/walls.py")
    stage.board.takes((ASSETS / "inside").read_text(encoding="utf-8"), "/opt/rehearsal/inside")
    with stage.rehearsal.step("try to break out") as step:
        told = json.loads(stage.board.does(f"sh /opt/rehearsal/inside {BIN}/python /opt/rehearsal/walls.py"))
        stage.rehearsal.facts["walls"] = told
        expect(told["outside"] == [], f"files could be written in {told['outside']}")
        expect(told["inside"], "the state folder cannot be written")
        expect(int(told["CapEff"], 16) == int(told["CapBnd"], 16) == 0, f"there are capabilities: {told}")
        expect((told["NoNewPrivs"], told["Seccomp"]) == ("1", "2"), f"there are ways up: {told}")
        written = ", ".join(told["inside"] + told["private"])
        step.came = f"{told['tried']} folders tried, written: {written}; no capability"
    with stage.rehearsal.step("systemd-analyze security") as step:
        offline, running = exposure(stage, f"--offline=true {UNIT}"), exposure(stage, SERVICE)
        stage.rehearsal.facts["exposure"] = {"offline": offline, "running": running}
        step.came = f"exposure {offline} offline, {running} of the running service"
        expect(max(offline, running) <= EXPOSURE, f"at most {EXPOSURE} may be, and it is {step.came}")


def exposure(stage: Stage, what: str) -> float:
    """As the board's systemd counts it: 0 is closed, 10 is open."""
    told = stage.board.does(f"systemd-analyze security --no-pager {what} | tail -n 1")
    return float(re.findall(r": (\d+\.\d+) ", told)[0])


def reboot(stage: Stage) -> None:
    """The board comes back by itself, and so do its events."""
    with stage.rehearsal.step("reboot") as step:
        last, since = stage.listener.objects("events")[-1]["seq"], stage.mark()
        began_s = time.monotonic()
        stage.board.reboot()
        stage.wait_online(since)
        fresh = wait_for(
            lambda: [one for one in stage.listener.objects("events", since) if one["seq"] > last], "events", PATIENCE_S
        )
        step.came = f"seq {last} -> {fresh[0]['seq']} after {time.monotonic() - began_s:.0f} s"


def power_off(stage: Stage) -> None:
    """Nothing of ours has failed."""
    with stage.rehearsal.step("power off"):
        failed = stage.board.does("systemctl --failed --no-legend --plain").strip()
        expect(SERVICE not in failed, f"failed: {failed}")
        stage.board.halt()
