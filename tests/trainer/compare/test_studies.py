"""Every row of the comparison: the network is built, the settings match the study."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from device.config.loader import from_dict, to_dict
from trainer.artifacts.checkpoint import build
from trainer.compare.experiment_run import Workspace
from trainer.compare.studies import EXTRA, STUDIES, Experiment
from trainer.compare.studies.transfer import from_imagenet
from trainer.config import StudyConfig, TrainConfig
from trainer.data.dataset import Dataset
from trainer.data.splits import PROTOCOLS
from trainer.models import build_study
from trainer.models.input_adapter import SCALINGS, FormedTrunk
from trainer.models.resnet import ResNetTrunk
from trainer.training.optim import make_optimizer

ROWS = [row for rows in STUDIES.values() for row in rows]
TRAINED = [row for row in ROWS if row.model is None]
GRID = [row for rows in EXTRA.values() for row in rows]


def test_the_studies_are_there_and_each_row_has_its_own_key() -> None:
    assert list(STUDIES) == ["se-resnet", "efficient", "compact", "transfer", "residual", "this-project"]
    assert list(EXTRA) == ["se-resnet-augmentation", "compact-grid"]
    assert len({row.key for row in (*ROWS, *GRID)}) == len(ROWS) + len(GRID)


@pytest.mark.parametrize("row", [*TRAINED, *GRID[:1], *GRID[-1:]], ids=lambda row: row.key)
def test_a_row_is_built_and_survives_yaml(row: Experiment) -> None:
    assert row.config.study.protocol in PROTOCOLS
    assert from_dict(TrainConfig, to_dict(row.config), "trainer", "here") == row.config
    with torch.device("meta"):
        assert build("study", row.config, 7, 0)(torch.rand(2, 1, 48, 48)).shape == (2, 7)


def test_the_schedules_are_as_the_studies_have_them() -> None:
    first = {study: rows[0].config.study for study, rows in STUDIES.items()}
    fit = first["se-resnet"].fit
    assert (fit.optimizer, fit.lr, fit.epochs, fit.batch_size, fit.plateau_epochs) == ("adam", 3e-4, 50, 64, 4)
    assert fit.class_weights and fit.bias_from_frequencies and fit.plateau_factor == 0.1
    assert (first["efficient"].fit.lr, first["efficient"].fit.epochs, first["efficient"].protocol) == (1e-5, 400, "811")
    resnet, mobilenet, vgg = (row.config.study for row in STUDIES["compact"])
    assert {(one.balance_to, one.scaling, one.channels) for one in (resnet, mobilenet, vgg)} == {(4500, "signed", 3)}
    assert (resnet.dropout, resnet.fit.epochs, resnet.fit.lr, resnet.fit.patience_epochs) == (0, 40, 1e-3, None)
    fit = mobilenet.fit
    assert (mobilenet.dropout, fit.weight_decay, fit.plateau_factor, fit.plateau_epochs, fit.patience_epochs) == (
        0.15, 1e-4, 0.5, 3, 6,
    )  # fmt: skip
    assert vgg.fit.epochs == 15 and len(EXTRA["compact-grid"]) == 10
    assert {row.config.study.fit.epochs for row in EXTRA["compact-grid"]} == {15}
    transfer = first["transfer"]
    assert (transfer.protocol, transfer.channels, transfer.fit.epochs) == ("7178", 3, 20)
    fit = first["residual"].fit
    assert (fit.lr, fit.epochs, fit.plateau_factor, fit.plateau_epochs, fit.patience_epochs) == (1e-3, 30, 0.5, 3, 6)
    assert first["residual"].dropout == 0.4


def test_every_row_of_a_study_has_its_published_figures() -> None:
    without = {row.key for row in (*TRAINED, *GRID) if not row.published}
    ablations = ("no-shortcut", "rgb", "96x96", "two-blocks", "four-blocks", "no-dropout", "moved")
    assert without == {f"residual/{name}" for name in ablations}


def test_a_short_row_says_so_and_has_a_folder_of_its_own(tmp_path: Path) -> None:
    row = STUDIES["se-resnet"][0]
    short = row.with_minutes(60)
    assert short.note == "short schedule"
    assert short.config.study.fit.epochs == 50 and short.config.study.fit.max_minutes == 60
    place = Workspace(tmp_path, Dataset({}, "toy"), "PrivateTest", TrainConfig())
    assert place.folder_of(short).name == "vgg11-original-short" and place.folder_of(row).name == "vgg11-original"
    assert STUDIES["this-project"][0].with_minutes(60) == STUDIES["this-project"][0]


TEXTS = Path(__file__).parents[4] / "shared" / "studies"
TEXT_OF = {
    "se-resnet": "se-resnet-comparison.txt",
    "se-resnet-augmentation": "se-resnet-comparison.txt",
    "efficient": "efficient-architectures.txt",
    "compact": "compact-under-500k.txt",
    "compact-grid": "compact-under-500k.txt",
    "transfer": "transfer-learning-resnet.txt",
    "residual": "residual-cnn.txt",
}


@pytest.mark.parametrize("study", TEXT_OF)
def test_published_figures_stand_in_the_study(study: str) -> None:
    if not TEXTS.is_dir():
        pytest.skip("the texts of the studies are not beside this checkout (../shared/studies)")
    text = (TEXTS / TEXT_OF[study]).read_text()
    known = {float(number.replace(",", ".")) for number in re.findall(r"\d+[.,]\d+", text)}
    known |= {float(number.replace(",", "")) for number in re.findall(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+", text)}
    known |= {number * factor for number in known for factor in (0.01, 100)}  # a share or a percentage
    for row in (STUDIES | EXTRA)[study]:
        for figure in re.findall(r"\d[\d,]*(?:\.\d+)?", row.published):
            digits = len(figure.partition(".")[2])
            value = float(figure.replace(",", ""))
            assert any(abs(value - number) <= 0.51 * 10**-digits for number in known), (row.key, figure)


class Given(nn.Module):
    """A trunk that returns its input."""

    out_features = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.mark.parametrize("scaling", sorted(SCALINGS))
def test_a_form_copies_scales_and_enlarges(scaling: str) -> None:
    faces = torch.rand(2, 1, 48, 48)
    given = FormedTrunk(Given(), 3, 96, scaling)(faces)
    assert given.shape == (2, 3, 96, 96)
    ends = {"unit": (0, 1), "signed": (-1, 1), "imagenet": (-0.485 / 0.229, (1 - 0.485) / 0.229)}[scaling]
    for value, expected in zip((0.0, 1.0), ends, strict=True):
        flat = FormedTrunk(Given(), 3, 48, scaling)(torch.full((1, 1, 48, 48), value))
        assert flat[0, 0].unique().tolist() == pytest.approx([expected], abs=1e-6)


def test_a_form_adds_no_parameter() -> None:
    plain, formed = (build_study(StudyConfig(scaling=scaling), 7) for scaling in ("unit", "signed"))
    assert sum(p.numel() for p in plain.parameters()) == sum(p.numel() for p in formed.parameters())


def test_frozen_stages_are_not_trained() -> None:
    row = from_imagenet(STUDIES["transfer"][0], "weights.pth")
    model = build("study", row.config, 7, 0).train()
    trained = {name.removeprefix("trunk.trunk.") for name, p in model.named_parameters() if p.requires_grad}
    assert trained and all(name.startswith(("blocks.6.", "blocks.7.", "head.")) for name in trained)
    optimizer = make_optimizer(model, row.config.study.fit)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(trained)
    assert isinstance(model.trunk, FormedTrunk) and isinstance(model.trunk.trunk, ResNetTrunk)
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model(torch.rand(4, 1, 48, 48))
    moved = {name for name, buffer in model.named_buffers() if not torch.equal(buffer, before[name])}
    assert moved and all(".blocks.6." in name or ".blocks.7." in name for name in moved)
