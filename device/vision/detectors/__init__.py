"""The face detectors: one module each, whose name is its `device.detector.kind`.

To add one, add a module that defines `DETECTOR` (a `DetectorFactory`).
"""
