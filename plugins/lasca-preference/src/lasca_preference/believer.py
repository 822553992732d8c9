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
from torch.nn.functional import pad

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.api import Knowledge, Problem

SCALES = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Values of s_f that are tried, and of s_t beside its usual one."""
SIMILARITIES = (0.0, 0.5)
"""Values of r that are tried."""
_USUAL, _ABSENT, _SPREAD = 1.0, 0.001, 1.5
"""Where s_f and s_t lie usually, and the spread of their logarithm: decides while there is hardly any label. The first
block is there to be learnt from; another one is as good as absent until the labels ask for it."""
_FEATURES = "features"


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


@dataclass(frozen=True)
class Strength:
    """How much is learnt beside the words: s of each block, and r."""

    scales: tuple[float, ...]
    similarity: float = 0.0

    @classmethod
    def usual(cls, problem: Problem) -> Strength:
        """Before anything is known."""
        return cls(tuple(_ABSENT if number else _USUAL for number in range(len(problem.blocks))))

    def with_scale(self, block: int, scale: float) -> Strength:
        """The same with another s of one block."""
        scales = tuple(scale if index == block else old for index, old in enumerate(self.scales))
        return replace(self, scales=scales)

    def log_prior(self, usual: Strength) -> float:
        """Log density of the scales, up to a constant."""
        ratios = (scale / other for scale, other in zip(self.scales, usual.scales, strict=True))
        return -sum(math.log(ratio) ** 2 for ratio in ratios) / (2 * _SPREAD**2)


@dataclass(frozen=True)
class Design:
    """The columns of the regression and their prior, float64.

    ``basis`` [D, K] turns differences into the columns: what the words make of the features, where they speak, and the
    problem's own columns. ``mean`` [K] is the prior's mean; ``precision`` [R, K, K] the inverse of its covariance at
    scales of 1, for each similarity that is tried; ``block`` int64 [K] numbers the block whose scale a column has, -1
    for the gain, whose variance is fixed.
    """

    basis: Tensor
    mean: Tensor
    precision: Tensor
    block: Tensor

    @property
    def similarities(self) -> tuple[float, ...]:
        """The values of r that are tried."""
        return SIMILARITIES[: len(self.precision)]


def make_design(problem: Problem, gain: float, doubt: float) -> Design:
    """The prior for ``problem``; ``gain`` and ``doubt`` are mean and standard deviation of the gain."""
    width, device = problem.delta.shape[1], problem.delta.device
    identity = torch.eye(width, dtype=torch.float64, device=device)
    own = torch.cat([identity[:, block.start : block.stop] for block in problem.blocks], dim=1)
    sizes = torch.tensor([block.stop - block.start for block in problem.blocks], device=device)
    block = torch.arange(len(sizes), device=device).repeat_interleave(sizes)
    mean = own.new_zeros(own.shape[1])
    flat = sizes[block].double().diag()
    if problem.knowledge is None or not speaks(problem):
        return Design(own, mean, flat[None], block)
    place = next(number for number, found in enumerate(problem.blocks) if found.name == _FEATURES)
    start, stop = problem.blocks[place].start, problem.blocks[place].stop
    told = own.new_zeros(width, 1)
    told[start:stop, 0] = unit_weight(problem.knowledge)
    features = (block == place).nonzero()[:, 0]
    precision = []
    for similarity in SIMILARITIES:
        alike = problem.knowledge.similarity.double() * similarity
        alike.diagonal().add_(1 - similarity)
        turned = flat.clone()
        turned[features[:, None], features] = len(alike) * torch.cholesky_inverse(torch.linalg.cholesky(alike))
        turned = pad(turned, (1, 0, 1, 0))
        turned[0, 0] = 1 / doubt**2
        precision.append(turned)
    return Design(
        torch.cat([told, own], dim=1),
        torch.cat([mean.new_tensor([gain]), mean]),
        torch.stack(precision),
        torch.cat([block.new_tensor([-1]), block]),
    )


def unit_weight(knowledge: Knowledge) -> Tensor:
    """The words' weights float64 [F], scaled so that their sum over changes of unit size has about unit size.

    What is described alike changes alike (both corners of a mouth), so the descriptions' similarity stands in for the
    correlation of the features, which is not known before there are data.
    """
    weight = knowledge.weight.double()
    size = (weight @ knowledge.similarity.double() @ weight).clamp(min=0).sqrt()
    return weight / size.clamp(min=float(weight.norm()) / math.sqrt(len(weight)))
