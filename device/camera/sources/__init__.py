"""The kinds of camera: one module each, whose name is the scheme of its URIs.

To add one, add a module that defines `SOURCE` (see `device.camera.source`); nothing else changes.
"""
