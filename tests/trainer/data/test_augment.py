"""Augmentation keeps shape and range, repeats with its seed, and applies each setting."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import pytest
import torch

from device.config.loader import setting
from trainer.augment_config import AugmentConfig, augmentation
from trainer.data.augment import Augment, Random, mixup

NOTHING = AugmentConfig.only()


def views(config: AugmentConfig, faces: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return Augment(config, seeded(seed))(faces)


def seeded(seed: int) -> Random:
    random = Random(torch.device("cpu"))
    random.seed(seed)
    return random


@pytest.fixture
def faces() -> torch.Tensor:
    return torch.rand(32, 1, 48, 48, generator=torch.Generator().manual_seed(9))


def test_shape_range_and_repetition(faces: torch.Tensor) -> None:
    first, again, other = views(AugmentConfig(), faces), views(AugmentConfig(), faces), views(AugmentConfig(), faces, 1)
    assert first.shape == faces.shape and float(first.min()) >= 0 and float(first.max()) <= 1
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_nothing_asked_is_nothing_done(faces: torch.Tensor) -> None:
    assert torch.allclose(views(NOTHING, faces), faces, atol=1e-5)


def test_what_is_not_named_is_off_whatever_its_default() -> None:
    @dataclass(frozen=True)
    class Wider(AugmentConfig):
        flip: float = augmentation(0.9, "probability of mirroring", off=0, ge=0, le=1)
        blur: float = augmentation(1.0, "largest radius, pixels", off=0, ge=0)

    assert Wider().blur == 1.0
    only = Wider.only(shift=0.2)
    assert only.blur == 0 and only.flip == 0 and only.shift == 0.2
    for field in fields(AugmentConfig):
        assert getattr(only, field.name) == getattr(replace(NOTHING, shift=0.2), field.name)


def test_an_augmentation_must_state_its_off_value() -> None:
    @dataclass(frozen=True)
    class Incomplete(AugmentConfig):
        blur: float = setting(1.0, "largest radius, pixels", ge=0)

    with pytest.raises(TypeError, match=r"Incomplete\.blur must be declared with `augmentation"):
        Incomplete.only(flip=0.5)


def test_a_crop_is_a_part_of_the_face_made_whole() -> None:
    ramp = torch.linspace(0, 1, 48).expand(200, 1, 48, 48).contiguous()
    seen = views(replace(NOTHING, crop=0.5, crop_area=0.25), ramp)
    share = (seen.amax((1, 2, 3)) - seen.amin((1, 2, 3))).clamp_max(1)
    whole = torch.isclose(share, torch.tensor(1.0), atol=1e-4)
    assert 70 < int(whole.sum()) < 130
    assert 0.48 < float(share.min()) < 0.6 and 0.9 < float(share[~whole].max()) < 1
    assert float(seen.min()) >= 0 and float(seen.max()) <= 1


def test_noise_is_drawn_up_to_its_strength() -> None:
    grey = torch.full((64, 1, 48, 48), 0.5)
    spread = (views(replace(NOTHING, noise=0.1), grey) - grey).std((1, 2, 3))
    assert 0.08 < float(spread.max()) < 0.105 and float(spread.min()) < 0.02


def test_flip_mirrors(faces: torch.Tensor) -> None:
    assert torch.allclose(views(replace(NOTHING, flip=1.0), faces), faces.flip(3), atol=1e-5)


def test_shift_moves_by_at_most_its_share(faces: torch.Tensor) -> None:
    ramp = torch.linspace(0, 1, 48).expand(32, 1, 48, 48)
    moved = views(replace(NOTHING, shift=0.1), ramp) - ramp
    assert 0.02 < float(moved[:, :, 20:28, 20:28].abs().max()) <= 0.1 * 48 / 47 + 1e-3


def test_rotation_keeps_the_middle(faces: torch.Tensor) -> None:
    disc = torch.zeros(8, 1, 48, 48)
    disc[:, :, 22:26, 22:26] = 1
    turned = views(replace(NOTHING, rotate_deg=45.0), disc)
    assert float(turned[:, 0, 23:25, 23:25].min()) > 0.9
    assert torch.allclose(turned.sum((1, 2, 3)), disc.sum((1, 2, 3)), rtol=0.1)


def test_erasing_covers_at_most_its_area(faces: torch.Tensor) -> None:
    black = torch.zeros(64, 1, 48, 48)
    share = (views(replace(NOTHING, erase=1.0, erase_area=0.2), black) > 0).float().mean((1, 2, 3))
    assert 0 < float(share.max()) <= 0.25
    assert float(share.mean()) > 0.03


def test_mixup_blends_faces_targets_and_votes_alike(faces: torch.Tensor) -> None:
    targets = torch.eye(32)
    mixed, shares, votes = mixup(faces, targets, targets * 3, 0.4, seeded(2))
    assert votes is not None
    assert torch.allclose(shares.sum(1), torch.ones(32)) and torch.allclose(votes, shares * 3)
    assert torch.allclose(mixed, torch.einsum("ij,jabc->iabc", shares, faces), atol=1e-5)
