"""`trainer report`: plots and tables of one run, or of several runs side by side."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.errors import UsageError
from trainer.artifacts.checkpoint import load_checkpoint
from trainer.artifacts.run_dir import RunFolder, newest_student, open_run, write_text
from trainer.config import TrainConfig
from trainer.data.dataset import SIDE, SPLITS, FaceSet, fixed_sample
from trainer.data.fer2013 import load_dataset
from trainer.data.ferplus import labels_kind
from trainer.errors import CheckpointError
from trainer.evaluation import metrics
from trainer.reporting import ablation, plots, tables

FOLDER = "report"
TSNE_FACES = 1500  # more make the plane no clearer, and take minutes
PICTURES = {
    "learning.png": "Learning curves",
    "confusion.png": "Confusion matrix",
    "roc.png": "ROC of each emotion against all others",
    "reliability.png": "Reliability of its confidence, before and after the temperature",
    "risk-coverage.png": "Risk and coverage: accuracy on its most confident faces",
    "corruptions.png": "Accuracy on corrupted faces",
    "tsne.png": "Penultimate features, by t-SNE",
    "worst.png": "Its most confident mistakes (faces of people: do not publish this picture)",
}
EPILOG = """examples:
  trainer report                                  the newest student: plots and tables into its folder `report`
  trainer report runs/teacher-1 --split private_test
  trainer report runs/student-* --table           the effect of each change, as a Markdown table: the first run is the
                                                  baseline; runs that differ only in the seed are one row, mean ± sd
  trainer report runs/student-* --curves c.png    the same groups as learning curves, a band for the seeds"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `trainer report`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "folders", type=Path, nargs="*", metavar="RUN", help="run folder (default: the newest student's)"
    )
    parser.add_argument("--run", type=Path, metavar="DIR", help="the same as one RUN")
    parser.add_argument("--split", choices=SPLITS, default="public_test", help="evaluated faces (default: public_test)")
    parser.add_argument("--table", action="store_true", help="compare several runs: print a table in Markdown")
    parser.add_argument("--curves", type=Path, metavar="F", help="compare several runs: draw learning curves, PNG")
    parser.add_argument(
        "--json", action="store_true", help="print the table, or the paths of the written files, as JSON"
    )


def run(args: argparse.Namespace, config: TrainConfig) -> int:
    """Report on one run, or compare several."""
    folders = args.folders + ([args.run] if args.run else [])
    if args.table or args.curves:
        return compare_runs(folders or sorted(Path(config.runs).glob("*")), args)
    if len(folders) > 1:
        raise UsageError("Several runs are compared with --table or --curves F; a report is of one run.")
    return report_on(
        open_run(folders[0]) if folders else newest_student(Path(config.runs), "a run with --run"), args, config
    )


def report_on(folder: RunFolder, args: argparse.Namespace, config: TrainConfig) -> int:
    """Draw and write everything into the run's folder `report`; prints the path of the table."""
    scores, logits = evaluated(folder, args.split)
    faces = load_dataset(config.data or scores["data"], labels_kind(tuple(scores["per_class"])))[args.split]
    if len(faces) != len(logits):
        raise CheckpointError(
            f"{folder.path}: the scores are of {len(logits)} faces, the data has {len(faces)}; evaluate again."
        )
    out = folder.path / FOLDER
    out.mkdir(exist_ok=True)
    drawn = draw(out, folder, scores, logits, faces)
    write_text(out / "report.md", markdown(folder, scores, drawn))
    if args.json:
        print(json.dumps({"report": str(out / "report.md"), "pictures": [str(out / name) for name in drawn]}))
    else:
        print(out / "report.md")
    return 0


def compare_runs(paths: Sequence[Path], args: argparse.Namespace) -> int:
    """Print a table for each kind of run, and draw the learning curves with --curves."""
    runs, notes = ablation.read_runs(paths)
    for note in notes:
        print(f"trainer: {note}.", file=sys.stderr)
    kinds = {kind: [run for run in runs if run.kind == kind] for kind in dict.fromkeys(run.kind for run in runs)}
    groups = {kind: ablation.grouped(members) for kind, members in kinds.items()}
    if args.curves:
        plots.save_picture(args.curves, plots.compared_curves(_curves(groups), "accuracy by epoch"))
    if args.json:
        print(json.dumps({kind: [group.row() for group in members] for kind, members in groups.items()}, indent=2))
    elif args.table:
        print(_tables([ablation.table(members) for members in groups.values()]))
        print(f"\nTrained on: {ablation.machines(runs) or 'unknown, no run has finished'}.")
    else:
        print(args.curves)
    return 0


