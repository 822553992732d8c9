"""The learner `prior`: what the lexicon's words say, corrected by as many labels as there are, beginning with none.

Two Bayesian logistic regressions are pooled. One reads the features alone. The other believes the words: its prior's
mean is what they say of each feature (see ``believer.py``), and it reads the words' own columns besides. Without any
label the second one's prior predicts. With labels, the numbers that say how much each one learns, the factor that
calibrates its logits, and the weights of the pool are those under which people left out of the training set are
predicted best, all found inside the training set. The logits are averaged (a logarithmic opinion pool, Genest & Zidek
1986), so words that mislead cost little, and words that help are used from the first label on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from lasca_core.api import Component, ModelError, Scores
from lasca_preference.believer import narrowed, speaks
from lasca_preference.laplace import calibrate, moderated
from lasca_preference.newton import device_with_float64
from lasca_preference.split import require_width
from lasca_preference.stacks import in_stacks
from lasca_preference.strength import Trained, bytes_needed, kind, train

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.api import Problem

_ON_CPU = 2**23
"""Bytes of the problems that a CPU solves at once: for training sets of 100 pairs that takes less than half the time of
one by one, and those of 3000 pairs are faster alone."""
_SHARES = (0.5, 0.25, 0.75, 0.0, 1.0)
"""Shares of the believer in the pool that are tried."""
_LEANING = 4.0
"""Log probability that the pairs of people left out must gain for each unit by which a share departs from one half:
with a handful of people, which of the two predicts them better is mostly chance."""


class Prior(Component):
    """Learns from as many labels as there are, beginning with none."""

    promises = frozenset({"antisymmetric"})
    """What the conformance kit may check besides: swapping two windows swaps the answer."""

    owner = "prior"
    """The learner whose options this one has."""

    def fit_many(self, problems: Sequence[Problem]) -> list[PriorModel]:
        """One model for each problem; one that has neither pairs nor knowledge says 1/2 throughout."""
        device = device_with_float64(self.runtime.device)
        problems = [problem.to(device) for problem in problems]
        experts = _Experts()
        own: list[list[int]] = []
        for problem in problems:
            alone = narrowed(problem)
            asked = [problem] if alone is problem else [problem, alone]
            if not len(problem.label):
                asked = [problem] if speaks(problem) else []
            own.append([experts.place(expert) for expert in asked])
        trained = self._train(experts, device)
        models = []
        for problem, indices in zip(problems, own, strict=True):
            found = [trained[index] for index in indices]
            shares = _pool(found, problem.label.double())
            pool = [Expert.of(expert, share) for expert, share in zip(found, shares, strict=True) if share]
            models.append(PriorModel(problem.delta.shape[1], pool).to(self.runtime.device))
        return models

    def from_state(self, state: Mapping[str, Tensor]) -> PriorModel:
        """The model that ``PriorModel.state`` described. Raises ``ModelError`` if it is not one."""
        return PriorModel.from_state(state, self.runtime.device)

    def _train(self, problems: Sequence[Problem], device: torch.device) -> list[Trained]:
        """A regression for each problem; those of one kind and of about one size as one batch."""
        found: dict[int, Trained] = {}
        kinds: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for index, problem in enumerate(problems):
            kinds[kind(problem)].append(index)
        for members in kinds.values():
            chosen = [problems[index] for index in members]

            def work(positions: list[int], chosen: list[Problem] = chosen) -> list[Trained]:
                return train([chosen[index] for index in positions], self.options.gain, self.options.doubt)

            trained = in_stacks(
                [bytes_needed(problem) for problem in chosen],
                work,
                device=device,
                on_cpu=_ON_CPU,
                at_once=self.options.at_once,
                report=self.runtime.report,
                option=f"{self.owner}.at_once",
            )
            found.update(zip(members, trained, strict=True))
        return [found[index] for index in range(len(problems))]


class _Experts(list["Problem"]):
    """Distinct problems: variants share the regression that reads the features alone."""

    def __init__(self) -> None:
        self._alike: dict[object, list[int]] = defaultdict(list)

    def place(self, problem: Problem) -> int:
        """Where ``problem`` is; it is added unless it is there."""
        alike = self._alike[problem.seed, problem.delta.shape, problem.blocks]
        for index in alike if problem.knowledge is None else ():
            if self[index].knowledge is None and all(
                torch.equal(getattr(problem, part), getattr(self[index], part)) for part in ("delta", "label", "group")
            ):
                return index
        alike.append(len(self))
        self.append(problem)
        return alike[-1]


def _pool(experts: Sequence[Trained], label: Tensor) -> tuple[float, ...]:
    """The experts' shares; equal ones where no one could be left out to judge them."""
    if len(experts) < 2:
        return (1.0,) * len(experts)
    held_out = [trained.held_out for trained in experts if trained.held_out is not None]
    if not held_out:
        return (_SHARES[0], 1 - _SHARES[0])
    believer, alone = held_out
    share = believer.new_tensor(_SHARES)
    pooled = share[:, None] * believer + (1 - share[:, None]) * alone
    merit = calibrate(pooled, (2 * label - 1).expand_as(pooled))[1] - _LEANING * (share - 0.5).abs()
    best = _SHARES[int(merit.argmax())]
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
    def of(cls, trained: Trained, share: float) -> Expert:
        """With the expert's share of the pool."""
        factor = trained.mean.new_tensor(trained.factor * share)
        return cls(*(tensor.float() for tensor in (trained.basis, trained.covariance, trained.mean, factor)))


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
        logits = delta.new_zeros(len(delta))
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
