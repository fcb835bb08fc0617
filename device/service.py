"""A process's life: builds the chain, feeds it frames until they end or somebody says stop, and takes leave."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from types import FrameType
from typing import Self

from device import privacy
from device.camera import Frame
from device.caretaker import Caretaker
from device.classifier import model_path
from device.config import DeviceConfig
from device.errors import EmotionEdgeError, SourceError
from device.events import CameraState, ModelInfo
from device.model_card import digest, read_card
from device.pipeline import Observation, Pipeline, from_config
from device.publisher import Publisher, open_publisher
from device.systemd import Notifier
from device.vitals import Progress

REPORT_S = 1.0  # between two reports of progress; what is said of them, and when, is the publisher's business
GONE: tuple[CameraState, ...] = ("stalled", "frozen", "failed", "paused")
FPS_REPORTS = 10  # the frame rate is taken over so many reports

Watch = Callable[[Observation], None]


class StoppedError(Exception):
    """Somebody said stop while we waited for something."""


class StopSignals:
    """SIGTERM and SIGINT ask for an orderly end; a second one takes it at once. Outside the main thread: none come."""

    def __init__(self) -> None:
        self.requested = False
        self._waiting = False
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """A signal breaks off what happens inside.

        Raises:
            StoppedError: from wherever the signal found us, or at once if it came before.
        """
        self._waiting = True
        try:
            if self.requested:
                raise StoppedError
            yield
        finally:
            self._waiting = False

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        for known in self._before:
            signal.signal(known, signal.SIG_DFL)
        if self._waiting:
            raise StoppedError


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
        pipeline: what reads the frames.
        publisher: what says the result.
        notifier: systemd.
        lost_s: when the camera has been gone for so long, whoever was seen has left.
        watch: is shown every frame after it was published; None if nobody looks on.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        publisher: Publisher,
        notifier: Notifier,
        lost_s: float,
        watch: Watch | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._publisher = publisher
        self._notifier = notifier
        self._lost_s = lost_s
        self._watch = watch
        self._pace = Pace()
        self._told: tuple[CameraState, str | None] = ("starting", None)
        self._last_frame_s: float | None = None  # when one was finished last
        self._blind = False  # every track has been ended, because the camera is gone
        self._report_due_s = 0.0

    def work(self, camera: Caretaker, stop: StopSignals) -> CameraState:
        """Feed frames through the chain until they end or a signal comes; returns which of the two it was.

        A finished frame is a sign of life, and so is a finished step of a camera's healing; a timer would be none.
        """
        while not stop.requested and camera.state != "ended":
            frame = camera.step()
            if self._told[0] in GONE:
                self._let_go()
            self._tell(camera)
            if frame is not None:
                self._finish(frame)
            if self._pace.frames > 0:
                self._notifier.alive()
                self._report(camera)
        return "stopped" if stop.requested else "ended"

    def finish(self, camera: CameraState) -> None:
        """End every track, say why there are no more frames, and take leave."""
        self._notifier.stopping()
        try:
            self._publisher.observe(self._pipeline.finish(), [])
            self._publisher.camera(camera)
        finally:
            self._publisher.close()

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
        else:
            self._notifier.ready()
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
        if self._blind or self._last_frame_s is None or time.monotonic() - self._last_frame_s < self._lost_s:
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
        stages, face_reads = self._pipeline.timings.stages(), self._pipeline.face_reads()
        self._publisher.report(Progress(fps, frames, camera.skipped, stages, face_reads, self._last_frame_s, openings))
        rate = f", {fps:.1f} a second" if fps is not None else ""
        self._notifier.status(f"camera {camera.state}, {frames} frames{rate}")


def run(config: DeviceConfig, watch: Watch | None = None) -> int:
    """Run the device until its source ends or SIGTERM or SIGINT comes.

    Args:
        config: what to run.
        watch: see `Service`.

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
    with StopSignals() as stop:
        try:
            with stop.interruptible():
                pipeline = from_config(config)
                publisher = open_publisher(config, _model_info(config))
        except StoppedError:
            return 0
        service = Service(pipeline, publisher, notifier, config.tracker.lost_s, watch)
        try:
            with closing(Caretaker(config.camera)) as camera:
                state = service.work(camera, stop)
        except Exception as error:
            with suppress(EmotionEdgeError):  # the first error is the one to tell
                service.finish("failed" if isinstance(error, SourceError) else "stopped")
            raise
        service.finish(state)
    return 0


def _model_info(config: DeviceConfig) -> ModelInfo:
    path = model_path(config.model)
    card = read_card(path)
    return ModelInfo(name=card.name, version=card.version, digest=digest(path), labels=card.labels)
