"""`trainer report`: pictures and a table of a run, from what training and `trainer evaluate` left in its folder."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer import metrics, pictures
from trainer.checkpoint import load_checkpoint
from trainer.config import TrainConfig
from trainer.dataset import LABELS, SIDE, SPLITS, FaceSet, load_dataset
from trainer.errors import CheckpointError
from trainer.runs import RunFolder, newest_run, open_run, write_text
from trainer.score_table import ROWS

FOLDER = "report"
TSNE_FACES = 1500  # more make the plane no clearer, and take minutes
PICTURES = {
    "learning.png": "How it was learnt",
    "confusion.png": "What is taken for what",
    "roc.png": "Each emotion against all others",
    "reliability.png": "How far its confidence can be trusted",
    "tsne.png": "How it sees the faces: the penultimate features, by t-SNE",
    "worst.png": "Its worst mistakes (faces of people: keep this picture to yourself)",
}
EPILOG = """examples:
  trainer report                                  the newest student
  trainer report --run runs/teacher-1 --split private_test"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `trainer report`."""
    parser.epilog = EPILOG
    parser.add_argument("--run", type=Path, metavar="DIR", help="run folder (default: the newest student's)")
    parser.add_argument("--split", choices=SPLITS, default="public_test", help="evaluated faces (default: public_test)")
    parser.add_argument("--json", action="store_true", help="print the paths of what was written as JSON")


def run(args: argparse.Namespace, config: TrainConfig) -> int:
    """Draw and write everything into the run's folder `report`; prints the path of the table."""
    folder = open_run(args.run) if args.run else _newest(Path(config.runs))
    scores, logits = evaluated(folder, args.split)
    faces = load_dataset(config.data or scores["data"])[args.split]
    if len(faces) != len(logits):
        raise CheckpointError(
            f"{folder.path}: the scores are of {len(logits)} faces, the data has {len(faces)}; evaluate again."
        )
    out = folder.path / FOLDER
    out.mkdir(exist_ok=True)
    draw(out, folder, scores, logits, faces)
    write_text(out / "report.md", markdown(folder, scores))
    if args.json:
        print(json.dumps({"report": str(out / "report.md"), "pictures": [str(out / name) for name in PICTURES]}))
    else:
        print(out / "report.md")
    return 0


def _newest(runs: Path) -> RunFolder:
    found = newest_run(runs, "student") or newest_run(runs, "student", finished=False)
    if found is None:
        raise CheckpointError(
            f"{runs}: no student is here; teach one with `trainer distill`, or name a run with --run."
        )
    return found


def evaluated(folder: RunFolder, split: str) -> tuple[dict[str, Any], NDArray[np.float32]]:
    """What `trainer evaluate` left: its scores and the logits (N, 7); of the .tflite, or of the checkpoint.

    Raises:
        CheckpointError: nothing was evaluated, or its files are damaged.
    """
    for stem in ("emotion", "best"):
        table, values = (folder.path / f"{stem}-{split}.{kind}" for kind in ("json", "npz"))
        if table.is_file() and values.is_file():
            try:
                with np.load(values) as arrays:
                    return json.loads(table.read_text()), arrays["logits"]
            except (ValueError, KeyError, OSError) as error:
                raise CheckpointError(f"{table}: the scores cannot be read ({error}); evaluate again.") from error
    raise CheckpointError(f"{folder.path}: nothing was evaluated on {split}; run `trainer evaluate` first.")


