"""examples/node-red/flow.json: its form, and the flow in a real Node-RED where there is one."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from device.messages import AttentionAlert
from tests.device.mqtt.porch import OPEN, event, face, publish
from tests.examples.helpers import EXAMPLES, Webhook
from tests.support.broker import Mosquitto, free_port, needs_mosquitto, wait_for

FLOW: list[dict[str, Any]] = json.loads((EXAMPLES / "node-red" / "flow.json").read_text(encoding="utf-8"))
NODES = {node["id"]: node for node in FLOW}
NODE_RED = os.environ.get("NODE_RED") or shutil.which("node-red")
needs_node_red = pytest.mark.skipif(
    NODE_RED is None, reason="Node-RED is not there: `npm install node-red`, and its node-red in PATH or NODE_RED"
)
START_S = 120.0


def test_the_nodes_form_a_flow_that_ends_in_a_webhook_and_the_debug_view() -> None:
    assert len(NODES) == len(FLOW)
    wires = {node["id"]: [to for port in node.get("wires", []) for to in port] for node in FLOW}
    assert all(to in NODES for ends in wires.values() for to in ends)
    ends = {NODES[node]["type"] for node, next_ones in wires.items() if "wires" in NODES[node] and not next_ones}
    assert ends == {"debug", "http request"}
    inputs = [node for node in FLOW if node["type"] == "mqtt in"]
    assert {node["topic"].rpartition("/")[2] for node in inputs} == {"events", "summary", "availability"}
    assert all(NODES[node["broker"]]["type"] == "mqtt-broker" for node in inputs)


@pytest.mark.skipif(shutil.which("node") is None, reason="node, which runs the functions, is not installed")
@pytest.mark.parametrize(
    ("summaries", "states"),
    [
        ([(s, 0.1, 0.9) for s in range(90)], ["mood low"]),
        ([(s, 0.1, 0.9) for s in range(50)], []),
        ([(s, 0.1, None) for s in range(0, 600, 20)], []),  # too few faces in between: not the same silence
        ([(s, 0.1 if s < 70 else 0.42, 0.2 if s < 70 else 0.55) for s in range(200)], ["mood low", "attention low"]),
        ([*((s, 0.1, None) for s in range(70)), *((s, 0.6, None) for s in range(70, 140))], ["mood low", "mood good"]),
        ([(s, None, None) for s in range(90)], []),
    ],
)  # fmt: skip
def test_the_function_of_a_room_has_hysteresis(
    summaries: list[tuple[float, float | None, float | None]], states: list[str]
) -> None:
    """Runs it under node, with seconds, positive valence and `facing` of each summary."""
    said = [
        {
            "valence": None if positive is None else {"positive": positive, "negative": 1 - positive},
            "attention": None if facing is None else {"facing": facing},
        }
        for _, positive, facing in summaries
    ]
    program = """
        const [code, times, said] = JSON.parse(require("fs").readFileSync(0));
        const kept = {}, context = {get: (key) => kept[key], set: (key, value) => { kept[key] = value; }};
        const run = new Function("msg", "context", code), told = [];
        said.forEach((payload, index) => {
            Date.now = () => 1e12 + 1000 * times[index];
            for (const alert of (run({payload}, context) || [[]])[0]) told.push(alert.payload);
        });
        console.log(JSON.stringify(told));
    """
    text = json.dumps([NODES["emotion-edge-room"]["func"], [when for when, *_ in summaries], said])
    done = subprocess.run(["node", "-e", program], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [f"{told['alert']} {told['state']}" for told in json.loads(done.stdout)] == states


@contextmanager
def node_red(folder: Path) -> Iterator[str]:
    """Node-RED without a flow; the address of its admin API."""
    port = free_port()
    assert NODE_RED is not None
    (folder / "settings.js").write_text(
        f"module.exports = {{uiPort: {port}, uiHost: '127.0.0.1', userDir: {json.dumps(str(folder))},"
        " telemetry: {enabled: false}, editorTheme: {tours: false}};"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([NODE_RED, "-s", folder / "settings.js"], stdout=log, stderr=log, cwd=folder)

    def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        with suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/flows", timeout=5).close()
            return True
        return False

    try:
        wait_for(answers, "Node-RED", START_S)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
@needs_mosquitto
@needs_node_red
def test_a_real_node_red_imports_the_flow_and_a_message_goes_through(tmp_path: Path, mosquitto: Mosquitto) -> None:
    folder = tmp_path / "node-red"
    folder.mkdir()
    with Webhook() as webhook, node_red(folder) as address:
        here = {"emotion-edge-webhook": {"url": webhook.url}, "emotion-edge-broker": {"broker": "127.0.0.1"}}
        here["emotion-edge-broker"]["port"] = str(mosquitto.port)
        flow = json.dumps([node | here.get(node["id"], {}) for node in FLOW]).encode()
        headers = {"Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(f"{address}/flows", flow, headers), timeout=60) as answer:
            assert answer.status == 204
        publisher = publish(mosquitto.port, tmp_path)
        publisher.publish([event("start")], [face()])
        webhook.wait("device", "online")
        told = AttentionAlert(kind="drowsy", phase="start", duration_s=2.5)
        publisher.publish([dataclasses.replace(event("update"), type="attention", alert=told)], [face()])
        webhook.wait("drowsy", "start")
        (alert,) = (told for told in webhook.alerts if told["alert"] == "drowsy")
        assert alert["device"] == "porch" and alert["seconds"] == 2.5
        OPEN.pop().close()
        webhook.wait("device", "online", "offline")
        assert "drowsy" in (folder / "log").read_text()  # the debug node
