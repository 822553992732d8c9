"""What variants predicted and what that shows: metrics, intervals, and comparisons corrected for their number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lasca_core.experiment import metrics
from lasca_core.experiment.metrics import FEWEST_SUBJECTS, clustered_bootstrap, holm, sign_flip_test

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.contract.types import Pairs
    from lasca_core.experiment.pipeline import Pipeline
    from lasca_core.experiment.representations import Representations
    from lasca_core.experiment.splits import Fold

BASELINE = "features"
"""What language must be better than."""
KEPT = ("fused", BASELINE, "text", "mask")
"""Variants that a model can be saved of: the first that was evaluated is."""
_COVERAGES = tuple(step / 20 for step in range(1, 21))


@dataclass
class Outcome:
    """What one variant predicted for one target: arrays over all tested pairs of all seeds and folds."""

    target: str
    variant: str
    parameters: int = 0
    seconds: float = 0.0
    abstains: bool = False
    seed: list[np.ndarray] = field(default_factory=list)
    fold: list[np.ndarray] = field(default_factory=list)
    pair: list[np.ndarray] = field(default_factory=list)
    probability: list[np.ndarray] = field(default_factory=list)
    temperature: list[float] = field(default_factory=list)

    def add(self, fold: Fold, probability: np.ndarray, temperature: float | None = None) -> None:
        """Keep the predictions of one fold's test pairs, and the temperature that calibrated them, if one did."""
        self.temperature += [temperature] if temperature is not None else []
        self.seed.append(np.full(len(probability), fold.repetition))
        self.fold.append(np.full(len(probability), fold.number))
        self.pair.append(fold.test.cpu().numpy())
        self.probability.append(probability)

    def columns(self) -> dict[str, np.ndarray]:
        """seed, fold, pair and probability, each one array, ordered alike in all variants: by seed and pair."""
        joined = {name: np.concatenate(getattr(self, name)) for name in ("seed", "fold", "pair", "probability")}
        order = np.lexsort((joined["pair"], joined["seed"]))
        return {name: column[order] for name, column in joined.items()}


