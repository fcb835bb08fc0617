"""Every setting of the device: name, type, unit (in the name), default, bounds, meaning."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from device.config.loader import load, section, setting, to_dict
from device.config.purposes import GROUPS_ONLY, JURISDICTIONS, PURPOSES


@dataclass(frozen=True)
class CameraConfig:
    """Where frames come from."""

    source: str = setting(
        "picamera2://0", "picamera2://N, v4l2:///dev/videoN, or the path of a video, picture or folder"
    )
    width: int = setting(640, "of the frames of a live camera, pixels", ge=64, le=4096)
    height: int = setting(480, "of the frames of a live camera, pixels", ge=64, le=4096)
    fps: float = setting(15.0, "frames a second of a live camera, and of a folder of pictures", gt=0, le=120)
    fast: bool = setting(False, "play files as fast as possible instead of in real time", advanced=True)
    loop: bool = setting(False, "play a file again when it ends", advanced=True)
    picture_s: float = setting(3.0, "a single picture is shown for this long", gt=0, le=3600, advanced=True)
    timeout_s: float = setting(
        10.0, "without a frame for this long the camera counts as failed", gt=0, le=600, advanced=True
    )
    frozen_s: float | None = setting(
        10.0,
        "a live camera whose pixels do not change for this long counts as failed; null turns this off",
        gt=0,
        le=3600,
        advanced=True,
    )
    reopen_min_s: float = setting(
        5.0,
        "shortest time between two attempts to open a live camera; USB cameras need 5 or more",
        ge=0.1,
        le=600,
        advanced=True,
    )
    reopen_max_s: float = setting(
        60.0, "longest such time; it doubles after each failed attempt", ge=0.1, le=3600, advanced=True
    )
    fault: str | None = setting(
        None,
        "for tests: a file acts as a live camera that fails in this way",
        choices=("stall", "repeat", "die", "garbage", "slow"),
        advanced=True,
    )
    fault_frame: int = setting(
        50, "the fault begins after this many frames, counted from each opening", ge=0, advanced=True
    )


@dataclass(frozen=True)
class DetectorConfig:
    """How faces are found."""

    kind: str = setting("blazeface", "which detector", choices=("blazeface", "haar"), advanced=True)
    range: str = setting(
        "near",
        "blazeface: the network for faces within about 2 m (near) or across a room (room)",
        choices=("near", "room"),
    )
    view: str = setting(
        "squares",
        "blazeface: search overlapping squares of the frame, the whole frame (half the time; faces must be larger), "
        "or also small tiles (in turn, over many frames; faces may be far away)",
        choices=("squares", "whole", "tiles"),
    )
    tile_px: int = setting(192, "side of the smallest tiles, pixels of the frame", ge=64, le=4096, advanced=True)
    min_score: float = setting(0.5, "a detection below this is not a face (blazeface)", ge=0, le=1, advanced=True)
    min_face_px: int = setting(24, "smaller faces are ignored, pixels of the frame", ge=1, le=4096, advanced=True)
    max_faces: int = setting(32, "at most this many faces a frame, the largest first", ge=1, le=256, advanced=True)


@dataclass(frozen=True)
class TrackerConfig:
    """How faces are followed."""

    min_iou: float = setting(0.3, "overlap of boxes that makes them the same face", gt=0, lt=1, advanced=True)
    confirm_frames: int = setting(
        3, "a face is reported after it was detected on this many frames", ge=1, le=100, advanced=True
    )
    lost_s: float = setting(
        1.0, "a track ends when its face was not detected for this long", ge=0, le=60, advanced=True
    )


@dataclass(frozen=True)
class ModelConfig:
    """The expression network."""

    path: str | None = setting(
        None, "the .tflite to run; null is the one installed with `device model install`, else the bundled one"
    )
    threads: int = setting(
        1, "threads for one inference; more is often slower for a net this small", ge=1, le=64, advanced=True
    )
    bundled: str = setting(
        "accurate",
        "which bundled one: accurate, or fast, which costs a quarter of the arithmetic and is for a Pi Zero 2 W",
        choices=("accurate", "fast"),
    )
    public_keys: tuple[str, ...] = setting(
        (),
        "public keys of minisign, the line that begins with RW; if set, a model must be signed with one of them",
        advanced=True,
    )
    max_accuracy_drop: float = setting(
        0.01,
        "largest accuracy, by their cards, that a new model may lose against the model in force",
        ge=0,
        le=1,
        advanced=True,
    )
    max_slower: float = setting(
        1.5,
        "largest time for a face, as a multiple of the previous model's",
        ge=1,
        le=1000,
        advanced=True,
    )
    test_s: float = setting(120.0, "longest duration of the test before the switch", gt=0, le=3600, advanced=True)
    trial_s: float = setting(60.0, "duration of the trial of a new model", ge=1, le=86400, advanced=True)
    trial_frames: int = setting(50, "frames that the trial must last too", ge=1, le=1_000_000, advanced=True)
    trial_starts: int = setting(
        2,
        "starts during a trial that may end in a crash or a power cut; after one more the device rolls back",
        ge=1,
        le=100,
        advanced=True,
    )


@dataclass(frozen=True)
class SmootherConfig:
    """How the predictions for a track become a steady label. Defaults: docs/smoothing.md."""

    kind: str = setting(
        "hmm",
        "hmm: forward filter; ema: exponential filter (needs a lower enter); none: no filter, only the thresholds",
        choices=("hmm", "ema", "none"),
        advanced=True,
    )
    time_constant_s: float = setting(
        1.0,
        "predictions within this time count as one (hmm); time constant (ema)",
        gt=0,
        le=60,
        advanced=True,
    )
    stay_s: float = setting(3.0, "hmm: mean time an expression lasts", gt=0, le=600, advanced=True)
    enter: float = setting(0.8, "confidence at which a new label is taken", ge=0, le=1)
    leave: float = setting(0.3, "confidence below which the label becomes unknown", ge=0, le=1)
    dwell_s: float = setting(0.5, "a label is kept at least this long", ge=0, le=60, advanced=True)
    stale_s: float = setting(
        3.0, "a face without a prediction for this long becomes unknown", gt=0, le=600, advanced=True
    )
    min_face_px: int = setting(32, "a smaller face is unknown, pixels of the frame", ge=1, le=4096, advanced=True)


@dataclass(frozen=True)
class PipelineConfig:
    """How long a frame may take. Work that does not fit is done on the next frames, in turn."""

    budget_ms: float | None = setting(
        50.0, "time for one frame; one detection and one face are always done; null sets no limit", gt=0, le=60000
    )
    hot_share: float = setting(
        0.5, "share of budget_ms that is used while the board's firmware throttles", gt=0, le=1, advanced=True
    )


@dataclass(frozen=True)
class MqttConfig:
    """The broker, and how to connect to it."""

    host: str | None = setting(None, "host name of the broker; null prints events as JSON lines instead")
    port: int = setting(1883, "TCP port", ge=1, le=65535)
    username_file: str | None = setting(
        None, "file whose first line is the user name; null takes systemd's credential mqtt-username, if there is one"
    )
    password_file: str | None = setting(
        None, "file whose first line is the password; null takes systemd's credential mqtt-password, if there is one"
    )
    protocol: str = setting(
        "auto",
        "version of MQTT; auto: 5, and 3.1.1 where the broker does not answer to that",
        choices=("auto", "v5", "v3.1.1"),
        advanced=True,
    )
    tls: bool = setting(False, "encrypt the connection")
    ca_file: str | None = setting(
        None,
        "certificate authority; null takes systemd's credential mqtt-ca, if there is one, else trusts the system's",
    )
    cert_file: str | None = setting(
        None,
        "client certificate, PEM, for a broker that requires one; null takes the credential mqtt-cert, if any",
        advanced=True,
    )
    key_file: str | None = setting(
        None,
        "the certificate's key, without a password; null takes the credential mqtt-key, else it is in cert_file",
        advanced=True,
    )
    keepalive_s: int = setting(
        30,
        "MQTT keep-alive; the broker publishes `offline` after 1.5 times this without a message",
        ge=5,
        le=3600,
        advanced=True,
    )
    connect_timeout_s: float = setting(
        10.0, "at start, no connection within this time is an error", gt=0, le=600, advanced=True
    )
    base_topic: str = setting("emotion", "first part of every topic")
    discovery_prefix: str | None = setting("homeassistant", "Home Assistant's prefix; null turns discovery off")
    inflight: int = setting(
        20, "QoS 1 messages in flight; fewer if the broker limits them", ge=1, le=1000, advanced=True
    )
    reconnect_min_s: float = setting(
        1.0, "wait before the first reconnect; it doubles with each attempt", gt=0, le=600, advanced=True
    )
    reconnect_max_s: float = setting(60.0, "longest wait before a reconnect", gt=0, le=3600, advanced=True)


@dataclass(frozen=True)
class OutboxConfig:
    """Events that wait on disk until the broker has them."""

    max_events: int = setting(
        20000, "number of waiting events; if more, the oldest are dropped and counted", ge=1, le=10_000_000
    )
    max_bytes: int = setting(
        50_000_000,
        "size of waiting events; if more, the oldest are dropped and counted; the file is larger",
        ge=10_000,
        advanced=True,
    )
    max_age_s: float = setting(86400.0, "older events are dropped and counted", gt=0)


@dataclass(frozen=True)
class ReportConfig:
    """How often the regular messages are sent."""

    summary_s: float = setting(1.0, "time between summaries while a face is in view", gt=0, le=3600)
    health_s: float = setting(30.0, "time between health messages", gt=0, le=3600, advanced=True)
    track_expiry_s: float = setting(
        60.0, "the broker deletes the state of a face after this time without an update", ge=2, le=86400, advanced=True
    )


@dataclass(frozen=True)
class PrivacyConfig:
    """What may be published about the people in view; see docs/privacy.md."""

    aggregate: bool | None = setting(
        None, f"publish summaries of groups only; null: for the purposes {', '.join(GROUPS_ONLY)}"
    )
    min_group: int = setting(5, "aggregate: nothing is published about fewer faces than this", ge=2, le=1000)
    exception: str | None = setting(
        None,
        "the reason that permits a purpose which the EU prohibits",
        choices=("medical", "safety"),
        advanced=True,
    )
    exception_record: str | None = setting(None, "the document that records this reason, or its number", advanced=True)


@dataclass(frozen=True)
class MetricsConfig:
    """Metrics of `health` for Prometheus, at http://host:port/metrics (extra `metrics`)."""

    port: int | None = setting(None, "TCP port; null turns it off; needs a broker too", ge=1, le=65535, advanced=True)
    host: str = setting(
        "127.0.0.1", "address to listen on; 0.0.0.0 allows requests from the whole network", advanced=True
    )


