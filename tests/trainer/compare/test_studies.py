"""Every row of the comparison: the network is built, the settings match the study."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from device.config.loader import from_dict, to_dict
from trainer.artifacts.checkpoint import build
from trainer.compare.studies import EXTRA, STUDIES, Experiment
from trainer.compare.studies.transfer import from_imagenet
from trainer.config import StudyConfig, TrainConfig
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
    assert (first["compact"].balance_to, first["compact"].scaling, first["compact"].fit.patience_epochs) == (
        4500, "signed", 6,
    )  # fmt: skip
    assert first["transfer"].protocol == "7178" and first["transfer"].channels == 3
    fit = first["residual"].fit
    assert (fit.lr, fit.epochs, fit.plateau_factor, fit.plateau_epochs, fit.patience_epochs) == (1e-3, 30, 0.5, 3, 6)
    assert first["residual"].dropout == 0.4


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
