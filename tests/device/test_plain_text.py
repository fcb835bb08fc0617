"""Text from outside as it is shown: no terminal is controlled by it, and UTF-8 carries it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.messages import Answer, ModelName, to_json
from device.plain_text import MAX_QUOTED, is_plain, quoted, shown
from device.standard_streams import LogFormatter

any_text = st.text(st.characters(exclude_categories=()))  # also halves of surrogate pairs


@given(any_text)
def test_whatever_is_shown_is_printable(text: str) -> None:
    assert shown(text).isprintable() and shown(text).encode() is not None
    assert shown(text, 5).startswith(shown(text[:5])[:5]) and len(shown(text, 5)) <= 8
    assert shown(text) == text or not text.isprintable()


@pytest.mark.parametrize(
    ("text", "told"),
    [("größer", "größer"), ("\x1b[31m", r"\x1b[31m"), ("a\ud800", r"a\ud800"), ("a\nb", r"a\nb"), ("\x9b", r"\x9b")],
)
def test_what_is_not_printable_is_escaped(text: str, told: str) -> None:
    assert shown(text) == told


@given(st.recursive(any_text | st.integers() | st.binary() | st.floats(), st.lists))
def test_a_quoted_value_is_short_and_printable(value: Any) -> None:
    assert quoted(value).isprintable() and len(quoted(value)) <= 10 * MAX_QUOTED + 5


def test_a_number_with_thousands_of_digits() -> None:
    assert quoted(1 << 20_000) == "too long to be shown"


def test_some_characters_may_be_allowed() -> None:
    assert is_plain("a\nb", 3, also="\n") and not is_plain("a\nb", 3) and not is_plain("abcd", 3)


@given(any_text)
def test_every_message_has_a_payload(text: str) -> None:
    assert to_json(ModelName(name=text, version=text, digest=text)).encode()
    assert to_json(Answer(status="error", data={text: [text]}, error=text, transaction=None)).encode()


def test_a_log_line_cannot_control_a_terminal() -> None:
    record = logging.LogRecord("a", logging.INFO, "a", 1, "%s", ("\x1b[2Jgone\r\n\x07",), None)
    assert LogFormatter("device: %(message)s").format(record) == "device: \\x1b[2Jgone\\r\n\\x07"


FILTER = """
import os
from device.standard_streams import filtered_stderr
with filtered_stderr(lambda line: not line.startswith(b"libpng")):
    os.write(2, b"libpng warning: iCCP: known incorrect sRGB profile\\nanother \\x1b[2Jline\\n")
os.write(2, b"after\\n")
"""


def test_lines_of_libraries_are_filtered_and_made_safe() -> None:
    done = subprocess.run([sys.executable, "-c", FILTER], capture_output=True, text=True, check=True)
    assert done.stderr == "another \\x1b[2Jline\nafter\n"
    closed = f"import os; os.close(2)\n{FILTER.replace('os.write', 'print')}"
    subprocess.run([sys.executable, "-c", closed], capture_output=True, check=True, env=dict(os.environ))
