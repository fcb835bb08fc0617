"""What a model card may say: text that can be shown and sent, and numbers within bounds.

A card comes with a file that anybody may have made, and parts of it are published, logged and
printed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from device.inference.card_fields import ModelCard
from device.plain_text import is_plain

MAX_NAME = 100  # characters of a name, a version, a label
MAX_TEXT = 500  # of any other text
MAX_NOTES = 4000
MAX_LABELS = 64
MAX_LIST = 64  # metrics, teachers
MAX_COUNT = 10**15  # parameters, multiply-adds
TEMPERATURES = (0.05, 20.0)
SHARES = ("accuracy", "macro_f1", "weighted_f1", "top5", "coverage", "ece")  # figures between 0 and 1


def problems(card: ModelCard) -> dict[str, bool]:
    """Each rule as a sentence without a stop, and whether the card breaks it."""
    return _text_problems(card) | _number_problems(card) | _network_problems(card)


def _text_problems(card: ModelCard) -> dict[str, bool]:
    names = (card.name, card.version, *card.labels)
    texts = (card.data, card.data_digest, card.git_revision, card.created, card.licence, *card.teachers)
    return {
        f"name, version and labels must be text of 1 to {MAX_NAME} printable characters": not all(
            name.strip() and is_plain(name, MAX_NAME) for name in names
        ),
        f"notes must be at most {MAX_NOTES} printable characters": not is_plain(card.notes, MAX_NOTES, also="\n\t"),
        f"every other text must be at most {MAX_TEXT} printable characters": not all(
            is_plain(text, MAX_TEXT) for text in (*texts, card.operating_point.split)
        ),
        f"metrics and teachers must be at most {MAX_LIST} each": max(len(card.metrics), len(card.teachers)) > MAX_LIST,
        "metrics must hold printable text and finite numbers, and shares between 0 and 1": not all(
            len(entry) <= MAX_LIST
            and all(is_plain(key, MAX_NAME) and _is_figure(key, value) for key, value in entry.items())
            for entry in card.metrics
        ),
    }


def _number_problems(card: ModelCard) -> dict[str, bool]:
    point = card.operating_point
    lowest, highest = TEMPERATURES
    return {
        f"temperature must lie between {lowest:g} and {highest:g}": not lowest <= card.temperature <= highest,
        "operating_point must hold numbers between 0 and 1": not _are_shares(
            (point.min_confidence, point.coverage, point.accuracy)
        ),
        "parameters and macs must not be negative": not all(
            0 <= count <= MAX_COUNT for count in (card.parameters, card.macs)
        ),
        "crop_margin.scale must lie between 0.1 and 10": not 0.1 <= card.crop_margin.scale <= 10,
        "crop_margin.up must lie between -5 and 5": not -5 <= card.crop_margin.up <= 5,
        "golden must hold a number for each label, or none": len(card.golden) not in (0, len(card.labels)),
        "golden_labels must be the labels, in the same order": card.golden_labels not in ((), card.labels),
        "golden_probes must hold a number for each label": not all(
            len(row) == len(card.labels) for row in card.golden_probes[:MAX_LIST]
        )
        or len(card.golden_probes) > MAX_LIST,
        "golden outputs must be finite numbers": not all(
            math.isfinite(value) for row in (card.golden, *card.golden_probes) for value in row
        ),
    }


def _network_problems(card: ModelCard) -> dict[str, bool]:
    """What the device needs to run the network."""
    quantisation, labels = card.quantisation, card.labels
    scales = (quantisation.input_scale, quantisation.output_scale)
    zero_points = (quantisation.input_zero_point, quantisation.output_zero_point)
    return {
        "labels must name at least two emotions, each once": len(set(labels)) < max(2, len(labels)),
        f"labels must be at most {MAX_LABELS}": len(labels) > MAX_LABELS,
        "labels must not contain 'unknown', which the device says itself": "unknown" in labels,
        "input.size must lie between 8 and 512": not 8 <= card.input.size <= 512,
        "input.colour must be grey": card.input.colour != "grey",
        "input.scale must be above zero": not 0 < card.input.scale < math.inf,
        "input.offset must be a number": not math.isfinite(card.input.offset),
        "input.resize must be area-or-linear": card.input.resize != "area-or-linear",
        "quantisation.dtype must be int8 or float32": quantisation.dtype not in ("int8", "float32"),
        "quantisation scales must be above zero": not all(0 < scale < math.inf for scale in scales),
        "quantisation zero points must lie between -128 and 127": not all(-128 <= zero <= 127 for zero in zero_points),
    }


def _is_figure(key: str, value: Any) -> bool:
    if isinstance(value, str):
        return is_plain(value, MAX_TEXT)
    if value is None or isinstance(value, bool):
        return True
    if not isinstance(value, (int, float)) or not -MAX_COUNT <= value <= MAX_COUNT:  # also refuses nan
        return False
    return key not in SHARES or 0 <= value <= 1


def _are_shares(values: Iterable[float]) -> bool:
    return all(0 <= value <= 1 for value in values)
