"""bfloat16 is used by itself only where the processor computes in it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trainer.training import precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("flags", "native"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_vnni", False),
        ("flags\t\t: fpu avx2 avx512f avx512_bf16 amx_tile", True),
        ("flags\t\t: fpu avx2 amx_bf16 amx_tile", True),
        ("Features\t: fp asimd atomics", False),  # a Raspberry Pi
        ("Features\t: fp asimd i8mm bf16", True),
    ],
)
def test_a_cpu_is_judged_by_its_flags(
    flags: str, native: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{flags}\n")
    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "cpuinfo")
    assert precision.native(CPU) is native
    with precision.autocast(CPU, "auto"):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert (product.dtype == torch.bfloat16) is native


def test_a_machine_that_tells_nothing_gets_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "absent")
    assert not precision.native(CPU)
    assert not precision.native(torch.device("mps"))


@pytest.mark.parametrize("word", ["true", "false"])
def test_the_setting_decides_otherwise(word: str) -> None:
    with precision.autocast(CPU, word):
        assert ((torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16) is (word == "true")
