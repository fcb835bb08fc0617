"""The recurrent filter: its arithmetic, its file, and what it does with other labels."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from device.config.schema import SmootherConfig
from device.errors import ConfigError, ModelError
from device.messages import UNKNOWN
from device.vision.filters.gru import BUNDLED, FILTER, GruWeights, features, gru_filter, in_order_of, read_network
from device.vision.smoother import make_smoother

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
GRU = SmootherConfig(kind="gru")
LARGE = 100.0


def sure(label: str, score: float = 0.9) -> NDArray[np.float64]:
    return np.array([score if name == label else (1 - score) / 6 for name in LABELS])


def drawn(count: int, size: int, seed: int = 0) -> GruWeights:
    """Random weights."""
    generator = np.random.default_rng(seed)
    shapes = [(3 * size, count + 1), (3 * size,), (3 * size, size), (3 * size,), (count, size), (count,)]
    return GruWeights(*(generator.normal(0.0, 0.5, shape) for shape in shapes))


def save(path: Path, labels: tuple[str, ...], weights: GruWeights, **changes: NDArray[np.generic]) -> Path:
    with path.open("wb") as stream:
        np.savez(stream, **({"labels": np.array(labels)} | vars(weights) | changes))
    return path


def test_the_bundled_network_is_small_and_for_the_bundled_labels() -> None:
    labels, weights = read_network(BUNDLED)
    assert sorted(labels) == sorted(LABELS)
    assert sum(values.size for values in vars(weights).values()) <= 20_000
    assert BUNDLED.stat().st_size < 100_000


def test_a_clear_face_has_its_label_within_half_a_second_and_keeps_it() -> None:
    steady = make_smoother(GRU, LABELS)
    readings = [steady.update(1, sure("happy"), n / 15, LARGE) for n in range(75)]
    assert readings[7].emotion == readings[-1].emotion == "happy"
    assert sum(reading.changed for reading in readings) == 1


def test_a_lasting_change_is_followed() -> None:
    steady = make_smoother(GRU, LABELS)
    script = [sure("happy")] * 45 + [sure("surprise")] * 45
    readings = [steady.update(1, scores, n / 15, LARGE) for n, scores in enumerate(script)]
    assert [reading.emotion for reading in readings if reading.changed][::2][0] == "happy"
    assert readings[-1].emotion == "surprise"


def test_a_face_that_is_too_small_or_stale_becomes_unknown() -> None:
    steady = make_smoother(GRU, LABELS)
    for n in range(45):
        steady.update(1, sure("happy"), n / 15, LARGE)
    assert steady.wait(1, 4.0, LARGE).emotion == "happy"
    assert [steady.update(1, sure("happy"), 4 + n / 15, 10.0).emotion for n in range(60)][-1] == UNKNOWN


def test_the_step_is_that_of_a_gated_recurrent_unit() -> None:
    weights = drawn(3, 2)
    scores, hidden = np.array([0.2, 0.5, 0.3]), np.array([0.1, -0.4])
    after = gru_filter(weights)(np.concatenate([np.full(3, 1 / 3), hidden]), scores, 0.1, 1.0)
    seen = features(scores, 0.1)
    for n in range(2):
        reset, update, new = (
            (weights.input_weights[n + k] @ seen + weights.input_bias[n + k], weights.state_weights[n + k] @ hidden)
            for k in (0, 2, 4)
        )
        r, z = (1 / (1 + np.exp(-sum(part) - weights.state_bias[n + k])) for part, k in ((reset, 0), (update, 2)))
        candidate = np.tanh(new[0] + r * (new[1] + weights.state_bias[n + 4]))
        assert after[3 + n] == pytest.approx((1 - z) * candidate + z * hidden[n])
    powers = np.exp(weights.output_weights @ after[3:] + weights.output_bias)
    assert after[:3] == pytest.approx(powers / powers.sum())


def test_features_are_limited() -> None:
    assert np.isfinite(features(np.array([0.0, 1.0]), 0.0)).all()
    assert features(np.array([0.5, 0.5]), 2.0)[-1] == features(np.array([0.5, 0.5]), 1e6)[-1]
    assert features(np.array([0.5, 0.5]), 0.1)[-1] < features(np.array([0.5, 0.5]), 0.2)[-1]


def test_labels_may_come_in_another_order() -> None:
    weights, scores = drawn(3, 4), np.array([0.2, 0.5, 0.3])
    swapped = in_order_of(("c", "a", "b"), ("a", "b", "c"), weights)
    assert swapped is not None
    straight = gru_filter(weights)(np.full(3, 1 / 3), scores, 0.1, 1.0)
    other = gru_filter(swapped)(np.full(3, 1 / 3), scores[[2, 0, 1]], 0.1, 1.0)
    assert other[:3] == pytest.approx(straight[[2, 0, 1]])
    assert in_order_of(("a", "b"), ("a", "b", "c"), weights) is None


def test_other_labels_take_the_forward_filter() -> None:
    assert FILTER(GRU, ("calm", "excited")) is None
    ours, forward = (make_smoother(SmootherConfig(kind=kind), ("calm", "excited")) for kind in ("gru", "hmm"))
    for n in range(10):
        assert ours.update(1, [0.7, 0.3], n / 15, LARGE) == forward.update(1, [0.7, 0.3], n / 15, LARGE)


def test_a_network_of_ones_own_is_used(tmp_path: Path) -> None:
    path = save(tmp_path / "own.npz", ("calm", "excited"), drawn(2, 3))
    config = dataclasses.replace(GRU, network=str(path))
    ours = make_smoother(config, ("excited", "calm"))
    assert ours.update(1, [0.7, 0.3], 0.0, LARGE).scores != pytest.approx([0.7, 0.3])
    with pytest.raises(ConfigError, match=r"device\.smoother\.network: .*own\.npz was trained for other labels"):
        make_smoother(config, LABELS)


@pytest.mark.parametrize("content", [b"", b"not a network", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_network_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"bad\.npz: the smoother's network cannot be read"):
        read_network(path)
    with pytest.raises(ModelError, match="No such file"):
        read_network(tmp_path / "none.npz")


@pytest.mark.parametrize("changes", [{"output_bias": np.zeros(2)}, {"input_bias": np.full(6, np.nan)}])
def test_weights_of_another_shape_or_without_a_value_are_refused(
    tmp_path: Path, changes: dict[str, NDArray[np.generic]]
) -> None:
    path = save(tmp_path / "bad.npz", ("a", "b", "c"), drawn(3, 2), **changes)
    with pytest.raises(ModelError, match="finite numbers"):
        read_network(path)
