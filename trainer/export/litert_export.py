"""A PyTorch network as a float .tflite."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from trainer.models import ExpressionNet
from trainer.models.reparam import fuse_branches


def to_float_tflite(model: ExpressionNet, size: int) -> bytes:
    """The network as a float32 .tflite: input (1, size, size, 1), output logits (1, K).

    Batch-norm is folded into the convolutions and the training-only second head is left out.
    """
    import torch

    with quiet(), tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        import litert_torch

        wrapped = litert_torch.to_channel_last_io(fold_batch_norm(model), args=[0]).eval()
        litert_torch.convert(wrapped, (torch.zeros(1, size, size, 1),)).export(file.name)
        return with_short_names(file.read())


def fold_batch_norm(model: ExpressionNet) -> ExpressionNet:
    """An eval copy, emotion head only; branches and batch-norm folded into convolutions."""
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    folded = fuse_branches(model).eval()
    folded.votes = None
    for module in list(folded.modules()):
        if isinstance(module, nn.Sequential):
            for index in range(len(module) - 1):
                first, second = module[index], module[index + 1]
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    module[index], module[index + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
    return folded


def with_short_names(model: bytes) -> bytes:
    """Tensors named by place and operator; the exporter's long names are 5 % of the file."""
    from ai_edge_litert.tools import flatbuffer_utils as flatbuffer

    content = flatbuffer.read_model_from_bytearray(bytearray(model))
    graph = content.subgraphs[0]
    for index, tensor in enumerate(graph.tensors):
        tensor.name = f"t{index}".encode()
    for index, op in enumerate(graph.operators):
        kind = str(flatbuffer.opcode_to_name(content, op.opcodeIndex)).lower()
        for tensor_index in op.outputs:
            graph.tensors[tensor_index].name = f"{index:02d}_{kind}".encode()
    return bytes(flatbuffer.convert_object_to_bytearray(content))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the converters' output, which comes from C++ too, off the terminal."""
    _flush()
    with tempfile.TemporaryFile() as log:
        saved = os.dup(1), os.dup(2)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            _flush()
            for number, copy_ in zip((1, 2), saved, strict=True):
                os.dup2(copy_, number)
                os.close(copy_)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # None where the caller closed it
            stream.flush()
