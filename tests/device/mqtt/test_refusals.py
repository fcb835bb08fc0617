"""A broker that does not want us, or not all of us: certificates, passwords, access lists.

Each one clear sentence.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from device.config.schema import DeviceConfig, load_config
from device.errors import BrokerError, ConfigError
from device.publishing.mqtt_publisher import MqttPublisher
from device.selftest.checks import Context, check_mqtt
from tests.device.mqtt.porch import MODEL, ROOT, event, face
from tests.support.broker import Mosquitto, free_port, needs_mosquitto, wait_for
from tests.support.certificates import Authority

pytestmark = needs_mosquitto


def config(port: int, folder: Path, *more: str) -> DeviceConfig:
    settings = ("id=porch", "mqtt.host=127.0.0.1", f"mqtt.port={port}", f"state_dir={folder / 'state'}", *more)
    return load_config(overrides=[f"device.{setting}" for setting in settings])


@contextmanager
def publishing(port: int, folder: Path, *more: str) -> Iterator[MqttPublisher]:
    publisher = MqttPublisher(config(port, folder, *more), MODEL)
    try:
        yield publisher
    finally:
        publisher.close()


@contextmanager
def broker(folder: Path, extra: str) -> Iterator[Mosquitto]:
    mosquitto = Mosquitto(folder, extra=extra).start()
    try:
        yield mosquitto
    finally:
        mosquitto.kill()


def refused(error: type[Exception], sentence: str, port: int, folder: Path, *more: str) -> None:
    """The publisher does not begin, and says this."""
    with pytest.raises(error, match=sentence):
        MqttPublisher(config(port, folder, *more), MODEL)


def delivered(publisher: MqttPublisher) -> None:
    publisher.publish([event("start")], [face()])
    wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")


# --- TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def tls(certificate: tuple[Path, Path], *more: str) -> str:
    return "\n".join(("allow_anonymous true", f"certfile {certificate[0]}", f"keyfile {certificate[1]}", *more))


def with_tls(authority: Authority) -> tuple[str, str]:
    return "mqtt.tls=true", f"mqtt.ca_file={authority.certificate}"


def test_a_certificate_of_the_right_authority_for_another_host(authority: Authority, tmp_path: Path) -> None:
    sentence = r"no trusted certificate: IP address mismatch.*; check device\.mqtt\.ca_file and host\."
    with broker(tmp_path, tls(authority.sign("elsewhere", address="DNS:broker.local"))) as mosquitto:
        refused(BrokerError, sentence, mosquitto.port, tmp_path, *with_tls(authority))


def test_an_expired_certificate(authority: Authority, tmp_path: Path) -> None:
    sentence = r"a bad certificate: certificate has expired; renew it, or set this machine's clock\."
    with broker(tmp_path, tls(authority.sign("old", days=-1))) as mosquitto:
        refused(BrokerError, sentence, mosquitto.port, tmp_path, *with_tls(authority))


def test_a_client_certificate_opens_and_none_or_a_strangers_does_not(authority: Authority, tmp_path: Path) -> None:
    extra = tls(authority.sign("server"), f"cafile {authority.certificate}", "require_certificate true")
    certificate, key = authority.sign("client")
    (tmp_path / "other").mkdir()
    strange, strange_key = Authority(tmp_path / "other").sign("stranger")
    secure = with_tls(authority)
    sentence = r"closes the connection before answering; check device\.mqtt\.port, cert_file and key_file\."
    with broker(tmp_path, extra) as mosquitto:
        port = mosquitto.port
        with publishing(port, tmp_path, *secure, f"mqtt.cert_file={certificate}", f"mqtt.key_file={key}") as publisher:
            delivered(publisher)
        refused(BrokerError, sentence, port, tmp_path, *secure)
        theirs = (f"mqtt.cert_file={strange}", f"mqtt.key_file={strange_key}")
        refused(BrokerError, sentence, port, tmp_path, *secure, *theirs)


def test_certificates_and_keys_that_cannot_be_used(authority: Authority, tmp_path: Path) -> None:
    secure = with_tls(authority)
    certificate, key = authority.sign("client")
    _, other_key = authority.sign("other")
    (tmp_path / "junk").write_text("not a certificate")
    ours = f"mqtt.cert_file={certificate}"
    for file, sentence in {
        other_key: "the key is not this certificate's",
        authority.locked(key): "it holds no PEM, or the key is locked with a password",
        tmp_path / "nowhere": "No such file",
    }.items():
        refused(ConfigError, sentence, 1, tmp_path, *secure, ours, f"mqtt.key_file={file}")
    refused(ConfigError, "it holds no PEM", 1, tmp_path, *secure, f"mqtt.cert_file={tmp_path / 'junk'}")
    refused(ConfigError, "key_file is set without cert_file", 1, tmp_path, f"mqtt.key_file={key}")
    refused(ConfigError, r"cert_file is set, but device\.mqtt\.tls is false", 1, tmp_path, ours)


def test_authority_certificate_and_key_come_from_systemds_credentials(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = authority.sign("client")
    given = tmp_path / "credentials"
    given.mkdir()
    (given / "mqtt-ca").write_text(authority.certificate.read_text())
    (given / "mqtt-key").write_text(key.read_text())
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))
    rules = tls(authority.sign("server"), f"cafile {authority.certificate}", "require_certificate true")
    with broker(tmp_path, rules) as mosquitto:
        refused(ConfigError, "key_file is set without cert_file", mosquitto.port, tmp_path, "mqtt.tls=true")
        (given / "mqtt-cert").write_text(certificate.read_text())
        with publishing(mosquitto.port, tmp_path, "mqtt.tls=true") as publisher:
            delivered(publisher)


def test_certificate_and_key_may_share_a_file(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.sign("client")
    both = tmp_path / "both.pem"
    both.write_text(certificate.read_text() + key.read_text())
    refused(BrokerError, "cannot be reached", free_port(), tmp_path, *with_tls(authority), f"mqtt.cert_file={both}")


# --- user and password


def test_user_and_password_come_from_systemds_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = shutil.which("mosquitto_passwd") or pytest.skip("mosquitto_passwd is not installed")
    subprocess.run([tool, "-b", "-c", tmp_path / "passwords", "camera", "s3cret"], check=True, capture_output=True)
    given = tmp_path / "credentials"
    given.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))
    with broker(tmp_path, f"allow_anonymous false\npassword_file {tmp_path / 'passwords'}") as mosquitto:
        with (
            pytest.raises(BrokerError, match="refuses a client without a user name"),
            publishing(mosquitto.port, tmp_path),
        ):
            pass
        (given / "mqtt-password").write_text("s3cret")
        refused(ConfigError, "a password but no user name", mosquitto.port, tmp_path)
        (given / "mqtt-username").write_text("camera\n")
        with publishing(mosquitto.port, tmp_path) as publisher:
            delivered(publisher)


# --- access lists


def test_what_an_access_list_refuses_is_told_once_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "acl").write_text(f"topic readwrite {ROOT}/availability\ntopic readwrite {ROOT}/events\n")
    rules = f"allow_anonymous true\nacl_file {tmp_path / 'acl'}"
    with broker(tmp_path, rules) as mosquitto, publishing(mosquitto.port, tmp_path) as publisher:
        delivered(publisher)
        publisher.publish([event("start", 2)], [face(2)])
        wait_for(lambda: "tracks" in caplog.text, "the warning of the faces")
        wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
    topics = [f"{ROOT}/status", "homeassistant/device/porch/config", f"{ROOT}/tracks/1/state"]
    for topic in topics:
        sentence = f"the broker takes nothing on {topic}: Not authorized; let this user write there."
        assert caplog.text.count(sentence) == 1
    assert "tracks/2/state" not in caplog.text, "of the faces once is enough"


def test_mqtt_3_1_1_hides_a_refusal_and_the_selftest_finds_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A broker of 3.1.1 acknowledges what it throws away.

    Nothing shows it but a message that does not come back.
    """
    (tmp_path / "acl").write_text(f"topic readwrite {ROOT}/availability\n")
    old = "mqtt.protocol=v3.1.1"
    with broker(tmp_path, f"allow_anonymous true\nacl_file {tmp_path / 'acl'}") as mosquitto:
        with publishing(mosquitto.port, tmp_path, old) as publisher:
            delivered(publisher)
        assert "takes nothing" not in caplog.text
        with pytest.raises(BrokerError, match=r"accepts messages on .*/selftest but delivers none; check"):
            check_mqtt(Context(config(mosquitto.port, tmp_path, old, "mqtt.connect_timeout_s=2")))


def plugin() -> Path:
    """Mosquitto 2.0's access file never refuses a subscription.

    Its plug-in for dynamic security does.
    """
    return next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"), None) or pytest.skip("no dynamic security")


def test_a_subscription_that_is_refused_is_told_of_and_events_still_go_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    access = {"publishClientSend": True, "publishClientReceive": True, "subscribe": False, "unsubscribe": True}
    role = {"rolename": "speaker", "acls": []}
    rules = {
        "defaultACLAccess": access,
        "roles": [role],
        "groups": [{"groupname": "all", "roles": [{"rolename": "speaker"}]}],
        "anonymousGroup": "all",
        "clients": [],
    }
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    extra = f"allow_anonymous true\nplugin {plugin()}\nplugin_opt_config_file {tmp_path / 'rules.json'}"
    with broker(tmp_path, extra) as mosquitto, publishing(mosquitto.port, tmp_path) as publisher:
        delivered(publisher)
        topics = (f"{ROOT}/tracks/+/state", "homeassistant/status")
        sentences = [
            f"refuses our subscription to {topic}: Not authorized; let this user read there." for topic in topics
        ]
        wait_for(lambda: all(sentence in caplog.text for sentence in sentences), "both warnings")
