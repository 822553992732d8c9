"""The learner `prior`: Bayesian logistic regression whose prior is what the lexicon's words say; it needs no label.

    logit P(rise) = gain * u . d_f  +  v . d_f  +  w . d_t  (+ ...)

d_f are the differences of the features, d_t those of another block (text, mask). u is the lexicon's weight of each
feature, scaled so that u . d_f has about unit size; v corrects it, feature by feature, and w speaks for the words' own
columns. Their priors are Gaussian:

    gain ~ N(gain_0, spread_0^2)    v ~ N(0, s_f^2 ((1 - r) I + r S))    w ~ N(0, s_t^2 I)

S is the similarity of the features' descriptions: what is described alike is corrected alike. Without any pair the
posterior is the prior, and the words alone predict. With labels the posterior decides how far the words are believed
(gain), and the marginal likelihood of the training pairs, by Laplace's approximation, decides how much is learnt beside
them (s_f, s_t and r; MacKay 1992, The evidence framework applied to classification networks). Probabilities are averaged
over the posterior (Spiegelhalter & Lauritzen 1990; MacKay 1992), so that few labels give cautious ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from lasca_core.api import Component, ModelError, Scores
from lasca_preference.laplace import Fit, fit_laplace, moderated
from lasca_preference.mlp import require_width

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.api import Knowledge, Model, Problem

_SIMILARITIES = (0.0, 0.5, 0.9)
"""Values of r between which the marginal likelihood chooses."""
_START = 0.3
"""First guess of s_f and s_t, and the value of s_f while there is no label."""
_SMALLEST, _LARGEST = 1e-3, 3.0
"""Bounds of s_f and s_t: columns have unit size, so a larger weight would make single changes decide alone."""
_ROUNDS = 12


class Prior(Component):
    """Learns from as many labels as there are, beginning with none."""

    def fit_many(self, problems: Sequence[Problem]) -> list[Model]:
        """One model for each problem; one that has neither pairs nor knowledge says 1/2 throughout."""
        return [self._fit(problem) for problem in problems]

    def from_state(self, state: Mapping[str, Tensor]) -> PriorModel:
        """The model that ``PriorModel.state`` described. Raises ``ModelError`` if it is not one."""
        wanted = {"mean", "covariance", "basis"}
        if set(state) != wanted or state["basis"].ndim != 2:
            raise ModelError(f"the saved prior model holds {', '.join(sorted(state)) or 'nothing'}: train it again")
        return PriorModel(*(state[name].to(self.runtime.device, torch.float32) for name in sorted(wanted)))

    def _fit(self, problem: Problem) -> PriorModel:
        if not len(problem.label) and (problem.knowledge is None or problem.knowledge.silent):
            return PriorModel.undecided(problem.delta.shape[1], self.runtime.device)
        # Metal has no float64
        device = self.runtime.device if self.runtime.device.type != "mps" else torch.device("cpu")
        problem = problem.to(device)
        delta, label = problem.delta.double(), problem.label.double()
        best: tuple[float, Design, Fit] | None = None
        for similarity in self._similarities(problem):
            design = make_design(problem, similarity, self.options.gain, self.options.doubt)
            fit, evidence = _fit_scales(design, delta @ design.basis, label)
            if best is None or evidence > best[0]:
                best = (evidence, design, fit)
        assert best is not None
        _, design, fit = best
        kept = (fit.covariance, design.basis, fit.mean)
        return PriorModel(*(part.to(self.runtime.device, torch.float32) for part in kept))

    def _similarities(self, problem: Problem) -> Sequence[float]:
        known = problem.knowledge is not None and not problem.knowledge.silent
        return _SIMILARITIES if known and len(problem.label) else (0.0,)


class PriorModel:
    """Gaussian posterior: ``mean`` [K] and ``covariance`` [K, K] of the weights of the columns ``delta @ basis``
    [D, K], float32."""

    def __init__(self, basis: Tensor, covariance: Tensor, mean: Tensor) -> None:
        self.basis, self.covariance, self.mean = basis, covariance, mean
        self.parameters = len(mean)

    @classmethod
    def undecided(cls, columns: int, device: torch.device) -> PriorModel:
        """The model that knows nothing and says 1/2."""
        return cls(
            torch.zeros(columns, 1, device=device), torch.zeros(1, 1, device=device), torch.zeros(1, device=device)
        )

    def predict(self, delta: Tensor) -> Scores:
        """Probability of a rise for differences float32 [P, D], averaged over the posterior."""
        require_width(delta, len(self.basis))
        x = delta.to(self.basis.device) @ self.basis
        return Scores(moderated(x @ self.mean, ((x @ self.covariance) * x).sum(dim=1)))

    def state(self) -> dict[str, Tensor]:
        """``basis`` [D, K], ``mean`` [K] and ``covariance`` [K, K]."""
        return {name: getattr(self, name).clone() for name in ("basis", "covariance", "mean")}


# --- prior ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Design:
    """The columns in which the prior's covariance is diagonal.

    ``basis`` float64 [D, K] turns differences into them; ``mean`` [K] is the prior's mean; ``shape`` [K] its variances
    up to the scale of the column's block; ``block`` int64 [K] numbers that block, -1 for the gain, whose variance is
    fixed.
    """

    basis: Tensor
    mean: Tensor
    shape: Tensor
    block: Tensor

    def variance(self, scales: Tensor) -> Tensor:
        """Prior variances [K] for the blocks' ``scales`` [B], which are standard deviations."""
        return torch.where(self.block >= 0, self.shape * scales[self.block.clamp(min=0)] ** 2, self.shape)


