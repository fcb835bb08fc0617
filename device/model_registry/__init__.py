"""Installed models: acceptance tests, trial, rollback, signatures."""

from device.model_registry.install import MAX_BYTES, InstallOptions, ModelFile, installable, verdict
from device.model_registry.minisign import read_key
from device.model_registry.registry import ModelStore, Record, model_path, name_of, open_store
from device.model_registry.trial import Trial

__all__ = [
    "MAX_BYTES",
    "InstallOptions",
    "ModelFile",
    "ModelStore",
    "Record",
    "Trial",
    "installable",
    "model_path",
    "name_of",
    "open_store",
    "read_key",
    "verdict",
]
