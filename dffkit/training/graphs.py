"""CUDA graphs: small networks, whose kernels take a GPU less time than a processor needs to start them one by one."""

from typing import Any

import torch
from torch import Tensor, nn

from dffkit.datasets.sprites import WORLDS
from dffkit.training.jobs import FlowJob
from dffkit.training.recipe import Recipe


class _Pyramid(nn.Module):
    """F's forward pass in pre-training as a module of its own, since only modules' `forward` is captured."""

    def __init__(self, flow_network: nn.Module) -> None:
        super().__init__()
        self.flow_network = flow_network

    def forward(self, current: Tensor, key: Tensor) -> tuple[list[Tensor], Tensor]:
        return self.flow_network.pyramid_and_flow(current, key)


def fits(recipe: Recipe, device: torch.device, precision: str) -> bool:
    """Return True if all batches of a training have one shape, and its networks compute in one type, on a GPU.

    In aggregation the number of flow fields differs from batch to batch.
    """
    one_shape = recipe.data in WORLDS and recipe.job != "aggregate"
    return device.type == "cuda" and precision == "float32" and one_shape


def use_graphs(job: Any, batch: Any) -> None:
    """Replay F and N_feat of a job as CUDA graphs in training mode, for batches of one shape like this one.

    The results are those without graphs. Parts that are not trained, and F without S, run as before.
    """
    if hasattr(torch.autograd.graph, "set_warn_on_accumulate_grad_stream_mismatch"):  # not in torch 2.9
        torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)  # a capture has a stream of its own
    parts, module = [], job.module
    if isinstance(job, FlowJob):
        prepared = [module["flow_network"].prepare(frames) for frames in (batch.current, batch.key)]
        pyramid = _Pyramid(module["flow_network"])
        parts, job.pyramid = [(pyramid, prepared)], pyramid
    else:
        key_frames = batch.frames if batch.key_frames is None else batch.key_frames
        if getattr(module, "split", 1) <= 1:
            parts.append((module.feature_network, [key_frames]))
        if batch.key_frames is not None and module.flow_network.scale_channels:
            prepared = [module.flow_network.prepare(frames) for frames in (batch.frames, key_frames)]
            parts.append((module.flow_network, prepared))
    for network, inputs in parts:
        if any(parameter.requires_grad for parameter in network.parameters()):
            _capture(network, inputs)


def _capture(network: nn.Module, inputs: list[Tensor]) -> None:
    """Replace the module's forward pass in training mode; the passes before the capture leave its statistics alone."""
    kept = {name: buffer.clone() for name, buffer in network.named_buffers()}
    torch.cuda.make_graphed_callables(network, tuple(each.clone() for each in inputs), allow_unused_input=True)
    for name, buffer in network.named_buffers():
        buffer.copy_(kept[name])
