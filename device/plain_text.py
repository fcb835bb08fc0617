"""Text from outside (cards, settings, messages): whether it may be shown, and how it is shown.

A character that is not printable may move the cursor of a terminal, or have no UTF-8 encoding.
"""

from __future__ import annotations

MAX_QUOTED = 80  # characters of a value that an error message repeats


def is_plain(text: str, max_chars: int, also: str = "") -> bool:
    """Whether a text is short enough, and each character printable or one of `also`."""
    return len(text) <= max_chars and (text.isprintable() or all(c.isprintable() or c in also for c in text))


def shown(text: str, max_chars: int | None = None) -> str:
    r"""The text on one line, safe for a terminal: other characters are written as `\x1b`.

    Args:
        text: any text, also with halves of surrogate pairs.
        max_chars: a longer text is cut, and ends with `...`; None: it is not cut.
    """
    if max_chars is not None:
        whole = shown(text[: max_chars + 1])
        return whole if len(whole) <= max_chars else whole[:max_chars] + "..."
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def quoted(value: object) -> str:
    """A value of any type as Python writes it, cut to `MAX_QUOTED` characters."""
    if isinstance(value, str):
        return repr(value if len(value) <= MAX_QUOTED else value[:MAX_QUOTED] + "...")
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # thousands of digits, or nested a thousand times
        return "too long to be shown"
    return shown(text, MAX_QUOTED)


def _escape(char: str) -> str:
    return ascii(char)[1:-1]
