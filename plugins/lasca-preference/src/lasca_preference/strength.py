"""Many problems of the learner `prior` as one stack: how strongly each learns beside the words, and its posterior.

All problems, the folds in which their groups are left out, and the strengths that are tried are one batch of
regressions, padded to the largest. What is found for a problem does not depend on those beside it, beyond rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from lasca_preference.believer import SCALES, SIMILARITIES, Design, Strength, make_design, speaks
from lasca_preference.laplace import calibrate, moderated
from lasca_preference.newton import covariance_of, curvature_at, curvature_near, find_modes, stretches
from lasca_preference.stacks import stacked

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.api import Problem

_FOLDS = 5
_ROUNDS = 2
_MATRICES = 2**28
"""Bytes of one K x K matrix for each regression that is solved at once; about five such matrices are needed."""


@dataclass(frozen=True)
class Trained:
    """A regression: its columns ``basis`` [D, K], its posterior's ``mean`` [K] and ``covariance`` [K, K], the
    ``factor`` that calibrates its logits, and the calibrated logits [P] of the training pairs while their group was
    left out; None with fewer than two groups. All float64."""

    basis: Tensor
    mean: Tensor
    covariance: Tensor
    factor: float
    held_out: Tensor | None


def train(problems: Sequence[Problem], gain: float, doubt: float) -> list[Trained]:
    """Choose each problem's strength and find its posterior. Without pairs the posterior is the prior.

    The problems are of one ``kind``.
    """
    stack = Stack(problems, [make_design(problem, gain, doubt) for problem in problems])
    if _has_groups(problems[0]):
        search = Search(stack)
        search.run()
        return stack.posteriors(search.best, search.modes[:, 0], search.factor, search.logits)
    return stack.posteriors([Strength.usual(problem) for problem in problems], None, [1.0] * len(problems), None)


def kind(problem: Problem) -> tuple[int, bool, bool]:
    """Problems can be stacked where this is equal: how many blocks they have, whether words speak of their features,
    and whether a group can be left out."""
    return len(problem.blocks), speaks(problem), _has_groups(problem)


def bytes_needed(problem: Problem) -> int:
    """About how much memory the search for this problem's strength takes."""
    rows, columns = problem.delta.shape
    return 8 * (3 * rows * columns + _FOLDS * len(SCALES) * 5 * rows + 2 * _FOLDS * columns**2)


def _has_groups(problem: Problem) -> bool:
    return len(torch.unique(problem.group)) > 1


class Stack:
    """Problems of one kind: ``x`` [N, P, K] the columns of their rows; ``sign`` int8 [N, P], 1 for a rise, -1 for a
    fall, 0 for padding; ``mean`` [N, K] of the prior."""

    def __init__(self, problems: Sequence[Problem], designs: Sequence[Design]) -> None:
        self.problems = problems
        self.designs = designs
        self.x = _columns(problems, designs)
        self.sign = stacked([2 * problem.label.to(torch.int8) - 1 for problem in problems])
        self.mean = stacked([design.mean for design in designs])
        self._block = stacked([design.block for design in designs], -1)
        self._precision = stacked([design.precision for design in designs])
        padding = self.x.new_ones(()) - stacked([torch.ones_like(design.mean) for design in designs])
        self._precision += padding.diag_embed()[:, None]

    def precision(self, strengths: Sequence[Sequence[Strength]], members: Sequence[int]) -> Tensor:
        """Inverse covariances [M, C, K, K] of the prior of some ``members`` under C strengths each."""
        scales = self.x.new_tensor([[[*strength.scales, 1.0] for strength in own] for own in strengths])
        alike = [[SIMILARITIES.index(strength.similarity) for strength in own] for own in strengths]
        place = torch.tensor(members, device=scales.device)
        block = self._block[place] % scales.shape[2]  # -1 is the last one: scale 1
        column = scales.gather(2, block[:, None].expand(-1, scales.shape[1], -1))
        at_one = self._precision[place[:, None], torch.tensor(alike, device=scales.device)]
        return at_one / (column[..., None] * column[..., None, :])

    def posteriors(
        self, strengths: Sequence[Strength], start: Tensor | None, factors: Sequence[float], logits: Tensor | None
    ) -> list[Trained]:
        """The regressions over all rows; the search begins at ``start`` [N, K] or the prior's mean."""
        precision = self.precision([[strength] for strength in strengths], range(len(strengths)))
        sign = self.sign[:, None]
        w = find_modes(self.x, sign, self.mean, precision, None if start is None else start[:, None])
        covariance = covariance_of(curvature_at(self.x, sign, w), precision)
        found = []
        for index, (problem, design, factor) in enumerate(zip(self.problems, self.designs, factors, strict=True)):
            width = len(design.mean)
            held_out = None if logits is None else factor * logits[index, : len(problem.label)]
            found.append(
                Trained(design.basis, w[index, 0, :width], covariance[index, 0, :width, :width], factor, held_out)
            )
        return found


