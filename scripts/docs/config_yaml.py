"""Write config.yaml, docs/configuration.md and the purposes in docs/privacy.md from the code.

Run it after changing a setting or a purpose: python -m scripts.docs.config_yaml

config.yaml shows the defaults.
"""

from __future__ import annotations

import re
from pathlib import Path

from device.config.purposes import table
from device.config.schema import DeviceConfig
from device.config.yaml_writer import render
from scripts.docs.configuration import page
from trainer.config import TrainConfig

ROOT = Path(__file__).resolve().parents[2]
CONFIG, PAGE, PRIVACY = ROOT / "config.yaml", ROOT / "docs" / "configuration.md", ROOT / "docs" / "privacy.md"
HEAD = """\
# The main settings of both programs. What is left out keeps its default, so a file of your own may
# have three lines. All other settings: docs/configuration.md, or `device check-config --all`.
# One setting for one run: device run --set device.mqtt.host=broker.local
# This file is written by scripts/docs/config_yaml.py.

"""


def current() -> str:
    """What config.yaml should hold."""
    return HEAD + render({"device": DeviceConfig(), "trainer": TrainConfig()})


def current_page() -> str:
    """What docs/configuration.md should hold."""
    return page({"device": DeviceConfig, "trainer": TrainConfig})


def current_privacy() -> str:
    """What docs/privacy.md should hold: as it is, with the table of purposes made anew."""
    begin, end = "<!-- purposes:begin -->\n", "<!-- purposes:end -->"
    text = PRIVACY.read_text(encoding="utf-8")
    return re.sub(f"{begin}.*?{end}", lambda _: f"{begin}{table()}{end}", text, flags=re.DOTALL)


if __name__ == "__main__":
    CONFIG.write_text(current(), encoding="utf-8")
    PAGE.write_text(current_page(), encoding="utf-8")
    PRIVACY.write_text(current_privacy(), encoding="utf-8")
    print(f"written: {CONFIG.name}, {PRIVACY.name}, {PAGE.name}")
