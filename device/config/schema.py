"""Every setting of the device: name, type, unit (in the name), default, bounds, meaning."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from device.config.broker_address import check_host
from device.config.camera_schema import CameraConfig
from device.config.loader import load, section, setting, to_dict
from device.config.purposes import GROUPS_ONLY, JURISDICTIONS, PURPOSES
from device.config.regions import check_regions
from device.config.vision_schema import (
    AttentionConfig,
    DetectorConfig,
    FaceCheckConfig,
    ModelConfig,
    PipelineConfig,
    ReadingConfig,
    SmootherConfig,
    TrackerConfig,
)
from device.errors import ConfigError

__all__ = [
    "AttentionConfig",
    "CameraConfig",
    "DashboardConfig",
    "DetectorConfig",
    "DeviceConfig",
    "FaceCheckConfig",
    "FleetConfig",
    "MetricsConfig",
    "ModelConfig",
    "MqttConfig",
    "OutboxConfig",
    "PipelineConfig",
    "PrivacyConfig",
    "ReadingConfig",
    "ReportConfig",
    "SelftestConfig",
    "SmootherConfig",
    "TrackerConfig",
    "config_digest",
    "load_config",
]


@dataclass(frozen=True)
class MqttConfig:
    """The broker, and how to connect to it."""

    host: str | None = setting(None, "host name of the broker; null prints events as JSON lines instead")
    port: int = setting(1883, "TCP port", ge=1, le=65535)
    username: str | None = setting(None, "user name; or in a file, see username_file", advanced=True)
    username_file: str | None = setting(
        None, "file whose first line is the user name; null takes systemd's credential mqtt-username, if there is one"
    )
    password_file: str | None = setting(
        None, "file whose first line is the password; null takes systemd's credential mqtt-password, if there is one"
    )
    transport: str = setting("tcp", "tcp, or MQTT over WebSockets", choices=("tcp", "websockets"), advanced=True)
    path: str = setting("/mqtt", "websockets: path of the broker's URL", advanced=True)
    retain: bool = setting(
        True, "false for a broker that keeps no messages; one with MQTT 5 announces it", advanced=True
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
    discovery_prefix: str | None = setting(
        "homeassistant", "Home Assistant's prefix; null turns discovery off", advanced=True
    )
    inflight: int = setting(
        20, "QoS 1 messages in flight; fewer if the broker limits them", ge=1, le=1000, advanced=True
    )
    request_qos: int = setting(
        1, "of the subscription to requests; 0 spares a cluster a queue for each board", ge=0, le=1, advanced=True
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
class DashboardConfig:
    """The web page of `device dashboard`; see docs/dashboard.md."""

    history_h: float = setting(24.0, "how long summaries and alerts are kept; 0 keeps none", ge=0, le=24)
    host: str = setting(
        "127.0.0.1", "address to listen on; one that the network reaches needs token_file", advanced=True
    )
    port: int = setting(8088, "TCP port; 0 takes a free one", ge=0, le=65535, advanced=True)
    token_file: str | None = setting(
        None,
        "file whose first line is the token that a browser must show; null takes systemd's credential dashboard-token",
        advanced=True,
    )
    behind_proxy: str | None = setting(
        None, "host name of a proxy that asks for passwords, by which browsers call the page", advanced=True
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
        5.0, "at the end, time to publish the events that still wait", ge=0, le=10, advanced=True
    )
    camera: CameraConfig = section(CameraConfig)
    detector: DetectorConfig = section(DetectorConfig)
    tracker: TrackerConfig = section(TrackerConfig)
    face_check: FaceCheckConfig = section(FaceCheckConfig)
    attention: AttentionConfig = section(AttentionConfig)
    model: ModelConfig = section(ModelConfig)
    reading: ReadingConfig = section(ReadingConfig)
    smoother: SmootherConfig = section(SmootherConfig)
    pipeline: PipelineConfig = section(PipelineConfig)
    mqtt: MqttConfig = section(MqttConfig)
    outbox: OutboxConfig = section(OutboxConfig)
    report: ReportConfig = section(ReportConfig)
    privacy: PrivacyConfig = section(PrivacyConfig)
    metrics: MetricsConfig = section(MetricsConfig)
    dashboard: DashboardConfig = section(DashboardConfig)
    selftest: SelftestConfig = section(SelftestConfig)
    fleet: FleetConfig = section(FleetConfig)


def load_config(path: Path | None = None, overrides: Iterable[str] = ()) -> DeviceConfig:
    """Read the `device` section of a config file; None takes the defaults.

    Raises:
        ConfigError: see `device.config.loader.load`; or the broker's host is a URL, an area to
            ignore is none, or attention lacks the face check.
    """
    config = load(DeviceConfig, "device", path, overrides)
    check_host(config.mqtt.host)
    check_regions(config.detector.ignore)
    if config.attention.enabled and not config.face_check.enabled:
        raise ConfigError(
            "device.attention.enabled is true, but device.face_check.enabled is false: attention is measured by the "
            "looks of the face check; turn it on, too."
        )
    return config


def config_digest(config: DeviceConfig) -> str:
    """sha256 of the settings in force, hexadecimal; a default counts as written down."""
    return hashlib.sha256(json.dumps(to_dict(config), sort_keys=True).encode()).hexdigest()
