"""Measure the whole chain on real photos and clips, and write the figures into docs/field.md.

    python -m scripts.docs.field ../shared/data/field [the options of benchmarks/field.py]

Replaces the part of docs/field.md between <!-- field:begin --> and <!-- field:end -->. It takes
minutes. Only --photos even is for the document: thresholds are tuned on the odd ones.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from benchmarks.field import add_arguments, measure
from benchmarks.field_tables import tables
from device.errors import EmotionEdgeError
from scripts.docs.readme import ROOT, replaced

FIELD = ROOT / "docs" / "field.md"
MEASURED = """\
Measured on {n} photos ({which} numbers) and {clips} clips by `python -m scripts.docs.field{options}`, on
{machine}. All columns took turns on the same frames; only the ratio of the milliseconds is valid
on another machine. In brackets: n."""


def markdown(result: dict[str, Any], options: str) -> str:
    """The part of docs/field.md that is measured.

    Args:
        result: of `benchmarks.field.measure`.
        options: the command's, with a space before each.
    """
    return "\n\n".join(_parts(result, options)) + "\n"


def _parts(result: dict[str, Any], options: str) -> Iterator[str]:
    first = next(iter(result["rows"].values()))
    yield MEASURED.format(
        n=result["n"],
        which=result["photos"],
        clips=len(first["clips"]),
        machine=result["machine"],
        options=options,
    )
    for table in tables(result):
        yield f"### {table.title}"
        yield table.markdown()
    if "skipped" in result["fer"]:
        yield result["fer"]["skipped"]


def main(argv: list[str]) -> int:
    """Measure and write; exit 1 where something cannot be read, 2 for wrong usage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    args = parser.parse_args(argv)
    try:
        result = measure(args)
    except (EmotionEdgeError, subprocess.CalledProcessError) as error:
        print(f"field: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 1)
    options = "".join(f" {each}" for each in argv)
    FIELD.write_text(replaced(FIELD.read_text(encoding="utf-8"), "field", markdown(result, options)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
