"""Networks compiled by torch: kernels fused for batches of fixed sizes, on a CUDA device recorded as CUDA graphs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lasca_core.api import DeviceError
from lasca_face.fixed import Graph

_WARM_UPS = 2
"""Calls before one is recorded: the first compiles, and both let libraries choose their kernels and memory."""


class Compiled(nn.Module):
    """``graph`` compiled anew for each shape of its input: give it few of them.

    On a CUDA device each is recorded as a CUDA graph: by our own hand and not by torch's mode "reduce-overhead", whose
    recordings belong to the thread that made them, and streams run in threads.
    """

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self._graph: Graph = torch.compile(graph, dynamic=False)
        self._recordings: dict[torch.Size, _Recording] = {}

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """The graph's outputs. Raises ``DeviceError`` if torch cannot compile on this machine."""
        if inputs.device.type != "cuda":
            return self._guarded(inputs)
        if inputs.shape not in self._recordings:
            self._recordings[inputs.shape] = _Recording(self._guarded, inputs)
        return self._recordings[inputs.shape](inputs)

    def _guarded(self, inputs: Tensor) -> tuple[Tensor, ...]:
        from torch._dynamo.exc import TorchDynamoException

        try:
            return self._graph(inputs)
        except TorchDynamoException as error:
            reason = str(error).strip().partition("\n")[0]
            raise DeviceError(
                f"option compile of the extractor blendshape: torch cannot compile here ({reason}); it needs a C++ "
                "compiler, on a CUDA device Triton too; or leave out -o blendshape.compile"
            ) from None


class _Recording:
    """What ``function`` does to a tensor like ``example`` on a CUDA device, replayed with one launch, not hundreds."""

    def __init__(self, function: Graph, example: Tensor) -> None:
        self._inputs = example.clone()
        for _ in range(_WARM_UPS):
            function(self._inputs)
        self._recorded = torch.cuda.CUDAGraph()
        # Of the inputs' device: torch's own stream for this is of the device that the process recorded on first. Other
        # threads may go on using the device (for sound, or sentences) while this one records.
        stream = torch.cuda.Stream(example.device)  # type: ignore[no-untyped-call]
        with torch.cuda.graph(self._recorded, stream=stream, capture_error_mode="thread_local"):
            self._outputs = function(self._inputs)

    def __call__(self, inputs: Tensor) -> tuple[Tensor, ...]:
        self._inputs.copy_(inputs)
        self._recorded.replay()
        return tuple(output.clone() for output in self._outputs)  # the next replay writes into the same memory
