"""What a saliency method promises: a mask and a score for each value, each row judged by itself, whatever the order."""

from __future__ import annotations

import torch

from lasca_core.testing.bench import Subject
from lasca_core.testing.outcome import require
from lasca_core.testing.synthetic import make_salience
from lasca_core.testing.use import differences

_SHAPES = ((0, 20), (1, 20), (7, 1), (1, 1), (40, 2))


def check_mask_and_score_have_the_shape_of_the_values(subject: Subject) -> None:
    """Any number of windows and features, none and one included, gives a mask and a score of the same shape."""
    method = subject.component
    for windows, features in _SHAPES:
        values = make_salience(windows, features).to(method.runtime.device)
        found = method.select(values)
        require(
            found.mask.shape == found.score.shape == values.shape,
            f"values of shape [{windows}, {features}] give a mask of shape {list(found.mask.shape)}",
            "return Saliency(mask, score), each [W, F] like the values",
        )
        require(
            found.score.dtype == torch.float32 and found.mask.device == found.score.device == values.device,
            f"the score is {found.score.dtype} on {found.score.device}, and the mask on {found.mask.device}",
            f"return a float32 score and a mask on the values' device, {values.device}",
        )


def check_rows_without_differences_are_empty(subject: Subject) -> None:
    """Nothing is salient in a window whose values are all equal, whatever their size."""
    method = subject.component
    for value in (0.0, 0.3, 1.0):
        found = method.select(torch.full((3, 10), value, device=method.runtime.device))
        require(
            not bool(found.mask.any()),
            f"a window whose values are all {value} has {int(found.mask[0].sum())} salient features",
            "leave such a row's mask empty: what does not stand out is not worth a word",
        )


def check_rows_are_judged_by_themselves(subject: Subject) -> None:
    """A window's mask and score do not depend on the other windows of the call."""
    method = subject.component
    values = make_salience(12).to(method.runtime.device)
    together = method.select(values)
    alone = [method.select(row[None]) for row in values]
    difference = differences(
        {"mask": together.mask, "score": together.score},
        {"mask": torch.cat([part.mask for part in alone]), "score": torch.cat([part.score for part in alone])},
        tolerance=1e-5,
    )
    require(
        not difference,
        f"a window alone is judged otherwise than among others ({difference})",
        "compute thresholds along dim=1 (the features of one window), never over all windows",
    )


def check_features_may_come_in_any_order(subject: Subject) -> None:
    """Exchanging columns exchanges the mask's and the score's columns, and nothing else."""
    method = subject.component
    values = make_salience().to(method.runtime.device)
    order = torch.randperm(values.shape[1], generator=torch.Generator().manual_seed(0)).to(values.device)
    found, moved = method.select(values), method.select(values[:, order])
    difference = differences(
        {"mask": found.mask[:, order], "score": found.score[:, order]},
        {"mask": moved.mask, "score": moved.score},
        tolerance=1e-5,
    )
    require(
        not difference,
        f"with the features in another order others are salient ({difference})",
        "treat all columns alike; only a tie between equal values may be decided by position",
    )


def check_score_is_highest_where_the_mask_is(subject: Subject) -> None:
    """No salient feature scores lower than one of the same window that is not: the least salient are dropped first
    where a sentence gets too long."""
    method = subject.component
    found = method.select(make_salience().to(method.runtime.device))
    lowest_inside = torch.where(found.mask, found.score, torch.inf).amin(dim=1)
    highest_outside = torch.where(found.mask, -torch.inf, found.score).amax(dim=1)
    wrong = int((lowest_inside < highest_outside).sum())
    require(
        wrong == 0,
        f"in {wrong} of {len(found.mask)} windows a feature that is not salient scores higher than a salient one",
        "score by what decides the mask, for instance the distance above the threshold",
    )


CHECKS = (
    check_mask_and_score_have_the_shape_of_the_values,
    check_rows_without_differences_are_empty,
    check_rows_are_judged_by_themselves,
    check_features_may_come_in_any_order,
    check_score_is_highest_where_the_mask_is,
)
