"""What the page shows beyond metrics.json: calibration, and results by subject and by size of change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lasca_core.experiment import metrics
from lasca_core.report.source import Predictions

CALIBRATION_BINS = 10
CHANGE_BINS = 5


@dataclass(frozen=True)
class CalibrationBin:
    """Pairs whose predicted probability of a rise lies in [``low``, ``high``): their number, the mean of that
    probability, and the share of them that do rise."""

    low: float
    high: float
    count: int
    predicted: float
    observed: float


def calibration(rises: np.ndarray, probability: np.ndarray, bins: int = CALIBRATION_BINS) -> list[CalibrationBin]:
    """The bins of equal width, over [0, 1], that hold any pair; the last one includes 1."""
    place = np.minimum((probability * bins).astype(int), bins - 1)
    found = []
    for number in np.unique(place):
        inside = place == number
        predicted, observed = float(probability[inside].mean()), float(rises[inside].mean())
        found.append(CalibrationBin(number / bins, (number + 1) / bins, int(inside.sum()), predicted, observed))
    return found


def calibration_error(bins: Sequence[CalibrationBin]) -> float:
    """Expected calibration error: the mean distance, over pairs, between what a bin predicted and what came true
    (Naeini et al. 2015, Obtaining well calibrated probabilities using Bayesian binning)."""
    total = sum(found.count for found in bins)
    return sum(found.count * abs(found.observed - found.predicted) for found in bins) / total


def brier(rises: np.ndarray, probability: np.ndarray) -> float:
    """Mean squared distance between the probability of a rise and what came true (Brier 1950)."""
    return float(np.mean((probability - rises) ** 2))


def by_subject(predictions: Predictions) -> dict[str, tuple[int, float]]:
    """Tested pairs and accuracy of each subject, over all repetitions, in the order of their names."""
    right = metrics.correct(predictions.rises, predictions.probability)
    names, member = np.unique(predictions.subject.astype(str), return_inverse=True)
    count = np.bincount(member)
    share = np.bincount(member, weights=right) / count
    return {str(name): (int(pairs), float(value)) for name, pairs, value in zip(names, count, share, strict=True)}


@dataclass(frozen=True)
class Confusion:
    """How many pairs went which way, and what was said of them; ``undecided`` ones had a probability of 1/2."""

    rising_right: int
    rising_wrong: int
    falling_right: int
    falling_wrong: int
    undecided: int

    @property
    def count(self) -> int:
        """All pairs."""
        return self.rising_right + self.rising_wrong + self.falling_right + self.falling_wrong + self.undecided


def confusion(rises: np.ndarray, probability: np.ndarray) -> Confusion:
    """What was said of the rising and of the falling pairs."""
    up, down = probability > 0.5, probability < 0.5
    return Confusion(
        rising_right=int((rises & up).sum()),
        rising_wrong=int((rises & down).sum()),
        falling_right=int((~rises & down).sum()),
        falling_wrong=int((~rises & up).sum()),
        undecided=int((~up & ~down).sum()),
    )


@dataclass(frozen=True)
class ChangeBin:
    """Pairs whose annotation changes by ``low`` to ``high`` in either direction: accuracy and confusion."""

    low: float
    high: float
    accuracy: float
    confusion: Confusion

    @property
    def label(self) -> str:
        """The changes it holds, to two digits."""
        return f"{self.low:.2g}–{self.high:.2g}"


def by_change(predictions: Predictions, bins: int = CHANGE_BINS) -> list[ChangeBin]:
    """Results by size of change, in bins of about equally many pairs; fewer bins where many changes are equal."""
    size = np.abs(predictions.change)
    edges = np.unique(np.quantile(size, np.linspace(0, 1, bins + 1)))
    place = np.clip(np.searchsorted(edges, size, side="right") - 1, 0, max(len(edges) - 2, 0))
    found = []
    for number in np.unique(place):
        inside = place == number
        rises, probability = predictions.rises[inside], predictions.probability[inside]
        found.append(
            ChangeBin(
                low=float(size[inside].min()),
                high=float(size[inside].max()),
                accuracy=metrics.accuracy(rises, probability),
                confusion=confusion(rises, probability),
            )
        )
    return found
