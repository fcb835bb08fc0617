"""A process's life: builds the chain, feeds it frames until they end or somebody says stop, and takes leave.

Settings that are read again begin a new life in the same process; if that fails, it gives way to one with the old ones.
So does a model that was installed or rolled back.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from device.camera.frame import Frame
from device.camera.supervisor import CameraSupervisor
from device.config import usage_policy
from device.host.paths import state_dir
from device.messages import CameraState
from device.model_registry.trial import Trial
from device.publishing.base import Publisher
from device.publishing.status import Progress
from device.service.command_handler import CommandHandler
from device.service.config_reload import ConfigReloader
from device.service.pause import Pause
from device.service.signals import Signals
from device.service.systemd import Notifier
from device.vision.observation import Observation
from device.vision.pipeline import Pipeline

REPORT_S = 1.0  # between two reports of progress; what is said of them, and when, is the publisher's business
GONE: tuple[CameraState, ...] = ("stalled", "frozen", "failed", "paused")
FPS_REPORTS = 10  # the frame rate is taken over so many reports

Watch = Callable[[Observation], None]


class FrameRate:
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
        reloader: ConfigReloader,
        pipeline: Pipeline,
        publisher: Publisher,
        trial: Trial,
        notifier: Notifier,
        watch: Watch | None = None,
    ) -> None:
        self._reloader = reloader
        self._config = reloader.config
        self._pipeline = pipeline
        self._publisher = publisher
        self._trial = trial
        self._notifier = notifier
        self._watch = watch
        self._frame_rate = FrameRate()
        self._told: tuple[CameraState, str | None] = ("starting", None)
        self._ready = False  # a frame was read; or none is wanted, for the camera is paused
        self._last_frame_s: float | None = None  # when one was finished last
        self._blind = False  # every track has been ended, because the camera is gone
        self._report_due_s = 0.0

    def work(self, camera: CameraSupervisor, signals: Signals) -> CameraState:
        """Feed frames through the chain until they end (`ended`), or a signal, other settings or another model come
        (`stopped`).

        A finished frame is a sign of life, and so is a finished step of a camera that heals or is paused; a timer would
        be none.
        """
        pause = Pause(None if self._config.mqtt.host is None else state_dir(self._config))
        handler = CommandHandler(self._config, self._publisher, camera, pause)
        while camera.state != "ended":
            handler.attend(lambda: self._settle(camera), self._pipeline.timings.stages)
            if signals.stop or self._has_other_settings(signals) or self._trial.over:
                return "stopped"
            self._step(camera)
        return "ended"

    def finish(self, camera: CameraState) -> None:
        """End every track, say why there are no more frames, and take leave."""
        if not self._reloader.may_go_on(self._config) and not self._trial.over:
            self._notifier.stopping()
        try:
            self._publisher.observe(self._pipeline.finish(), [])
            self._publisher.camera(camera)
        finally:
            self._publisher.close()

    def _step(self, camera: CameraSupervisor) -> None:
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
            self._reloader.proved()
            self._notifier.ready()

    def _has_other_settings(self, signals: Signals) -> bool:
        """Read the settings again if a signal asked for it."""
        if not signals.reread:
            return False
        signals.reread = False
        other = self._reloader.reread()
        if not other:
            self._publisher.trouble(self._reloader.error)
        return other

    def _settle(self, camera: CameraSupervisor) -> None:
        """The camera was told to pause or to go on: nobody is seen any more, and its state is news."""
        self._publisher.observe(self._pipeline.finish(), [])
        self._blind = True
        self._tell(camera)

    def _tell(self, camera: CameraSupervisor) -> None:
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
        self._frame_rate.frames += 1
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

    def _report(self, camera: CameraSupervisor) -> None:
        now_s = time.monotonic()
        if now_s < self._report_due_s:
            return
        self._report_due_s = now_s + REPORT_S
        fps = self._frame_rate.mark(now_s)
        frames, openings = self._frame_rate.frames, max(0, camera.openings - 1)
        stages = self._pipeline.timings.stages()
        groups_only = usage_policy.aggregate(self._config)  # then nobody shall know that one face is being read
        face_reads = None if groups_only else self._pipeline.face_reads()
        self._publisher.report(Progress(fps, frames, camera.skipped, stages, face_reads, self._last_frame_s, openings))
        rate = f", {fps:.1f} a second" if fps is not None else ""
        if self._trial.step(frames):
            self._publisher.updated(self._trial.update)
        self._notifier.status(f"camera {camera.state}, {frames} frames{rate}")
