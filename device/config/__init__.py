"""The device's settings: declared once, read strictly, checked against the law."""

from device.config.loader import from_dict, load, section, setting, to_dict
from device.config.schema import (
    CameraConfig,
    DetectorConfig,
    DeviceConfig,
    FaceCheckConfig,
    FleetConfig,
    MetricsConfig,
    ModelConfig,
    MqttConfig,
    OutboxConfig,
    PipelineConfig,
    ReportConfig,
    SmootherConfig,
    TrackerConfig,
    config_digest,
    load_config,
)
from device.config.yaml_writer import changes, render

__all__ = [
    "CameraConfig",
    "DetectorConfig",
    "DeviceConfig",
    "FaceCheckConfig",
    "FleetConfig",
    "MetricsConfig",
    "ModelConfig",
    "MqttConfig",
    "OutboxConfig",
    "PipelineConfig",
    "ReportConfig",
    "SmootherConfig",
    "TrackerConfig",
    "changes",
    "config_digest",
    "from_dict",
    "load",
    "load_config",
    "render",
    "section",
    "setting",
    "to_dict",
]
