"""`device run`: from a camera or a file to events."""

from __future__ import annotations

import argparse

from device.cli.options import add_config_options, add_source_option, load_settings

HELP = "camera or file to events"
DESCRIPTION = """\
Runs the pipeline on a source and publishes events: to the broker
device.mqtt.host, or as JSON lines on standard output if that is null.
Ctrl-C or SIGTERM ends it cleanly, with an `end` event for every face in view.
device.purpose and device.jurisdiction must be set, in config.yaml or with
--set; docs/privacy.md explains their values."""
EPILOG = """\
sources (`device cameras` lists the cameras that are there):
  auto                  the first camera, if device.camera.source is not set
  picamera2://0         a Raspberry Pi camera (apt install python3-picamera2)
  /dev/video0           a USB camera; /dev/v4l/by-id/... stays the same
  rtsp://HOST/PATH  http://HOST/PATH    a network camera (H.264, MJPEG)
  clip.mp4 face.jpg frames/     a video, a picture, or a folder of pictures

examples:
  device run --source clip.mp4 --fast --set device.purpose=test \\
      --set device.jurisdiction=eu | jq .emotion
and with both set in config.yaml:
  device run --source v4l2:///dev/video0 --set device.mqtt.host=broker.local"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `device run`."""
    add_config_options(parser)
    add_source_option(parser)
    parser.add_argument("--fast", action="store_true", help="play a file as fast as possible, not in real time")
    parser.add_argument("--loop", action="store_true", help="play a file again when it ends")


def run(args: argparse.Namespace) -> int:
    """Run until the source ends or a signal arrives; a reload reads the settings again."""
    config = load_settings(args)
    from device.service.run import run as run_service

    return run_service(config, reread=lambda: load_settings(args))