def summarise(pipeline: Pipeline, pairs: Pairs, group: Tensor, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Metrics of every variant of one target, and comparisons between variants, as JSON values."""
    label = pairs.label.cpu().numpy()
    cluster = group.cpu().numpy()
    return {
        "pairs": {"kept": len(pairs), "rising": int(label.sum()), "dropped": dict(pairs.dropped)},
        "subjects": len(np.unique(cluster)),
        "variants": {outcome.variant: _row(pipeline, outcome, label, cluster) for outcome in outcomes},
        "comparisons": _compare(pipeline, outcomes, label, cluster),
    }


def _row(pipeline: Pipeline, outcome: Outcome, label: np.ndarray, cluster: np.ndarray) -> dict[str, Any]:
    """Every metric is the mean over folds (where both directions occur, for balanced accuracy and AUC): scores of
    different folds come from different models and are not ranked against each other. The interval is that of the
    accuracy over all pairs, resampling subjects."""
    options = pipeline.config.evaluate
    columns = outcome.columns()
    truth, probability = label[columns["pair"]], columns["probability"]
    folds = columns["seed"] * (columns["fold"].max() + 1) + columns["fold"]
    parts = [folds == fold for fold in np.unique(folds)]
    by_fold = [metrics.accuracy(truth[part], probability[part]) for part in parts]
    interval = None
    if options.bootstrap:
        found = clustered_bootstrap(
            metrics.correct(truth, probability),
            cluster[columns["pair"]],
            resamples=options.bootstrap,
            confidence=options.confidence,
            seed=pipeline.runtime.seed,
        )
        interval = [found.low, found.high] if found.subjects >= FEWEST_SUBJECTS else None
    return {
        "accuracy": float(np.mean(by_fold)),
        "accuracy_sd": float(np.std(by_fold, ddof=1)) if len(by_fold) > 1 else 0.0,
        "accuracy_by_fold": by_fold,
        "accuracy_pooled": metrics.accuracy(truth, probability),
        "accuracy_interval": interval,
        "balanced_accuracy": _mean_of(metrics.balanced_accuracy, truth, probability, parts),
        "auc": None if outcome.variant == "majority" else _mean_of(metrics.auc, truth, probability, parts),
        "temperature": float(np.exp(np.mean(np.log(outcome.temperature)))) if outcome.temperature else 1.0,
        "coverage": coverage(truth, probability) if outcome.variant in foremost(options.variants) else None,
        "abstains": outcome.abstains,
        "parameters": outcome.parameters,
        "seconds": outcome.seconds,
    }


def kept(variants: Sequence[str]) -> str:
    """The variant that a model is saved of."""
    return next((name for name in KEPT if name in variants), BASELINE)


def foremost(variants: Sequence[str]) -> set[str]:
    """The variants whose probabilities a person reads: they are calibrated, and told by how sure they are."""
    return {"fused", BASELINE, kept(variants)}


def cues_by_direction(representations: Representations, pairs: Pairs) -> dict[str, dict[str, Any]]:
    """How often each feature is salient in the later window of the pairs that rise, and of those that fall, with its
    words: shares [0, 1], None where no pair goes that way."""
    whole = representations.whole
    salient = whole.saliency.mask[pairs.later].float()
    rises = pairs.label > 0.5
    shares = {}
    for way, rows in (("rises", rises), ("falls", ~rises)):
        shares[way] = salient[rows].mean(dim=0).tolist() if bool(rows.any()) else [None] * salient.shape[1]
    return {
        name: {**{way: share[column] for way, share in shares.items()}, "words": representations.base.describe(name, 1)}
        for column, name in enumerate(whole.windows.names)
    }


def coverage(truth: np.ndarray, probability: np.ndarray) -> list[dict[str, float]]:
    """The accuracy [0, 1] on the surest predictions: for each share of all pairs, and the confidence, the probability
    of the predicted direction, that the least sure of them has.

    Equally sure predictions are withheld together, so a share can be a little more than was asked for.
    """
    confidence = np.maximum(probability, 1 - probability)
    hits = metrics.correct(truth, probability)
    order = np.sort(confidence)[::-1]
    found = []
    for share in _COVERAGES:
        least = order[max(1, round(share * len(order))) - 1]
        told = confidence >= least
        found.append({"coverage": float(told.mean()), "accuracy": float(hits[told].mean()),
                      "least_confidence": float(least)})  # fmt: skip
    return found


def _mean_of(
    metric: Callable[[np.ndarray, np.ndarray], float | None],
    truth: np.ndarray,
    probability: np.ndarray,
    parts: Sequence[np.ndarray],
) -> float | None:
    found = [value for part in parts if (value := metric(truth[part], probability[part])) is not None]
    return float(np.mean(found)) if found else None


def compared(variants: Sequence[str]) -> list[tuple[str, str]]:
    """Which variants are compared: fused with every other one, and zero-shot with the majority and with its
    controls."""
    pairs = [("fused", other) for other in variants if other != "fused"] if "fused" in variants else []
    if "zero-shot" in variants:
        pairs += [("zero-shot", other) for other in ("majority", "zero-shot-names", "zero-shot-shuffled")
                  if other in variants]  # fmt: skip
    return pairs


def _compare(pipeline: Pipeline, outcomes: Sequence[Outcome], label: np.ndarray, cluster: np.ndarray) -> dict[str, Any]:
    """Differences of accuracy over all pairs and repetitions: intervals that resample subjects, and p-values of a test
    that flips the sign of each subject's gain, corrected for the number of comparisons (Holm 1979); ``least_p`` is the
    smallest corrected p-value that so few subjects can give."""
    options = pipeline.config.evaluate
    if options.bootstrap == 0:
        return {}
    by_variant = {outcome.variant: outcome.columns() for outcome in outcomes}
    found: dict[str, dict[str, Any]] = {}
    for first, second in compared(list(by_variant)):
        columns, other = by_variant[first], by_variant[second]
        truth, owner = label[columns["pair"]], cluster[columns["pair"]]
        gain = metrics.correct(truth, columns["probability"]) - metrics.correct(truth, other["probability"])
        interval = clustered_bootstrap(
            gain, owner, resamples=options.bootstrap, confidence=options.confidence, seed=pipeline.runtime.seed
        )
        found[f"{first} - {second}"] = {
            **asdict(interval),
            "p": sign_flip_test(gain, owner),
        }
    corrected = holm([row["p"] for row in found.values()])
    for row, p in zip(found.values(), corrected, strict=True):
        row["p_corrected"] = p
        row["least_p"] = min(1.0, 2.0 ** (1 - row["subjects"]) * len(found))
        row["shown"] = is_shown(row)
    return found


def is_shown(row: dict[str, Any]) -> bool:
    """Whether a comparison shows a difference: enough subjects, an interval without 0, and a p-value, corrected for the
    number of comparisons, below what the interval leaves out."""
    excludes = row["low"] > 0 or row["high"] < 0
    return bool(row["subjects"] >= FEWEST_SUBJECTS and excludes and row["p_corrected"] <= 1 - row["confidence"])


def sentence(name: str, row: dict[str, Any]) -> str:
    """A comparison in a plain sentence."""
    verdict = "shown" if row["shown"] else "not shown"
    if row["subjects"] < FEWEST_SUBJECTS or row.get("least_p", 0.0) > 1 - row["confidence"]:
        verdict = f"too few subjects to tell ({row['subjects']})"
    return f"{name} = {row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]: {verdict}"
