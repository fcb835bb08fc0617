"""Write the golden outputs of a model beside it; run it whenever the model changes.

python scripts/training/golden.py [device/models/emotion.tflite]
"""

from __future__ import annotations

import sys
from pathlib import Path

from device.inference.classifier import BUNDLED, Classifier
from device.inference.golden import measure, path_of

if __name__ == "__main__":
    model = Path(sys.argv[1]) if len(sys.argv) > 1 else BUNDLED
    path_of(model).write_text(measure(model, Classifier(model)).to_json(), encoding="utf-8")
    print(path_of(model))
