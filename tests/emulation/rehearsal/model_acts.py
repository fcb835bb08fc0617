"""Models are installed on the board: bad ones, which must go, and a good one by the playbook."""

from __future__ import annotations

from typing import Any

from tests.emulation.rehearsal.arm64 import BIN
from tests.emulation.rehearsal.stage import ASSETS, PATIENCE_S, Stage
from tests.emulation.rehearsal.stage import recap as recap_of
from tests.emulation.rehearsal.steps import expect, wait_for

FOLDER = "/opt/rehearsal"
# Name, options of the installation, outcome. The last two act as if the self-test found nothing.
BAD = (
    ("cut", "", "refused"),
    ("worse", "", "refused"),
    ("corrupt", "--no-test --wait 900", "rolled_back"),
    ("underperforming", "--no-test --wait 900", "rolled_back"),
)


def bad_models(stage: Stage) -> None:
    """Models that must not stay: two refused, two rolled back, the reason on `status`."""
    with stage.rehearsal.step("make models"):
        stage.board.takes((ASSETS / "models.py").read_text(encoding="utf-8"), f"{FOLDER}/models.py")
        stage.board.does(f"{BIN}/python {FOLDER}/models.py {FOLDER} && chmod -R a+rX {FOLDER}")
    before = in_force(stage)
    for name, options, state in BAD:
        with stage.rehearsal.step(f"model: {name}") as step:
            last = newest(updates(stage))
            code, _ = stage.board.asks(f"emotion-device model install - --json {options} < {FOLDER}/{name}.tflite")
            expect(code == 1, f"the installation of the model {name!r} ended with {code}")
            update = told(stage, state, last)
            wait_for(lambda: in_force(stage) == before, "the old model on status", PATIENCE_S)
            step.came = f"{state}: {update['reason']}"
            stage.rehearsal.facts.setdefault("models", {})[name] = update


def in_force(stage: Stage) -> str:
    """The digest of the model that the device runs, as its newest `status` has it."""
    return str(stage.listener.objects("status")[-1]["model"]["digest"])


def updates(stage: Stage) -> list[dict[str, Any]]:
    """All that `status` has said of updates."""
    said = [status["model_update"] for status in stage.listener.objects("status")]
    return [update for update in said if update]


def newest(heard: list[dict[str, Any]]) -> float:
    """When the last of them became so; a `status` may come again, and then says no news."""
    return max((float(update["since"]) for update in heard), default=0.0)


def ended(heard: list[dict[str, Any]], state: str, last: float) -> dict[str, Any] | None:
    """The newest that has come to this end, and did so later than `last`."""
    found = [update for update in heard if update["state"] == state and update["since"] > last]
    return found[-1] if found else None


def told(stage: Stage, state: str, last: float) -> dict[str, Any]:
    """What `status` says, sooner or later, of an update that ends so."""
    update: dict[str, Any] = wait_for(lambda: ended(updates(stage), state, last), f"{state} on status", PATIENCE_S)
    return update


def roll_out(stage: Stage) -> None:
    """rollout.yml over ssh: a good model is accepted once; a bad one fails with its reason."""
    good, bad = (fetched(stage, name) for name in ("good", "underperforming"))
    before = in_force(stage)
    with stage.rehearsal.step("roll-out --check"):
        stage.play("rollout.yml", "-e", f"model={good}", "--check")
        expect(in_force(stage) == before, "--check rolled something out")
    with stage.rehearsal.step("roll-out of a good model") as step:
        last = newest(updates(stage))
        recap = stage.play("rollout.yml", "-e", f"model={good}")
        expect(recap["changed"] > 0, f"the roll-out changed nothing: {recap}")
        update = told(stage, "accepted", last)
        expect(in_force(stage) != before, "the old model still runs")
        step.came = f"changed={recap['changed']}, accepted: {update['new']['version']}"
    with stage.rehearsal.step("roll-out again") as step:
        recap = stage.play("rollout.yml", "-e", f"model={good}")
        step.came = f"changed={recap['changed']}"
        expect(recap["changed"] == 0, f"the second roll-out changed something: {recap}")
    with stage.rehearsal.step("roll-out of a bad model") as step:
        after, last = in_force(stage), newest(updates(stage))
        code, said = stage.tries("rollout.yml", "-e", f"model={bad}")
        expect(code != 0 and recap_of(said)["failed"] == 1, f"the roll-out of a bad model ended with {code}")
        update = told(stage, "refused", last)
        expect(in_force(stage) == after, "the good model no longer runs")
        step.came = f"refused: {update['reason']}"
    with stage.rehearsal.step("model rollback") as step:
        stage.board.does("emotion-device model rollback")
        wait_for(lambda: in_force(stage) == before, "the old model on status", PATIENCE_S)
        step.came = "the first model runs again"


def fetched(stage: Stage, name: str) -> str:
    """One of the board's models, as a file of the controller."""
    path = stage.scratch / f"{name}.tflite"
    path.write_bytes(stage.board.gives(f"{FOLDER}/{name}.tflite"))
    return str(path)
