"""A process's life: builds the chain, feeds it frames until they end or somebody says stop, and takes leave.

Settings that are read again begin a new life in the same process; if that fails, it gives way to one with the old ones.
So does a model that was installed or rolled back.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from device import privacy
from device.attendant import Attendant
from device.camera import Frame
from device.caretaker import Caretaker
from device.config import DeviceConfig
from device.errors import EmotionEdgeError, SourceError
from device.events import CameraState, ModelInfo
from device.metrics import serving
from device.model_card import digest, read_card
from device.model_trial import Trial
from device.outbox import state_dir
from device.pause import Pause
from device.pipeline import Observation, Pipeline, from_config
from device.publisher import Publisher, open_publisher
from device.signals import Signals, StoppedError
from device.standing import Standing
from device.systemd import Notifier
from device.topics import Topics
from device.vitals import Progress

REPORT_S = 1.0  # between two reports of progress; what is said of them, and when, is the publisher's business
GONE: tuple[CameraState, ...] = ("stalled", "frozen", "failed", "paused")
FPS_REPORTS = 10  # the frame rate is taken over so many reports

Watch = Callable[[Observation], None]


class Pace:
    """Frames a second, over the last reports."""

    def __init__(self) -> None:
        self.frames = 0
        self._marks: deque[tuple[float, int]] = deque(maxlen=FPS_REPORTS + 1)

    def mark(self, now_s: float) -> float | None:
        """Frames a second since the oldest mark that is kept; None at the first."""
        self._marks.append((now_s, self.frames))
        then_s, before = self._marks[0]
        return (self.frames - before) / (now_s - then_s) if now_s > then_s else None


class Service:
    """The loop between camera and publisher.

    Args:
        standing: the settings, which may be read again on the way.
        pipeline: what reads the frames.
        publisher: what says the result.
        trial: the model, which others may replace on the way.
        notifier: systemd.
        watch: is shown every frame after it was published; None if nobody looks on.
    """

    def __init__(
        self,
        standing: Standing,
        pipeline: Pipeline,
        publisher: Publisher,
        trial: Trial,
        notifier: Notifier,
        watch: Watch | None = None,
    ) -> None:
        self._standing = standing
        self._config = standing.config
        self._pipeline = pipeline
        self._publisher = publisher
        self._trial = trial
        self._notifier = notifier
        self._watch = watch
        self._pace = Pace()
        self._told: tuple[CameraState, str | None] = ("starting", None)
        self._ready = False  # a frame was read; or none is wanted, for the camera is paused
        self._last_frame_s: float | None = None  # when one was finished last
        self._blind = False  # every track has been ended, because the camera is gone
        self._report_due_s = 0.0

    def work(self, camera: Caretaker, signals: Signals) -> CameraState:
        """Feed frames through the chain until they end (`ended`), or a signal, other settings or another model come
        (`stopped`).

        A finished frame is a sign of life, and so is a finished step of a camera that heals or is paused; a timer would
        be none.
        """
        pause = Pause(None if self._config.mqtt.host is None else state_dir(self._config))
        attendant = Attendant(self._config, self._publisher, camera, pause)
        while camera.state != "ended":
            attendant.attend(lambda: self._settle(camera), self._pipeline.timings.stages)
            if signals.stop or self._has_other_settings(signals) or self._trial.over:
                return "stopped"
            self._step(camera)
        return "ended"

    def finish(self, camera: CameraState) -> None:
        """End every track, say why there are no more frames, and take leave."""
        if not self._standing.may_go_on(self._config) and not self._trial.over:
            self._notifier.stopping()
        try:
            self._publisher.observe(self._pipeline.finish(), [])
            self._publisher.camera(camera)
        finally:
            self._publisher.close()

    def _step(self, camera: Caretaker) -> None:
        """One frame, or a moment without."""
        frame = camera.step()
        if self._told[0] in GONE:
            self._let_go()
        self._tell(camera)
        if frame is not None or camera.state == "paused":
            self._be_ready()
        if frame is not None:
            self._finish(frame)
        if self._ready:
            self._notifier.alive()
            self._report(camera)

    def _be_ready(self) -> None:
        if not self._ready:
            self._ready = True
            self._standing.proved()
            self._notifier.ready()

    def _has_other_settings(self, signals: Signals) -> bool:
        """Read the settings again if a signal asked for it."""
        if not signals.reread:
            return False
        signals.reread = False
        other = self._standing.reread()
        if not other:
            self._publisher.trouble(self._standing.error)
        return other

    def _settle(self, camera: Caretaker) -> None:
        """The camera was told to pause or to go on: nobody is seen any more, and its state is news."""
        self._publisher.observe(self._pipeline.finish(), [])
        self._blind = True
        self._tell(camera)

    def _tell(self, camera: Caretaker) -> None:
        """Say what the camera does, if that is news."""
        told = (camera.state, camera.error)
        if told == self._told:
            return
        self._told = told
        self._report_due_s = 0.0
        if camera.state != "ended":  # which is said when the tracks have ended
            self._publisher.camera(*told)

    def _finish(self, frame: Frame) -> None:
        """Work on one frame, and say what came of it."""
        began_s = time.monotonic()
        if self._last_frame_s is not None:
            self._pipeline.timings.add("capture", began_s - self._last_frame_s)
        observation = self._pipeline.process(frame)
        with self._pipeline.timings.measure("publish"):
            self._publisher.observe(observation.events, observation.states())
        if self._watch is not None:
            self._watch(observation)
        self._pace.frames += 1
        self._last_frame_s = time.monotonic()
        self._blind = False

    def _let_go(self) -> None:
        """Nobody can say who is still there when the camera has been gone for too long: every track ends."""
        if (
            self._blind
            or self._last_frame_s is None
            or time.monotonic() - self._last_frame_s < self._config.tracker.lost_s
        ):
            return
        self._publisher.observe(self._pipeline.finish(), [])
        self._blind = True

    def _report(self, camera: Caretaker) -> None:
        now_s = time.monotonic()
        if now_s < self._report_due_s:
            return
        self._report_due_s = now_s + REPORT_S
        fps = self._pace.mark(now_s)
        frames, openings = self._pace.frames, max(0, camera.openings - 1)
        stages = self._pipeline.timings.stages()
        groups_only = privacy.aggregate(self._config)  # then nobody shall know that one face is being read
        face_reads = None if groups_only else self._pipeline.face_reads()
        self._publisher.report(Progress(fps, frames, camera.skipped, stages, face_reads, self._last_frame_s, openings))
        rate = f", {fps:.1f} a second" if fps is not None else ""
        if self._trial.step(frames):
            self._publisher.updated(self._trial.update)
        self._notifier.status(f"camera {camera.state}, {frames} frames{rate}")


def run(config: DeviceConfig, watch: Watch | None = None, reread: Callable[[], DeviceConfig] | None = None) -> int:
    """Run the device until its source ends or SIGTERM or SIGINT comes.

    Args:
        config: what to run.
        watch: see `Service`.
        reread: gives the settings anew when SIGHUP comes; None: they cannot be read again.

    Returns:
        0, the exit code.

    Raises:
        ConfigError: purpose and jurisdiction are not set, or prohibited together.
        EmotionEdgeError: the model, the camera, the broker or the state folder fails; tracks have been ended and
            `offline` been said as far as that was possible.
    """
    privacy.check(config)
    logging.basicConfig(level=logging.INFO, format="device: %(message)s")
    notifier = Notifier.from_environment()
    standing = Standing(config, reread, _check)
    with Signals(can_reread=reread is not None) as signals:
        while True:
            try:
                if not _live(standing, signals, notifier, watch):
                    return 0
            except EmotionEdgeError as error:
                if signals.stop or not standing.fall_back(error):
                    raise


def _live(standing: Standing, signals: Signals, notifier: Notifier, watch: Watch | None) -> bool:
    """One life under the settings in force; returns whether there is to be another, other in settings or model."""
    with Trial(standing.config) as trial:
        return _live_with(trial, standing, signals, notifier, watch)


def _live_with(trial: Trial, standing: Standing, signals: Signals, notifier: Notifier, watch: Watch | None) -> bool:
    config = standing.config
    try:
        with signals.interruptible():
            pipeline = from_config(config, trial.path)
            publisher = open_publisher(config, _model_info(trial.path), trial.update)
    except StoppedError:
        return False
    if standing.error is not None:
        publisher.trouble(standing.error)
    service = Service(standing, pipeline, publisher, trial, notifier, watch)
    try:
        with serving(config.metrics, publisher.health), closing(Caretaker(config.camera)) as camera:
            state = service.work(camera, signals)
    except Exception as error:
        with suppress(EmotionEdgeError):  # the first error is the one to tell
            service.finish("failed" if isinstance(error, SourceError) else "stopped")
        raise
    service.finish(state)
    return standing.config is not config or trial.over


def _check(config: DeviceConfig) -> None:
    """What can be known before the camera and the broker are let go."""
    privacy.check(config)
    Topics(config)
    from_config(config)


def _model_info(path: Path) -> ModelInfo:
    card = read_card(path)
    return ModelInfo(name=card.name, version=card.version, digest=digest(path), labels=card.labels)
