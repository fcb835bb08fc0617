"""The contract with the trainer: model card, pixels to tensor, LiteRT, scores, golden outputs."""

from device.inference.box import Box
from device.inference.classifier import BUNDLED, PROFILES, Classifier, Prediction
from device.inference.litert import load_interpreter
from device.inference.model_card import (
    CropMargin,
    InputSpec,
    ModelCard,
    OperatingPoint,
    Quantisation,
    attach,
    digest,
    read_card,
)
from device.inference.preprocess import (
    crop_face,
    dequantise,
    face_square,
    quantise,
    to_bgr,
    to_grey,
    to_input,
)

__all__ = [
    "BUNDLED",
    "PROFILES",
    "Box",
    "Classifier",
    "CropMargin",
    "InputSpec",
    "ModelCard",
    "OperatingPoint",
    "Prediction",
    "Quantisation",
    "attach",
    "crop_face",
    "dequantise",
    "digest",
    "face_square",
    "load_interpreter",
    "quantise",
    "read_card",
    "to_bgr",
    "to_grey",
    "to_input",
]
