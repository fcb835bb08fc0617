"""Sizes of the networks, against what is published and what is promised."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from trainer.config import ConvertConfig, StudentConfig, TeacherConfig
from trainer.models import (
    NETWORKS,
    ExpressionNet,
    build_network,
    build_student,
    build_teacher,
    count_macs,
    count_parameters,
)
from trainer.models.depthwise import DepthwiseConv
from trainer.models.iwin import InterleavedAttention, IwinBlock
from trainer.models.layers import SqueezeExcite, conv_bn, mean_of
from trainer.models.reparam import BranchedConv, fuse_branches


def test_se_resnet34_has_the_published_size() -> None:
    teacher = build_teacher(TeacherConfig(width=1.0, stem_stride=1), 7)
    assert count_parameters(teacher) == pytest.approx(21.4e6, rel=0.01)
    assert count_macs(teacher) == pytest.approx(2.6e9, rel=0.01)


PUBLISHED = {  # millions of parameters, as the studies give them
    **{"vgg11": 9.2, "vgg13": 9.4, "vgg16": 14.7, "vgg19": 20.0},
    **{"resnet18": 11.1, "resnet34": 21.2, "resnet50": 23.5},
    **{"se_resnet18": 11.3, "se_resnet34": 21.4, "se_resnet50": 26.0},
    **{"mobilenet_v2": 2.3, "mobilenet_v3_large": 4.2, "light_resnet": 0.418, "light_mobilenet": 0.130},
}


def parameters_of(name: str, classes: int = 7, **options: Any) -> int:
    with torch.device("meta"):
        return count_parameters(build_network(name, classes, **options))


@pytest.mark.parametrize(("name", "millions"), PUBLISHED.items())
def test_networks_have_the_published_sizes(name: str, millions: float) -> None:
    assert parameters_of(name) == pytest.approx(millions * 1e6, rel=0.02)


def test_v3_small_has_the_published_size_as_far_as_it_is_given() -> None:
    assert round(parameters_of("mobilenet_v3_small") / 1e6, 1) == 1.8


def test_residual_cnn_has_the_sizes_of_both_variants() -> None:
    assert parameters_of("residual_cnn") == pytest.approx(1.48e6, rel=0.02)
    assert parameters_of("residual_cnn", pooled=True) == pytest.approx(0.33e6, rel=0.02)


def test_iwin_has_the_published_size_on_imagenet() -> None:
    imagenet = {"inputs": 3, "size": 224, "patch": 4, "window": 7}
    assert parameters_of("iwin_tiny", 1000, **imagenet) == pytest.approx(30.2e6, rel=0.002)


ABLATIONS = [
    *[("residual_cnn", {"blocks": blocks}) for blocks in (2, 4)],
    ("residual_cnn", {"shortcut": False}),
    ("residual_cnn", {"inputs": 3, "size": 96}),
    ("resnet50", {"inputs": 3, "imagenet_stem": True}),
    ("mobilenet_v2", {"inputs": 3, "stem_stride": 2, "last_stride": None, "projected": False}),
    ("iwin_tiny", {"size": 96, "patch": 4}),
    ("light_resnet", {"size": 96}),
]


@pytest.mark.parametrize(("name", "options"), ABLATIONS)
def test_options_fit_together(name: str, options: dict[str, Any]) -> None:
    with torch.device("meta"):
        model = build_network(name, 7, **options)
        faces = torch.rand(2, options.get("inputs", 1), options.get("size", 48), options.get("size", 48))
        assert model(faces).shape == (2, 7)


def test_a_window_holds_tokens_that_lie_far_apart() -> None:
    torch.manual_seed(0)
    attention = InterleavedAttention(8, 2, side=6, window=3)
    x = torch.rand(1, 6, 6, 8)
    moved = x.clone()
    moved[0, 1, 2] += 1
    changed = (attention(moved) - attention(x)).abs().amax(-1)[0] > 1e-6
    assert changed.nonzero().tolist() == [[row, column] for row in (1, 3, 5) for column in (0, 2, 4)]


def test_drop_path_leaves_branches_out_while_training_only() -> None:
    torch.manual_seed(0)
    block, x = IwinBlock(8, 2, side=4, window=2, drop=0.9), torch.rand(64, 4, 4, 8)
    untouched = (block.train()(x) == x).flatten(1).all(1)
    assert 32 < int(untouched.sum()) < 64
    assert not (block.eval()(x) == x).flatten(1).all(1).any()


def test_last_stride_one_keeps_a_map_twice_as_wide() -> None:
    with torch.device("meta"):
        wide, narrow = (build_network("resnet18", 7, last_stride=s).trunk for s in (1, 2))
        x = torch.rand(1, 64, 48, 48)
        sides = [trunk.blocks(x).shape[-1] for trunk in (wide, narrow)]  # type: ignore[operator]
    assert sides == [12, 6]


def test_stem_stride_two_is_four_times_cheaper() -> None:
    config = replace(TeacherConfig(), width=0.25)
    full, cheap = (count_macs(build_teacher(replace(config, stem_stride=s), 7)) for s in (1, 2))
    assert full / cheap == pytest.approx(4, rel=0.05)


def test_student_stays_within_its_budget() -> None:
    assert count_parameters(build_student(StudentConfig(), 7)) <= ConvertConfig().max_parameters


def test_seed_form_has_three_blocks() -> None:
    seed = build_student(replace(StudentConfig(), tail=0), 7)
    convolutions = [m for m in seed.modules() if isinstance(m, torch.nn.Conv2d)]
    assert sorted(m.kernel_size for m in convolutions) == [(1, 1)] * 3 + [(3, 3)] * 6


def test_second_head_is_not_counted_and_not_in_the_forward_pass() -> None:
    plain, both = build_student(StudentConfig(), 7), build_student(StudentConfig(), 7, votes=10)
    assert count_parameters(plain) == count_parameters(both)
    faces = torch.rand(2, 1, 48, 48)
    assert both(faces).shape == (2, 7)
    assert [h.shape[1] for h in both.heads(faces) if h is not None] == [7, 10]
    assert plain.heads(faces)[1] is None


@pytest.mark.parametrize("se", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_student_variants_run(se: bool, stride: int) -> None:
    student = build_student(replace(StudentConfig(), se=se, stem_stride=stride, channels=(8, 8, 8), tail=8), 7)
    assert student(torch.rand(2, 1, 48, 48)).shape == (2, 7)


@pytest.mark.parametrize(("kernel", "stride", "side"), [(3, 1, 12), (3, 2, 12), (5, 1, 6), (5, 1, 24), (5, 2, 12)])
def test_depthwise_gradients_are_those_of_a_plain_convolution(
    kernel: int, stride: int, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.models.depthwise.CACHED", 3000)  # so that gradients are put together from parts
    torch.manual_seed(0)
    ours = DepthwiseConv(16, 16, kernel, stride, kernel // 2, groups=16)
    faces = torch.randn(5, 16, side, side).bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        out = ours(faces)
    seen = torch.randn_like(out)
    values = (faces, *ours.parameters())
    exact = [value.detach().bfloat16().double().requires_grad_() for value in values]
    wanted = torch.nn.functional.conv2d(exact[0], exact[1], exact[2], stride, kernel // 2, groups=16)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.double(), wanted, rtol=0.02, atol=0.02)
    for got, is_so in zip(
        torch.autograd.grad(out, values, seen), torch.autograd.grad(wanted, exact, seen.double()), strict=True
    ):
        assert got.shape == is_so.shape
        assert (got - is_so).norm() < 0.01 * is_so.norm()


def test_gates_and_means_under_autocast_are_what_they_are_without() -> None:
    torch.manual_seed(0)
    gate = SqueezeExcite(16)
    features = torch.randn(4, 16, 6, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
    wanted = torch.autograd.grad(gate(features).sum() + mean_of(features).sum(), features)[0]
    with torch.autocast("cpu", torch.bfloat16):
        gated, mean = gate(features), mean_of(features)
    got = torch.autograd.grad(gated.sum() + mean.sum(), features)[0]
    torch.testing.assert_close(gated.float(), gate(features), rtol=0.02, atol=0.02)
    torch.testing.assert_close(got, wanted, rtol=0.02, atol=0.02)
    assert got.is_contiguous(memory_format=torch.channels_last)


def test_only_convolutions_of_each_channel_by_itself_are_depthwise() -> None:
    kinds = [
        isinstance(conv_bn(*shape, groups=groups)[0], DepthwiseConv)
        for *shape, groups in ((8, 8, 3, 8), (8, 8, 3, 1), (1, 1, 3, 1))
    ]
    assert kinds == [True, False, False]


def test_depthwise_is_a_plain_convolution_without_autocast() -> None:
    ours = DepthwiseConv(8, 8, 3, padding=1, groups=8, bias=False)
    faces = torch.rand(2, 8, 6, 6)
    torch.testing.assert_close(ours(faces), torch.nn.functional.conv2d(faces, ours.weight, None, 1, 1, groups=8))


BRANCHED = StudentConfig(channels=(8, 12, 16), tail=8, stem_stride=2, branches="acb")


@pytest.fixture
def branched() -> ExpressionNet:
    """A branched student with branches of different scales and batch-norms with statistics."""
    torch.manual_seed(0)
    model = build_student(BRANCHED, 7).train()
    for module in model.modules():
        if isinstance(module, BranchedConv):
            for scale in module.scales.values():
                nn.init.uniform_(scale, -1, 1)
    model(torch.rand(16, 1, 48, 48))
    return model.eval()


def test_branches_do_what_four_convolutions_do() -> None:
    torch.manual_seed(0)
    convolution = BranchedConv(3, 5, stride=2)
    nn.init.uniform_(convolution.scales["row"])
    x = torch.rand(2, 3, 9, 9)
    expected = functional.conv2d(x, convolution.weight, stride=2, padding=1)
    for name, padding in (("row", (0, 1)), ("column", (1, 0)), ("point", (0, 0))):
        part = functional.conv2d(x, convolution.sides[name], stride=2, padding=padding)
        expected = expected + part * convolution.scales[name].view(-1, 1, 1)
    assert torch.allclose(convolution(x), expected, atol=1e-5)


def test_fused_branches_give_the_same_output(branched: ExpressionNet) -> None:
    fused, faces = fuse_branches(branched), torch.rand(8, 1, 48, 48)
    assert not any(isinstance(module, BranchedConv) for module in fused.modules())
    with torch.inference_mode():
        assert torch.allclose(fused(faces), branched(faces), atol=1e-5)


def test_what_the_device_holds_does_not_count_branches(branched: ExpressionNet) -> None:
    plain = build_student(replace(BRANCHED, branches="none"), 7)
    assert sum(p.numel() for p in branched.parameters()) > count_parameters(branched) == count_parameters(plain)
    assert count_macs(branched) == count_macs(plain)


def test_weights_load_in_both_forms(branched: ExpressionNet) -> None:
    faces = torch.rand(8, 1, 48, 48)
    again, from_plain = build_student(BRANCHED, 7).eval(), build_student(BRANCHED, 7).eval()
    plain = build_student(replace(BRANCHED, branches="none"), 7).eval()
    again.load_state_dict(branched.state_dict())
    plain.load_state_dict(fuse_branches(branched).state_dict())
    from_plain.load_state_dict(plain.state_dict())
    with torch.inference_mode():
        for model in (again, plain, from_plain):
            assert torch.allclose(model(faces), branched(faces), atol=1e-5)


def test_every_branch_learns(branched: ExpressionNet) -> None:
    branched(torch.rand(4, 1, 48, 48)).square().sum().backward()
    for name, parameter in branched.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_network_turns_faces_into_features(name: str) -> None:
    with torch.device("meta"):
        model = build_network(name, 7, votes=10, dropout=0.1)
        logits, votes = model.heads(torch.rand(2, 1, 48, 48))
    assert logits.shape == (2, 7) and votes is not None and votes.shape == (2, 10)
