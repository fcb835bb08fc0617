"""Look for known vulnerabilities in the locked dependencies of the device (deploy/locks).

scripts/dev/check-deps                 asks pip-audit; where that cannot ask, reads its last answer
scripts/dev/check-deps --require       fails where a package could not be checked, as a release does
scripts/dev/check-deps --offline --advisories FILE     reads pip-audit's JSON from a file
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "deploy" / "locks"
CACHE = ROOT / ".data" / "advisories.json"  # pip-audit's last answer
TIMEOUT_S = 300

Package = tuple[str, str]  # name, version


def locked() -> list[Package]:
    """Every package of every lock, once."""
    lines = [line for lock in sorted(LOCKS.glob("*.txt")) for line in lock.read_text(encoding="utf-8").splitlines()]
    return sorted({(name, version) for line in lines if "==" in line for name, _, version in [line.partition("==")]})


def ask_pip_audit() -> tuple[dict[str, Any], str]:
    """pip-audit's JSON of all locks together, and why it lacks some; empty if it has all."""
    entries: list[Any] = []
    for lock in sorted(LOCKS.glob("*.txt")):
        answer, reason = _ask(lock)
        if answer is None:
            return {"dependencies": entries}, reason
        entries += answer["dependencies"]
    return {"dependencies": entries}, ""


def _ask(lock: Path) -> tuple[dict[str, Any] | None, str]:
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--no-deps", "--disable-pip"]
    try:
        done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return None, f"pip-audit had no answer within {TIMEOUT_S} s"
    if "No module named pip_audit" in done.stderr:
        return None, "pip-audit is not installed; run: pip install 'emotion-edge[deploy]'"
    try:
        return dict(json.loads(done.stdout)), ""
    except ValueError:
        return None, f"pip-audit could not ask: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"


def read_cache(path: Path) -> dict[str, Any]:
    """The JSON of an earlier answer; an empty one if there is none."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {"dependencies": []}


def findings(answer: dict[str, Any]) -> dict[Package, list[str]]:
    """The advisories of every package that was checked; an empty list where there is none."""
    return {
        (entry["name"], entry["version"]): [vulnerability["id"] for vulnerability in entry["vulns"]]
        for entry in answer.get("dependencies", ())
        if "vulns" in entry and "version" in entry
    }


def main() -> int:
    """Check, and print one line a finding; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--require", action="store_true", help="a package that was not checked is an error")
    parser.add_argument("--offline", action="store_true", help="ask nobody; read the file of advisories")
    parser.add_argument("--advisories", type=Path, default=CACHE, metavar="FILE", help="pip-audit's JSON")
    args = parser.parse_args()
    packages = locked()
    answer, reason = ({"dependencies": []}, "--offline") if args.offline else ask_pip_audit()
    known = findings(read_cache(args.advisories)) | findings(answer)
    if findings(answer):
        args.advisories.parent.mkdir(parents=True, exist_ok=True)
        args.advisories.write_text(json.dumps(answer), encoding="utf-8")
    bad = [(package, advisories) for package in packages if (advisories := known.get(package))]
    unknown = [f"{name} {version}" for name, version in packages if (name, version) not in known]
    for (name, version), advisories in bad:
        print(f"check-deps: {name} {version} has {', '.join(advisories)}; take another version.")
    if unknown:
        why = reason or "the index knows no advisories of them"
        print(f"check-deps: skipped for {len(unknown)} of {len(packages)} packages, {why}: {', '.join(unknown)}.")
    elif not bad:
        print(f"check-deps: no known vulnerability in {len(packages)} packages.")
    return 1 if bad or (unknown and args.require) else 0


if __name__ == "__main__":
    sys.exit(main())
