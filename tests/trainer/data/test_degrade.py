"""Camera faults keep shape and range, repeat with their seed, and hit the wanted share."""

from __future__ import annotations

import pytest
import torch

from trainer.data.augment import Random
from trainer.data.degrade import FAULTS, Fault, defocus, degrade, low_resolution, motion_blur


def seeded(seed: int = 0) -> Random:
    random = Random(torch.device("cpu"))
    random.seed(seed)
    return random


@pytest.fixture
def faces() -> torch.Tensor:
    coarse = torch.rand(64, 1, 12, 12, generator=torch.Generator().manual_seed(9)) * 0.8 + 0.1
    return torch.nn.functional.interpolate(coarse, size=(48, 48), mode="bilinear")


def test_shape_range_and_repetition(faces: torch.Tensor) -> None:
    first, again, other = degrade(faces, 1.0, seeded()), degrade(faces, 1.0, seeded()), degrade(faces, 1.0, seeded(1))
    assert first.shape == faces.shape and float(first.min()) >= 0 and float(first.max()) <= 1
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_nothing_asked_is_nothing_done_and_nothing_drawn(faces: torch.Tensor) -> None:
    random = seeded()
    assert degrade(faces, 0.0, random) is faces
    assert torch.equal(random.uniform(4), seeded().uniform(4))


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_share_of_changed_faces(share: float) -> None:
    many = torch.rand(2000, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 0.6 + 0.2
    changed = (degrade(many, share, seeded()) != many).flatten(1).any(1).float().mean()
    assert share - 0.12 < float(changed) < share + 0.05  # the weakest faults change nothing


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_every_fault_is_stronger_with_its_strength(fault: Fault, faces: torch.Tensor) -> None:
    many = faces.repeat(8, 1, 1, 1)

    def distance(strength: float) -> float:
        strengths = torch.full((len(many),), strength)
        return float((fault(many, strengths, seeded()).clamp(0, 1) - many).abs().mean())

    assert distance(0.1) < distance(0.5) < distance(1.0)


@pytest.mark.parametrize("blur", [defocus, motion_blur], ids=["defocus", "motion"])
def test_a_blur_stays_in_place_and_keeps_the_light(blur: Fault) -> None:
    point = torch.zeros(1, 1, 48, 48)
    point[0, 0, 20, 30] = 1.0
    blurred = blur(point, torch.tensor([0.6]), seeded())
    steps = torch.arange(48.0)
    assert float(blurred.sum()) == pytest.approx(1.0, abs=1e-4)
    assert float((blurred.sum((0, 1, 3)) * steps).sum()) == pytest.approx(20, abs=1e-3)
    assert float((blurred.sum((0, 1, 2)) * steps).sum()) == pytest.approx(30, abs=1e-3)


def test_each_face_gets_its_own_blur(faces: torch.Tensor) -> None:
    strengths = torch.linspace(0, 1, len(faces))
    together = defocus(faces, strengths, seeded())
    for index in (0, 20, 63):
        alone = defocus(faces[index : index + 1], strengths[index : index + 1], seeded())
        assert torch.allclose(together[index], alone[0], atol=1e-5)


def test_a_low_resolution_has_no_fine_detail() -> None:
    noise = torch.rand(1, 1, 48, 48, generator=torch.Generator().manual_seed(2))
    assert float(low_resolution(noise, torch.ones(1), seeded()).std()) < 0.4 * float(noise.std())
