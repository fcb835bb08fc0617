"""What the device may be used for, and when it may speak of groups only. docs/privacy.md says why."""

from __future__ import annotations

from device.config.schema import JURISDICTIONS, PURPOSES, DeviceConfig
from device.errors import ConfigError

GROUPS = ("audience", "education", "workplace")  # many people, who did not ask for it
PROHIBITED = ("education", "workplace")  # in the EU, without a medical or safety reason
ARTICLE = "Article 5(1)(f) of the EU AI Act (Regulation (EU) 2024/1689)"


def check(config: DeviceConfig) -> None:
    """Refuse to see anybody before it is said what for, and where the law forbids it.

    Raises:
        ConfigError: purpose or jurisdiction are not set, or prohibited together.
    """
    for name, value, words in (
        ("purpose", config.purpose, PURPOSES),
        ("jurisdiction", config.jurisdiction, JURISDICTIONS),
    ):
        if value is None:
            raise ConfigError(
                f"device.{name} is not set; write it into config.yaml or add --set device.{name}=..., "
                f"one of {', '.join(words)} (docs/privacy.md explains them)."
            )
    if config.jurisdiction == "eu" and config.purpose in PROHIBITED and not _excepted(config):
        raise ConfigError(
            f"device.purpose is {config.purpose} and device.jurisdiction eu: {ARTICLE} prohibits inferring emotions "
            "there, except for medical or safety reasons; if yours is one, set device.privacy.exception and "
            "exception_record, else do not use this program for it."
        )


def aggregate(config: DeviceConfig) -> bool:
    """Whether nothing but summaries of groups may leave the device."""
    wanted = config.privacy.aggregate
    return config.purpose in GROUPS if wanted is None else wanted


def _excepted(config: DeviceConfig) -> bool:
    """A reason, and where it is written down."""
    return config.privacy.exception is not None and bool((config.privacy.exception_record or "").strip())
