"""One session: frames go through the pipeline to the publisher, under one config and one model."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing, suppress
from enum import Enum

from device.camera.frame import Frame
from device.camera.supervisor import CameraSupervisor
from device.config import usage_policy
from device.errors import EmotionEdgeError, SourceError
from device.host.paths import state_dir
from device.messages import CameraState
from device.model_registry.trial import Trial
from device.publishing.protocols import Publisher
from device.publishing.reports import CameraReport, ConfigReport, ModelReport, Progress, Report
from device.service.command_handler import CommandHandler
from device.service.config_reload import ConfigReloader
from device.service.frame_rate import FrameRate
from device.service.pause import Pause
from device.service.prometheus import serving
from device.service.signals import Signals
from device.service.systemd import Notifier
from device.vision.face_check import LOOKS
from device.vision.observation import Observation
from device.vision.pipeline import Pipeline

REPORT_S = 1.0  # between two reports of progress; the publisher decides when to send them
WITHOUT_FRAMES: tuple[CameraState, ...] = ("stalled", "frozen", "failed", "paused")

log = logging.getLogger(__name__)

Watch = Callable[[Observation], None]


class SessionState(Enum):
    """What the session knows of the scene."""

    STARTING = "no frame yet, and the camera is not paused: systemd waits for us"
    OBSERVING = "frames arrive; tracks may be active"
    NO_TRACKS = "every track was ended, because the camera delivers no frames"


class Session:
    """The main loop between camera and publisher.

    Args:
        reloader: the config in force; a signal may load another one.
        pipeline: processes frames.
        publisher: sends the results.
        trial: the model in force; an installation may replace it.
        notifier: systemd.
        watch: called with every observation after it was published.
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
        self._groups_only = usage_policy.aggregate(reloader.config)
        self._pipeline = pipeline
        self._publisher = publisher
        self._remote = publisher.remote
        self._trial = trial
        self._notifier = notifier
        self._watch = watch
        self._state = SessionState.STARTING
        self._camera_report = CameraReport("starting")  # the last one sent
        self._frame_rate = FrameRate()
        self._camera_rate = FrameRate()
        self._has_events = False
        self._last_frame_s: float | None = None  # monotonic seconds when one was finished
        self._report_due_s = 0.0

    @property
    def replaced(self) -> bool:
        """Another config or another model is in force: a new session should follow."""
        return self._reloader.config is not self._config or self._trial.over

    def run(self, signals: Signals) -> None:
        """Process frames until they end, a signal asks to stop, or the session is replaced.

        Raises:
            EmotionEdgeError: the camera, the broker or the state folder fails. Tracks have been
                ended and `offline` published, as far as possible.
        """
        if self._reloader.error is not None:
            self._report(ConfigReport(self._reloader.error))
        health = self._remote.health if self._remote is not None else lambda: None
        try:
            with serving(self._config.metrics, health), closing(CameraSupervisor(self._config.camera)) as camera:
                last = self._process_frames(camera, signals)
        except Exception as error:
            with suppress(EmotionEdgeError):  # the first error is the one to report
                self._close("failed" if isinstance(error, SourceError) else "stopped")
            raise
        self._close(last)

    def _process_frames(self, camera: CameraSupervisor, signals: Signals) -> CameraState:
        """Loop until the source has `ended` or the session is `stopped`.

        The watchdog is fed after a finished frame, and after a finished step of a camera that is
        paused or being reopened; a timer would feed it even if this loop hangs.
        """
        handler = self._command_handler(camera)
        while camera.state != "ended":
            if handler is not None:
                handler.handle_requests()
            if signals.stop or self._reload_config(signals) or self.replaced:
                return "stopped"
            self._step(camera)
        self._explain_short_film()
        return "ended"

    def _explain_short_film(self) -> None:
        """Say why there is no event if no face could be confirmed."""
        frames, needed = self._frame_rate.frames, self._config.tracker.confirm_frames
        if self._config.face_check.enabled:
            needed = max(needed, LOOKS)
        if frames < needed and not self._has_events:
            log.warning(
                "%s: it has %d frames, but a face is reported after %d (device.tracker.confirm_frames, "
                "device.face_check), so there is no event",
                self._config.camera.source,
                frames,
                needed,
            )

    def _command_handler(self, camera: CameraSupervisor) -> CommandHandler | None:
        if self._remote is None:
            return None
        pause = Pause(state_dir(self._config))
        stages = None if self._groups_only else self._pipeline.timings.stages
        return CommandHandler(self._config, self._remote, camera, pause, self._camera_switched, stages)

    def _step(self, camera: CameraSupervisor) -> None:
        """Process one frame, or wait a moment without one."""
        frame = camera.step()
        if self._camera_report.state in WITHOUT_FRAMES:
            self._end_lost_tracks()
        self._report_camera(camera)
        if frame is not None or camera.state == "paused":
            self._become_ready()
        if frame is not None:
            self._process(frame)
        if self._state is not SessionState.STARTING:
            self._notifier.alive()
            self._report_progress(camera)

    def _become_ready(self) -> None:
        if self._state is SessionState.STARTING:
            self._state = SessionState.NO_TRACKS
            self._reloader.confirm()
            self._notifier.ready()

    def _process(self, frame: Frame) -> None:
        """Process one frame and publish the result."""
        timings = self._pipeline.timings
        if self._last_frame_s is not None:
            timings.add("capture", time.monotonic() - self._last_frame_s)
        observation = self._pipeline.process(frame)
        with timings.measure("publish"):
            self._publisher.publish(observation.events, observation.states())
        self._has_events |= bool(observation.events)
        if self._watch is not None:
            self._watch(observation)
        self._frame_rate.frames += 1
        self._last_frame_s = time.monotonic()
        self._state = SessionState.OBSERVING

    def _end_tracks(self) -> None:
        self._publisher.publish(self._pipeline.finish(), [])
        if self._state is SessionState.OBSERVING:
            self._state = SessionState.NO_TRACKS

    def _end_lost_tracks(self) -> None:
        """Without frames for `tracker.lost_s` nobody knows who is still there: end every track."""
        if self._state is not SessionState.OBSERVING or self._last_frame_s is None:
            return
        if time.monotonic() - self._last_frame_s >= self._config.tracker.lost_s:
            self._end_tracks()

    def _camera_switched(self, camera: CameraSupervisor) -> None:
        """A command paused or resumed the camera: no face is in view any more."""
        self._end_tracks()
        self._report_camera(camera)

    def _reload_config(self, signals: Signals) -> bool:
        """Load the config again if a signal asked for it.

        Returns whether another one is in force.
        """
        if not signals.reread:
            return False
        signals.reread = False
        changed = self._reloader.reload()
        if not changed:
            self._report(ConfigReport(self._reloader.error))
        return changed

    def _report(self, report: Report) -> None:
        if self._remote is not None:
            self._remote.report(report)

    def _report_camera(self, camera: CameraSupervisor) -> None:
        """Report the camera's state if it has changed."""
        report = CameraReport(camera.state, camera.error, camera.mode, camera.warning)
        if report == self._camera_report:
            return
        self._camera_report = report
        self._report_due_s = 0.0
        if camera.state != "ended":  # reported when the tracks have ended
            self._report(report)

    def _report_progress(self, camera: CameraSupervisor) -> None:
        now_s = time.monotonic()
        if now_s < self._report_due_s:
            return
        self._report_due_s = now_s + REPORT_S
        self._camera_rate.frames = self._frame_rate.frames + camera.skipped
        progress = self._group_progress(camera, now_s) if self._groups_only else self._progress(camera, now_s)
        self._report(progress)
        if self._trial.step(self._frame_rate.frames):
            self._report(ModelReport(self._trial.update))
        rate = f", {progress.fps:.1f} a second" if progress.fps is not None else ""
        self._notifier.status(f"camera {camera.state}, {progress.frames} frames{rate}")

    def _progress(self, camera: CameraSupervisor, now_s: float) -> Progress:
        return Progress(
            fps=self._frame_rate.mark(now_s),
            camera_fps=self._camera_rate.mark(now_s),
            frames=self._frame_rate.frames,
            skipped=camera.skipped,
            stages=self._pipeline.timings.stages(),
            face_reads=self._pipeline.face_reads(),
            last_frame_s=self._last_frame_s,
            reopenings=max(0, camera.openings - 1),
        )

    def _group_progress(self, camera: CameraSupervisor, now_s: float) -> Progress:
        """Only what is the same whether somebody is in view or nobody.

        A face takes time to classify, so timings are left out, and the frames that the camera
        delivered are counted, not those that there was time for.
        """
        return Progress(
            fps=(camera_fps := self._camera_rate.mark(now_s)),
            camera_fps=camera_fps,
            frames=self._frame_rate.frames + camera.skipped,
            last_frame_s=self._last_frame_s,
            reopenings=max(0, camera.openings - 1),
        )

    def _close(self, camera: CameraState) -> None:
        """End every track, report why there are no more frames, and disconnect."""
        if not self._reloader.may_continue(self._config) and not self._trial.over:
            self._notifier.stopping()
        try:
            self._end_tracks()
            self._report(CameraReport(camera))
        finally:
            self._publisher.close()
