"""Write the locks of what the device needs on each Raspberry Pi OS, as deploy/ installs it.

python scripts/dev/lock_deps.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "locks"
EXTRAS = ("metrics", "signatures")  # what a board may have beside the rest
# Release -> its Python, and what its picamera2 was built for.
RELEASES: dict[str, tuple[str, tuple[str, ...]]] = {"bookworm": ("3.11", ("numpy==1.24.2",)), "trixie": ("3.13", ())}
PLATFORMS = (*(f"manylinux_2_{age}_aarch64" for age in (28, 27, 17)), "manylinux2014_aarch64")


def wanted() -> list[str]:
    """The dependencies of the device, with its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for extra in EXTRAS for line in project["optional-dependencies"][extra]]
    return [*project["dependencies"], *extras]


def resolve(python: str, constraints: tuple[str, ...]) -> list[str]:
    """`name==version` of everything that pip would install on a board."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--target", "unused", "--python-version", python]
    command += ["--implementation", "cp", *(part for each in PLATFORMS for part in ("--platform", each))]
    command += [part for abi in (f"cp{python.replace('.', '')}", "abi3", "none") for part in ("--abi", abi)]
    done = subprocess.run([*command, *wanted(), *constraints], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"lock_deps: pip cannot resolve the dependencies for Python {python}: {done.stderr.strip()[-500:]}")
    found = (item["metadata"] for item in json.loads(done.stdout)["install"])
    return sorted(f"{item['name'].lower().replace('_', '-')}=={item['version']}" for item in found)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for release, (version, others) in RELEASES.items():
        lines = [
            f"# Written by scripts/dev/lock_deps.py: {release}, Python {version}, aarch64.",
            *resolve(version, others),
        ]
        (FOLDER / f"{release}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(FOLDER / f"{release}.txt")