@dataclass(frozen=True)
class SelftestConfig:
    """When `device selftest` passes."""

    warmup: int = setting(5, "runs before timing starts", ge=0, le=1000, advanced=True)
    runs: int = setting(50, "timed runs", ge=1, le=100_000, advanced=True)
    budget_ms: float = setting(100.0, "p95 of one frame with one face must stay under this", gt=0, advanced=True)


@dataclass(frozen=True)
class FleetConfig:
    """When `device fleet` calls a board unhealthy."""

    stale_s: float = setting(
        90.0,
        "online, but without a message for this long; three times report.health_s of the boards",
        gt=0,
        le=10800,
        advanced=True,
    )
    waiting_s: float = setting(60.0, "its oldest event waits for the broker this long", gt=0, advanced=True)
    flaps: int = setting(2, "it went offline or restarted this many times within window_s", ge=1, le=100, advanced=True)
    window_s: float = setting(600.0, "see flaps", gt=0, le=86400, advanced=True)


@dataclass(frozen=True)
class DeviceConfig:
    """Settings of the device."""

    id: str | None = setting(None, "name in topics: letters, digits, - and _; null is the host name")
    purpose: str | None = setting(
        None,
        "what the device is used for; `device run` requires it, docs/privacy.md explains each",
        choices=tuple(PURPOSES),
    )
    purpose_note: str | None = setting(None, "the same in your own words; published in status", advanced=True)
    jurisdiction: str | None = setting(
        None, "whose law applies where the camera is or its data is used; required too", choices=JURISDICTIONS
    )
    state_dir: str | None = setting(
        None,
        "folder of the outbox and the installed models; null is $STATE_DIRECTORY or ~/.local/state/emotion-edge",
        advanced=True,
    )
    shutdown_s: float = setting(
        5.0, "at the end, time to publish the events that still wait", ge=0, le=60, advanced=True
    )
    camera: CameraConfig = section(CameraConfig)
    detector: DetectorConfig = section(DetectorConfig)
    tracker: TrackerConfig = section(TrackerConfig)
    model: ModelConfig = section(ModelConfig)
    smoother: SmootherConfig = section(SmootherConfig)
    pipeline: PipelineConfig = section(PipelineConfig)
    mqtt: MqttConfig = section(MqttConfig)
    outbox: OutboxConfig = section(OutboxConfig)
    report: ReportConfig = section(ReportConfig)
    privacy: PrivacyConfig = section(PrivacyConfig)
    metrics: MetricsConfig = section(MetricsConfig)
    selftest: SelftestConfig = section(SelftestConfig)
    fleet: FleetConfig = section(FleetConfig)


def load_config(path: Path | None = None, overrides: Iterable[str] = ()) -> DeviceConfig:
    """Read the `device` section of a config file; None takes the defaults.

    Raises:
        ConfigError: see `device.config.loader.load`.
    """
    return load(DeviceConfig, "device", path, overrides)


def config_digest(config: DeviceConfig) -> str:
    """sha256 of the settings in force, hexadecimal; a default counts as written down."""
    return hashlib.sha256(json.dumps(to_dict(config), sort_keys=True).encode()).hexdigest()
