"""Runs every check of the self-test and reports the results and the stage timings."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass

from device.config.schema import DeviceConfig
from device.errors import EmotionEdgeError
from device.host.terminal import paint
from device.message_json import to_json
from device.messages import Stage
from device.selftest.checks import CHECKS, Check, Context, NotApplicableError


@dataclass(frozen=True)
class CheckResult:
    """The result of one check. A skipped check counts as passed."""

    name: str
    ok: bool
    detail: str
    skipped: bool = False


@dataclass(frozen=True)
class Report:
    """The results of all checks and the timings of the stages."""

    results: tuple[CheckResult, ...]
    stages: dict[str, Stage]

    @property
    def ok(self) -> bool:
        """Whether all checks passed."""
        return all(result.ok for result in self.results)

    def to_json(self) -> str:
        """ok, checks [{name, ok, detail, skipped}], stages {name: {p50_ms, p95_ms, max_ms, n}}."""
        values = {
            "ok": self.ok,
            "checks": [dataclasses.asdict(result) for result in self.results],
            "stages": {name: json.loads(to_json(stage)) for name, stage in self.stages.items()},
        }
        return json.dumps(values, indent=2)

    def table(self) -> str:
        """The report as text for a terminal."""
        return "\n".join([*map(_result_line, self.results), *_stage_lines(self.stages), _summary_line(self)])


def selftest(config: DeviceConfig, camera: bool = True, live: dict[str, Stage] | None = None) -> Report:
    """Run every check; a failed one does not stop the others.

    Args:
        config: the settings under test.
        camera: False skips the camera's check.
        live: stage timings of a pipeline that runs on this machine now. They are evaluated instead
            of a measurement of our own.
    """
    context = Context(config, camera, live)
    results = tuple(_run(name, check, context) for name, check in CHECKS.items())
    return Report(results, dict(context.stages or {}))


def _run(name: str, check: Check, context: Context) -> CheckResult:
    try:
        return CheckResult(name, True, check(context))
    except NotApplicableError as reason:
        return CheckResult(name, True, str(reason), skipped=True)
    except EmotionEdgeError as error:
        return CheckResult(name, False, str(error))


def _result_line(result: CheckResult) -> str:
    if result.skipped:
        return f"{paint('skip', 'yellow')}  {result.name:<8}{result.detail}"
    word = paint("ok  ", "green") if result.ok else paint("FAIL", "red")
    return f"{word}  {result.name:<8}{result.detail}"


def _stage_lines(stages: dict[str, Stage]) -> Iterator[str]:
    if stages:
        yield f"\n{'stage':<10}{'p50 ms':>10}{'p95 ms':>10}{'max ms':>10}{'n':>7}"
    for name, stage in stages.items():
        yield f"{name:<10}{stage.p50_ms:>10.2f}{stage.p95_ms:>10.2f}{stage.max_ms:>10.2f}{stage.n:>7}"


def _summary_line(report: Report) -> str:
    failed = [result.name for result in report.results if not result.ok]
    return "\n" + (paint(f"failed: {', '.join(failed)}", "red") if failed else paint("all checks passed", "green"))
