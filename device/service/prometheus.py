"""The figures of `health` for Prometheus, computed on each scrape.

Off unless device.metrics.port is set.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIServer

from device.config.schema import MetricsConfig
from device.errors import ConfigError, EmotionEdgeError, ListenError
from device.messages import Health

if TYPE_CHECKING:  # prometheus-client is an extra
    from prometheus_client.metrics_core import Metric

PREFIX = "emotion_edge"
UNITS = {"s": ("seconds", 1.0), "ms": ("seconds", 1e-3), "c": ("celsius", 1.0), "mb": ("bytes", 1e6)}


class Figures:
    """A prometheus-client collector of the current health.

    Args:
        health: returns it; None if there is none yet. Called on the server's threads.
    """

    def __init__(self, health: Callable[[], Health | None]) -> None:
        self._health = health

    def collect(self) -> Iterator[Metric]:
        """One metric a field; metrics of a stage have its name as a label."""
        try:
            health = self._health()
        except EmotionEdgeError:  # the state folder cannot be read; that is in the log
            health = None
        families: dict[str, Metric] = {}
        if health is not None:
            _gather(families, health, PREFIX, {})
        yield from families.values()


@contextmanager
def serving(config: MetricsConfig, health: Callable[[], Health | None]) -> Iterator[None]:
    """Serve Prometheus inside the `with`, if the config asks for it.

    Raises:
        ConfigError: prometheus-client is not installed.
        ListenError: the address cannot be listened on.
    """
    if config.port is None:
        yield
        return
    server, thread = _start(config.host, config.port, Figures(health))
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _start(host: str, port: int, figures: Figures) -> tuple[WSGIServer, threading.Thread]:
    try:
        from prometheus_client import CollectorRegistry, start_http_server
    except ImportError as error:
        raise ConfigError(
            "device.metrics.port is set, but prometheus-client is not installed; run: pip install "
            "'emotion-edge[metrics]', or set it to null."
        ) from error
    registry = CollectorRegistry()
    registry.register(figures)
    try:
        return start_http_server(port, host, registry)
    except OSError as error:
        reason = error.strerror or error
        raise ListenError(
            f"device.metrics: {host}:{port} cannot be listened on: {reason}; choose another port or host."
        ) from error


def _gather(families: dict[str, Metric], message: Any, name: str, labels: dict[str, str]) -> None:
    """Every number in a message and its nested messages; absent values and text have no metric."""
    for field in dataclasses.fields(message):
        value, full = getattr(message, field.name), f"{name}_{field.name}"
        if dataclasses.is_dataclass(value):
            _gather(families, value, full, labels)
        elif isinstance(value, dict):
            for key, inner in value.items():
                _gather(
                    families, inner, full.removesuffix("s"), labels | {full.rpartition("_")[2].removesuffix("s"): key}
                )
        elif isinstance(value, tuple):
            for flag in value:
                _add(families, full, field, labels | {"flag": flag}, 1.0)
        elif isinstance(value, (int, float)) and field.name != "ts":
            _add(families, full, field, labels, float(value))


def _add(
    families: dict[str, Metric], name: str, field: dataclasses.Field[Any], labels: dict[str, str], value: float
) -> None:
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

    words, _, last = name.rpartition("_")
    unit, factor = UNITS.get(last, (last, 1.0))
    kind = CounterMetricFamily if field.metadata["counter"] else GaugeMetricFamily
    family: Any = families.setdefault(name, kind(f"{words}_{unit}", field.metadata["doc"], labels=list(labels)))
    family.add_metric(list(labels.values()), value * factor)
