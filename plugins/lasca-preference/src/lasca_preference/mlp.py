"""The learner `mlp`: a multilayer perceptron on differences between windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from lasca_core.api import Component, ModelError, Scores
from lasca_preference.network import Network
from lasca_preference.options import PriorOptions
from lasca_preference.prior import Prior, PriorModel
from lasca_preference.split import FEWEST_GROUPS, FEWEST_PAIRS, require_both_directions, require_width
from lasca_preference.stacks import in_stacks
from lasca_preference.training import bytes_needed, scores, split_of, train

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.api import Model, Problem

_SEEDS = 1_000_003
"""Between the seeds of an ensemble's members, so that they are no other run's."""


class Mlp(Component):
    """Trains networks one after the other on a CPU, which is busy with one, and together on a GPU, which is not."""

    @property
    def promises(self) -> frozenset[str]:
        """What the conformance kit may check besides: swapping two windows swaps the answer, if the option says so."""
        return frozenset({"antisymmetric"} if self.options.antisymmetric else ())

    def fit_many(self, problems: Sequence[Problem]) -> list[Model]:
        """One network for each problem. Raises ``DatasetError`` for one without pairs or with one direction only."""
        for problem in problems:
            require_both_directions(problem)
        members = [
            replace(problem, seed=problem.seed + number * _SEEDS)
            for problem in problems
            for number in range(self.options.ensemble)
        ]
        priors = self._priors(members) if self.options.prior else None

        def work(positions: list[int]) -> list[Tensor]:
            chosen = [members[index] for index in positions]
            offsets = None
            if priors is not None:
                offsets = [priors[index].logits(members[index].delta) for index in positions]
            trained = train(chosen, self.options, self.runtime.device, offsets)
            for held_by in trained.held_by:
                self._say(held_by)
            return trained.weights

        weights = in_stacks(
            [bytes_needed(problem, self.options) for problem in members],
            work,
            device=self.runtime.device,
            on_cpu=0,
            at_once=self.options.at_once,
            report=self.runtime.report,
            option="mlp.at_once",
            workers=self.runtime.workers,
        )
        models: list[Model] = []
        for number, problem in enumerate(problems):
            own = range(number * self.options.ensemble, (number + 1) * self.options.ensemble)
            network = Network(problem.delta.shape[1], self.options.hidden)
            stack = torch.stack([weights[index] for index in own])
            mine = [priors[index] for index in own] if priors is not None else []
            models.append(MlpModel(network, stack, self.options.antisymmetric, mine))
        return models

    def _priors(self, problems: Sequence[Problem]) -> list[PriorModel]:
        """What is known before each network learns, from the rows it is trained on: those held out stay unseen."""
        known = []
        for problem in problems:
            rows = split_of(problem, self.options)[0].to(problem.delta.device)
            known.append(
                replace(problem, delta=problem.delta[rows], label=problem.label[rows], group=problem.group[rows])
            )
        prior = Prior(PriorOptions.model_validate({"at_once": self.options.at_once}), self.runtime)
        prior.owner = "mlp"
        return prior.fit_many(known)

    def from_state(self, state: Mapping[str, Tensor]) -> MlpModel:
        """The model that ``MlpModel.state`` described. Raises ``ModelError`` if it is not one."""
        return MlpModel.from_state(state, self.runtime.device)

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
    """Trained networks whose logits are averaged: ``weights`` float32 [K, P], each row as ``Network`` orders them;
    ``priors`` are the models to whose logits theirs are added, one for each, or none."""

    def __init__(
        self, network: Network, weights: Tensor, antisymmetric: bool, priors: Sequence[PriorModel] = ()
    ) -> None:
        self.network = network
        self.weights = weights
        self.antisymmetric = antisymmetric
        self.priors = list(priors)
        self.parameters = len(weights) * network.parameters + sum(prior.parameters for prior in priors)

    def predict(self, delta: Tensor) -> Scores:
        """Probability of a rise for differences float32 [P, D]."""
        require_width(delta, self.network.inputs)
        delta = delta.to(self.weights.device)
        shared = delta.expand(len(self.weights), *delta.shape)
        weights = self.weights.to(delta.dtype)
        logits = scores(self.network, weights, shared, self.antisymmetric).mean(dim=0)
        if self.priors:
            logits = logits + torch.stack([prior.logits(delta) for prior in self.priors]).mean(dim=0)
        return Scores(logits.sigmoid())

    def state(self) -> dict[str, Tensor]:
        """``weight_i`` [K, inputs, outputs] and ``bias_i`` [K, outputs] of each layer i; ``antisymmetric``, a flag; and
        the state of prior k as ``prior_k/...``."""
        state = {"antisymmetric": torch.tensor(self.antisymmetric)}
        for depth, (weights, biases) in enumerate(self.network.layers(self.weights)):
            state[f"weight_{depth}"] = weights.clone()
            state[f"bias_{depth}"] = biases[:, 0].clone()
        for number, prior in enumerate(self.priors):
            state.update({f"prior_{number}/{name}": value for name, value in prior.state().items()})
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], device: torch.device) -> MlpModel:
        """The model that ``state`` described, on ``device``."""
        told = {name: value for name, value in state.items() if name.startswith("prior_")}
        own = {name: value for name, value in state.items() if name not in told}
        depth = sum(name.startswith("weight_") for name in own)
        wanted = {"antisymmetric", *(f"{part}_{i}" for part in ("weight", "bias") for i in range(depth))}
        if not depth or set(own) != wanted:
            raise ModelError(
                f"the saved mlp holds {', '.join(sorted(own)) or 'nothing'}: it is incomplete; train it again"
            )
        widths = [own[f"weight_{i}"].shape[-2] for i in range(depth)]
        network = Network(widths[0], tuple(widths[1:]))
        members = len(own["weight_0"])
        for i, (fan_in, fan_out) in enumerate(network.shapes):
            shapes = own[f"weight_{i}"].shape, own[f"bias_{i}"].shape
            if shapes != ((members, fan_in, fan_out), (members, fan_out)):
                raise ModelError(
                    f"the saved mlp's layer {i} does not fit its neighbours: it is damaged; train it again"
                )
        parts = [own[f"{part}_{i}"].flatten(1) for i in range(depth) for part in ("weight", "bias")]
        weights = torch.cat(parts, dim=1).to(device, torch.float32)
        priors = [
            PriorModel.from_state(
                {name.removeprefix(f"prior_{number}/"): value for name, value in told.items()
                 if name.startswith(f"prior_{number}/")},
                device,
            )
            for number in range(len({name.partition("/")[0] for name in told}))
        ]  # fmt: skip
        if priors and len(priors) != members:
            raise ModelError(f"the saved mlp holds {members} networks and {len(priors)} priors; train it again")
        return cls(network, weights, bool(own["antisymmetric"]), priors)
