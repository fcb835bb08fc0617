"""examples/README.md names every example, and its links lead somewhere."""

from __future__ import annotations

import re

from tests.examples.helpers import EXAMPLES

README = (EXAMPLES / "README.md").read_text(encoding="utf-8")


def test_every_file_is_named() -> None:
    files = [path.relative_to(EXAMPLES) for path in EXAMPLES.rglob("*") if path.is_file()]
    named = [path.as_posix() for path in files if "__pycache__" not in path.parts and path.name != "README.md"]
    assert len(named) >= 7
    assert not [path for path in named if path not in README]


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", README):
        assert (EXAMPLES / target).exists(), target
