"""Every setting of the device, once: name, type, unit (in the name), default, bounds, meaning."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from device.config.loader import load, section, setting, to_dict

PURPOSES = ("art", "audience", "driver", "education", "health", "home", "research", "test", "workplace")
JURISDICTIONS = ("eu", "elsewhere")


@dataclass(frozen=True)
class CameraConfig:
    """Where frames come from."""

    source: str = setting(
        "picamera2://0", "picamera2://N, v4l2:///dev/videoN, or the path of a video, picture or folder"
    )
    width: int = setting(640, "asked of a live camera, pixels", ge=64, le=4096)
    height: int = setting(480, "asked of a live camera, pixels", ge=64, le=4096)
    fps: float = setting(
        15.0, "asked of a live camera; also the rate at which a folder of pictures plays", gt=0, le=120
    )
    fast: bool = setting(False, "play files as fast as they can be worked on instead of in real time")
    loop: bool = setting(False, "begin a file again when it ends")
    picture_s: float = setting(3.0, "a single picture is shown for this long", gt=0, le=3600)
    timeout_s: float = setting(10.0, "no frame for this long means the camera is gone", gt=0, le=600)
    frozen_s: float | None = setting(
        10.0, "a live camera none of whose pixels changes for this long hangs; null: it may", gt=0, le=3600
    )
    reopen_min_s: float = setting(
        5.0, "from one opening of a live camera to the next at least; USB cameras want 5 or more", ge=0.1, le=600
    )
    reopen_max_s: float = setting(60.0, "doubled after each failed attempt, up to this", ge=0.1, le=3600)
    fault: str | None = setting(
        None,
        "for rehearsals: a file plays a live camera that breaks in this way",
        choices=("stall", "repeat", "die", "garbage", "slow"),
    )
    fault_frame: int = setting(50, "after so many frames, counted from each opening", ge=0)


@dataclass(frozen=True)
class DetectorConfig:
    """How faces are found."""

    kind: str = setting("blazeface", "which detector", choices=("blazeface", "haar"))
    range: str = setting(
        "near", "blazeface: the network for faces within about 2 m, or that for a room", choices=("near", "room")
    )
    view: str = setting(
        "squares",
        "blazeface: look at overlapping squares of the frame, at the whole (half the time; faces must be larger), "
        "or also at small tiles (many times the time, in turn; faces may be far away)",
        choices=("squares", "whole", "tiles"),
    )
    tile_px: int = setting(192, "side of the smallest tiles, pixels of the frame", ge=64, le=4096)
    min_score: float = setting(0.5, "a detection below this is not a face (blazeface)", ge=0, le=1)
    min_face_px: int = setting(24, "smaller faces are ignored, pixels of the frame", ge=1, le=4096)
    max_faces: int = setting(32, "at most this many faces a frame, the largest first", ge=1, le=256)


@dataclass(frozen=True)
class TrackerConfig:
    """How faces are followed."""

    min_iou: float = setting(0.3, "overlap of boxes that makes them the same face", gt=0, lt=1)
    confirm_frames: int = setting(3, "a face must be seen on this many frames before it counts", ge=1, le=100)
    lost_s: float = setting(1.0, "a face not seen for this long has left", ge=0, le=60)


@dataclass(frozen=True)
class ModelConfig:
    """The expression network."""

    path: str | None = setting(
        None, "the .tflite to run; null is the one installed with `device model install`, else the bundled one"
    )
    threads: int = setting(1, "threads for one inference; more is often slower for a net this small", ge=1, le=64)
    bundled: str = setting(
        "accurate",
        "which bundled one: accurate, or fast, which costs a quarter of the arithmetic and is for a Pi Zero 2 W",
        choices=("accurate", "fast"),
    )
    public_keys: tuple[str, ...] = setting(
        (), "minisign's public keys, the line that begins with RW; a file to install must be signed with one of them"
    )
    max_accuracy_drop: float = setting(
        0.01,
        "a file whose card promises a lower accuracy than the model in force, by more, is not installed",
        ge=0,
        le=1,
    )
    max_slower: float = setting(
        1.5, "a model that takes this many times as long for a face as the one before is not kept", ge=1, le=1000
    )
    test_s: float = setting(120.0, "the test of a file to install may take this long", gt=0, le=3600)
    trial_s: float = setting(60.0, "a new model is watched for this long at work before it is kept", ge=1, le=86400)
    trial_frames: int = setting(50, "... and for so many frames", ge=1, le=1_000_000)
    trial_starts: int = setting(
        2,
        "starts of the device during a trial that may end without an orderly end, a crash or a power cut",
        ge=1,
        le=100,
    )


@dataclass(frozen=True)
class SmootherConfig:
    """How a track's readings become a steady label. The defaults come from docs/smoothing.md."""

    kind: str = setting(
        "hmm",
        "hmm: forward filter; ema: exponential filter (wants a lower enter); none: no filter, only the rule below",
        choices=("hmm", "ema", "none"),
    )
    time_constant_s: float = setting(
        1.0, "readings within this time count as one (hmm); time constant (ema)", gt=0, le=60
    )
    stay_s: float = setting(3.0, "hmm: mean time an expression lasts", gt=0, le=600)
    enter: float = setting(0.8, "confidence at which a new label is taken", ge=0, le=1)
    leave: float = setting(0.3, "confidence below which the label becomes unknown", ge=0, le=1)
    dwell_s: float = setting(0.5, "a label is kept at least this long", ge=0, le=60)
    stale_s: float = setting(3.0, "a face that nobody had time to read for this long fades to unknown", gt=0, le=600)
    min_face_px: int = setting(32, "a smaller face is read as unknown, pixels of the frame", ge=1, le=4096)


