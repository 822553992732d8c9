"""Bayesian logistic regression whose prior is what a lexicon's words say.

    logit P(rise) = gain * u . d_f  +  v . d_f  +  w . d_t

d_f are the differences of the F features, d_t those of another block of D columns (the embedded words). u is the words'
weight of each feature, scaled so that u . d_f has about unit size; v corrects it, feature by feature. Their priors are

    gain ~ N(gain_0, doubt^2)    v ~ N(0, s_f^2 / F ((1 - r) I + r S))    w ~ N(0, s_t^2 / D I)

S is the similarity of the features' descriptions: what is described alike is corrected alike. A problem without
knowledge has no gain, and r = 0.

s_f, s_t and r are those under which groups left out are predicted best. The marginal likelihood, which needs no one to
be left out, is not used: it takes pairs of one person for independent, and on the data sets tried (`puppet` and `facs`,
synthetic) it chose scales three to ten times too large. Probabilities are averaged over the posterior (MacKay 1992, The
evidence framework applied to classification networks), so that few labels give cautious ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from lasca_core.api import Block
from lasca_preference.laplace import Fit, calibrate, fit_laplace, moderated

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.api import Knowledge, Problem

_SCALES = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Values of s_f that are tried, and of s_t beside its usual one."""
_SIMILARITIES = (0.0, 0.5)
"""Values of r that are tried."""
_USUAL, _ABSENT, _SPREAD = 1.0, 0.001, 1.5
"""Where s_f and s_t lie usually, and the spread of their logarithm: decides while there is hardly any label. The first
block is there to be learnt from; another one is as good as absent until the labels ask for it."""
_FOLDS = 5
_ROUNDS = 2
_FEATURES = "features"


@dataclass(frozen=True)
class Trained:
    """A regression: its columns, its posterior, the ``factor`` that calibrates its logits, and the calibrated logits
    [P] of the training pairs while their group was left out; None with fewer than two groups."""

    design: Design
    fit: Fit
    factor: float
    held_out: Tensor | None


def speaks(problem: Problem) -> bool:
    """Whether words tell what the features mean."""
    return problem.knowledge is not None and not problem.knowledge.silent


def narrowed(problem: Problem) -> Problem:
    """The same problem for the features alone, without words; the problem itself if it has no more, or no features.

    The block ``features`` comes first where it exists, so its columns are the first ones.
    """
    first = problem.blocks[0] if problem.blocks else None
    if first is None or first.name != _FEATURES or (len(problem.blocks) == 1 and not speaks(problem)):
        return problem
    return replace(problem, delta=problem.delta[:, : first.stop], blocks=(first,), knowledge=None)


def train(problem: Problem, gain: float, doubt: float) -> Trained:
    """Choose the strength and find the posterior. Without pairs the posterior is the prior."""
    chosen, factor, held_out = Strength.usual(problem), 1.0, None
    if len(torch.unique(problem.group)) > 1:
        chosen, factor, held_out = choose_strength(problem, gain, doubt)
    design = make_design(problem, chosen.similarity, gain, doubt)
    x = problem.delta.double() @ design.basis
    fit = fit_laplace(x, problem.label.double(), design.mean, design.variance(chosen))
    return Trained(design, fit, factor, held_out)


# --- prior ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Strength:
    """How much is learnt beside the words: s of each block, and r."""

    scales: tuple[float, ...]
    similarity: float = 0.0

    @classmethod
    def usual(cls, problem: Problem) -> Strength:
        """Before anything is known."""
        return cls(tuple(_ABSENT if number else _USUAL for number in range(len(problem.blocks))))

    def log_prior(self, usual: Strength) -> float:
        """Log density of the scales, up to a constant."""
        ratios = (scale / other for scale, other in zip(self.scales, usual.scales, strict=True))
        return -sum(math.log(ratio) ** 2 for ratio in ratios) / (2 * _SPREAD**2)


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

    def variance(self, strength: Strength) -> Tensor:
        """Prior variances [K] under the blocks' scales."""
        scales = self.shape.new_tensor(strength.scales)
        return torch.where(self.block >= 0, self.shape * scales[self.block.clamp(min=0)] ** 2, self.shape)


