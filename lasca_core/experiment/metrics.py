"""Accuracy, balanced accuracy and AUC, and intervals of differences that respect who the pairs come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def accuracy(label: np.ndarray, probability: np.ndarray) -> float:
    """Share of pairs whose more probable direction is the true one; a probability of exactly 1/2 counts half."""
    return float(correct(label, probability).mean())


def balanced_accuracy(label: np.ndarray, probability: np.ndarray) -> float | None:
    """Mean of the accuracies on rising and on falling pairs; None if one of them does not occur."""
    hits = correct(label, probability)
    rises = label > 0.5
    if rises.all() or not rises.any():
        return None
    return float((hits[rises].mean() + hits[~rises].mean()) / 2)


def auc(label: np.ndarray, probability: np.ndarray) -> float | None:
    """Area under the ROC curve; None if only one direction occurs."""
    from sklearn.metrics import roc_auc_score

    rises = label > 0.5
    if rises.all() or not rises.any():
        return None
    return float(roc_auc_score(rises, probability))


def correct(label: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """1 for each pair whose more probable direction is the true one, 1/2 at a probability of exactly 1/2, else 0."""
    undecided = probability == 0.5
    return np.where(undecided, 0.5, (probability > 0.5) == (label > 0.5))


FEWEST_SUBJECTS = 8
"""With fewer subjects the resampled means take too few values for a percentile interval to hold its coverage."""


@dataclass(frozen=True)
class Interval:
    """A mean over pairs with its confidence interval over ``subjects`` persons."""

    difference: float
    low: float
    high: float
    confidence: float
    resamples: int
    subjects: int


def clustered_bootstrap(
    values: np.ndarray, cluster: np.ndarray, *, resamples: int, confidence: float, seed: int
) -> Interval:
    """Percentile interval of the mean of ``values`` [P], resampling whole clusters (subjects) with replacement.

    Pairs of one person are not independent, so persons are drawn, not pairs (Field & Welsh 2007, Bootstrapping
    clustered data).
    """
    sums, sizes = _by_cluster(values, cluster)
    draws = np.random.default_rng(seed).integers(len(sizes), size=(resamples, len(sizes)))
    means = sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(values.mean()), float(low), float(high), confidence, resamples, len(sizes))


def sign_flip_test(gain: np.ndarray, cluster: np.ndarray) -> float:
    """Two-sided p-value of no gain: the share of all sign patterns of the clusters' gains whose sum is as far from 0.

    If two variants were equally good, each subject's gain could as well have had the other sign (Fisher's randomisation
    test). ``gain`` [P] are multiples of 1/2, as differences of correctness are, so the sum's distribution is found
    exactly, as a product of polynomials with one factor for each cluster.
    """
    sums, _ = _by_cluster(gain, cluster)
    halves = np.rint(2 * sums).astype(np.int64)
    chance = np.ones(1)
    for size in np.sort(np.abs(halves)):
        longer = np.zeros(len(chance) + 2 * size)
        longer[: len(chance)] = chance / 2
        longer[2 * size :] += chance / 2
        chance = longer
    far, middle = abs(int(halves.sum())), len(chance) // 2
    if far == 0:
        return 1.0
    return float(chance[: middle - far + 1].sum() + chance[middle + far :].sum())


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number (Holm 1979, A simple sequentially rejective multiple test procedure)."""
    order = np.argsort(p_values)
    count = len(p_values)
    corrected = np.empty(count)
    corrected[order] = np.maximum.accumulate(np.asarray(p_values)[order] * (count - np.arange(count)))
    return [float(value) for value in np.minimum(corrected, 1.0)]


def _by_cluster(values: np.ndarray, cluster: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of each cluster's values."""
    _, member = np.unique(cluster, return_inverse=True)
    return np.bincount(member, weights=values), np.bincount(member).astype(float)
