"""Average the weights of a network before and after a fine-tune, into a new run folder.

    python -m scripts.training.blend BEFORE AFTER SHARE OUT --data D

A fine-tune on harder views gains there and loses a little on clean faces. The weights in between
keep most of both (Wortsman et al. 2022, arXiv:2109.01903). BEFORE is what the run started from
(--start), a .tflite, run folder or checkpoint; AFTER is the run; SHARE, 0 to 1, is the run's part.
`trainer convert --run OUT` makes the file of it.

    python -m scripts.training.blend before.tflite runs/student-1 0.4 runs/student-blend --data D
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from device.errors import EmotionEdgeError, UsageError
from trainer.artifacts.checkpoint import load_checkpoint, save_checkpoint
from trainer.artifacts.loading import Network, load_network
from trainer.artifacts.predictor import CheckpointReader
from trainer.artifacts.run_dir import new_run, open_run
from trainer.data.fer2013 import load_dataset
from trainer.errors import CheckpointError


def main() -> int:
    """Blend two networks and print the run folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, metavar="BEFORE", help="the network that the fine-tune started from")
    parser.add_argument("after", type=Path, metavar="AFTER", help="run folder of the fine-tune; its last epoch counts")
    parser.add_argument("share", type=float, metavar="SHARE", help="of AFTER in each weight, 0 to 1")
    parser.add_argument("out", type=Path, metavar="OUT", help="run folder to write")
    parser.add_argument("--data", required=True, metavar="D", help="the faces both were trained on, or toy")
    args = parser.parse_args()
    try:
        print(blend(args.before, args.after, args.share, args.out, args.data))
    except EmotionEdgeError as error:
        print(f"blend: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def blend(before: Path, after: Path, share: float, out: Path, data: str) -> Path:
    """Write the blended network as a finished run.

    Returns:
        the run folder.

    Raises:
        UsageError: `share` is out of range.
        CheckpointError, ModelError: a network cannot be read, or the two have different layers.
        RunError: the folder holds a run already or cannot be written.
    """
    if not 0 <= share <= 1:
        raise UsageError(f"SHARE is {share:g}; it must be between 0 and 1.")
    tuned, dataset = load_checkpoint(open_run(after).last), load_dataset(data)
    weights = mixed(load_network(before, dataset), tuned.model.state_dict(), share)
    tuned.model.load_state_dict(weights, strict=False)  # without the second head
    public = dataset["public_test"]
    right = CheckpointReader(tuned).logits(public.images).argmax(1) == public.labels
    run = new_run(tuned.config, tuned.kind, out)
    save_checkpoint(run.best, replace(tuned, training={}, metrics={"accuracy": float(right.mean())}), weights)
    run.finish({"kind": tuned.kind, "epochs": tuned.epoch, "blended": {"with": str(before), "share": share}})
    return run.path


def mixed(before: Network, after: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """The weights and batch-norm statistics in between; a second head of `after` stays behind.

    Raises:
        CheckpointError: the two have different layers.
    """
    both = before.model.state_dict(), after
    old, new = ({k: v for k, v in weights.items() if not k.startswith("votes.")} for weights in both)
    if {k: v.shape for k, v in old.items()} != {k: v.shape for k, v in new.items()}:
        raise CheckpointError(
            f"{before.name} has other layers than the run; name the network that the run started from."
        )
    return {k: v + share * (new[k] - v) if v.is_floating_point() else new[k] for k, v in old.items()}


if __name__ == "__main__":
    sys.exit(main())