def make_design(problem: Problem, similarity: float, gain: float, doubt: float) -> Design:
    """The prior for ``problem``; ``gain`` and ``doubt`` are mean and standard deviation of the gain."""
    width, device = problem.delta.shape[1], problem.delta.device
    columns: list[Tensor] = []
    mean: list[Tensor] = []
    shape: list[Tensor] = []
    number: list[int] = []

    def add(block: Block, turned: Tensor, center: float, variances: Tensor, owner: int) -> None:
        placed = turned.new_zeros(width, turned.shape[1])
        placed[block.start : block.stop] = turned
        columns.append(placed)
        mean.append(torch.full_like(variances, center))
        shape.append(variances)
        number.extend([owner] * len(variances))

    for index, block in enumerate(problem.blocks):
        size = block.stop - block.start
        turned = torch.eye(size, dtype=torch.float64, device=device)
        spread = torch.ones(size, dtype=torch.float64, device=device)
        if block.name == _FEATURES and problem.knowledge is not None and speaks(problem):
            told = unit_weight(problem.knowledge)
            add(block, told[:, None], gain, torch.full_like(told[:1], doubt**2), -1)
            if similarity:
                values, turned = torch.linalg.eigh(problem.knowledge.similarity.double())
                spread = (1 - similarity) + similarity * values.clamp(min=0)
        add(block, turned, 0.0, spread / size, index)
    block_of = torch.tensor(number, dtype=torch.int64, device=device)
    return Design(torch.cat(columns, dim=1), torch.cat(mean), torch.cat(shape), block_of)


def unit_weight(knowledge: Knowledge) -> Tensor:
    """The words' weights float64 [F], scaled so that their sum over changes of unit size has about unit size.

    What is described alike changes alike (both corners of a mouth), so the descriptions' similarity stands in for the
    correlation of the features, which is not known before there are data.
    """
    weight = knowledge.weight.double()
    size = (weight @ knowledge.similarity.double() @ weight).clamp(min=0).sqrt()
    return weight / size.clamp(min=float(weight.norm()) / math.sqrt(len(weight)))


# --- strength ---------------------------------------------------------------------------------------------------------


def choose_strength(problem: Problem, gain: float, doubt: float) -> tuple[Strength, float, Tensor]:
    """The strength under which the pairs of groups left out are most probable, found by trying one number after the
    other, from the usual ones; the factor that calibrates the logits of those pairs; and these logits [P], calibrated.

    Every strength is judged after calibration: by how well it ranks, and not by how certain it is.
    """
    folds, usual = _grouped(problem), Strength.usual(problem)
    label = problem.label.double()
    designs = {r: make_design(problem, r, gain, doubt) for r in (_SIMILARITIES if speaks(problem) else (0.0,))}
    columns = {r: problem.delta.double() @ design.basis for r, design in designs.items()}
    modes: dict[tuple[float, int], Tensor] = {}
    known: dict[Strength, tuple[float, float, Tensor]] = {}

    def merit(strength: Strength) -> float:
        if strength not in known:
            design, x = designs[strength.similarity], columns[strength.similarity]
            variance = design.variance(strength)
            logits = torch.empty_like(label)
            for number, held in enumerate(folds):
                start = modes.get((strength.similarity, number))
                fit = fit_laplace(x[~held], label[~held], design.mean, variance, start=start)
                modes[strength.similarity, number] = fit.mean
                logits[held] = moderated(x[held], fit.mean, fit.covariance)
            factor, fitness = calibrate(logits, label)
            known[strength] = (fitness + strength.log_prior(usual), factor, factor * logits)
        return known[strength][0]

    best = usual
    for _ in range(_ROUNDS):
        before = best
        for block in range(len(problem.blocks)):
            tried = dict.fromkeys((usual.scales[block], *_SCALES))
            best = max((_with_scale(best, block, scale) for scale in tried), key=merit)
        best = max((replace(best, similarity=r) for r in designs), key=merit)
        if best == before:
            break
    return best, *known[best][1:]


def _with_scale(strength: Strength, block: int, scale: float) -> Strength:
    scales = tuple(scale if index == block else old for index, old in enumerate(strength.scales))
    return replace(strength, scales=scales)


def _grouped(problem: Problem) -> list[Tensor]:
    """Which pairs are held out in each fold, bool [P]: whole groups, drawn by the problem's seed."""
    groups, member = torch.unique(problem.group, return_inverse=True)
    count = min(_FOLDS, len(groups))
    generator = torch.Generator().manual_seed(problem.seed)
    fold = torch.randperm(len(groups), generator=generator).to(member.device) % count
    return [fold[member] == number for number in range(count)]
