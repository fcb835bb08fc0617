"""What an import may cost, and what the device may never load. Each in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HELP = """
import json, sys
from device.cli.app import main
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

# Teaching on a machine that has PyTorch and little else: what is named here cannot be imported.
BARE = """
import sys
sys.modules.update(dict.fromkeys({absent!r}))
from trainer.cli import main
from trainer.data import fer2013
fer2013.TOY_COUNTS = dict.fromkeys(fer2013.TOY_COUNTS, 70)
sys.exit(main([*{command!r}, "--data=toy", "--epochs=1", "--runs", {runs!r}, "--json", "--set=trainer.threads=1"]))
"""
ABSENT = {"ai_edge_litert", "ai_edge_quantizer", "litert_torch", "matplotlib", "rich", "scipy", "sklearn"}
DISTILL = ["distill", "--set=trainer.teacher.width=0.125", "--set=trainer.teacher.stem_stride=2"]
DISTILL += ["--set=trainer.student.channels=[8, 8, 8]"]
COMPARE = ["compare", "--teach-only", "--models", "mobilenet_v3_small"]


def said(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=150)
    return done.stdout


def last_line(program: str) -> str:
    return said(program).splitlines()[-1]


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


def test_teaching_needs_nothing_but_pytorch_and_the_base_install(tmp_path: Path) -> None:
    program = BARE.format(absent=ABSENT, command=DISTILL, runs=str(tmp_path / "runs"))
    assert json.loads(last_line(program))["epochs"] == 1


def test_nor_does_the_teaching_of_a_row_of_the_comparison(tmp_path: Path) -> None:
    (row,) = json.loads(said(BARE.format(absent=ABSENT, command=COMPARE, runs=str(tmp_path / "runs"))))
    assert (row["state"], row["epochs"]["done"]) == ("taught", 1)
