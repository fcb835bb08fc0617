"""Where bfloat16 is used: on processors that compute in it."""

from __future__ import annotations

import re
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")
# Intel and AMD (avx512_bf16), Intel (amx_bf16), Arm (bf16). Without them PyTorch converts every
# operand, and training takes many times as long as in float32.
NATIVE = re.compile(r"\b(avx512_bf16|amx_bf16|bf16)\b")


def autocast(device: torch.device, bf16: str) -> torch.autocast:
    """The context in which a network runs on a device.

    Args:
        device: cpu, cuda or mps.
        bf16: true, false, or auto as `trainer.bf16` describes it.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16 == "true" or (bf16 == "auto" and native(device)))


def native(device: torch.device) -> bool:
    """Whether a device computes in bfloat16; False where that is not known."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and CPUINFO.is_file() and NATIVE.search(CPUINFO.read_text()) is not None
