"""Make the links and pictures of a Markdown file absolute, for PyPI, where no other file is near.

python scripts/release/absolute_links.py README.md
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PAGES = "https://github.com/emotion-edge/emotion-edge/blob/main/"
PICTURES = "https://raw.githubusercontent.com/emotion-edge/emotion-edge/main/"
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)\s]+)\)")


def absolute(text: str) -> str:
    """The text with every relative link and picture made absolute; those to # stay."""
    return LINK.sub(lambda found: f"{found[1]}[{found[2]}]({PICTURES if found[1] else PAGES}{found[3]})", text)


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(absolute(file.read_text(encoding="utf-8")), encoding="utf-8")
