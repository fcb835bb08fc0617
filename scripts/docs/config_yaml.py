"""Write config.yaml from the dataclasses: every setting with its meaning. Run it after adding or changing a setting.

The device's part shows the defaults. The trainer's part keeps the values the file has, for they are how the committed
model was made; a setting that is gone must be deleted from the file by hand first.
"""

from __future__ import annotations

from pathlib import Path

from device.config.schema import DeviceConfig
from device.config.yaml_writer import render
from trainer.config import load_config as load_trainer

CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
HEAD = """\
# Every setting of both programs. What is left out keeps its default, so a file of your own may be three lines long.
# One setting for one run: device run --set device.mqtt.host=broker.local
# This file is written by scripts/docs/config_yaml.py.

"""


def current() -> str:
    """What config.yaml should hold."""
    trainer = load_trainer(CONFIG if CONFIG.exists() else None)
    return HEAD + render({"device": DeviceConfig(), "trainer": trainer})


if __name__ == "__main__":
    CONFIG.write_text(current(), encoding="utf-8")
    print(f"{CONFIG} is current")