def draw(out: Path, folder: RunFolder, scores: dict[str, Any], logits: NDArray[np.float32], faces: FaceSet) -> None:
    """Draw all pictures into `out`."""
    title = f"{Path(scores['model']).name}, {scores['split']}, n = {scores['n']:,}, {100 * scores['accuracy']:.2f} %"
    values = metrics.softmax(logits, scores["temperature"])
    chosen = np.sort(np.random.default_rng(0).permutation(len(faces))[:TSNE_FACES])
    figures = {
        "learning.png": pictures.learning_curves(folder.metrics(), folder.path.name),
        "confusion.png": pictures.confusion(np.array(scores["confusion"]), title),
        "roc.png": pictures.roc(values, faces.labels, title),
        "reliability.png": pictures.reliability(values, faces.labels, title),
        "tsne.png": pictures.tsne(features(folder, faces.images[chosen]), faces.labels[chosen], title),
        "worst.png": pictures.worst_mistakes(faces, values, title),
    }
    for name, figure in figures.items():
        pictures.save_picture(out / name, figure)


def features(folder: RunFolder, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Penultimate features (N, C) of the run's best weights for faces (N, S, S)."""
    import torch

    from device.model_card import InputSpec
    from device.preprocess import to_input

    trunk = load_checkpoint(folder.best).model.trunk
    inputs = torch.from_numpy(to_input(images, InputSpec(SIDE))).permute(0, 3, 1, 2)
    with torch.inference_mode():
        return torch.cat([trunk(part) for part in inputs.split(256)]).numpy()


def markdown(folder: RunFolder, scores: dict[str, Any]) -> str:
    """The run's report as Markdown, with its pictures."""
    parts = [f"# {folder.path.name}", _origin(folder, scores), _summary(scores), _classes(scores["per_class"])]
    if "detected" in scores:
        parts.append(_through(scores))
    parts += [f"## {text}\n\n![{text}]({name})" for name, text in PICTURES.items()]
    return "\n\n".join(parts) + "\n"


def _origin(folder: RunFolder, scores: dict[str, Any]) -> str:
    summary = folder.summary()
    taught = f" {summary['epochs']} epochs in {summary['seconds']:,.0f} s on {summary['device']}." if summary else ""
    teachers = "".join(f"\n- teacher: {name}" for name in summary.get("teachers", []))
    error = 100 * scores["standard_error"]
    headline = f"**{100 * scores['accuracy']:.2f} % ± {error:.2f}** (standard error) on {scores['n']:,} faces"
    return f"`{Path(scores['model']).name}` reads {headline} of {scores['split']} right.{taught}{teachers}"


def _summary(scores: dict[str, Any]) -> str:
    columns = [("all faces", scores)]
    if scores["without_duplicates"]:
        columns.append(("without those that stand in Training", scores["without_duplicates"]))
    rows = [["n", *(f"{values['n']:,}" for _, values in columns)]]
    rows += [[name, *(f"{values[key]:.4f}" for _, values in columns)] for key, name in ROWS.items()]
    rows.append(["accuracy of the surest 80 %", *(f"{values['coverage']['accuracy']:.4f}" for _, values in columns)])
    return _table(["", *(name for name, _ in columns)], rows)


def _classes(classes: dict[str, Any]) -> str:
    keys = ("precision", "recall", "f1", "auc")
    rows = []
    for name in LABELS:
        figures = ("" if classes[name][key] is None else f"{classes[name][key]:.3f}" for key in keys)
        rows.append([name, *figures, f"{classes[name]['support']:,}"])
    return _table(["emotion", *keys, "faces"], rows)


def _through(scores: dict[str, Any]) -> str:
    rows = []
    for size, share in scores["detected"].items():
        read = [scores[key][size] for key in ("accuracy_through_detector", "accuracy_direct")]
        lost = scores["points_lost"][size]
        figures = ["", "", ""] if lost is None else [f"{read[0]:.4f}", f"{read[1]:.4f}", f"{lost:.2f}"]
        rows.append([size, f"{scores['faces_pasted'][size]:,}", f"{100 * share:.1f} %", *figures])
    head = [
        "face in the frame, px",
        "faces",
        "found",
        "accuracy through the chain",
        "direct, same faces",
        "points lost",
    ]
    return "## Through detector and crop\n\n" + _table(head, rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