def make_design(problem: Problem, similarity: float, gain: float, doubt: float) -> Design:
    """The prior for ``problem``; ``gain`` and ``doubt`` are mean and standard deviation of the gain."""
    options = {"dtype": torch.float64, "device": problem.delta.device}
    width = problem.delta.shape[1]
    columns: list[Tensor] = []
    mean: list[Tensor] = []
    shape: list[Tensor] = []
    number: list[int] = []
    for index, block in enumerate(problem.blocks):
        turned, variances = _independent(problem, block.name, block.stop - block.start, similarity)
        placed = torch.zeros(width, turned.shape[1], **options)
        placed[block.start : block.stop] = turned
        columns.append(placed)
        mean.append(torch.zeros(turned.shape[1], **options))
        shape.append(variances)
        number += [index] * turned.shape[1]
        if block.name == "features" and problem.knowledge is not None and not problem.knowledge.silent:
            told = torch.zeros(width, 1, **options)
            told[block.start : block.stop, 0] = unit_weight(problem.knowledge)
            columns.append(told)
            mean.append(torch.full((1,), gain, **options))
            shape.append(torch.full((1,), doubt**2, **options))
            number.append(-1)
    block_of = torch.tensor(number, dtype=torch.int64, device=problem.delta.device)
    return Design(torch.cat(columns, dim=1), torch.cat(mean), torch.cat(shape), block_of)


def unit_weight(knowledge: Knowledge) -> Tensor:
    """The words' weights float64 [F], scaled so that their sum over changes of unit size has about unit size.

    What is described alike changes alike (both corners of a mouth), so the descriptions' similarity stands in for the
    correlation of the features, which is not known before there are data.
    """
    weight = knowledge.weight.double()
    size = (weight @ knowledge.similarity.double() @ weight).clamp(min=0).sqrt()
    return weight / size.clamp(min=float(weight.norm()) / math.sqrt(len(weight)))


def _independent(problem: Problem, name: str, width: int, similarity: float) -> tuple[Tensor, Tensor]:
    """Directions [d, k] in which a block's weights are independent, and their relative variances [k]."""
    options = {"dtype": torch.float64, "device": problem.delta.device}
    if name != "features" or problem.knowledge is None or similarity == 0:
        return torch.eye(width, **options), torch.ones(width, **options)
    values, vectors = torch.linalg.eigh(problem.knowledge.similarity.double())
    return vectors, (1 - similarity) + similarity * values.clamp(min=0)


# --- evidence ---------------------------------------------------------------------------------------------------------


def _fit_scales(design: Design, x: Tensor, label: Tensor) -> tuple[Fit, float]:
    """The posterior at the blocks' scales that make the labels most probable, and that log probability.

    A scale's new value follows from how far the weights are determined by the data (MacKay 1992); a block
    that says nothing shrinks to the smallest scale and is as good as absent.
    """
    blocks = int(design.block.max()) + 1
    scales = torch.full((blocks,), _START, dtype=torch.float64, device=x.device)
    fit = fit_laplace(x, label, design.mean, design.variance(scales))
    if not len(label):
        return fit, 0.0
    best = (fit, fit.evidence)
    for _ in range(_ROUNDS):
        scales = _updated(design, fit, scales)
        fit = fit_laplace(x, label, design.mean, design.variance(scales), start=fit.mean)
        gained = fit.evidence - best[1]
        if gained > 0:
            best = (fit, fit.evidence)
        if gained < 1e-3:
            break
    return best


def _updated(design: Design, fit: Fit, scales: Tensor) -> Tensor:
    variance = design.variance(scales)
    determined = 1 - fit.covariance.diagonal() / variance
    squares = (fit.mean - design.mean) ** 2 / design.shape
    new = scales.clone()
    for block in range(len(scales)):
        own = design.block == block
        new[block] = (squares[own].sum() / determined[own].sum().clamp(min=1e-6)).sqrt()
    return new.clamp(_SMALLEST, _LARGEST)
