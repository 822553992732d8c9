"""Accuracy, balanced accuracy and AUC, and intervals of differences that respect who the pairs come from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def accuracy(label: np.ndarray, probability: np.ndarray) -> float:
    """Share of pairs whose more probable direction is the true one; a probability of exactly 1/2 counts half."""
    return float(_correct(label, probability).mean())


def balanced_accuracy(label: np.ndarray, probability: np.ndarray) -> float | None:
    """Mean of the accuracies on rising and on falling pairs; None if one of them does not occur."""
    correct = _correct(label, probability)
    rises = label > 0.5
    if rises.all() or not rises.any():
        return None
    return float((correct[rises].mean() + correct[~rises].mean()) / 2)


def auc(label: np.ndarray, probability: np.ndarray) -> float | None:
    """Area under the ROC curve; None if only one direction occurs."""
    from sklearn.metrics import roc_auc_score

    rises = label > 0.5
    if rises.all() or not rises.any():
        return None
    return float(roc_auc_score(rises, probability))


def _correct(label: np.ndarray, probability: np.ndarray) -> np.ndarray:
    undecided = probability == 0.5
    return np.where(undecided, 0.5, (probability > 0.5) == (label > 0.5))


FEWEST_SUBJECTS = 8
"""With fewer subjects the resampled means take too few values for a percentile interval to hold its coverage."""


@dataclass(frozen=True)
class Interval:
    """A difference of accuracies with its confidence interval over ``subjects`` persons."""

    difference: float
    low: float
    high: float
    confidence: float
    resamples: int
    subjects: int

    @property
    def shown(self) -> bool:
        """Whether the interval excludes 0 and there are enough subjects to believe it."""
        return self.subjects >= FEWEST_SUBJECTS and (self.low > 0 or self.high < 0)


def clustered_bootstrap(
    label: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    cluster: np.ndarray,
    *,
    resamples: int,
    confidence: float,
    seed: int,
) -> Interval:
    """Percentile interval of accuracy(first) - accuracy(second), resampling whole clusters (subjects) with replacement.

    ``label``, ``first``, ``second`` (probabilities) and ``cluster`` are [P]. Pairs of one person are not independent,
    so persons are drawn, not pairs (Field & Welsh 2007, Bootstrapping clustered data).
    """
    gain = _correct(label, first) - _correct(label, second)
    _, member = np.unique(cluster, return_inverse=True)
    sums = np.bincount(member, weights=gain)
    sizes = np.bincount(member).astype(float)
    draws = np.random.default_rng(seed).integers(len(sizes), size=(resamples, len(sizes)))
    differences = sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    return Interval(float(gain.mean()), float(low), float(high), confidence, resamples, len(sizes))
