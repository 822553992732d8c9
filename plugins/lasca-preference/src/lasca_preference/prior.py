"""The learner `prior`: what the lexicon's words say, corrected by as many labels as there are, beginning with none.

Two Bayesian logistic regressions are pooled. One reads the features alone. The other believes the words: its prior's
mean is what they say of each feature (see ``believer.py``), and it reads the words' own columns besides. Without any
label the second one's prior predicts. With labels, the numbers that say how much each one learns, the factor that
calibrates its logits, and the weights of the pool are those under which people left out of the training set are
predicted best, all found inside the training set. The logits are averaged (a logarithmic opinion pool, Genest & Zidek
1986), so words that mislead cost little, and words that help are used from the first label on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from lasca_core.api import Component, ModelError, Scores
from lasca_preference.believer import Design, Trained, narrowed, speaks, train
from lasca_preference.laplace import calibrate, moderated
from lasca_preference.split import require_width

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.api import Model, Problem

_SHARES = (0.5, 0.25, 0.75, 0.0, 1.0)
"""Shares of the believer in the pool that are tried."""
_LEANING = 4.0
"""Log probability that the pairs of people left out must gain for each unit by which a share departs from one half:
with a handful of people, which of the two predicts them better is mostly chance."""


class Prior(Component):
    """Learns from as many labels as there are, beginning with none."""

    promises = frozenset({"antisymmetric"})
    """What the conformance kit may check besides: swapping two windows swaps the answer."""

    def fit_many(self, problems: Sequence[Problem]) -> list[Model]:
        """One model for each problem; one that has neither pairs nor knowledge says 1/2 throughout."""
        return [self.fit(problem) for problem in problems]

    def from_state(self, state: Mapping[str, Tensor]) -> PriorModel:
        """The model that ``PriorModel.state`` described. Raises ``ModelError`` if it is not one."""
        return PriorModel.from_state(state, self.runtime.device)

    def fit(self, problem: Problem) -> PriorModel:
        """The model for one problem."""
        width = problem.delta.shape[1]
        device = self.runtime.device
        if device.type == "mps":  # Metal has no float64
            problem = problem.to("cpu")
        gain, doubt = self.options.gain, self.options.doubt
        if not len(problem.label):
            found = [train(problem, gain, doubt)] if speaks(problem) else []
            return PriorModel(width, [Expert.of(trained, 1.0, problem) for trained in found]).to(device)
        alone = narrowed(problem)
        experts = [(alone, train(alone, gain, doubt))]
        if alone is not problem:
            experts.insert(0, (problem, train(problem, gain, doubt)))
        shares = _pool([trained for _, trained in experts], problem.label.double())
        return PriorModel(
            width,
            [Expert.of(trained, share, own) for (own, trained), share in zip(experts, shares, strict=True) if share],
        ).to(device)


def _pool(experts: Sequence[Trained], label: Tensor) -> tuple[float, ...]:
    """The experts' shares; equal ones where no one could be left out to judge them."""
    if len(experts) == 1:
        return (1.0,)
    held_out = [trained.held_out for trained in experts]
    if any(logits is None for logits in held_out):
        return (_SHARES[0], 1 - _SHARES[0])
    believer, alone = (logits for logits in held_out if logits is not None)

    def merit(share: float) -> float:
        return calibrate(share * believer + (1 - share) * alone, label)[1] - _LEANING * abs(share - 0.5)

    best = max(_SHARES, key=merit)
    return (best, 1 - best)


@dataclass(frozen=True)
class Expert:
    """One regression of the pool: Gaussian posterior ``mean`` [K] and ``covariance`` [K, K] of the weights of the
    columns ``delta @ basis``, ``basis`` [D, K]; its logits are multiplied by ``factor`` []. All float32."""

    basis: Tensor
    covariance: Tensor
    mean: Tensor
    factor: Tensor

    @classmethod
    def of(cls, trained: Trained, share: float, problem: Problem) -> Expert:
        """With the expert's share of the pool."""
        design: Design = trained.design
        factor = torch.tensor(trained.factor * share, dtype=torch.float32, device=problem.delta.device)
        return cls(design.basis.float(), trained.fit.covariance.float(), trained.fit.mean.float(), factor)


_PARTS = ("basis", "covariance", "mean", "factor")


class PriorModel:
    """The pool's experts; with none, it says 1/2."""

    def __init__(self, width: int, experts: Sequence[Expert]) -> None:
        self.width = width
        self.experts = list(experts)
        self.parameters = sum(len(expert.mean) for expert in experts)

    def predict(self, delta: Tensor) -> Scores:
        """Probability of a rise for differences float32 [P, D], averaged over the experts' posteriors."""
        return Scores(self.logits(delta).sigmoid())

    def logits(self, delta: Tensor) -> Tensor:
        """The pool's logits [P] for differences float32 [P, D]."""
        require_width(delta, self.width)
        logits = torch.zeros(len(delta), device=delta.device)
        for expert in self.experts:
            x = delta[:, : len(expert.basis)] @ expert.basis.to(delta)
            logits += expert.factor.to(delta) * moderated(x, expert.mean.to(delta), expert.covariance.to(delta))
        return logits

    def to(self, device: torch.device) -> PriorModel:
        """The same on ``device``."""
        moved = [Expert(*(getattr(expert, part).to(device) for part in _PARTS)) for expert in self.experts]
        return PriorModel(self.width, moved)

    def state(self) -> dict[str, Tensor]:
        """``width`` [], and of expert i ``basis_i`` [D, K], ``covariance_i`` [K, K], ``mean_i`` [K], ``factor_i``."""
        state = {"width": torch.tensor(self.width)}
        for number, expert in enumerate(self.experts):
            state.update({f"{part}_{number}": getattr(expert, part).clone() for part in _PARTS})
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], device: torch.device) -> PriorModel:
        """The model that ``state`` described, on ``device``."""
        count = sum(name.startswith("mean_") for name in state)
        wanted = {"width", *(f"{part}_{number}" for part in _PARTS for number in range(count))}
        if set(state) != wanted:
            raise ModelError(
                f"the saved prior model holds {', '.join(sorted(state)) or 'nothing'}: it is incomplete; train it again"
            )
        experts = [Expert(*(state[f"{part}_{number}"].float() for part in _PARTS)) for number in range(count)]
        return cls(int(state["width"]), experts).to(device)
