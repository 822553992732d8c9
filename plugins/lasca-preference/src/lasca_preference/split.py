"""Which pairs of a training set are held out to decide when to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lasca_core.api import DatasetError, ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.api import Problem

FEWEST_GROUPS = 5
"""With fewer groups, holding one out would take away too much of the training set: pairs are held out instead."""
FEWEST_PAIRS = 10
"""With fewer pairs, none is held out."""


def require_both_directions(problem: Problem) -> None:
    """Raise ``DatasetError`` if ``problem`` has no pair, no column, or pairs of one direction only."""
    pairs, columns = problem.delta.shape
    if not pairs:
        raise DatasetError("there is no pair of windows to learn from; use more sessions or a smaller pairs.tau")
    if not columns:
        raise DatasetError("the pairs of windows have no columns to learn from; choose an extractor or an encoder")
    rises = int(problem.label.sum())
    if rises in (0, pairs):
        direction = "rise" if rises else "fall"
        raise DatasetError(
            f"all {pairs} training pairs {direction}, and a learner needs both directions; "
            "use more sessions or a smaller pairs.tau"
        )


def hold_out(problem: Problem, fraction: float, generator: torch.Generator) -> tuple[Tensor, Tensor, str]:
    """Split into training rows and held-out rows (int64, on the CPU), and say by what: "group", "pair" or "none".

    Whole groups are held out, so that the score speaks of people not trained on: ``fraction`` of them, at least one,
    drawn at random among those that leave both classes in both parts and hold at least half of ``fraction`` of the
    pairs. Where there are none such, pairs are held out, ``fraction`` of each class; where there are too few even for
    that, nothing is.
    """
    label, group = problem.label.cpu(), problem.group.cpu()
    groups, member = torch.unique(group, return_inverse=True)
    if len(label) >= FEWEST_PAIRS and len(groups) >= FEWEST_GROUPS:
        size = max(1, round(fraction * len(groups)))
        order = torch.randperm(len(groups), generator=generator)
        for start in range(0, len(groups) - size + 1, size):
            held = torch.isin(member, order[start : start + size])
            enough = held.sum() >= fraction / 2 * len(label)
            if enough and _has_both(label[held]) and _has_both(label[~held]):
                return (~held).nonzero()[:, 0], held.nonzero()[:, 0], "group"
    classes = [(label == value).nonzero()[:, 0] for value in (0, 1)]
    if len(label) < FEWEST_PAIRS or min(map(len, classes)) < 2:
        return torch.arange(len(label)), torch.empty(0, dtype=torch.int64), "none"
    held = torch.zeros(len(label), dtype=torch.bool)
    for rows in classes:
        size = max(1, round(fraction * len(rows)))
        held[rows[torch.randperm(len(rows), generator=generator)[:size]]] = True
    return (~held).nonzero()[:, 0], held.nonzero()[:, 0], "pair"


def _has_both(label: Tensor) -> bool:
    return bool((label == 0).any()) and bool((label == 1).any())


def require_width(delta: Tensor, columns: int) -> None:
    """Raise ``ModelError`` unless ``delta`` is [P, columns]."""
    if delta.ndim != 2 or delta.shape[1] != columns:
        raise ModelError(
            f"the model was trained on {columns} columns but is given differences of shape {list(delta.shape)}; "
            "use the extractors, the encoder and the variant it was trained with"
        )
