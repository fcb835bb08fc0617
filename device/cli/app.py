"""The `device` command. What a subcommand needs is imported when it runs, so that `device --help` answers at once."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device.cli import model as model_cli
from device.errors import EmotionEdgeError

if TYPE_CHECKING:
    from device.config.schema import DeviceConfig

DESCRIPTION = """\
Sees faces, reads their expression with a small network on this very machine,
and says over MQTT what changed. No picture leaves the device or is kept."""

EPILOG = """\
a first look:
  device demo                           a bundled picture, to a broker and back
  device run --source clip.mp4          a video's events, as JSON lines
  device run --set device.mqtt.host=localhost     the camera's, to a broker

exit codes:
  0 good   1 the check failed or the work could not be done   2 wrong usage"""

RUN = """\
Plays a source through the chain and says what happens: to the broker of
device.mqtt.host, or as JSON lines on standard output where that is null.
Ctrl-C or SIGTERM ends it cleanly, with an `end` for every face in view.
It wants to know what for: device.purpose and device.jurisdiction must be set,
in config.yaml or with --set; docs/privacy.md explains the words."""

RUN_EPILOG = """\
sources:
  picamera2://0         a Raspberry Pi camera (apt install python3-picamera2)
  v4l2:///dev/video0    a USB camera
  clip.mp4 face.jpg frames/     a video, a picture, or a folder of pictures

examples:
  device run --source v4l2:///dev/video0 --set device.mqtt.host=broker.local
  device run --source clip.mp4 --fast | jq .emotion"""

SELFTEST = """\
Asks this machine whether it is fit: config, model, golden outputs, the bundled
face, camera, broker, state folder, board, and the time a frame takes against
device.selftest.budget_ms. Exit code 0 means yes."""

DEMO = """\
Plays a bundled public-domain picture as a moving clip through the whole chain
to a real broker (Mosquitto where it is installed, else a small one inside),
subscribes as a consumer would, prints what arrives, and leaves an annotated
picture."""

REPLAY = """\
Plays labelled clips through the chain, and tells of each filter of the smoother
how often its label flips, how long it takes to the right one, and for what
share of the time it is right, wrong or unknown."""

REPLAY_EPILOG = """\
the labels, a CSV file (clips beside it):
  clip,start_s,end_s,emotion
  ada.mp4,0,4.5,neutral
  ada.mp4,4.5,9,happy
A clip that ends in .csv holds recorded scores: time_s, then a column a label.

example:
  device replay --labels clips/labels.csv --set device.smoother.enter=0.7"""

FLEET = """\
Listens to every board under device.mqtt.base_topic and judges each by what it
says: offline, silent, camera bad, events that wait or are lost, throttled,
coming and going. Without --seconds it shows a live table until Ctrl-C (needs
the extra `fleet`); with it, it listens for that long and prints once. A board
tells its health every 30 s; silent ones show after device.fleet.stale_s.
Exit code 0 means all are healthy, and all are there."""

FLEET_EPILOG = """\
the inventory: names of boards, one a line, # begins a remark

examples:
  device fleet --set device.mqtt.host=broker.local
  device fleet --seconds 95 --inventory boards.txt --json | jq .unhealthy"""

CHECK_CONFIG = """\
Reads a config as `device run` would, and says what is wrong with it (file,
line, key, what is allowed) or what differs from the defaults."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit code."""
    args = _parser().parse_args(model_cli.with_verb(sys.argv[1:] if argv is None else list(argv)))
    command: Callable[[argparse.Namespace], int] = args.command
    try:
        code = command(args)
        sys.stdout.flush()
    except EmotionEdgeError as error:
        print(f"device: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("device: stopped.", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read our output has left; keep the interpreter from complaining at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="device",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = _command(commands, "run", _run, "camera or file to events", RUN, RUN_EPILOG)
    _config_options(run)
    _source_option(run)
    run.add_argument("--fast", action="store_true", help="play a file as fast as it can be worked on")
    run.add_argument("--loop", action="store_true", help="begin a file again when it ends")

    selftest = _command(commands, "selftest", _selftest, "is this machine fit?", SELFTEST)
    _config_options(selftest)
    _source_option(selftest)
    selftest.add_argument("--no-camera", action="store_true", help="leave the camera out")
    _json_option(selftest)

    demo = _command(commands, "demo", _demo, "the whole chain, with nothing but this program", DEMO)
    demo.add_argument(
        "--out", type=Path, default=Path("demo/emotion-edge-demo.png"), metavar="PNG", help="the picture (%(default)s)"
    )
    demo.add_argument("--model", type=Path, metavar="FILE", help="a .tflite instead of the bundled one")
    demo.add_argument(
        "--broker", choices=("auto", "mosquitto", "amqtt"), default="auto", help="auto: Mosquitto where it is installed"
    )

    _model_commands(commands)

    replay = _command(commands, "replay", _replay, "score the smoother on labelled clips", REPLAY, REPLAY_EPILOG)
    replay.add_argument("--labels", type=Path, metavar="CSV", required=True, help="which expression is shown when")
    _config_options(replay)
    _json_option(replay)

    fleet = _command(commands, "fleet", _fleet, "how is every board?", FLEET, FLEET_EPILOG)
    fleet.add_argument("--seconds", type=_seconds, metavar="S", help="listen for so long, then print once")
    counted = fleet.add_mutually_exclusive_group()
    counted.add_argument("--expect", type=_count, metavar="N", help="so many boards must be there")
    counted.add_argument("--inventory", type=Path, metavar="FILE", help="the boards of this file must be there")
    _config_options(fleet)
    _json_option(fleet)

    check = _command(commands, "check-config", _check_config, "read a config and say what is wrong", CHECK_CONFIG)
    _config_options(check)
    check.add_argument("--print", action="store_true", help="print every setting in force, with its meaning, as YAML")
    _json_option(check)
    return parser


def _model_commands(commands: Any) -> None:
    """`device model`, and what can be done with models."""
    model = _command(
        commands, "model", _run, "a model's card; install, list, roll back", model_cli.MODEL, model_cli.MODEL_EPILOG
    )
    verbs = model.add_subparsers(title="commands", metavar="VERB", required=True)
    for name, (function, line, text, epilog) in {
        "show": (model_cli.show, "print a model's card (also without this word)", model_cli.MODEL, ""),
        "install": (model_cli.install, "check a model and switch to it", model_cli.INSTALL, model_cli.INSTALL_EPILOG),
        "list": (model_cli.list_models, "the models of this device", model_cli.LIST, ""),
        "rollback": (model_cli.rollback, "go back to the model before", model_cli.ROLLBACK, ""),
    }.items():
        parser = _command(verbs, name, functools.partial(function, configured=_config), line, text, epilog)
        model_cli.add_options(name, parser)
        _config_options(parser)
        _json_option(parser)


def _command(
    commands: Any, name: str, function: Callable[[argparse.Namespace], int], line: str, text: str, epilog: str = ""
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=line,
        description=text,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command=function)
    return parser


def _config_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings (default: config.yaml here, else the built-in defaults)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="one setting, such as device.mqtt.port=1884"
    )


