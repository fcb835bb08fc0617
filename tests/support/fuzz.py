"""Fuzz tests: a few examples each time, 2,000 under the marker `long`, each within bounds."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

FEW, MANY = 15, 2000
MAX_S = 5.0  # of processor time, for one example
MAX_KB = 200_000  # that one example may add to the memory of the process

Check = Callable[..., None]


def fuzz(*strategies: SearchStrategy[Any]) -> Callable[[Check], Check]:
    """Make a test of `check(file, *values)`, where `file` is a path in a folder of the test.

    Any exception is a failure, and so is an example that takes more than `MAX_S` or `MAX_KB`.
    """

    def decorate(check: Check) -> Check:
        @pytest.mark.parametrize(
            "examples", [FEW, pytest.param(MANY, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
        )
        def test(examples: int, tmp_path_factory: pytest.TempPathFactory) -> None:
            file = tmp_path_factory.mktemp("fuzz") / "file"

            @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
            @given(st.tuples(*strategies))
            def run(values: tuple[Any, ...]) -> None:
                began_s, began_kb = time.process_time(), _memory_kb()
                check(file, *values)
                assert time.process_time() - began_s < MAX_S
                assert _memory_kb() - began_kb < MAX_KB

            run()

        test.__name__, test.__doc__ = check.__name__, check.__doc__
        return test

    return decorate


def _memory_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
