"""Passwords, TLS, access lists, and brokers that cannot be used: each is one sentence."""

from __future__ import annotations

import shutil
import socket
import subprocess
import textwrap
from pathlib import Path

import pytest

from device.errors import BrokerError, ConfigError
from tests.device.mqtt.porch import ROOT, event, face, publish
from tests.support.broker import Listener, Mosquitto, free_port, needs_mosquitto, wait_for

pytestmark = needs_mosquitto


def test_a_password_opens_and_a_wrong_one_is_one_sentence(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    tool = shutil.which("mosquitto_passwd") or pytest.skip("mosquitto_passwd is not installed")
    subprocess.run([tool, "-b", "-c", str(passwords), "camera", "s3cret"], check=True, capture_output=True)
    broker = Mosquitto(tmp_path, extra=f"allow_anonymous false\npassword_file {passwords}").start()
    (tmp_path / "right").write_text("s3cret\n")
    (tmp_path / "wrong").write_text("guess\n")
    (tmp_path / "user").write_text("camera\n")
    user = f"device.mqtt.username_file={tmp_path / 'user'}"
    try:
        publish(broker.port, tmp_path, user, f"device.mqtt.password_file={tmp_path / 'right'}").close()
        with pytest.raises(BrokerError, match=rf"127\.0\.0\.1:{broker.port} refuses user 'camera': .*password_file\."):
            publish(broker.port, tmp_path, user, f"device.mqtt.password_file={tmp_path / 'wrong'}")
        with pytest.raises(BrokerError, match="refuses a client without a user name"):
            publish(broker.port, tmp_path)
        with pytest.raises(ConfigError, match="nowhere cannot be read: No such file"):
            publish(broker.port, tmp_path, user, f"device.mqtt.password_file={tmp_path / 'nowhere'}")
    finally:
        broker.kill()


def test_no_broker_is_one_sentence(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(
        BrokerError, match=rf"127\.0\.0\.1:{port} cannot be reached: Connection refused; check .*runs\."
    ):
        publish(port, tmp_path)
    with pytest.raises(BrokerError, match=r"no\.such\.host\.invalid:\d+ cannot be reached: .*; check"):
        publish(port, tmp_path, "device.mqtt.host=no.such.host.invalid")


def test_a_port_where_something_else_listens_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(BrokerError, match=r"does not answer; check|does not answer within"):
            publish(mute.getsockname()[1], tmp_path, "device.mqtt.connect_timeout_s=0.5")


def test_tls_with_a_certificate_of_ones_own(tmp_path: Path) -> None:
    openssl = shutil.which("openssl") or pytest.skip("openssl is not installed")
    subprocess.run(
        textwrap.dedent(f"""
            {openssl} req -x509 -newkey rsa:2048 -nodes -days 2 -keyout server.key -out server.crt
            -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1
        """).split(),
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    certificate = tmp_path / "server.crt"
    broker = Mosquitto(
        tmp_path, extra=f"allow_anonymous true\ncertfile {certificate}\nkeyfile {tmp_path / 'server.key'}"
    ).start()
    try:
        publisher = publish(broker.port, tmp_path, "device.mqtt.tls=true", f"device.mqtt.ca_file={certificate}")
        publisher.publish([event("start")], [face()])
        wait_for(lambda: publisher._outbox.depth == 0, "an empty outbox")
        publisher.close()
        with pytest.raises(BrokerError, match=r"has no trusted certificate: .*; check device\.mqtt\.ca_file"):
            publish(broker.port, tmp_path, "device.mqtt.tls=true")
        with pytest.raises(BrokerError, match=r"check device\.mqtt\.port and tls"):
            publish(broker.port, tmp_path)
        with pytest.raises(ConfigError, match=r"passwords cannot be used: No such file"):
            publish(broker.port, tmp_path, "device.mqtt.tls=true", f"device.mqtt.ca_file={tmp_path / 'passwords'}")
    finally:
        broker.kill()


def test_tls_asked_of_a_broker_without_it_is_one_sentence(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=r"check device\.mqtt\.port and tls"):
        publish(mosquitto.port, tmp_path, "device.mqtt.tls=true")


def test_events_that_the_broker_refuses_are_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rules = tmp_path / "acl"
    rules.write_text(f"topic readwrite {ROOT}/availability\ntopic readwrite {ROOT}/status\n")
    broker = Mosquitto(tmp_path, extra=f"allow_anonymous true\nacl_file {rules}").start()
    publisher = publish(broker.port, tmp_path)
    publisher.publish([event("start")], [])
    wait_for(lambda: f"the broker takes nothing on {ROOT}/events: Not authorized" in caplog.text, "the warning")
    publisher.close()
    rules.write_text(f"topic readwrite {ROOT}/#\n")
    broker.kill()
    broker.start()
    with Listener(broker.port, f"{ROOT}/events") as listener:
        publisher = publish(broker.port, tmp_path)
        assert listener.wait_objects(f"{ROOT}/events")[0]["seq"] == 1
        publisher.close()
    broker.kill()
