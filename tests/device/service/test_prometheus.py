"""What Prometheus is told, over a real port of the loopback interface."""

from __future__ import annotations

import re
import socket
import sys
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from device.config.schema import MetricsConfig
from device.errors import ConfigError, ListenError, StateError
from device.messages import Health, OutboxFigures, Stage, Throttling
from device.service.prometheus import serving
from tests.support.broker import free_port

HEALTH = Health(
    ts=2.0,
    uptime_s=61.0,
    fps=14.5,
    frames=900,
    skipped=4,
    last_frame_age_s=None,
    camera_reopenings=3,
    stages={
        "detect": Stage(p50_ms=1.0, p95_ms=2.0, max_ms=3.0, n=900),
        "total": Stage(p50_ms=4, p95_ms=5, max_ms=6, n=9),
    },
    temperature_c=48.3,
    throttling=Throttling(now=(), since_boot=("under-voltage",)),
    memory_mb=98.5,
    outbox=OutboxFigures(depth=1, dropped=7, oldest_age_s=None),
    reconnects=2,
)


def asked(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


def test_every_figure_of_health_is_a_metric_in_its_base_unit() -> None:
    port = free_port()
    with serving(MetricsConfig(port=port), lambda: HEALTH):
        families = {family.name: family for family in text_string_to_metric_families(asked(port))}
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in families.values()
        for sample in family.samples
    }
    expected = {
        ("emotion_edge_uptime_seconds",): 61.0,
        ("emotion_edge_fps",): 14.5,
        ("emotion_edge_frames_total",): 900.0,
        ("emotion_edge_skipped_total",): 4.0,
        ("emotion_edge_stage_p95_seconds", "detect"): 0.002,
        ("emotion_edge_stage_n", "total"): 9.0,
        ("emotion_edge_temperature_celsius",): 48.3,
        ("emotion_edge_throttling_since_boot", "under-voltage"): 1.0,
        ("emotion_edge_memory_bytes",): 98.5e6,
        ("emotion_edge_outbox_depth",): 1.0,
        ("emotion_edge_outbox_dropped_total",): 7.0,
        ("emotion_edge_reconnects_total",): 2.0,
    }
    assert expected.items() <= values.items()
    assert not [name for name, *_ in values if re.search(r"ts$|last_frame|oldest", name)], "what is null is left out"
    assert all(family.documentation for family in families.values())


@pytest.mark.parametrize("trouble", [False, True])
def test_before_there_is_health_and_when_the_disk_fails_the_answer_is_empty(trouble: bool) -> None:
    def health() -> None:
        if trouble:
            raise StateError("the disk is gone.")

    port = free_port()
    with serving(MetricsConfig(port=port), health):
        assert asked(port) == ""


def test_it_is_off_by_default_and_speaks_on_the_loopback_interface_only() -> None:
    assert (MetricsConfig().port, MetricsConfig().host) == (None, "127.0.0.1")
    with serving(MetricsConfig(), lambda: HEALTH):
        pass


def test_afterwards_the_port_is_free_again() -> None:
    port = free_port()
    for _ in range(2):
        with serving(MetricsConfig(port=port), lambda: HEALTH):
            assert "emotion_edge_fps 14.5" in asked(port)


def test_a_port_that_is_taken_or_an_address_that_is_not_ours_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(
                ListenError, match=rf"device\.metrics: 127\.0\.0\.1:{port} cannot be listened on: Address al.*port or"
            ),
            serving(MetricsConfig(port=port), lambda: HEALTH),
        ):
            pytest.fail("it listens")
    elsewhere = MetricsConfig(port=9000, host="no.such.host.invalid")
    with pytest.raises(ListenError, match=r"invalid:9000 cannot be listened on"), serving(elsewhere, lambda: HEALTH):
        pytest.fail("it listens")


def test_without_the_extra_the_sentence_tells_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with (
        pytest.raises(
            ConfigError, match=r"prometheus-client is not installed; run: pip install 'emotion-edge\[metrics\]'"
        ),
        serving(MetricsConfig(port=9000), lambda: HEALTH),
    ):
        pytest.fail("it listens")
