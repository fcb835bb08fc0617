"""Why a connection to the broker failed, in one sentence that says what to check."""

from __future__ import annotations

import ssl

from device.config.schema import MqttConfig
from device.errors import BrokerError
from device.mqtt import credentials

CLOSED, SILENT = "closed", "silent"  # ours, as the next; the broker gave no reason
NO_QOS_1 = "no QoS 1"
VERSION_REFUSED = "Unsupported protocol version"
RETAIN_REFUSED = "Retain not supported"
OUT_OF_DATE = (9, 10)  # OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and _HAS_EXPIRED
UNAUTHORISED = ("Not authorized", "Bad user name or password", "Bad authentication method")


class VersionError(BrokerError):
    """The broker does not support this version of MQTT: it refused it, or did not answer."""

    explicit = False


class RetainError(BrokerError):
    """The broker refuses a last will that it would have to retain."""


def unreachable(config: MqttConfig, error: Exception) -> str:
    """The sentence for an error before the broker could answer."""
    where = f"the MQTT broker at {config.host}:{config.port}"
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in OUT_OF_DATE:
        return f"{where} has a bad certificate: {error.verify_message}; renew it, or set this machine's clock."
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{where} has no trusted certificate: {error.verify_message}; check device.mqtt.ca_file and host."
    if isinstance(error, ssl.SSLError):
        return f"{where} does not accept TLS ({error.reason}); check device.mqtt.port and tls."
    if config.tls and isinstance(error, ConnectionResetError):
        return f"{where} closes the connection when asked for TLS; check device.mqtt.port and tls."
    if type(error).__name__ == "WebsocketConnectionError":
        return f"{where} has no WebSocket at {config.path}; check device.mqtt.port, path, tls and transport."
    if isinstance(error, TimeoutError):
        return f"{where} does not answer within {config.connect_timeout_s:g} s; check device.mqtt.host and port."
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return f"{where} cannot be reached: {reason}; check device.mqtt.host and port, and that the broker runs."


def refused(config: MqttConfig, reason: str, version: int) -> BrokerError:
    """The error for a broker's refusal: its own reason, `CLOSED` or `SILENT`."""
    where = f"the MQTT broker at {config.host}:{config.port}"
    if version == 5 and reason in (VERSION_REFUSED, CLOSED, SILENT):  # what old brokers do with version 5
        error = VersionError(f"{where} does not answer to MQTT 5; check device.mqtt.port, tls and protocol.")
        error.explicit = reason == VERSION_REFUSED
        return error
    if reason == RETAIN_REFUSED and config.retain:
        return RetainError(f"{where} keeps no messages; set device.mqtt.retain: false.")
    if reason == NO_QOS_1:
        return BrokerError(f"{where} takes messages of QoS 0 only, which can be lost; use a broker with QoS 1.")
    if reason in UNAUTHORISED:
        name, _ = credentials.user(config)
        who = "a client without a user name" if name is None else f"user {name!r}"
        return BrokerError(f"{where} refuses {who}: {reason}; check device.mqtt.username_file and password_file.")
    if reason == CLOSED and config.tls:  # with TLS 1.3 a broker that rejects our certificate just closes
        return BrokerError(
            f"{where} closes the connection before answering; check device.mqtt.port, cert_file and key_file."
        )
    if reason == CLOSED:
        return BrokerError(f"{where} closes the connection before answering; check device.mqtt.port and tls.")
    if reason == SILENT:
        return BrokerError(f"{where} accepts the connection and does not answer; check device.mqtt.port and tls.")
    return BrokerError(f"{where} refuses the connection: {reason}.")
