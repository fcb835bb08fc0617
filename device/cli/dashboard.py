"""`device dashboard`: a web page that shows one board live."""

from __future__ import annotations

import argparse
import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

from device.cli.options import add_config_options, load_settings

if TYPE_CHECKING:
    from device.config.schema import DeviceConfig

HELP = "a web page that shows one board live"
DESCRIPTION = """\
Serves a web page with the faces, moods, attention and health of one board, live
from its MQTT messages, and with the last day as charts and CSV. It runs beside
`device run`, or on any machine that reaches the broker, and only reads. It never
shows or keeps a picture. Ctrl-C ends it.

Only this machine can open the page, unless --listen names another address; then
a browser must show the token of --token-file once."""
EPILOG = """\
examples:
  device dashboard --set device.mqtt.host=localhost            the board of config.yaml
  device dashboard --topic emotion/classroom-3 --set device.mqtt.host=broker.local
  openssl rand -hex 24 > token; device dashboard --listen 0.0.0.0:8088 --token-file token

documentation: docs/dashboard.md"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `device dashboard`."""
    parser.add_argument("--topic", type=_topic, metavar="BASE/ID", help="the board to show (default: device.id)")
    parser.add_argument("--no-history", action="store_true", help="keep nothing on disk")
    add_listen_options(parser)
    add_config_options(parser)


def add_listen_options(parser: argparse.ArgumentParser) -> None:
    """Add --listen, --token-file and --behind-proxy."""
    parser.add_argument("--listen", type=_address, metavar="HOST:PORT", help="where to listen (127.0.0.1:8088)")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="its first line is the token to show")
    parser.add_argument(
        "--behind-proxy", metavar="NAME", help="a proxy asks for passwords; browsers call it by this host name"
    )


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


def with_listen_options(config: DeviceConfig, args: argparse.Namespace) -> DeviceConfig:
    """The settings with what the options of `add_listen_options` say."""
    changed = {} if args.listen is None else {"host": args.listen[0], "port": args.listen[1]}
    changed |= {"token_file": str(args.token_file)} if args.token_file is not None else {}
    changed |= {"behind_proxy": args.behind_proxy} if args.behind_proxy is not None else {}
    return dataclasses.replace(config, dashboard=dataclasses.replace(config.dashboard, **changed))


def _topic(text: str) -> str:
    if re.fullmatch(r"[^+#]+/[A-Za-z0-9_-]{1,64}", text):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is not a base topic, / and the id of a board: emotion/classroom-3")


def _address(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+)):([0-9]{1,5})", text)
    if match and int(match[3]) <= 65535:
        return match[1] or match[2], int(match[3])
    raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:8088 or [::1]:8088")
