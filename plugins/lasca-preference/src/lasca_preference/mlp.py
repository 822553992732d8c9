"""The learner `mlp`: a multilayer perceptron on differences between windows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from lasca_core.api import Component, ModelError, Scores
from lasca_preference.network import Network
from lasca_preference.split import FEWEST_GROUPS, FEWEST_PAIRS, require_both_directions
from lasca_preference.training import scores, train

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.api import Model, Problem

_ELEMENTS_AT_ONCE = 2**28
"""Numbers in the differences of problems that are trained together on a GPU (1 GiB)."""


class Mlp(Component):
    """Trains networks one after the other on a CPU, which is busy with one, and together on a GPU, which is not."""

    def fit_many(self, problems: Sequence[Problem]) -> list[Model]:
        """One network for each problem. Raises ``DatasetError`` for one without pairs or with one direction only."""
        for problem in problems:
            require_both_directions(problem)
        models: dict[int, Model] = {}
        for indices in self._together(problems):
            trained = train([problems[index] for index in indices], self.options, self.runtime.device)
            network = Network(problems[indices[0]].delta.shape[1], self.options.hidden)
            for index, weights, held_by in zip(indices, trained.weights, trained.held_by, strict=True):
                models[index] = MlpModel(network, weights.clone(), self.options.antisymmetric)
                self._say(held_by)
        return [models[index] for index in range(len(problems))]

    def from_state(self, state: Mapping[str, Tensor]) -> MlpModel:
        """The model that ``MlpModel.state`` described. Raises ``ModelError`` if it is not one."""
        return MlpModel.from_state(state, self.runtime.device)

    def _together(self, problems: Sequence[Problem]) -> Iterator[list[int]]:
        """Positions of the problems to train at once."""
        if self.runtime.device.type == "cpu":
            yield from ([index] for index in range(len(problems)))
            return
        by_width: dict[int, list[int]] = defaultdict(list)
        for index, problem in enumerate(problems):
            by_width[problem.delta.shape[1]].append(index)
        for indices in by_width.values():
            chosen: list[int] = []
            elements = 0
            for index in indices:
                elements += problems[index].delta.numel()
                if chosen and elements > _ELEMENTS_AT_ONCE:
                    yield chosen
                    chosen, elements = [], problems[index].delta.numel()
                chosen.append(index)
            yield chosen

    def _say(self, held_by: str) -> None:
        if not self.options.early_stopping or held_by == "group":
            return
        if held_by == "pair":
            self.runtime.report.note(
                f"mlp: a training set has fewer than {FEWEST_GROUPS} groups, or none whose pairs suffice for "
                "validation, so single pairs of its groups decide when to stop"
            )
        else:
            self.runtime.report.note(
                f"mlp: a training set has fewer than {FEWEST_PAIRS} pairs, or one pair of a direction, so training "
                "goes on for all max_iter epochs"
            )


class MlpModel:
    """A trained network: ``weights`` float32 [P] as ``Network`` orders them."""

    def __init__(self, network: Network, weights: Tensor, antisymmetric: bool) -> None:
        self.network = network
        self.weights = weights
        self.antisymmetric = antisymmetric
        self.parameters = network.parameters

    def predict(self, delta: Tensor) -> Scores:
        """Probability of a rise for differences float32 [P, D]."""
        require_width(delta, self.network.inputs)
        delta = delta.to(self.weights.device)
        return Scores(scores(self.network, self.weights[None], delta[None], self.antisymmetric)[0].sigmoid())

    def state(self) -> dict[str, Tensor]:
        """``weight_i`` [inputs, outputs] and ``bias_i`` [outputs] of each layer i, and ``antisymmetric``, a flag."""
        state = {"antisymmetric": torch.tensor(self.antisymmetric)}
        for depth, (weights, biases) in enumerate(self.network.layers(self.weights[None])):
            state[f"weight_{depth}"] = weights[0].clone()
            state[f"bias_{depth}"] = biases[0, 0].clone()
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], device: torch.device) -> MlpModel:
        """The model that ``state`` described, on ``device``."""
        depth = sum(name.startswith("weight_") for name in state)
        wanted = {"antisymmetric", *(f"{part}_{i}" for part in ("weight", "bias") for i in range(depth))}
        if not depth or set(state) != wanted:
            raise ModelError(
                f"the saved mlp holds {', '.join(sorted(state)) or 'nothing'}: it is incomplete; train it again"
            )
        widths = [state[f"weight_{i}"].shape[0] for i in range(depth)]
        network = Network(widths[0], tuple(widths[1:]))
        for i, (fan_in, fan_out) in enumerate(network.shapes):
            if state[f"weight_{i}"].shape != (fan_in, fan_out) or state[f"bias_{i}"].shape != (fan_out,):
                raise ModelError(
                    f"the saved mlp's layer {i} does not fit its neighbours: it is damaged; train it again"
                )
        parts = [state[f"{part}_{i}"].flatten() for i in range(depth) for part in ("weight", "bias")]
        return cls(network, torch.cat(parts).to(device, torch.float32), bool(state["antisymmetric"]))


def require_width(delta: Tensor, columns: int) -> None:
    """Raise ``ModelError`` unless ``delta`` is [P, columns]."""
    if delta.ndim != 2 or delta.shape[1] != columns:
        raise ModelError(
            f"the model was trained on {columns} columns but is given differences of shape {list(delta.shape)}; "
            "use the extractors, the encoder and the variant it was trained with"
        )