@dataclass(frozen=True)
class PipelineConfig:
    """How long a frame may take. What does not fit in is done on the next ones, in turn."""

    budget_ms: float | None = setting(
        50.0, "time for one frame; at least one look and one face are always done; null sets no limit", gt=0, le=60000
    )
    hot_share: float = setting(0.5, "share of budget_ms that is used while the board's firmware throttles", gt=0, le=1)


@dataclass(frozen=True)
class MqttConfig:
    """The broker, and what is said there."""

    host: str | None = setting(None, "the broker; null prints events as JSON lines instead")
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
    )
    tls: bool = setting(False, "encrypt the connection")
    ca_file: str | None = setting(
        None,
        "certificate authority; null takes systemd's credential mqtt-ca, if there is one, else trusts the system's",
    )
    cert_file: str | None = setting(
        None,
        "our own certificate, for a broker that asks for one; PEM; null takes the credential mqtt-cert, if any",
    )
    key_file: str | None = setting(
        None, "the certificate's key, without a password; null takes the credential mqtt-key, else it is in cert_file"
    )
    keepalive_s: int = setting(30, "the broker declares us offline after 1.5 times this", ge=5, le=3600)
    connect_timeout_s: float = setting(10.0, "no connection at start within this is an error", gt=0, le=600)
    base_topic: str = setting("emotion", "first part of every topic")
    discovery_prefix: str | None = setting("homeassistant", "Home Assistant's prefix; null turns discovery off")
    inflight: int = setting(20, "QoS 1 messages under way at once; fewer where the broker asks for it", ge=1, le=1000)
    reconnect_min_s: float = setting(1.0, "a lost connection is tried again after this, then twice, ...", gt=0, le=600)
    reconnect_max_s: float = setting(60.0, "... but at most this", gt=0, le=3600)


@dataclass(frozen=True)
class OutboxConfig:
    """Events that could not be said yet, on disk."""

    max_events: int = setting(20000, "when full the oldest is dropped, and counted", ge=1, le=10_000_000)
    max_bytes: int = setting(
        50_000_000,
        "of waiting events; beyond, the oldest is dropped, and counted; the file is larger",
        ge=10_000,
    )
    max_age_s: float = setting(86400.0, "older events are dropped, and counted", gt=0)


@dataclass(frozen=True)
class ReportConfig:
    """How often the regular messages are sent."""

    summary_s: float = setting(1.0, "time between summaries while someone is seen", gt=0, le=3600)
    health_s: float = setting(30.0, "time between health messages", gt=0, le=3600)
    track_expiry_s: float = setting(60.0, "the broker forgets a face's state after this silence", ge=2, le=86400)


@dataclass(frozen=True)
class PrivacyConfig:
    """What may be said of the people in view; docs/privacy.md explains it."""

    aggregate: bool | None = setting(
        None, "say nothing but summaries of groups; null: do so for the purposes audience, education and workplace"
    )
    min_group: int = setting(5, "aggregate: of fewer faces than this nothing is said", ge=2, le=1000)
    exception: str | None = setting(
        None, "the reason that permits a purpose which the EU prohibits", choices=("medical", "safety")
    )
    exception_record: str | None = setting(None, "where that reason is written down: a document, a file number")


@dataclass(frozen=True)
class MetricsConfig:
    """The figures of `health` for Prometheus, at http://host:port/metrics; needs the extra `metrics`, and a broker."""

    port: int | None = setting(None, "TCP port; null turns it off", ge=1, le=65535)
    host: str = setting("127.0.0.1", "address to listen on; 0.0.0.0 lets the whole network ask")


@dataclass(frozen=True)
class SelftestConfig:
    """When a machine counts as fit."""

    warmup: int = setting(5, "runs before timing starts", ge=0, le=1000)
    runs: int = setting(50, "timed runs", ge=1, le=100_000)
    budget_ms: float = setting(100.0, "p95 of one frame with one face must stay under this", gt=0)


@dataclass(frozen=True)
class FleetConfig:
    """When `device fleet` calls a board unhealthy."""

    stale_s: float = setting(
        90.0, "online, but silent for this long; three times report.health_s of the boards", gt=0, le=10800
    )
    waiting_s: float = setting(60.0, "its oldest event waits for the broker this long", gt=0)
    flaps: int = setting(2, "it went offline, or its process began anew, so many times within window_s", ge=1, le=100)
    window_s: float = setting(600.0, "see flaps", gt=0, le=86400)


@dataclass(frozen=True)
class DeviceConfig:
    """Everything the device can be told."""

    id: str | None = setting(None, "name in topics: letters, digits, - and _; null is the host name")
    purpose: str | None = setting(
        None, "what the readings are for; `device run` needs it, docs/privacy.md explains each", choices=PURPOSES
    )
    purpose_note: str | None = setting(None, "the same in your own words; published in status")
    jurisdiction: str | None = setting(
        None, "whose law holds where the camera stands or its readings are used; needed too", choices=JURISDICTIONS
    )
    state_dir: str | None = setting(
        None, "where the outbox and installed models live; null is $STATE_DIRECTORY or ~/.local/state/emotion-edge"
    )
    shutdown_s: float = setting(5.0, "at the end, what can be said within this time still is", ge=0, le=60)
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
    """sha256 of the settings in force, hexadecimal; a setting left out equals its default written down."""
    return hashlib.sha256(json.dumps(to_dict(config), sort_keys=True).encode()).hexdigest()
