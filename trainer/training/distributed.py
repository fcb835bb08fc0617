"""One run on several processes under torchrun: each trains on its share of every batch.

All processes draw the same order, views and mixes for the whole batch, and take the same step. So
two processes train the same network as one, and `batch_size` is that of all processes together.
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
    """The processes that train together, seen from one of them."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0  # on this machine: the number of our GPU

    @property
    def leads(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """This process's rows of a tensor that all processes hold."""
        return batch[self.rank :: self.size]

    def mean(self, figures: Tensor) -> Tensor:
        """Mean over the processes."""
        if self.size > 1:
            distributed.all_reduce(figures)
        return figures / self.size

    def first(self, work: Callable[[], T]) -> T:
        """Run `work` in the first process only; every process gets the result."""
        done = [work() if self.leads else None]
        if self.size > 1:
            distributed.broadcast_object_list(done)
        return cast(T, done[0])

    def share_batch_norms(self, model: ExpressionNet) -> ExpressionNet:
        """The network with batch-norms that normalise over the batch of all processes."""
        if self.size > 1:
            for module in list(model.modules()):
                for name, child in module.named_children():
                    if isinstance(child, nn.BatchNorm2d):
                        setattr(module, name, _shared(child))
        return model

    def wrap(self, model: ExpressionNet) -> nn.Module:
        """A module that returns both heads' logits; gradients are averaged over the processes."""
        heads = Heads(model)
        return nn.parallel.DistributedDataParallel(heads) if self.size > 1 else heads


ALONE = ProcessGroup()


class Heads(nn.Module):
    """`ExpressionNet.heads` as the forward of a module, for wrappers."""

    def __init__(self, model: ExpressionNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor | None]:
        """See `ExpressionNet.heads`."""
        return self.model.heads(faces)


class SumOfAll(torch.autograd.Function):
    """The sum over all processes; the gradient is summed likewise."""

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
    """Batch-norm over the batch of all processes; torch's SyncBatchNorm does it on GPUs only."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        if not self.training:
            return super().forward(x)
        wide, axes = x.float(), (0, 2, 3)
        count = _sum_of_all(torch.tensor(float(len(x)), device=x.device)) * x[0, 0].numel()
        mean = _sum_of_all(wide.sum(axes)) / count
        centred = wide - mean[:, None, None]
        variance = _sum_of_all((centred * centred).sum(axes)) / count
        self._update_statistics(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight / (variance + self.eps).sqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)

    @torch.no_grad()
    def _update_statistics(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def join_group(accelerator: str) -> ProcessGroup:
    """The process group that torchrun started; without torchrun a group of one process.

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
