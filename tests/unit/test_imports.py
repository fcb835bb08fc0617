"""What an import may cost, and what the device may never load. Each in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys

HELP = """
import json, sys
from device.cli import main
try:
    main(["--help"])
except SystemExit as done:
    assert done.code == 0
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""

EVERYTHING = """
import importlib, json, pkgutil, sys
import device
names = [m.name for m in pkgutil.walk_packages(device.__path__, "device.") if m.name != "device.__main__"]
for name in names:
    importlib.import_module(name)
print(json.dumps([len(names), sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def last_line(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()[-1]


def test_help_loads_neither_opencv_nor_litert_nor_any_other_library() -> None:
    loaded = set(json.loads(last_line(HELP)))
    assert not loaded & {"cv2", "ai_edge_litert", "tflite_runtime", "paho", "numpy", "yaml", "sqlite3", "asyncio"}


def test_no_module_of_the_device_loads_the_trainer_or_what_trains() -> None:
    count, loaded = json.loads(last_line(EVERYTHING))
    assert count > 20
    assert not set(loaded) & {
        "trainer",
        "torch",
        "tensorflow",
        "litert_torch",
        "ai_edge_quantizer",
        "sklearn",
        "matplotlib",
    }


def test_importing_a_module_of_the_device_loads_no_heavy_library_yet() -> None:
    _, loaded = json.loads(last_line(EVERYTHING))
    assert not set(loaded) & {"cv2", "ai_edge_litert", "tflite_runtime", "paho", "amqtt", "picamera2"}
