"""Train the network that reads the eyes, device/models/eye-state.npz, on FER2013's faces.

    python -m scripts.training.eye_state path/to/fer2013 [--faces 9000] [--out F]
    python -m scripts.training.eye_state toy --faces 60 --out toy.npz      a trial, without any data

FER2013 does not say whose eyes are open, but nearly all are: each face is used as it is, and with
its lids drawn down by a known share (scripts/training/closed_eyes.py). Faces that a first network,
trained on the other half, takes for closed as they are, are left out. Takes half an hour.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from device.cli.progress import ProgressBar
from device.errors import EmotionEdgeError, UsageError
from device.inference.box import Box
from device.vision import head_geometry
from device.vision.eye_state import CORNERS, FILE, HEIGHT, WIDTH, eye_patch, normalised
from device.vision.head_geometry import Points
from device.vision.landmarks import LandmarkNetwork
from scripts.training.closed_eyes import close_eyes
from trainer.artifacts.run_dir import replacing
from trainer.data.fer2013 import load_dataset
from trainer.errors import DataError

SIDE, AROUND = 192, 96  # of a face that is looked at, and the border around it, pixels
FRAME = Box(AROUND + 4, AROUND - 8, SIDE - 8, SIDE + 4)  # of the face, as a detector frames it
SHIFT, JITTER = 0.05, 0.06  # errors of the corners of an eye, in widths of the eye
HIDDEN = (48, 16)
EPOCHS, FIRST_EPOCHS, BATCH = 12, 6, 256
DOUBTFUL = 0.5  # openness below which a face as it is is left out

Grey = NDArray[np.uint8]


def main(argv: Sequence[str]) -> int:
    """Draw the eyes, train, write; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="FER2013 in any form that the trainer accepts")
    parser.add_argument("--faces", type=int, default=9000, help="faces of Training to look at (default: 9000)")
    parser.add_argument("--out", type=Path, default=FILE, help=f"file to write (default: {FILE.name} of the device)")
    args = parser.parse_args(argv)
    try:
        return work(args.data, args.faces, args.out)
    except EmotionEdgeError as error:
        print(f"eye_state: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"eye_state: {error.filename or args.out}: {error.strerror}.", file=sys.stderr)
        return 1


def work(data: str, count: int, out: Path) -> int:
    """Train on `count` faces of a data set, and write the network.

    Raises:
        UsageError, DataError: something asked for is not there, or too few faces have eyes.
        OSError: the file cannot be written; an old one stays.
    """
    if count < 1 or not out.parent.is_dir():
        raise UsageError(f"--faces must be at least 1, and the folder of --out must exist ({out.parent}).")
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    images = load_dataset(data)["training"].images
    chosen = rng.permutation(len(images))[:count]
    patches, opened, face = eyes([np.asarray(images[n]).reshape(48, 48) for n in chosen], rng)
    kept = without_doubtful(patches, opened, face)
    if not kept.any():
        raise DataError(f"{data}: all of {len(set(face))} faces are doubtful; give more with --faces.")
    network = train(patches[kept], opened[kept], EPOCHS)
    layers = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    values = {f"w{n}": layer.weight.detach().numpy() for n, layer in enumerate(layers, 1)}
    biases = {f"b{n}": layer.bias.detach().numpy() for n, layer in enumerate(layers, 1)}
    with replacing(out) as temporary, temporary.open("wb") as file:
        np.savez(file, **values, **biases)  # type: ignore[arg-type]
    print(f"{out}: from {len(set(face[kept]))} of {len(chosen)} faces, {len(patches[kept])} eyes")
    return 0


def eyes(faces: list[Grey], rng: np.random.Generator) -> tuple[Grey, NDArray[np.float32], NDArray[np.intp]]:
    """Patches (N, 16, 24), openness (N,) and number of the face (N,) of both eyes of each face.

    Raises:
        DataError: the landmark network finds too few eyes.
    """
    network, found = LandmarkNetwork(), []
    bar = ProgressBar(len(faces))
    for number, small in enumerate(faces):
        bar.show(number, "faces")
        image = np.asarray(cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.uint8)
        points = mesh(image, network)
        if points is not None:
            found += [(patch, opened, number) for patch, opened in drawn(image, points, rng)]
    bar.clear()
    if {number % 2 for _, _, number in found} != {0, 1}:  # without_doubtful needs both
        raise DataError(f"eyes were found in too few of {len(faces)} faces; give more with --faces.")
    patches, opened, face = zip(*found, strict=True)
    return np.array(patches, np.uint8), np.array(opened, np.float32), np.array(face, np.intp)


def mesh(image: Grey, network: LandmarkNetwork) -> Points | None:
    """The points of a face that fills a picture; None if there is none."""
    around = cv2.copyMakeBorder(image, AROUND, AROUND, AROUND, AROUND, cv2.BORDER_REPLICATE)
    seen = network.look(np.asarray(around, np.uint8), FRAME)
    seen = network.look(np.asarray(around, np.uint8), FRAME, head_geometry.roll_deg(seen.points))
    return seen.points - np.array([AROUND, AROUND, 0], np.float32) if seen.presence >= 0.9 else None


def drawn(image: Grey, points: Points, rng: np.random.Generator) -> Iterator[tuple[Grey, float]]:
    """Both eyes, open and with lids lowered by several shares, their corners slightly wrong."""
    for closed in (0.0, rng.uniform(0.05, 0.95), rng.uniform(0.5, 1.0), 1.0):
        picture = close_eyes(image, points, closed) if closed else image
        for side, corners in enumerate(CORNERS):
            width = float(np.linalg.norm(points[corners[0], :2] - points[corners[1], :2]))
            wrong = points.copy()
            wrong[list(corners), :2] += rng.normal(0, JITTER * width, (2, 2)) + rng.normal(0, SHIFT * width, 2)
            yield eye_patch(picture, wrong, side), 1.0 - closed


def without_doubtful(patches: Grey, opened: NDArray[np.float32], face: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which patches to keep: none of a face whose eyes look closed as they are."""
    kept = np.ones(len(patches), bool)
    for half in (0, 1):
        network, others = train(patches[face % 2 == half], opened[face % 2 == half], FIRST_EPOCHS), face % 2 != half
        with torch.no_grad():
            read = torch.sigmoid(network(torch.tensor(normalised(patches)))[:, 0]).numpy()
        kept &= ~np.isin(face, face[others & (opened == 1) & (read < DOUBTFUL)])
    return kept


def train(patches: Grey, opened: NDArray[np.float32], epochs: int) -> torch.nn.Sequential:
    """A network fitted to patches; its output is a logit."""
    sizes = (WIDTH * HEIGHT, *HIDDEN, 1)
    layers: list[torch.nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers[:-1])
    values, target = torch.tensor(normalised(patches)), torch.tensor(opened)
    steps = max(1, epochs * len(patches) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=2e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps + 1)
    for _ in range(steps):
        batch = torch.randint(len(values), (BATCH,))
        noisy = values[batch] + 0.25 * torch.rand(BATCH, 1) * torch.randn(BATCH, values.shape[1])
        loss = ((torch.sigmoid(network(noisy)[:, 0]) - target[batch]).abs() ** 1.5).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
