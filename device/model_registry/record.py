"""The record of installed models, and its file.

Whatever the file holds, reading it gives a record that can be published: a damaged part is left
out, so that neither a bad disk nor the text of an older version keeps the device from starting.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from device.bounded_file import read_bounded
from device.messages import ModelName, ModelUpdate, UpdateState, to_json
from device.plain_text import shown

MAX_BYTES = 100_000  # of the file; it has about 1,000
MAX_REASON = 500  # characters
MAX_NAME = 200  # characters of a name or version, escaped
MAX_BEGUN = 1_000_000
DIGEST = re.compile(r"[0-9a-f]{64}")

ALL_DAMAGED = "the record of installed models is damaged; the bundled model runs, install yours again."
PART_DAMAGED = "the result of the last installation is damaged and left out; the installed model stays."


@dataclass(frozen=True)
class Record:
    """Which models are installed. A digest of None means the bundled model."""

    current: str | None = None
    previous: str | None = None  # the target of a rollback
    on_trial: bool = False  # the current one is not accepted yet
    begun: int = 0  # starts during the trial without an orderly end
    update: ModelUpdate | None = None  # the last one that was published


def read_record(path: Path) -> tuple[Record, str | None]:
    """The record, and a sentence on what is damaged; None if nothing is.

    Raises:
        OSError: the file does not exist or cannot be read.
    """
    try:
        data = read_bounded(path, MAX_BYTES)
    except OSError as error:
        if error.errno not in (errno.EFBIG, errno.EINVAL):  # too large, or no file at all
            raise
        return Record(), ALL_DAMAGED
    try:
        values = json.loads(data.decode())
        record = _checked(values)
    except (ValueError, KeyError, TypeError, RecursionError):
        return Record(), ALL_DAMAGED
    try:
        return dataclasses.replace(record, update=_update(values["update"])), None
    except (ValueError, KeyError, TypeError, OverflowError):
        return record, PART_DAMAGED


def record_json(record: Record) -> bytes:
    """The file's content."""
    update = None if record.update is None else json.loads(to_json(record.update))
    values = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    return json.dumps(values | {"update": update}, indent=2).encode()


def _checked(values: Any) -> Record:
    """All but the update.

    Raises:
        ValueError, KeyError, TypeError: a value is absent, or not what it must be.
    """
    current, previous, on_trial, begun = (values[key] for key in ("current", "previous", "on_trial", "begun"))
    if values.keys() != {field.name for field in dataclasses.fields(Record)}:
        raise ValueError("other keys")
    if not all(digest is None or DIGEST.fullmatch(digest) for digest in (current, previous)):
        raise ValueError("no sha256")
    if not isinstance(on_trial, bool) or type(begun) is not int or not 0 <= begun <= MAX_BEGUN:
        raise ValueError("neither a count nor true or false")
    return Record(current, previous, on_trial and current is not None, begun)


def _update(values: Any) -> ModelUpdate | None:
    """The update, with text that can be shown and sent; raises as `_checked` does."""
    if values is None:
        return None
    state, reason, since = values["state"], values["reason"], float(values["since"])
    if state not in get_args(UpdateState) or not math.isfinite(since) or since < 0:
        raise ValueError("no state, or no time")
    return ModelUpdate(
        state=state,
        new=_name(values["new"]),
        old=_name(values["old"]),
        reason=None if reason is None else _text(reason, MAX_REASON),
        since=since,
    )


def _name(values: Any) -> ModelName:
    name, version, digest = (values[key] for key in ("name", "version", "digest"))
    if digest != "" and not DIGEST.fullmatch(digest):
        raise ValueError("no sha256")
    texts = [None if text is None else _text(text, MAX_NAME) for text in (name, version)]
    return ModelName(name=texts[0], version=texts[1], digest=digest)


def _text(value: Any, max_chars: int) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return shown(value, max_chars)
