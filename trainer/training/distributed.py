"""One run on several processes under torchrun: each takes its share of every batch, and all take the same step.

The order of the faces, every view and every blend are drawn alike in all processes, for the whole batch; so a run of
two processes teaches what a run of one does, and the batch size of the settings is that of all together.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, distributed, nn

from trainer.models import ExpressionNet

T = TypeVar("T")


@dataclass(frozen=True)
class ProcessGroup:
    """The processes that teach together, seen from one of them."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0  # on this machine: which of its GPUs is ours

    @property
    def leads(self) -> bool:
        """Whether it is this process that writes files and talks."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """Our rows of something that all processes hold."""
        return batch[self.rank :: self.size]

    def mean(self, figures: Tensor) -> Tensor:
        """Mean over the processes."""
        if self.size > 1:
            distributed.all_reduce(figures)
        return figures / self.size

    def first(self, work: Callable[[], T]) -> T:
        """Let the first process do some work; every process gets what came of it."""
        done = [work() if self.leads else None]
        if self.size > 1:
            distributed.broadcast_object_list(done)
        return cast(T, done[0])

    def share_batch_norms(self, model: ExpressionNet) -> ExpressionNet:
        """The network, its batch-norms normalising over the batch of all processes."""
        if self.size > 1:
            for module in list(model.modules()):
                for name, child in module.named_children():
                    if isinstance(child, nn.BatchNorm2d):
                        setattr(module, name, _shared(child))
        return model

    def wrap(self, model: ExpressionNet) -> nn.Module:
        """A module that gives the network's two heads, and whose gradients are averaged over the processes."""
        heads = Heads(model)
        return nn.parallel.DistributedDataParallel(heads) if self.size > 1 else heads


ALONE = ProcessGroup()


class Heads(nn.Module):
    """`ExpressionNet.heads` as a module's forward, which is what wrappers wrap."""

    def __init__(self, model: ExpressionNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor | None]:
        """See `ExpressionNet.heads`."""
        return self.model.heads(faces)


class SumOfAll(torch.autograd.Function):
    """The sum over all processes; so each process's gradient is the sum of all, too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Any shape, the same in every process."""
        total = x.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """As forward."""
        return SumOfAll.forward(ctx, gradients[0].contiguous())


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch-norm over the batch of all processes; torch's SyncBatchNorm does the same, but on GPUs only."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        if not self.training:
            return super().forward(x)
        wide, axes = x.float(), (0, 2, 3)
        count = _sum_of_all(torch.tensor(float(len(x)), device=x.device)) * x[0, 0].numel()
        mean = _sum_of_all(wide.sum(axes)) / count
        centred = wide - mean[:, None, None]
        variance = _sum_of_all((centred * centred).sum(axes)) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight / (variance + self.eps).sqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def join_group(accelerator: str) -> ProcessGroup:
    """The group that torchrun started us in; a group of one without it.

    Args:
        accelerator: auto, cpu or cuda, as in the settings.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return ALONE
    on_gpu = torch.cuda.is_available() and accelerator != "cpu"
    group = ProcessGroup(int(os.environ["RANK"]), size, int(os.environ["LOCAL_RANK"]))
    if on_gpu:
        torch.cuda.set_device(group.local_rank)
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if on_gpu else "gloo")
    return group


def _sum_of_all(x: Tensor) -> Tensor:
    total: Tensor = SumOfAll.apply(x)  # type: ignore[no-untyped-call]
    return total


def _shared(norm: nn.BatchNorm2d) -> SharedBatchNorm2d:
    shared = SharedBatchNorm2d(norm.num_features, norm.eps, norm.momentum)
    shared.load_state_dict(norm.state_dict())
    return shared
