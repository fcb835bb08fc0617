"""The checks of the self-test.

To add one, write a function with the decorator `check`. It returns a detail for the report, raises
an EmotionEdgeError if the machine fails, and raises NotApplicableError to be skipped. Checks run in
the order in which they are defined here.
"""

from __future__ import annotations

import itertools
import os
import queue
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from device.camera.camera import open_camera
from device.config import usage_policy
from device.config.schema import DeviceConfig, config_digest
from device.config.yaml_writer import changes
from device.errors import BrokerError, EmotionEdgeError, ModelError, SourceError, StateError
from device.host import board
from device.host.atomic_file import make_folder
from device.host.paths import state_dir
from device.inference import golden
from device.inference.classifier import Classifier
from device.inference.model_card import digest
from device.messages import Stage
from device.model_registry.registry import model_path, require_gates
from device.mqtt.connection import Acknowledged, ConnectionLost, MessageReceived, SubscribeRefused, connect
from device.mqtt.topics import SELFTEST, Message, Topics
from device.selftest.timing import measure
from device.vision.detector import open_detector

SAME_FACE_IOU = 0.6
FRAMES = 3  # from a camera; the first alone may be an old one from its buffer
HOT_C = 85.0  # a Raspberry Pi throttles from here
RESEND_S = 0.5  # the broker drops a message that arrives before the subscription, so it is sent again

Inbox: TypeAlias = "queue.SimpleQueue[Acknowledged | MessageReceived | SubscribeRefused | ConnectionLost]"


class CheckError(EmotionEdgeError):
    """The machine fails a check."""


class NotApplicableError(Exception):
    """The check does not apply here; the message is the reason."""


@dataclass
class Context:
    """What the checks work on.

    Args:
        config: the settings under test.
        camera: False skips the camera's check.
        stages: timings of a pipeline that runs now; None lets the check `speed` measure and set
            them.
    """

    config: DeviceConfig
    camera: bool = True
    stages: dict[str, Stage] | None = None


Check: TypeAlias = Callable[[Context], str]
CHECKS: dict[str, Check] = {}  # name in the report -> check


def check(name: str) -> Callable[[Check], Check]:
    """Register a check under its name in the report."""

    def register(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return register


@check("config")
def check_config(context: Context) -> str:
    """The settings are consistent."""
    config = context.config
    topics = Topics(config)
    declared = config.purpose is not None and config.jurisdiction is not None
    if declared:  # the machine can pass without them; only `device run` requires them
        usage_policy.check(config)
    changed, missing = len(changes(config, "device")), "" if declared else "; purpose or jurisdiction still to be set"
    return f"device {topics.device}, changed from the defaults: {changed}, digest {config_digest(config)[:12]}{missing}"


@check("model")
def check_model(context: Context) -> str:
    """The model loads, and this version supports its card."""
    path = model_path(context.config)
    card = Classifier(path, context.config.model.threads).card
    require_gates(card, context.config, path)
    return (
        f"{card.name} {card.version}, {card.quantisation.dtype}, {len(card.labels)} labels, sha256 {digest(path)[:12]}"
    )


@check("golden")
def check_golden(context: Context) -> str:
    """The model's outputs equal its golden outputs: those of the file beside it, or of its card."""
    path = model_path(context.config)
    classifier, stored = Classifier(path, context.config.model.threads), golden.read(path)
    if stored is not None and stored.model_digest != digest(path):
        raise ModelError(f"{path}: the golden outputs beside it belong to another model; copy both files again.")
    if stored is not None:
        off: float | None = stored.steps_off(golden.measure(path, classifier))
    else:
        found = (golden.steps_off_card(classifier), golden.steps_off_bundled(path, classifier))
        off = max((one for one in found if one is not None), default=None)
    if off is None:
        raise NotApplicableError(f"no golden outputs beside {path}, and none in its card")
    detail = f"outputs {off:.1f} steps off the golden outputs, at most {golden.MAX_STEPS:g} allowed"
    if off > golden.MAX_STEPS:
        raise CheckError(f"{path}: {detail}; the runtime differs or a file is damaged, install emotion-edge again.")
    return detail


@check("face")
def check_face(context: Context) -> str:
    """The detector finds the face on the bundled picture at its known place."""
    kind = context.config.detector.kind
    found = open_detector(context.config.detector).detect(golden.picture())
    if not found:
        raise CheckError(f"the {kind} detector finds no face on the bundled picture.")
    best = max(found, key=lambda detection: detection.box.iou(golden.FACE))
    overlap = best.box.iou(golden.FACE)
    if overlap < SAME_FACE_IOU:
        raise CheckError(f"the {kind} detector finds the bundled picture's face at a wrong place (IoU {overlap:.2f}).")
    return f"found by {kind}, score {best.score:.2f}, IoU {overlap:.2f}"


@check("camera")
def check_camera(context: Context) -> str:
    """The camera delivers frames in time."""
    if not context.camera:
        raise NotApplicableError("--no-camera")
    config = context.config.camera
    with open_camera(config) as camera:
        frames = list(itertools.islice(camera, FRAMES))
        source = camera.source
    if not frames:
        raise SourceError(f"{source}: no frame received.")
    height, width = frames[-1].image.shape[:2]
    return f"{source}: {len(frames)} frames, {width}x{height}"


@check("mqtt")
def check_mqtt(context: Context) -> str:
    """The broker delivers a message back to the device's user."""
    mqtt = context.config.mqtt
    if mqtt.host is None:
        raise NotApplicableError("device.mqtt.host is null, events are printed")
    topics, nonce = Topics(context.config), uuid.uuid4().hex
    message = topics.message(SELFTEST, nonce)
    inbox: Inbox = queue.SimpleQueue()
    # Client ids of our own: with the device's id, the broker would disconnect a running device.
    subscriber = connect(mqtt, f"{topics.device}-subscriber-{nonce[:8]}", message, inbox.put)
    try:
        publisher = connect(mqtt, f"{topics.device}-publisher-{nonce[:8]}", message, lambda _: None)
        try:
            subscriber.subscribe([message.topic])
            took_s = _round_trip(publisher.send, message, inbox, mqtt.connect_timeout_s)
        finally:
            publisher.close()
    finally:
        subscriber.close()
    if took_s is None:
        raise BrokerError(
            f"{mqtt.host}:{mqtt.port}: the broker accepts messages on {message.topic} but delivers none; "
            "check that this user may publish and subscribe there."
        )
    return f"{mqtt.host}:{mqtt.port}, round trip {took_s * 1000:.0f} ms, MQTT {subscriber.version}"


@check("state")
def check_state(context: Context) -> str:
    """The state folder is writable."""
    folder = state_dir(context.config)
    try:
        make_folder(folder)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"selftest")
            file.flush()
            os.fsync(file.fileno())
        free = os.statvfs(folder)
    except OSError as error:
        raise StateError(
            f"{folder}: the state folder cannot be written: {error.strerror}; check device.state_dir, its rights."
        ) from error
    return f"{folder}, {free.f_bavail * free.f_frsize / 1e9:.1f} GB free"