class Search:
    """The strengths under which the pairs of groups left out are most probable, found by trying one number after the
    other, from the usual ones.

    Every strength is judged after calibration: by how well it ranks, and not by how certain it is. ``best`` and
    ``factor``, which calibrates its logits, are known of each problem after ``run``; ``logits`` [N, P] of the pairs
    while their group was left out; ``modes`` [N, F, K] without each fold.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.usual = [Strength.usual(problem) for problem in stack.problems]
        self.best = list(self.usual)
        held = self._held_out()
        self.sign = torch.where(held, 0, stack.sign[:, None])
        most = int(held.sum(dim=-1).max())
        self.rows = held.int().argsort(dim=-1, descending=True, stable=True)[..., :most]
        self.is_held = held.gather(-1, self.rows)
        self.modes = stack.mean[:, None].expand(-1, held.shape[1], -1).clone()
        self.logits = torch.zeros_like(stack.sign, dtype=stack.x.dtype)
        self.known: list[dict[Strength, tuple[float, float]]] = [{} for _ in stack.problems]

    @property
    def factor(self) -> list[float]:
        """What calibrates each problem's logits."""
        return [known[best][1] for known, best in zip(self.known, self.best, strict=True)]

    def run(self) -> None:
        """Find ``best``."""
        self._try([[usual] for usual in self.usual])
        for _ in range(_ROUNDS):
            before = list(self.best)
            for block in range(len(self.usual[0].scales)):
                self._try(
                    [
                        [best.with_scale(block, scale) for scale in dict.fromkeys((usual.scales[block], *SCALES))]
                        for best, usual in zip(self.best, self.usual, strict=True)
                    ]
                )
            self._try(
                [
                    [replace(best, similarity=r) for r in design.similarities]
                    for best, design in zip(self.best, self.stack.designs, strict=True)
                ]
            )
            if self.best == before:
                break

    def _held_out(self) -> Tensor:
        """Which pairs are held out in each fold, bool [N, F, P]: whole groups, drawn by the problem's seed."""
        folds = []
        for problem in self.stack.problems:
            groups, member = torch.unique(problem.group, return_inverse=True)
            count = min(_FOLDS, len(groups))
            generator = torch.Generator().manual_seed(problem.seed)
            fold = torch.randperm(len(groups), generator=generator).to(member.device) % count
            folds.append(fold[member])
        fold = stacked(folds, -1)
        return fold[:, None] == torch.arange(int(fold.max()) + 1, device=fold.device)[:, None]

    def _try(self, tried: Sequence[Sequence[Strength]]) -> None:
        """Judge the strengths of each problem that are not known yet, and let the best be its best."""
        asked = [
            [strength for strength in own if strength not in known]
            for own, known in zip(tried, self.known, strict=True)
        ]
        members = [index for index, own in enumerate(asked) if own]
        if not members:
            return
        most = max(len(asked[index]) for index in members)
        filled = [asked[index] + [self.best[index]] * (most - len(asked[index])) for index in members]
        modes, logits = self._leave_out(members, self.stack.precision(filled, members))
        sign = self.stack.sign[members][:, None].expand_as(logits)
        factor, fitness = (
            value.view(len(members), most).tolist() for value in calibrate(logits.flatten(0, 1), sign.flatten(0, 1))
        )
        for place, index in enumerate(members):
            for number, strength in enumerate(asked[index]):
                merit = fitness[place][number] + strength.log_prior(self.usual[index])
                self.known[index][strength] = merit, factor[place][number]
        for index, (own, known) in enumerate(zip(tried, self.known, strict=True)):
            self.best[index] = max(own, key=lambda strength: known[strength][0])
        for place, index in enumerate(members):
            if self.best[index] in asked[index]:
                chosen = asked[index].index(self.best[index])
                self.modes[index] = modes[place, :, chosen]
                self.logits[index] = logits[place, chosen]

    def _leave_out(self, members: Sequence[int], precision: Tensor) -> tuple[Tensor, Tensor]:
        """The regressions of M problems without each fold, under the priors ``precision`` [M, C, K, K]: their modes
        [M, F, C, K], and the logits [M, C, P] of all pairs while their fold was left out."""
        x, mean, sign, start, rows, is_held = (
            tensor if len(members) == len(self.best) else tensor[members]  # the first is the usual case: no copy
            for tensor in (self.stack.x, self.stack.mean, self.sign, self.modes, self.rows, self.is_held)
        )
        curvature = curvature_near(x, sign, start)
        folds, tried = sign.shape[1], precision.shape[1]
        modes = x.new_empty(len(members), folds, tried, x.shape[2])
        logits = x.new_zeros(len(members), tried, x.shape[1])
        tasks = [(fold, number) for fold in range(folds) for number in range(tried)]
        at_once = max(1, _MATRICES // (8 * curvature[:, 0].numel()))
        for begin in range(0, len(tasks), at_once):
            now = tasks[begin : begin + at_once]
            fold, own = [fold for fold, _ in now], precision[:, [number for _, number in now]]
            w = find_modes(x, sign[:, fold], mean, own, start[:, fold], curvature[:, fold])
            covariance = covariance_of(curvature_at(x, sign[:, fold], w), own)
            for task, (f, number) in enumerate(now):
                modes[:, f, number] = w[:, task]
                for part in stretches(x[:, : rows.shape[2]]):
                    place = rows[:, f, part]
                    held = moderated(_rows(x, place), w[:, task], covariance[:, task]) * is_held[:, f, part]
                    logits[:, number].scatter_add_(1, place, held)
        return modes, logits


def _columns(problems: Sequence[Problem], designs: Sequence[Design]) -> Tensor:
    """The columns float64 [N, P, K] of the problems' rows, padded with 0, without another copy of all rows."""
    rows = max(len(problem.delta) for problem in problems)
    width = max(len(design.mean) for design in designs)
    x = designs[0].mean.new_zeros(len(problems), rows, width)
    for all_rows, problem, design in zip(x, problems, designs, strict=True):
        own = all_rows[: len(problem.delta), : len(design.mean)]
        for part in stretches(own[None]):
            torch.mm(problem.delta[part].double(), design.basis, out=own[part])
    return x


def _rows(x: Tensor, place: Tensor) -> Tensor:
    """Rows [N, R, K] of ``x`` [N, P, K]: those at ``place`` int64 [N, R] of each."""
    return x.gather(1, place[..., None].expand(-1, -1, x.shape[2]))
