"""User name, password and certificates.

Secrets come from files or from systemd, never from the config.
"""

from __future__ import annotations

import dataclasses
import ssl
from pathlib import Path

from device.config.schema import MqttConfig
from device.errors import ConfigError, unreadable_as
from device.host.credentials import credential, first_line


def user(config: MqttConfig) -> tuple[str | None, str | None]:
    """User name and password; None for what is not set.

    Raises:
        ConfigError: a file cannot be read, there is a password without a user name, or the user
            name is set twice.
    """
    if config.username is not None and config.username_file is not None:
        raise ConfigError("device.mqtt: username and username_file are both set; remove one of them.")
    name = config.username
    if name is None:
        name = first_line("device.mqtt.username_file", config.username_file, "mqtt-username")
    password = first_line("device.mqtt.password_file", config.password_file, "mqtt-password")
    if name is None and password is not None:
        raise ConfigError("device.mqtt: there is a password but no user name; set username or username_file too.")
    return name, password


def tls(config: MqttConfig) -> ssl.SSLContext | None:
    """The TLS context; None if the config does not ask for TLS.

    Raises:
        ConfigError: a certificate or key cannot be used, or is set for a connection without TLS.
    """
    if config.tls:
        config = _with_credentials(config)
    _check_together(config)
    if not config.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
    except OSError as error:  # ssl.SSLError is one, for a file that is no certificate
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigError(f"device.mqtt.ca_file: {config.ca_file} cannot be used: {reason}.") from error
    if config.cert_file is not None:
        try:
            # An empty password makes an encrypted key an error; without it OpenSSL would prompt.
            context.load_cert_chain(config.cert_file, config.key_file, password="")
        except OSError as error:
            names = " and ".join(filter(None, (config.cert_file, config.key_file)))
            raise ConfigError(f"device.mqtt.cert_file, key_file: {names} cannot be used: {_reason(error)}.") from error
    return context


def _with_credentials(config: MqttConfig) -> MqttConfig:
    """The config with systemd's credentials for the files that are not set."""
    return dataclasses.replace(
        config,
        ca_file=config.ca_file or credential("mqtt-ca"),
        cert_file=config.cert_file or credential("mqtt-cert"),
        key_file=config.key_file or credential("mqtt-key"),
    )


def _check_together(config: MqttConfig) -> None:
    if config.key_file is not None and config.cert_file is None:
        raise ConfigError("device.mqtt.key_file is set without cert_file; set both, or neither.")
    for key in ("ca_file", "cert_file", "key_file"):
        named = getattr(config, key)
        if named is None:
            continue
        with unreadable_as(ConfigError, f"device.mqtt.{key}: {named}", "the file"):
            if Path(named).exists() and not Path(named).is_file():  # a pipe would block
                raise ConfigError(f"device.mqtt.{key}: {named} cannot be used: it is not a regular file.")
    for key in ("ca_file", "cert_file"):
        if getattr(config, key) is not None and not config.tls:
            raise ConfigError(f"device.mqtt.{key} is set, but device.mqtt.tls is false; set it, or remove {key}.")


def _reason(error: OSError) -> str:
    if not isinstance(error, ssl.SSLError):
        return error.strerror or str(error)
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key is not this certificate's"
    return "it holds no PEM, or the key is locked with a password"
