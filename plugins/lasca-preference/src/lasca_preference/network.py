"""Many multilayer perceptrons of one shape as one stack: weights in one flat tensor, forward pass, gradient by hand.

R networks, B pairs in a batch, D inputs, P parameters of one network. The gradient is written out rather than left to
autograd because a training step here is so small that recording it would cost more than computing it.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Network:
    """The shape of a network with ``inputs`` columns, ReLU layers of ``hidden`` units and one output, the logit.

    Its parameters are ordered layer by layer, each layer's weights (row-major, inputs x outputs) before its biases.
    """

    inputs: int
    hidden: tuple[int, ...]

    @cached_property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """(inputs, outputs) of each layer."""
        return tuple(itertools.pairwise((self.inputs, *self.hidden, 1)))

    @cached_property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return sum(fan_in * fan_out + fan_out for fan_in, fan_out in self.shapes)

    def layers(self, flat: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Views of ``flat`` [R, P]: for each layer its weights [R, inputs, outputs] and biases [R, 1, outputs]."""
        views = []
        start = 0
        for fan_in, fan_out in self.shapes:
            end = start + fan_in * fan_out
            weights = flat[:, start:end].view(len(flat), fan_in, fan_out)
            start = end + fan_out
            views.append((weights, flat[:, None, end:start]))
        return views

    def initial(self, generator: torch.Generator, *, silent: bool = False) -> Tensor:
        """Random parameters float32 [P]: uniform within sqrt(6 / (inputs + outputs)) of zero (Glorot & Bengio 2010),
        biases too, as scikit-learn draws them for ReLU. A ``silent`` network's last layer is 0, and so is its logit."""
        parts = []
        for fan_in, fan_out in self.shapes:
            bound = math.sqrt(6 / (fan_in + fan_out))
            parts.append((torch.rand((fan_in + 1) * fan_out, generator=generator) * 2 - 1) * bound)
        if silent:
            parts[-1].zero_()
        return torch.cat(parts)

    def widened(self, flat: Tensor, inputs: int) -> Tensor:
        """``flat`` [P] as the parameters of a network with more inputs, whose further weights are 0."""
        end = self.inputs * self.hidden[0]
        return torch.cat([flat[:end], flat.new_zeros((inputs - self.inputs) * self.hidden[0]), flat[end:]])

    def narrowed(self, flat: Tensor, inputs: int) -> Tensor:
        """The parameters of a network with fewer inputs from ``flat`` [P], which ``widened`` gave."""
        return torch.cat([flat[: inputs * self.hidden[0]], flat[self.inputs * self.hidden[0] :]])

    def logits(self, flat: Tensor, x: Tensor) -> Tensor:
        """Parameters [R, P] and inputs [R, B, D] -> logits [R, B]."""
        return self._forward(self.layers(flat), x)[-1][..., 0]

    def gradient(
        self, flat: Tensor, x: Tensor, label: Tensor, share: Tensor, decay: Tensor, out: Tensor, offset: Tensor | None
    ) -> None:
        """Write into ``out`` [R, P] the gradient of the sum of share * log loss + decay / 2 * |weights|^2.

        ``x`` [R, B, D]; ``label`` and ``share`` [R, B], the label in {0, 1} and the share of each pair in its network's
        mean loss, 0 for padding; ``decay`` [R]; ``offset`` [R, B], where there is one, is added to the logits.
        """
        layers, slopes = self.layers(flat), self.layers(out)
        values = self._forward(layers, x)
        logits = values[-1][..., 0]
        error = (logits if offset is None else logits + offset).sigmoid().sub_(label).mul_(share)[..., None]
        for depth in reversed(range(len(layers))):
            weights, _ = layers[depth]
            slope, slope_of_bias = slopes[depth]
            torch.bmm(values[depth].mT, error, out=slope)
            slope.addcmul_(weights, decay[:, None, None])
            torch.sum(error, dim=1, keepdim=True, out=slope_of_bias)
            if depth:
                error = torch.bmm(error, weights.mT).mul_(values[depth] > 0)

    def _forward(self, layers: list[tuple[Tensor, Tensor]], x: Tensor) -> list[Tensor]:
        """The inputs, each hidden layer's values after ReLU, and the logits [R, B, 1]."""
        values = [x]
        for depth, (weights, biases) in enumerate(layers):
            x = torch.baddbmm(biases, x, weights)
            if depth < len(layers) - 1:
                x.relu_()
            values.append(x)
        return values
