"""The questions a self-test asks this machine. Each check returns what it found, or raises why the answer is no."""

from __future__ import annotations

import itertools
import os
import queue
import tempfile
import time
import uuid
from collections.abc import Callable
from typing import TypeAlias

from device.camera.camera import open_camera
from device.config import usage_policy
from device.config.schema import DeviceConfig, config_digest
from device.config.yaml_writer import changes
from device.errors import BrokerError, EmotionEdgeError, ModelError, SourceError, StateError
from device.host import board
from device.host.paths import state_dir
from device.inference import golden
from device.inference.classifier import Classifier
from device.inference.model_card import digest
from device.model_registry.registry import model_path
from device.mqtt.connection import Acknowledged, ConnectionLost, MessageReceived, SubscribeRefused, connect
from device.mqtt.topics import Message, Topics
from device.vision.detector import open_detector

SAME_FACE_IOU = 0.6
FRAMES = 3  # from a camera: the first may be what it was when it fell asleep
HOT_C = 85.0  # where a Raspberry Pi slows down
AGAIN_S = 0.5  # a message said before the subscription stood is not heard, so it is said again

Post: TypeAlias = "queue.SimpleQueue[Acknowledged | MessageReceived | SubscribeRefused | ConnectionLost]"


class CheckError(EmotionEdgeError):
    """The machine fails a check."""


class NotApplicableError(Exception):
    """The check does not apply here; the message says why."""


def check_config(config: DeviceConfig) -> str:
    """The settings fit together."""
    topics = Topics(config)
    declared = config.purpose is not None and config.jurisdiction is not None
    if declared:  # without, the machine may be fit all the same; `device run` will ask
        usage_policy.check(config)
    changed, missing = len(changes(config, "device")), "" if declared else "; purpose or jurisdiction still to be set"
    return f"device {topics.device}, changed from the defaults: {changed}, digest {config_digest(config)[:12]}{missing}"


def check_model(config: DeviceConfig) -> str:
    """The model loads, and its card can be honoured."""
    path = model_path(config)
    card = Classifier(path, config.model.threads).card
    return (
        f"{card.name} {card.version}, {card.quantisation.dtype}, {len(card.labels)} labels, sha256 {digest(path)[:12]}"
    )


def check_golden(config: DeviceConfig) -> str:
    """The model says here what it said where it was made: as the file beside it tells, or else its card."""
    path = model_path(config)
    classifier, stored = Classifier(path, config.model.threads), golden.read(path)
    if stored is not None and stored.model_digest != digest(path):
        raise ModelError(f"{path}: this is not the model the golden outputs beside it were made with; copy both again.")
    off = golden.steps_off_card(classifier) if stored is None else stored.steps_off(golden.measure(path, classifier))
    if off is None:
        raise NotApplicableError(f"no golden outputs beside {path}, and none in its card")
    told = f"outputs {off:.1f} steps off the golden ones, at most {golden.MAX_STEPS:g} may be"
    if off > golden.MAX_STEPS:
        raise CheckError(f"{path}: {told}; another runtime or a damaged file runs here, install emotion-edge again.")
    return told


def check_face(config: DeviceConfig) -> str:
    """The detector finds the face on the bundled picture, and only that."""
    found = open_detector(config.detector).detect(golden.picture())
    if not found:
        raise CheckError(f"the {config.detector.kind} detector finds no face on the bundled picture.")
    best = max(found, key=lambda detection: detection.box.iou(golden.FACE))
    overlap = best.box.iou(golden.FACE)
    if overlap < SAME_FACE_IOU:
        raise CheckError(f"the {config.detector.kind} detector finds a face elsewhere (overlap {overlap:.2f}).")
    return f"found by {config.detector.kind}, score {best.score:.2f}, overlap {overlap:.2f}"


def check_camera(config: DeviceConfig) -> str:
    """Frames arrive in time."""
    with open_camera(config.camera) as camera:
        frames = list(itertools.islice(camera, FRAMES))
    if not frames:
        raise SourceError(f"{config.camera.source}: no frame came.")
    height, width = frames[-1].image.shape[:2]
    return f"{config.camera.source}: {len(frames)} frames, {width}x{height}"


def check_mqtt(config: DeviceConfig) -> str:
    """A message goes to the broker and comes back."""
    if config.mqtt.host is None:
        raise NotApplicableError("device.mqtt.host is null, events are printed")
    topics = Topics(config)
    nonce = uuid.uuid4().hex
    said = Message(f"{topics.root}/selftest", nonce, qos=1)
    heard: Post = queue.SimpleQueue()
    # Clients of their own: with the device's own id, the broker would throw a running device out.
    listener = connect(config.mqtt, f"{topics.device}-listens-{nonce[:8]}", said, heard.put)
    try:
        talker = connect(config.mqtt, f"{topics.device}-talks-{nonce[:8]}", said, lambda _: None)
        try:
            listener.subscribe([said.topic])
            took_s = _round_trip(talker.send, said, heard, config.mqtt.connect_timeout_s)
        finally:
            talker.close()
    finally:
        listener.close()
    if took_s is None:
        raise BrokerError(
            f"{config.mqtt.host}:{config.mqtt.port}: the broker takes messages on {said.topic} and gives none back; "
            "check that this user may read and write there."
        )
    return f"{config.mqtt.host}:{config.mqtt.port}, round trip {took_s * 1000:.0f} ms, MQTT {listener.version}"


def check_state(config: DeviceConfig) -> str:
    """The state folder takes a file."""
    folder = state_dir(config)
    try:
        folder.mkdir(parents=True, exist_ok=True)
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


def check_board(_: DeviceConfig) -> str:
    """The board is neither hot nor held back."""
    temperature, throttling = board.temperature_c(), board.throttling()
    if temperature is None and throttling is None:
        raise NotApplicableError("this board tells neither temperature nor throttling")
    if throttling is not None and throttling.now:
        raise CheckError(
            f"the board is held back now: {', '.join(throttling.now)}; check its power supply and cooling."
        )
    if temperature is not None and temperature >= HOT_C:
        raise CheckError(f"the processor is at {temperature:.0f} °C; cool it, it slows down from {HOT_C:g} °C.")
    told = [] if temperature is None else [f"{temperature:.0f} °C"]
    if throttling is not None:
        told.append(f"held back since boot: {', '.join(throttling.since_boot) or 'never'}")
    return ", ".join(told)


def _round_trip(send: Callable[[Message], int], said: Message, heard: Post, timeout_s: float) -> float | None:
    """Say it until it is heard; seconds from the last saying to the hearing, None if it never is."""
    deadline_s = time.monotonic() + timeout_s
    while (now_s := time.monotonic()) < deadline_s:
        send(said)
        while (left_s := now_s + AGAIN_S - time.monotonic()) > 0:
            try:
                item = heard.get(timeout=left_s)
            except queue.Empty:
                break
            if isinstance(item, MessageReceived) and item.payload.decode(errors="replace") == said.payload:
                return time.monotonic() - now_s
            if isinstance(item, (ConnectionLost, SubscribeRefused)):
                return None
    return None
