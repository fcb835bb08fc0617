"""Raspberry Pi camera modules, through picamera2."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import time
from collections.abc import Generator
from typing import Any

import numpy as np

from device.camera.frame import RawFrame
from device.camera.orientation import orientation_of
from device.camera.source import FoundCamera, Mode, Pause, Source
from device.config.schema import CameraConfig
from device.errors import SourceError

EXAMPLE = "picamera2://0"
FIND_S = 20.0  # libcamera looks for cameras so long at most; below systemd's watchdog
USB = "/usb@"  # part of libcamera's name of a USB camera, which V4L2 opens as well
LIST = """
import json, sys
spec = json.loads(sys.argv[1])
sys.path[:] = spec["path"]
from picamera2 import Picamera2
cameras = Picamera2.global_camera_info()
for number, camera in enumerate(cameras if spec["modes"] else []):
    try:
        opened = Picamera2(number)
    except RuntimeError:  # another program uses it
        continue
    camera["modes"] = [[str(mode["unpacked"]), *mode["size"], mode["fps"]] for mode in opened.sensor_modes]
    opened.close()
print(json.dumps(cameras))
"""


def open_frames(address: str, config: CameraConfig, pause: Pause) -> Generator[RawFrame, None, None]:
    """See `Source`; the address is the camera's number, 0 if it is left out."""
    if not re.fullmatch(r"\d{0,3}", address):
        raise SourceError(f"picamera2://{address}: the camera's number must follow ://; write {EXAMPLE}.")
    steps = orientation_of(config)
    after = steps._replace(horizontal=False, vertical=False)  # mirroring is done by the sensor
    camera = _open_picamera2(int(address or 0), config)
    try:
        camera.start()
        while True:
            image = np.asarray(camera.capture_array("main"), dtype=np.uint8)
            yield RawFrame(after.apply(image), time.monotonic(), time.time())
    except RuntimeError as error:
        raise SourceError(f"{config.source}: the camera failed: {error}.") from error
    finally:
        camera.close()


def find(modes: bool) -> list[FoundCamera]:
    """The cameras on ribbon cables, found in another process, because libcamera may hang."""
    if importlib.util.find_spec("picamera2") is None:
        return []
    command = [sys.executable, "-P", "-c", LIST, json.dumps({"path": sys.path, "modes": modes})]
    try:
        ran = subprocess.run(command, capture_output=True, timeout=FIND_S, check=True)
        cameras = json.loads(ran.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, OSError, ValueError, IndexError):
        return []
    return [
        FoundCamera(f"picamera2://{number}", camera["Model"], modes=tuple(Mode(*m) for m in camera.get("modes", [])))
        for number, camera in _on_ribbon_cables(cameras).items()
    ]


def _on_ribbon_cables(cameras: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """The cameras by their numbers, without those of USB."""
    return {number: camera for number, camera in enumerate(cameras) if USB not in camera.get("Id", "")}


def _open_picamera2(number: int, config: CameraConfig) -> Any:
    try:
        from libcamera import Transform
        from picamera2 import Picamera2
    except (ImportError, ValueError) as error:  # ValueError: built for another numpy
        raise SourceError(
            f"picamera2://{number}: picamera2 cannot be imported ({error}); run `sudo apt install python3-picamera2` "
            "and make the virtual environment with --system-site-packages."
        ) from error
    cameras = _on_ribbon_cables(Picamera2.global_camera_info())
    if number not in cameras:
        raise SourceError(
            f"picamera2://{number}: {len(cameras)} cameras are connected; check the ribbon cable and restart."
        )
    steps = orientation_of(config)
    try:
        camera = Picamera2(number)
        main = {"size": (config.width, config.height), "format": "RGB888"}  # which is B, G, R in memory
        turn = Transform(hflip=steps.horizontal, vflip=steps.vertical)
        camera.configure(
            camera.create_video_configuration(main=main, transform=turn, controls={"FrameRate": config.fps})
        )
    except RuntimeError as error:
        raise SourceError(f"picamera2://{number}: the camera cannot be opened; another program may use it.") from error
    return camera


SOURCE = Source(open_frames, EXAMPLE, module="picamera2", turns=True, find=find)
