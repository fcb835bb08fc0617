"""Who may see the page: the token, its cookie, and the names by which the server may be called."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import socket
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

from device.config.schema import DashboardConfig
from device.errors import ConfigError, UsageError
from device.host.credentials import first_line

CREDENTIAL = "dashboard-token"  # name of systemd's credential
COOKIE = "emotion_dashboard"
MIN_TOKEN = 16  # characters; nobody can guess as many
BEARER = "Bearer "
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/@?#\s]+)(?::[0-9]{1,5})?")


@dataclass(frozen=True)
class Access:
    """What a request must show.

    Args:
        token: secret; None: everybody who reaches the server may see the page.
        names: host names by which a browser may call the server; an IP address always may.
    """

    token: str | None = field(repr=False)
    names: frozenset[str]

    def knows_host(self, header: str | None) -> bool:
        """Whether the `Host` header is a name of this server.

        A page of another site can give its own name our address (DNS rebinding), and would then
        read the answers; it cannot use an IP address or one of our names.
        """
        match = HOST.fullmatch(header or "")
        if match is None:
            return False
        name = match[1].strip("[]").lower().rstrip(".")
        return name in self.names or is_address(name)

    def permits(self, authorization: str | None, cookie: str | None) -> bool:
        """Whether the headers `Authorization` or `Cookie` show the token."""
        if self.token is None:
            return True
        bearer = authorization.removeprefix(BEARER) if authorization and authorization.startswith(BEARER) else None
        return self.is_token(bearer) or _equal(_cookie_value(cookie), self._cookie_secret())

    def is_token(self, given: str | None) -> bool:
        """Whether this is the token; takes the same time for each."""
        return self.token is not None and _equal(given, self.token)

    def cookie(self) -> str:
        """The `Set-Cookie` header for a browser that showed the token."""
        return f"{COOKIE}={self._cookie_secret()}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000"

    def _cookie_secret(self) -> str:
        """Derived from the token, so that a stolen cookie does not tell it."""
        return hmac.new((self.token or "").encode(), COOKIE.encode(), hashlib.sha256).hexdigest()


def open_access(config: DashboardConfig) -> Access:
    """The access that the settings describe.

    Raises:
        ConfigError: the token cannot be read, or is too short.
        UsageError: the server would be reachable from the network without a token.
    """
    token = first_line("device.dashboard.token_file", config.token_file, CREDENTIAL)
    if token is not None and (len(token.strip()) < MIN_TOKEN or not token.strip().isascii()):
        raise ConfigError(
            f"device.dashboard.token_file: the token must have at least {MIN_TOKEN} characters, all ASCII; "
            "make one with: openssl rand -hex 24."
        )
    if token is None and config.behind_proxy is None and not is_loopback(config.host):
        raise UsageError(
            f"{config.host} can be reached from the network: give --token-file FILE with a secret, or --behind-proxy "
            "NAME if a proxy asks for one; or listen on 127.0.0.1."
        )
    host_name = socket.gethostname().lower()
    names = {"localhost", host_name, f"{host_name.split('.')[0]}.local", config.host.lower()}
    names |= {config.behind_proxy.lower()} if config.behind_proxy else set()
    return Access(token.strip() if token is not None else None, frozenset(names))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address to listen on."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _cookie_value(header: str | None) -> str | None:
    try:
        morsel = SimpleCookie(header or "").get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel is not None else None


def _equal(given: str | None, secret: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode())
