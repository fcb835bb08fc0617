"""A small recurrent network, which `trainer smoother` trains on clips of labelled faces.

It sees whether a face changed from one reading to the next. So it waits while one face is misread
again and again, and is quick when a new face confirms a label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.config.schema import SmootherConfig
from device.errors import ConfigError, ModelError
from device.inference.card_archive import DAMAGE
from device.vision.filters import Filter, FilterFactory, Scores, State

BUNDLED = Path(__file__).parents[2] / "models" / "smoother.npz"
MIN_LOG_SCORE = -7.0  # the logarithm of a lower score counts as this
ELAPSED_S = (1 / 60, 2.0)  # times between two readings are limited to this range
Weights = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GruWeights:
    """The weights, as PyTorch's `nn.GRU` and `nn.Linear` order them; H is the size of the state.

    The gates' rows come in the order reset, update, new.
    """

    input_weights: Weights  # (3 H, K + 1), for `features`
    input_bias: Weights  # (3 H,)
    state_weights: Weights  # (3 H, H)
    state_bias: Weights  # (3 H,)
    output_weights: Weights  # (K, H), to logits of the belief
    output_bias: Weights  # (K,)


def features(scores: Scores, elapsed_s: float) -> NDArray[np.float64]:
    """The network's input, (K + 1,): scaled logarithms of the scores (K,), and of the time."""
    logs = np.log(np.maximum(scores, np.exp(MIN_LOG_SCORE)))
    step = np.log(15.0 * min(max(elapsed_s, ELAPSED_S[0]), ELAPSED_S[1]))
    return np.append(logs / 3.0 + 0.6, step / 2.0)


def gru_filter(weights: GruWeights) -> Filter:
    """The filter (Cho et al. 2014, arXiv:1406.1078, in the form of PyTorch's `nn.GRU`).

    A reading of weight w moves the state and the belief only by the share w.
    """
    count, size = weights.output_weights.shape
    unread = np.concatenate([np.full(count, 1.0 / count), np.zeros(size)])

    def filtered(state: State, scores: Scores, elapsed_s: float, weight: float) -> State:
        before = unread if len(state) == count else state  # a new face has nothing but the belief
        hidden = _step(weights, features(scores, elapsed_s), before[count:])
        logits = weights.output_weights @ hidden + weights.output_bias
        powers = np.exp(logits - logits.max())
        after = np.concatenate([powers / powers.sum(), hidden])
        moved: State = before + weight * (after - before)
        return moved

    return filtered


def _step(weights: GruWeights, seen: NDArray[np.float64], hidden: NDArray[np.float64]) -> NDArray[np.float64]:
    size = len(hidden)
    driven = weights.input_weights @ seen + weights.input_bias
    kept = weights.state_weights @ hidden + weights.state_bias
    gates = 1.0 / (1.0 + np.exp(-(driven[: 2 * size] + kept[: 2 * size])))
    new = np.tanh(driven[2 * size :] + gates[:size] * kept[2 * size :])
    after: NDArray[np.float64] = new + gates[size:] * (hidden - new)
    return after


def read_network(path: Path) -> tuple[tuple[str, ...], GruWeights]:
    """The labels and the weights in a file of `trainer smoother`.

    Raises:
        ModelError: the file cannot be read, or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in ("labels", *(field.name for field in fields(GruWeights)))}
        labels = tuple(map(str, arrays.pop("labels")))
        weights = GruWeights(**{name: values.astype(np.float64) for name, values in arrays.items()})
    except DAMAGE as error:
        reason = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
        raise ModelError(
            f"{path}: the smoother's network cannot be read{reason}; make the file with `trainer smoother`."
        ) from error
    _check(path, labels, vars(weights))
    return labels, weights


def _check(path: Path, labels: Sequence[str], arrays: Mapping[str, Weights]) -> None:
    count, size = len(labels), arrays["state_weights"].shape[-1]
    shapes = {
        "input_weights": (3 * size, count + 1),
        "input_bias": (3 * size,),
        "state_weights": (3 * size, size),
        "state_bias": (3 * size,),
        "output_weights": (count, size),
        "output_bias": (count,),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            raise ModelError(
                f"{path}: {name} of the smoother's network must be {shape} finite numbers; train it again."
            )


def in_order_of(labels: Sequence[str], own: Sequence[str], weights: GruWeights) -> GruWeights | None:
    """The weights for scores in the order of `labels`; None if these are not the network's own."""
    if sorted(labels) != sorted(own):
        return None
    order = [own.index(label) for label in labels]
    columns = [*order, len(order)]
    return GruWeights(
        weights.input_weights[:, columns],
        weights.input_bias,
        weights.state_weights,
        weights.state_bias,
        weights.output_weights[order],
        weights.output_bias[order],
    )


def _from_config(config: SmootherConfig, labels: Sequence[str]) -> Filter | None:
    if config.network is None:
        weights = in_order_of(labels, *read_network(BUNDLED))
        return None if weights is None else gru_filter(weights)
    weights = in_order_of(labels, *read_network(Path(config.network)))
    if weights is None:
        raise ConfigError(
            f"device.smoother.network: {config.network} was trained for other labels than the model's; "
            "train one with `trainer smoother --model`."
        )
    return gru_filter(weights)


FILTER: FilterFactory = _from_config
