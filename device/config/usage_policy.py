"""Which uses are allowed, and which publish groups only. docs/privacy.md gives the reasons.

A new purpose is one line in `device.config.purposes`.
"""

from __future__ import annotations

from device.config.purposes import JURISDICTIONS, PURPOSES
from device.config.schema import DeviceConfig
from device.errors import ConfigError

ARTICLE = "Article 5(1)(f) of the EU AI Act (Regulation (EU) 2024/1689)"


def check(config: DeviceConfig) -> None:
    """Check that purpose and jurisdiction are set, and that the law allows the purpose there.

    Raises:
        ConfigError: purpose or jurisdiction are not set, or prohibited together.
    """
    for name, value, words in (
        ("purpose", config.purpose, tuple(PURPOSES)),
        ("jurisdiction", config.jurisdiction, JURISDICTIONS),
    ):
        if value is None:
            raise ConfigError(
                f"device.{name} is not set; write it into config.yaml or add --set device.{name}=..., "
                f"one of {', '.join(words)} (docs/privacy.md explains them)."
            )
    prohibited = config.purpose is not None and PURPOSES[config.purpose].prohibited_in_eu
    if config.jurisdiction == "eu" and prohibited and not _has_exception(config):
        raise ConfigError(
            f"device.purpose is {config.purpose} and device.jurisdiction eu: {ARTICLE} prohibits inferring emotions "
            "there, except for medical or safety reasons; if yours is one, set device.privacy.exception and "
            "exception_record, else do not use this program for it."
        )


def aggregate(config: DeviceConfig) -> bool:
    """Whether the device publishes summaries of groups and nothing else."""
    if config.privacy.aggregate is not None:
        return config.privacy.aggregate
    return config.purpose is not None and PURPOSES[config.purpose].groups_only


def _has_exception(config: DeviceConfig) -> bool:
    """Whether a reason is set, and the document that records it: a name or number one can read."""
    return config.privacy.exception is not None and any(map(str.isalnum, config.privacy.exception_record or ""))
