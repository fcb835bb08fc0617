"""What is counted; runs inside the emulator.

guest.py networks FILE ...                 one inference of each .tflite
guest.py frames FRAMES SETTING ...         the frames of a clip with one face, by the pipeline
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

MARK = 0x7E57  # as in count.c
WARM_UP = 2  # inferences, before one is counted
SYSTEM_CALL = ctypes.CDLL(None).syscall  # looked up now, so that it is not counted
SETTLE = 15  # frames, after which the track is confirmed


def main() -> int:
    """Run what the words say."""
    kind, *words = sys.argv[1:]
    if kind == "networks":
        for path in words:
            count_network(Path(path))
    else:
        count_frames(int(words[0]), words[1:])
    return 0


def mark(number: int) -> None:
    """Tell the plugin that a counted part begins (0) or ends (1)."""
    SYSTEM_CALL(ctypes.c_long(MARK), ctypes.c_long(number))


def count_network(path: Path) -> None:
    """Count one inference on one thread."""
    import numpy as np

    from device.inference.litert import load_interpreter

    interpreter = load_interpreter(path)
    entrance = interpreter.get_input_details()[0]
    values = np.random.default_rng(0).random(tuple(entrance["shape"]))
    is_int8 = entrance["dtype"] == np.int8
    interpreter.set_tensor(
        entrance["index"], (values * 255 - 128).astype(np.int8) if is_int8 else values.astype(entrance["dtype"])
    )
    for _ in range(WARM_UP):
        interpreter.invoke()
    mark(0)
    interpreter.invoke()
    mark(1)


def count_frames(frames: int, settings: list[str]) -> None:
    """Count the frames of `benchmarks.chain`, played at its frame rate, in one go."""
    import cv2

    from benchmarks.chain import FPS, draw
    from device.camera.frame import Frame
    from device.config.schema import load_config
    from device.vision.pipeline import from_config

    cv2.setNumThreads(1)
    config = load_config(None, [f"device.{setting}" for setting in settings])
    # The clock stands still, so that the time budget is never spent.
    pipeline = from_config(config, clock=lambda: 0.0)
    clip = [draw(1, shift) for shift in (0, 2, 4, 6, 4, 2)]
    for index in range(SETTLE + frames):
        if index == SETTLE:
            mark(0)
        seen = pipeline.process(Frame(clip[index % len(clip)], index, index / FPS, index / FPS, 0))
        if len(seen.faces) != 1 and index >= SETTLE:
            raise SystemExit(f"frame {index}: {len(seen.faces)} faces; there is one")
    mark(1)


if __name__ == "__main__":
    sys.exit(main())
