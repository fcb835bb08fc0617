"""Which uses are allowed, and which publish groups only. docs/privacy.md gives the reasons.

A new purpose is one line in `device.config.purposes`.
"""

from __future__ import annotations

from device.config.purposes import JURISDICTIONS, PURPOSES
from device.config.schema import DeviceConfig
from device.errors import ConfigError

ARTICLE = "Article 5(1)(f) of the EU AI Act (Regulation (EU) 2024/1689)"
ATTENTION_NOTE = (
    "device.attention is on: it is no certified safety system; in the EU, attention of pupils or employees may be "
    f"inferred only for medical or safety reasons ({ARTICLE}), and docs/privacy.md explains this"
)


def check(config: DeviceConfig) -> None:
    """Check that purpose and jurisdiction are set, and that the law allows the purpose there.

    Raises:
        ConfigError: purpose or jurisdiction are not set, or prohibited together; or the purpose
            does not allow attention of single people.
    """
    missing = missing_settings(config)
    if missing:
        raise ConfigError(f"{missing}.")
    prohibited = config.purpose is not None and PURPOSES[config.purpose].prohibited_in_eu
    if config.jurisdiction == "eu" and prohibited and not _has_exception(config):
        raise ConfigError(
            f"device.purpose is {config.purpose} and device.jurisdiction eu: {ARTICLE} prohibits inferring emotions "
            "there, except for medical or safety reasons; if yours is one, set device.privacy.exception and "
            "exception_record, else do not use this program for it."
        )
    _check_attention(config)


def missing_settings(config: DeviceConfig) -> str | None:
    """Which of purpose and jurisdiction are not set, and what to do; None if both are."""
    words = {"purpose": (config.purpose, tuple(PURPOSES)), "jurisdiction": (config.jurisdiction, JURISDICTIONS)}
    unset = [name for name, (value, _) in words.items() if value is None]
    if not unset:
        return None
    keys = " and ".join(f"device.{name}" for name in unset)
    options = " ".join(f"--set device.{name}=..." for name in unset)
    values = "; ".join(f"{name} is one of {', '.join(words[name][1])}" for name in unset)
    return (
        f"{keys} {'is' if len(unset) == 1 else 'are'} not set; write {'it' if len(unset) == 1 else 'them'} into "
        f"config.yaml or add {options}; {values} (docs/privacy.md explains them)"
    )


def aggregate(config: DeviceConfig) -> bool:
    """Whether the device publishes summaries of groups and nothing else."""
    if config.privacy.aggregate is not None:
        return config.privacy.aggregate
    return config.purpose is not None and PURPOSES[config.purpose].groups_only


def note(config: DeviceConfig) -> str | None:
    """What a user must know who waits for the events of one face; None where there are some."""
    if not aggregate(config):
        return None
    why = (
        f"device.purpose is {config.purpose}" if config.privacy.aggregate is None else "device.privacy.aggregate is set"
    )
    return (
        f"{why}: only summaries of groups are published; with fewer than {config.privacy.min_group} faces in view "
        "(device.privacy.min_group) there is no output"
    )


def attention_note(config: DeviceConfig) -> str | None:
    """What a user must know who measures attention; None where it is off."""
    return ATTENTION_NOTE if config.attention.enabled else None


def _check_attention(config: DeviceConfig) -> None:
    """Whoever may publish groups only must have a reason to publish the attention of one person."""
    many = config.purpose is not None and PURPOSES[config.purpose].groups_only
    if config.attention.enabled and many and not aggregate(config) and not _has_exception(config):
        raise ConfigError(
            f"device.attention.enabled is true and device.privacy.aggregate false, but device.purpose is "
            f"{config.purpose}: attention of single people is published there only for a medical or safety reason; "
            "set device.privacy.exception and exception_record, or leave device.privacy.aggregate null."
        )


def _has_exception(config: DeviceConfig) -> bool:
    """Whether a reason is set, and the document that records it: a name or number one can read."""
    return config.privacy.exception is not None and any(map(str.isalnum, config.privacy.exception_record or ""))
