"""Refuses a URL or host:port where the host name of the broker belongs."""

from __future__ import annotations

from urllib.parse import urlsplit

from device.errors import ConfigError

ENCRYPTED = ("mqtts", "ssl", "tls", "wss", "https")


def check_host(host: str | None) -> None:
    """Check that `device.mqtt.host` is a host name or an address only.

    Raises:
        ConfigError: it is a URL or has a port; the message never shows a password in it.
    """
    if host is None or not (host.count(":") == 1 or set(host) & set("/@[]")):
        return
    scheme, _, rest = host.rpartition("://")
    tls = scheme in ENCRYPTED
    try:
        url = urlsplit(f"//{rest}")
        name, port, path = url.hostname, url.port, url.path
    except ValueError:
        name, port, path = None, None, ""
    web = scheme in ("ws", "wss")
    default = (443 if tls else 80) if web else (8883 if tls else 1883)
    over = f", transport: websockets, path: {path or '/'}" if web else ""
    raise ConfigError(
        "device.mqtt.host must be a host name without scheme, user and port; "
        f"set device.mqtt.host: {name or 'NAME'}, port: {port or default}, tls: {str(tls).lower()}{over}."
    )