@check("board")
def check_board(_: Context) -> str:
    """The board is neither hot nor throttled."""
    temperature, throttling = board.temperature_c(), board.throttling()
    if temperature is None and throttling is None:
        raise NotApplicableError("this board reports neither temperature nor throttling")
    if throttling is not None and throttling.now:
        raise CheckError(f"the board is throttled now: {', '.join(throttling.now)}; check its power supply, cooling.")
    if temperature is not None and temperature >= HOT_C:
        raise CheckError(f"the processor is at {temperature:.0f} °C; cool it, it throttles from {HOT_C:g} °C.")
    details = [] if temperature is None else [f"{temperature:.0f} °C"]
    if throttling is not None:
        details.append(f"throttled since boot: {', '.join(throttling.since_boot) or 'never'}")
    return ", ".join(details)


@check("speed")
def check_speed(context: Context) -> str:
    """The p95 time of a frame is within `selftest.budget_ms`."""
    if context.stages is None:
        context.stages = measure(context.config)
    if "total" not in context.stages:
        raise NotApplicableError("no frame processed yet")
    p95_ms, budget_ms = context.stages["total"].p95_ms, context.config.selftest.budget_ms
    detail = f"p95 of a frame is {p95_ms:.1f} ms, the budget {budget_ms:g} ms"
    if p95_ms > budget_ms:
        raise CheckError(f"{detail}; close other programs, cool the board, or raise device.selftest.budget_ms.")
    return detail


def _round_trip(send: Callable[[Message], int], message: Message, inbox: Inbox, timeout_s: float) -> float | None:
    """Send a message until it comes back.

    Returns:
        Seconds from the last sending to the receipt; None if it did not come back in time.
    """
    deadline_s = time.monotonic() + timeout_s
    while (sent_s := time.monotonic()) < deadline_s:
        send(message)
        while (left_s := sent_s + RESEND_S - time.monotonic()) > 0:
            try:
                item = inbox.get(timeout=left_s)
            except queue.Empty:
                break
            if isinstance(item, MessageReceived) and item.payload.decode(errors="replace") == message.payload:
                return time.monotonic() - sent_s
            if isinstance(item, (ConnectionLost, SubscribeRefused)):
                return None
    return None
