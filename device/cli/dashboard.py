"""`device dashboard`: a web page that shows one board live."""

from __future__ import annotations

import argparse
import dataclasses
import re

from device.cli.options import add_config_options, add_listen_options, load_settings, with_listen_options

HELP = "a web page that shows one board live"
DESCRIPTION = """\
Serves a web page with the faces, moods, attention and health of one board, live
from its MQTT messages, and with the last day as charts and CSV. It runs beside
`device run`, or on any machine that reaches the broker, and only reads. It
never shows or keeps a picture. Ctrl-C ends it.

Only this machine can open the page, unless --listen names another address; then
a browser must show the token of --token-file once."""
EPILOG = """\
examples:
  device dashboard --set device.mqtt.host=localhost    the board of config.yaml
  device dashboard --topic emotion/hall --set device.mqtt.host=broker.local
  openssl rand -hex 24 > token
  device dashboard --listen 0.0.0.0:8088 --token-file token

documentation: docs/dashboard.md"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `device dashboard`."""
    parser.add_argument("--topic", type=_topic, metavar="BASE/ID", help="the board to show (default: device.id)")
    parser.add_argument("--no-history", action="store_true", help="keep nothing on disk")
    add_listen_options(parser)
    add_config_options(parser)


def run(args: argparse.Namespace) -> int:
    """Serve the page."""
    config = with_listen_options(load_settings(args), args)
    if args.no_history:
        config = dataclasses.replace(config, dashboard=dataclasses.replace(config.dashboard, history_h=0.0))
    if args.topic is not None:
        base_topic, _, device = args.topic.rpartition("/")
        config = dataclasses.replace(config, id=device, mqtt=dataclasses.replace(config.mqtt, base_topic=base_topic))
    from device.dashboard import dashboard

    return dashboard(config)


def _topic(text: str) -> str:
    if re.fullmatch(r"[^+#]+/[A-Za-z0-9_-]{1,64}", text):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is not a base topic, / and the id of a board: emotion/classroom-3")