def _curves(groups: dict[str, list[ablation.Group]]) -> dict[str, list[list[float]]]:
    """The accuracies of each group's runs, by the group's name."""
    several = len(groups) > 1
    return {
        f"{kind}: {group.what}" if several else group.what: [run.accuracies for run in group.runs]
        for kind, members in groups.items()
        for group in members
    }


def _tables(found: Sequence[tables.ScoreTable]) -> str:
    """The tables in Markdown, with titles where there are several."""
    if len(found) == 1:
        return found[0].markdown()
    return "\n\n".join(f"{table.title}:\n\n{table.markdown()}" for table in found)


def evaluated(folder: RunFolder, split: str) -> tuple[dict[str, Any], NDArray[np.float32]]:
    """The scores and logits (N, K) of `trainer evaluate`; of the .tflite, or of the checkpoint.

    Raises:
        CheckpointError: the split was not evaluated, or its files are damaged.
    """
    for stem in ("emotion", "best"):
        table, values = (folder.path / f"{stem}-{split}.{kind}" for kind in ("json", "npz"))
        if table.is_file() and values.is_file():
            try:
                with np.load(values) as arrays:
                    return _current(json.loads(table.read_text())), arrays["logits"]
            except (ValueError, KeyError, OSError) as error:
                raise CheckpointError(f"{table}: the scores cannot be read ({error}); evaluate again.") from error
    raise CheckpointError(f"{folder.path}: nothing was evaluated on {split}; run `trainer evaluate` first.")


def _current(scores: dict[str, Any]) -> dict[str, Any]:
    """The scores; ValueError where an older version wrote them and a plot would lack figures."""
    if not {"calibration", "risk_coverage", "aurc"} <= set(scores):
        raise ValueError("they are of an older version")
    return scores


def coverage_curves(scores: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The risk-coverage curves in the scores, by name of the faces."""
    curves = {"all faces": scores["risk_coverage"]}
    if scores["without_duplicates"]:
        curves["without duplicates of Training"] = scores["without_duplicates"]["risk_coverage"]
    return curves


def draw(
    out: Path, folder: RunFolder, scores: dict[str, Any], logits: NDArray[np.float32], faces: FaceSet
) -> list[str]:
    """Draw every plot for which there are figures into `out`; their names."""
    title = f"{Path(scores['model']).name}, {scores['split']}, n = {scores['n']:,}, {100 * scores['accuracy']:.2f} %"
    values = metrics.softmax(logits, scores["temperature"])
    chosen = fixed_sample(len(faces), TSNE_FACES)
    figures = {
        "learning.png": plots.learning_curves(folder.metrics(), folder.path.name),
        "confusion.png": plots.confusion(np.array(scores["confusion"]), title, faces.names),
        "roc.png": plots.roc(values, faces.labels, title, faces.names),
        "reliability.png": plots.reliability(scores["calibration"], title),
        "risk-coverage.png": plots.risk_coverage(coverage_curves(scores), title),
        "tsne.png": plots.tsne(features(folder, faces.images[chosen]), faces.labels[chosen], title, faces.names),
        "worst.png": plots.worst_mistakes(faces, values, title),
    }
    if "corruptions" in scores:
        figures["corruptions.png"] = plots.corruptions(scores["corruptions"], title)
    for name, figure in figures.items():
        plots.save_picture(out / name, figure)
    return [name for name in PICTURES if name in figures]


def features(folder: RunFolder, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Penultimate features (N, C) of the run's best weights for faces (N, S, S)."""
    import torch

    from device.inference.model_card import InputSpec
    from device.inference.preprocess import to_input

    trunk = load_checkpoint(folder.best).model.trunk
    inputs = torch.from_numpy(to_input(images, InputSpec(SIDE))).permute(0, 3, 1, 2)
    with torch.inference_mode():
        return torch.cat([trunk(part) for part in inputs.split(256)]).numpy()


def markdown(folder: RunFolder, scores: dict[str, Any], names: Iterable[str]) -> str:
    """The run's report as Markdown, with its tables and plots."""
    parts = [f"# {folder.path.name}", _origin(folder, scores)]
    for table in tables.tables(scores):
        parts += [f"## {table.title[0].upper()}{table.title[1:]}", table.markdown()]
    parts += [f"## {PICTURES[name]}\n\n![{PICTURES[name]}]({name})" for name in names]
    return "\n\n".join(parts) + "\n"


def _origin(folder: RunFolder, scores: dict[str, Any]) -> str:
    summary = folder.summary()
    trained = f" {summary['epochs']} epochs in {summary['seconds']:,.0f} s on {summary['device']}." if summary else ""
    teachers = "".join(f"\n- teacher: {name}" for name in summary.get("teachers", []))
    return f"`{Path(scores['model']).name}` on {scores['split']}: **{tables.headline(scores)}**.{trained}{teachers}"
