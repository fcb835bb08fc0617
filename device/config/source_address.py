"""Keeps user names and passwords out of the address of a camera."""

from __future__ import annotations

import re

PORT = re.compile(r"^[^:]*(:\d*)?$|\](:\d*)?$")  # after a name, or after an IPv6 address
NETWORK = ("rtsp", "rtsps", "http", "https")  # schemes of network cameras


def without_user(source: str) -> str:
    """The source without `user:password@`, which belongs into files: everybody sees an address."""
    scheme, is_uri, address = source.partition("://")
    if not is_uri or scheme.lower() not in NETWORK:
        return source
    host, slash, path = address.partition("/")
    if "@" not in host and not PORT.search(host):  # a password with a slash in it
        return f"{scheme}://{address.rpartition('@')[2]}"
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
