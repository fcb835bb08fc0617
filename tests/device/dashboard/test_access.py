"""Who may see the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.config.schema import DashboardConfig
from device.dashboard.access import COOKIE, Access, open_access
from device.errors import ConfigError, UsageError

TOKEN = "0123456789abcdef"
ACCESS = Access(TOKEN, frozenset({"localhost", "wall.local"}))


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8088", "127.0.0.1:8088", "[::1]:80", "192.168.1.4", "wall.local."]
)
def test_names_of_the_server(host: str) -> None:
    assert ACCESS.knows_host(host)


@pytest.mark.parametrize(
    "host",
    [
        None, "", "evil.example", "localhost.evil.example", "evil.example:8088", "127.0.0.1.evil.example", "a b",
        "x@localhost", "localhost/", "localhost:99999999", "[localhost]", ":8088",
    ],
)  # fmt: skip
def test_other_names(host: str | None) -> None:
    assert not ACCESS.knows_host(host)


def test_the_token_as_a_header_or_as_a_cookie() -> None:
    cookie = ACCESS.cookie().split(";")[0]
    assert TOKEN not in cookie and "HttpOnly" in ACCESS.cookie() and "SameSite=Strict" in ACCESS.cookie()
    assert ACCESS.permits(f"Bearer {TOKEN}", None)
    assert ACCESS.permits(None, cookie) and ACCESS.permits(None, f"a=b; {cookie}; c=d")


@pytest.mark.parametrize(
    ("authorization", "cookie"),
    [
        (None, None), ("", ""), (f"Bearer {TOKEN}x", None), (TOKEN, None), (f"Basic {TOKEN}", None), ("Bearer ", None),
        (None, f"{COOKIE}={TOKEN}"), (None, f"{COOKIE}="), (None, "\x00;=;"), ("Bearer \udcff", None),
    ],
)  # fmt: skip
def test_without_the_token(authorization: str | None, cookie: str | None) -> None:
    assert not ACCESS.permits(authorization, cookie)


def test_another_token_makes_old_cookies_worthless() -> None:
    other = Access("fedcba9876543210", ACCESS.names)
    assert not other.permits(None, ACCESS.cookie().split(";")[0])


def test_without_a_token_everybody_on_this_machine_may() -> None:
    access = open_access(DashboardConfig())
    assert access.permits(None, None) and not access.is_token("") and access.knows_host("localhost")
    assert not access.knows_host(".")  # without a proxy, there is no name of it either


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    assert open_access(DashboardConfig(host=host)).token is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "wall.local", ""])
def test_the_network_needs_a_token_or_a_proxy(host: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can be reached from the network: give --token-file FILE"):
        open_access(DashboardConfig(host=host))
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert open_access(DashboardConfig(host=host, token_file=str(tmp_path / "token"))).token == TOKEN
    assert open_access(DashboardConfig(host=host, behind_proxy="Wall.example")).knows_host("wall.example")


@pytest.mark.parametrize("content", ["", "short", "\n0123456789abcdef", "ü" * 20])
def test_a_token_that_could_be_guessed(content: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(content)
    with pytest.raises(ConfigError, match="the token must have at least 16 characters"):
        open_access(DashboardConfig(token_file=str(tmp_path / "token")))


def test_the_token_as_a_credential_of_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dashboard-token").write_text(TOKEN)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert open_access(DashboardConfig(host="0.0.0.0")).token == TOKEN
    assert TOKEN not in repr(open_access(DashboardConfig()))


def test_a_token_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"device\.dashboard\.token_file: .* cannot be read: No such file"):
        open_access(DashboardConfig(token_file=str(tmp_path / "none")))
