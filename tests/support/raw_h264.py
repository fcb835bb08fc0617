"""Raw H.264 (Annex B) without a clock, written bit by bit: macroblocks of plain samples (I_PCM)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

WIDTH = HEIGHT = 64  # four by four macroblocks
BASELINE, LEVEL_1 = 66, 10
I_PCM, I_SLICE = 25, 7
START = b"\0\0\0\1"


class _Bits:
    """A bit string as the standard (ITU-T H.264, 7.2 and 9.1) writes numbers."""

    def __init__(self) -> None:
        self.text = ""

    def u(self, value: int, width: int) -> _Bits:
        self.text += f"{value:0{width}b}"
        return self

    def ue(self, *values: int) -> _Bits:
        for value in values:
            code = f"{value + 1:b}"
            self.text += "0" * (len(code) - 1) + code
        return self

    def align(self) -> _Bits:
        self.text += "0" * (-len(self.text) % 8)
        return self

    def unit(self, header: int) -> bytes:
        """The NAL unit: header, these bits, the stop bit; no three bytes look like a start code."""
        self.text += "1"
        self.align()
        raw = int(self.text, 2).to_bytes(len(self.text) // 8, "big")
        body, zeros = bytearray(), 0
        for byte in raw:
            if zeros >= 2 and byte <= 3:
                body.append(3)
                zeros = 0
            body.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return bytes([header]) + bytes(body)


def write_raw_h264(path: Path, greys: Iterable[int]) -> Path:
    """One frame of 64x64 pixels for each grey level from 16 to 235."""
    units = [*parameters(), *(picture(n, grey) for n, grey in enumerate(greys))]
    path.write_bytes(b"".join(START + unit for unit in units))
    return path


def parameters() -> tuple[bytes, bytes]:
    """The NAL units that come first: sequence and picture parameter set."""
    sequence = _Bits().u(BASELINE, 8).u(0, 8).u(LEVEL_1, 8)
    sequence.ue(0, 0, 2, 1).u(0, 1).ue(WIDTH // 16 - 1, HEIGHT // 16 - 1).u(1, 1).u(1, 1).u(0, 1).u(0, 1)
    pictures = _Bits().ue(0, 0).u(0, 1).u(0, 1).ue(0, 0, 0).u(0, 1).u(0, 2).ue(0, 0, 0).u(0, 1).u(0, 1).u(0, 1)
    return sequence.unit(0x67), pictures.unit(0x68)


def picture(number: int, grey: int) -> bytes:
    """The NAL unit of one frame."""
    bits = _Bits().ue(0, I_SLICE, 0).u(0, 4).ue(number % 2).u(0, 1).u(0, 1).ue(0)
    for _ in range(WIDTH * HEIGHT // 256):
        bits.ue(I_PCM).align()
        bits.text += f"{grey:08b}" * 256 + f"{128:08b}" * 128
    return bits.unit(0x65)
