"""Is this machine fit? Every check once, then the chain against the clock; the verdict is the exit code."""

from __future__ import annotations

import dataclasses
import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device.camera.frame import Frame
from device.config.schema import CameraConfig, DeviceConfig
from device.errors import EmotionEdgeError
from device.host.terminal import paint
from device.inference import golden
from device.messages import Stage, to_json
from device.selftest import checks
from device.vision.pipeline import from_config

Check = Callable[[DeviceConfig], str]

CHECKS: dict[str, Check] = {
    "config": checks.check_config,
    "model": checks.check_model,
    "golden": checks.check_golden,
    "face": checks.check_face,
    "camera": checks.check_camera,
    "mqtt": checks.check_mqtt,
    "state": checks.check_state,
    "board": checks.check_board,
}


@dataclass(frozen=True)
class Outcome:
    """What came of one check. A skipped one is not held against the machine."""

    name: str
    ok: bool
    detail: str
    skipped: bool = False


@dataclass(frozen=True)
class Report:
    """Every outcome, and how long the stages took."""

    outcomes: tuple[Outcome, ...]
    stages: dict[str, Stage]

    @property
    def ok(self) -> bool:
        """The verdict."""
        return all(outcome.ok for outcome in self.outcomes)

    def to_json(self) -> str:
        """ok, checks [{name, ok, detail, skipped}], stages {name: {p50_ms, p95_ms, max_ms, n}}."""
        values = {
            "ok": self.ok,
            "checks": [dataclasses.asdict(outcome) for outcome in self.outcomes],
            "stages": {name: json.loads(to_json(stage)) for name, stage in self.stages.items()},
        }
        return json.dumps(values, indent=2)

    def table(self) -> str:
        """The same for a person."""
        return "\n".join([*map(_outcome_line, self.outcomes), *_stage_lines(self.stages), _verdict(self)])


def selftest(config: DeviceConfig, camera: bool = True, live: dict[str, Stage] | None = None) -> Report:
    """Run every check, whatever the ones before found.

    Args:
        config: what is tested.
        camera: False leaves the camera out.
        live: timings of a chain that runs on this machine now and is judged instead of one of our own.
    """
    stages: dict[str, Stage] = {} if live is None else dict(live)

    def check_speed(config: DeviceConfig) -> str:
        if live is None:
            stages.update(measure(config))
        if "total" not in stages:
            raise checks.NotApplicableError("no frame was worked on yet")
        return _judge(stages["total"], config.selftest.budget_ms)

    wanted = CHECKS | {"speed": check_speed}
    if not camera:
        wanted["camera"] = _left_out
    outcomes = tuple(_outcome(name, check, config) for name, check in wanted.items())
    return Report(outcomes, stages)


def measure(config: DeviceConfig) -> dict[str, Stage]:
    """Timings of the chain's stages over `selftest.runs` frames that show one face, after a warm-up."""
    pipeline = from_config(config)
    frames = _frames(config.camera)
    for frame in itertools.islice(frames, config.selftest.warmup + config.tracker.confirm_frames):
        pipeline.process(frame)
    pipeline.timings.reset()
    for frame in itertools.islice(frames, config.selftest.runs):
        pipeline.process(frame)
    return pipeline.timings.stages()


def _frames(config: CameraConfig) -> Iterator[Frame]:
    """The bundled portrait, in a frame as large as the camera's, for ever."""
    image = _framed(golden.picture(), config.width, config.height)
    for index in itertools.count():
        yield Frame(image, index, index / config.fps, time.time(), 0)


def _framed(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """A square picture in the middle of a grey frame, as large as fits: uint8 (height, width, 3)."""
    import cv2

    side = min(width, height)
    frame = np.full((height, width, 3), 127, np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    frame[top : top + side, left : left + side] = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return frame


def _judge(total: Stage, budget_ms: float) -> str:
    told = f"p95 of a frame is {total.p95_ms:.1f} ms, the budget {budget_ms:g} ms"
    if total.p95_ms > budget_ms:
        raise checks.CheckError(f"{told}; close other programs, cool the board, or raise device.selftest.budget_ms.")
    return told


def _left_out(_: DeviceConfig) -> str:
    raise checks.NotApplicableError("--no-camera")


def _outcome(name: str, check: Check, config: DeviceConfig) -> Outcome:
    try:
        return Outcome(name, True, check(config))
    except checks.NotApplicableError as reason:
        return Outcome(name, True, str(reason), skipped=True)
    except EmotionEdgeError as error:
        return Outcome(name, False, str(error))


def _outcome_line(outcome: Outcome) -> str:
    if outcome.skipped:
        return f"{paint('skip', 'yellow')}  {outcome.name:<8}{outcome.detail}"
    word = paint("ok  ", "green") if outcome.ok else paint("FAIL", "red")
    return f"{word}  {outcome.name:<8}{outcome.detail}"


def _stage_lines(stages: dict[str, Stage]) -> Iterator[str]:
    if stages:
        yield f"\n{'stage':<10}{'p50 ms':>10}{'p95 ms':>10}{'max ms':>10}{'n':>7}"
    for name, stage in stages.items():
        yield f"{name:<10}{stage.p50_ms:>10.2f}{stage.p95_ms:>10.2f}{stage.max_ms:>10.2f}{stage.n:>7}"


def _verdict(report: Report) -> str:
    failed = [outcome.name for outcome in report.outcomes if not outcome.ok]
    return "\n" + (paint(f"not fit: {', '.join(failed)}", "red") if failed else paint("fit", "green"))