def _source_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", metavar="URI", help="instead of device.camera.source")


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) <= 86400:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number above 0 and at most 86400")


def _count(text: str) -> int:
    with contextlib.suppress(ValueError):
        if int(text) >= 1:
            return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no whole number at least 1")


class _Version(argparse.Action):
    """`--version`, whose look-up costs time only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"emotion-edge {version('emotion-edge')}")
        parser.exit()


def _config_path(args: argparse.Namespace) -> Path | None:
    """The file that was named, else ./config.yaml where there is one."""
    if args.config is not None:
        return Path(args.config)
    here = Path("config.yaml")
    return here if here.exists() else None


def _config(args: argparse.Namespace) -> DeviceConfig:
    """The settings in force: defaults, file, --set, then the options that have a name of their own."""
    from device.config.schema import load_config

    config = load_config(_config_path(args), args.set)
    camera = {key: getattr(args, key) for key in ("source", "fast", "loop") if getattr(args, key, None)}
    return dataclasses.replace(config, camera=dataclasses.replace(config.camera, **camera))


def _run(args: argparse.Namespace) -> int:
    config = _config(args)
    from device.service.run import run

    return run(config, reread=lambda: _config(args))


def _selftest(args: argparse.Namespace) -> int:
    config = _config(args)
    from device.selftest.runner import selftest

    report = selftest(config, camera=not args.no_camera)
    print(report.to_json() if args.json else report.table())
    return 0 if report.ok else 1


def _demo(args: argparse.Namespace) -> int:
    from device.demo import demo

    return demo(args.out, args.model, args.broker)


def _replay(args: argparse.Namespace) -> int:
    config = _config(args)
    from device.replay.replay import replay

    report = replay(config, args.labels)
    print(report.to_json() if args.json else report.table())
    return 0


def _fleet(args: argparse.Namespace) -> int:
    config = _config(args)
    from device.fleet import fleet

    return fleet(config, args.seconds, args.expect, args.inventory, args.json)


def _check_config(args: argparse.Namespace) -> int:
    from device.config import usage_policy
    from device.config.loader import to_dict
    from device.config.yaml_writer import changes, render
    from device.model_registry.minisign import read_key
    from device.mqtt.topics import Topics
    from device.vision.smoother import make_smoother

    config = _config(args)
    if args.print and not args.json:  # before any complaint: it is also how one gets a file to begin with
        print(render({"device": config}), end="")
    usage_policy.check(config)
    for key in config.model.public_keys:
        read_key(key)
    Topics(config)  # the id, the base topic and the thresholds have rules of their own
    make_smoother(config.smoother, ("any", "other"))
    where = str(_config_path(args) or "built-in defaults")
    changed = changes(config, "device")
    if args.json:
        values = {key: value for key, (value, _) in changed.items()}
        print(json.dumps({"ok": True, "file": where, "changed": values, "device": to_dict(config)}, indent=2))
    elif not args.print:
        print(f"{where}: good; changed from the defaults: {len(changed) or 'nothing'}")
        for key, (value, default) in changed.items():
            print(f"  {key}: {value!r} (default {default!r})")
    return 0
