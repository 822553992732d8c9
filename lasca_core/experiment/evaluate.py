"""Train and test every variant on identical pairs and folds, and put an interval on what language adds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lasca_core.contract.errors import DatasetError
from lasca_core.contract.types import Block, Lexicon, Pairs, Problem
from lasca_core.experiment import metrics
from lasca_core.experiment.material import Material
from lasca_core.experiment.metrics import Interval, clustered_bootstrap
from lasca_core.experiment.pipeline import Pipeline, Representation
from lasca_core.experiment.splits import grouped_folds
from lasca_core.steps.fusion import column_scale, differences
from lasca_core.steps.normalize import Statistics, statistics
from lasca_core.steps.wording import shuffled

if TYPE_CHECKING:
    import torch
    from torch import Tensor

BLOCKS: dict[str, tuple[str, ...]] = {
    "features": ("features",),
    "mask": ("mask",),
    "text": ("text",),
    "fused": ("features", "text"),
    "shuffled": ("features", "shuffled text"),
}
"""Variant -> the blocks of its representation. ``majority`` has none: it says what was more frequent in training."""

_PROBLEM_BYTES = 2**30
"""Training tasks are handed to the learner in portions of about this size."""


@dataclass
class Outcome:
    """What one variant predicted for one target: arrays over all tested pairs of all seeds and folds."""

    target: str
    variant: str
    parameters: int = 0
    seconds: float = 0.0
    seed: list[np.ndarray] = field(default_factory=list)
    fold: list[np.ndarray] = field(default_factory=list)
    pair: list[np.ndarray] = field(default_factory=list)
    probability: list[np.ndarray] = field(default_factory=list)

    def add(self, seed: int, fold: int, pair: np.ndarray, probability: np.ndarray) -> None:
        """Keep the predictions of one fold."""
        self.seed.append(np.full(len(pair), seed))
        self.fold.append(np.full(len(pair), fold))
        self.pair.append(pair)
        self.probability.append(probability)

    def columns(self) -> dict[str, np.ndarray]:
        """seed, fold, pair and probability, each one array, ordered alike in all variants: by seed and pair."""
        joined = {name: np.concatenate(getattr(self, name)) for name in ("seed", "fold", "pair", "probability")}
        order = np.lexsort((joined["pair"], joined["seed"]))
        return {name: column[order] for name, column in joined.items()}


@dataclass(frozen=True)
class Evaluation:
    """The results of a run: predictions, metrics, and the pairs they are about."""

    outcomes: list[Outcome]
    pairs: dict[str, Pairs]
    metrics: dict[str, Any]


@dataclass
class Representations:
    """The representation of all windows, under the lexicon and under its shuffled control, for given training windows.

    Only the strategy ``global`` depends on which windows are for training; others are computed once.
    """

    pipeline: Pipeline
    material: Material
    lexicon: Lexicon
    _kept: dict[str, Tensor] | None = None
    full: Representation | None = None

    def blocks(self, train_windows: Tensor | None, names: Sequence[str]) -> dict[str, Tensor]:
        """Block name -> float32 [W, d] for all windows; ``train_windows`` bool [W]."""
        if self.pipeline.config.normalize.strategy != "global":
            train_windows = None
        if self._kept is not None and train_windows is None and set(names) <= self._kept.keys():
            return self._kept
        blocks, representation = self._compute(train_windows, names)
        if train_windows is None:
            self._kept, self.full = blocks, representation
        return blocks

    def _compute(self, train_windows: Tensor | None, names: Sequence[str]) -> tuple[dict[str, Tensor], Representation]:
        pipeline, windows = self.pipeline, self.material.windows
        group = self.material.group(pipeline.config.normalize.strategy)
        normalized = pipeline.normalized(windows, group, fit=train_windows)
        saliency = pipeline.salient(windows, normalized)
        representation = pipeline.represent(windows, normalized, saliency, self.lexicon, embed="text" in names)
        blocks = representation.blocks
        if "shuffled text" in names:
            control = shuffled(self.lexicon, pipeline.runtime.generator("shuffled lexicon"))
            blocks["shuffled text"] = pipeline.represent(windows, normalized, saliency, control).blocks["text"]
        return blocks, representation

    def global_statistics(self) -> Statistics | None:
        """What a model must keep to normalise new recordings: only under the strategy ``global``."""
        if self.pipeline.config.normalize.strategy != "global":
            return None
        return statistics(self.material.windows, self.material.group("global"))


def evaluate(pipeline: Pipeline, material: Material, representations: Representations) -> Evaluation:
    """All variants x targets x seeds x folds."""
    options = pipeline.config.evaluate
    outcomes: list[Outcome] = []
    pairs_of: dict[str, Pairs] = {}
    results: dict[str, Any] = {}
    for target in material.labels:
        pairs_of[target] = material.pairs(target, pipeline.config.pairs)
        _check_learnable(pairs_of[target], target)
    if pipeline.config.normalize.strategy != "global":
        representations.blocks(None, _needed(options.variants))  # now, so that no variant's time includes it
    for target, pairs in pairs_of.items():
        group = material.subject[pairs.later]
        plan = [
            (seed, fold, train, test)
            for seed in range(options.seeds)
            for fold, (train, test) in enumerate(grouped_folds(group, options.folds, pipeline.runtime.seed + seed))
        ]
        plan = _without_one_sided(plan, pairs, target, pipeline)
        found = [
            _run_variant(pipeline, representations, target, variant, pairs, group, plan) for variant in options.variants
        ]
        outcomes += found
        results[target] = _summarise(pipeline, material, pairs, group, found)
    return Evaluation(outcomes, pairs_of, {"targets": results})


Plan = list[tuple[int, int, "Tensor", "Tensor"]]


def _check_learnable(pairs: Pairs, target: str) -> None:
    if len(pairs) < 2:
        raise DatasetError(
            f"only {len(pairs)} pairs of windows are left for {target} ({_reasons(pairs)} dropped); lower "
            f"-o pairs.tau, shorten -o windows.length or check the annotation"
        )
    if len(set(pairs.label.tolist())) < 2:
        way = "rise" if float(pairs.label[0]) > 0.5 else "fall"
        raise DatasetError(
            f"all {len(pairs)} pairs of {target} {way}: there is nothing to tell apart; check the annotation's "
            f"sign and scale"
        )


def _reasons(pairs: Pairs) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in pairs.dropped.items() if count) or "none"


def _without_one_sided(plan: Plan, pairs: Pairs, target: str, pipeline: Pipeline) -> Plan:
    """Leave out folds whose training pairs all go one way."""
    kept = [entry for entry in plan if 0 < float(pairs.label[entry[2]].mean()) < 1]
    if len(kept) < len(plan):
        pipeline.runtime.report.warn(
            f"{target}: {len(plan) - len(kept)} of {len(plan)} folds are left out, their training pairs all go one way"
        )
    if not kept:
        raise DatasetError(f"{target}: in every fold the training pairs all go one way; more subjects are needed")
    return kept


def _needed(variants: Sequence[str]) -> list[str]:
    """All blocks that the variants are made of."""
    return sorted({block for variant in variants for block in BLOCKS.get(variant, ())})


def _run_variant(
    pipeline: Pipeline,
    representations: Representations,
    target: str,
    variant: str,
    pairs: Pairs,
    group: Tensor,
    plan: Plan,
) -> Outcome:
    outcome = Outcome(target, variant)
    begin = time.perf_counter()
    if variant == "majority":
        for seed, fold, train, test in plan:
            share = float(pairs.label[train].mean())
            outcome.add(seed, fold, test.cpu().numpy(), np.full(len(test), share, dtype=np.float32))
        return outcome
    needed = _needed(pipeline.config.evaluate.variants)
    task_of = _problem_maker(pipeline, representations, variant, pairs, group, needed)
    with pipeline.runtime.report.task(f"train {target} / {variant}", len(plan)) as progress:
        for portion in _portions(plan, task_of):
            models = pipeline.fit([problem for _, problem, _, _ in portion])
            with pipeline.stage("test"):
                for (seed, fold, _, test), (_, _, scale, delta), model in zip(
                    [entry for entry, *_ in portion], portion, models, strict=True
                ):
                    scores = model.predict(delta[test] / scale)
                    outcome.add(seed, fold, test.cpu().numpy(), scores.probability.cpu().numpy())
                    outcome.parameters = model.parameters
                    progress.advance()
    outcome.seconds = time.perf_counter() - begin
    return outcome


Work = tuple[tuple[int, int, "Tensor", "Tensor"], Problem, "Tensor", "Tensor"]


def _problem_maker(
    pipeline: Pipeline,
    representations: Representations,
    variant: str,
    pairs: Pairs,
    group: Tensor,
    needed: Sequence[str],
) -> Callable[[tuple[int, int, Tensor, Tensor]], Work]:
    """A function from a planned fold to its training problem, the columns' scale, and the differences of all pairs."""
    names = {"features": representations.material.windows.names, "mask": representations.material.windows.names}
    cache: dict[str, tuple[Tensor, tuple[Block, ...]]] = {}

    def make(entry: tuple[int, int, Tensor, Tensor]) -> Work:
        seed, _, train, _ = entry
        if pipeline.config.normalize.strategy == "global" or "delta" not in cache:
            windows = _windows_of(pairs, train, len(representations.material.windows))
            blocks = representations.blocks(windows, needed)
            cache["delta"] = differences({name: blocks[name] for name in BLOCKS[variant]}, names, pairs)
        delta, layout = cache["delta"]
        return (entry, *make_problem(delta, layout, pairs, group, train, pipeline.runtime.seed + seed), delta)

    return make


def make_problem(
    delta: Tensor, layout: tuple[Block, ...], pairs: Pairs, group: Tensor, train: Tensor, seed: int
) -> tuple[Problem, Tensor]:
    """The training problem over the pairs ``train`` int64, and its columns' scale, fitted on these pairs alone."""
    scale = column_scale(delta[train])
    problem = Problem(
        delta=delta[train] / scale, label=pairs.label[train], group=group[train], blocks=layout, seed=seed
    )
    return problem, scale


def _windows_of(pairs: Pairs, rows: Tensor, count: int) -> Tensor:
    """Which windows, bool [W], the pairs ``rows`` are made of."""
    import torch

    used = torch.zeros(count, dtype=torch.bool, device=rows.device)
    used[pairs.earlier[rows]] = True
    used[pairs.later[rows]] = True
    return used


def _portions(plan: Plan, make: Callable[[tuple[int, int, Tensor, Tensor]], Work]) -> Iterator[list[Work]]:
    """Groups of problems of about ``_PROBLEM_BYTES``, so that a large corpus does not need all folds in memory."""
    portion: list[Work] = []
    held = 0
    for entry in plan:
        work = make(entry)
        portion.append(work)
        held += work[1].delta.numel() * 4
        if held >= _PROBLEM_BYTES:
            yield portion
            portion, held = [], 0
    if portion:
        yield portion


# --- numbers ----------------------------------------------------------------------------------------------------------


def _summarise(
    pipeline: Pipeline, material: Material, pairs: Pairs, group: Tensor, outcomes: Sequence[Outcome]
) -> dict[str, Any]:
    label = pairs.label.cpu().numpy()
    cluster = group.cpu().numpy()
    rows = {outcome.variant: _row(outcome, label) for outcome in outcomes}
    return {
        "pairs": {"kept": len(pairs), "rising": int(label.sum()), "dropped": dict(pairs.dropped)},
        "subjects": len(np.unique(cluster)),
        "variants": rows,
        "comparisons": _compare(pipeline, outcomes, label, cluster),
    }


def _row(outcome: Outcome, label: np.ndarray) -> dict[str, Any]:
    columns = outcome.columns()
    truth = label[columns["pair"]]
    folds = columns["seed"] * (columns["fold"].max() + 1) + columns["fold"]
    by_fold = [
        metrics.accuracy(truth[folds == fold], columns["probability"][folds == fold]) for fold in np.unique(folds)
    ]
    pooled = [columns["seed"] == seed for seed in np.unique(columns["seed"])]
    return {
        "accuracy": float(np.mean(by_fold)),
        "accuracy_sd": float(np.std(by_fold, ddof=1)) if len(by_fold) > 1 else 0.0,
        "accuracy_by_fold": by_fold,
        "accuracy_pooled": metrics.accuracy(truth, columns["probability"]),
        "balanced_accuracy": _mean_of(metrics.balanced_accuracy, truth, columns["probability"], pooled),
        "auc": None if outcome.variant == "majority" else _mean_of(metrics.auc, truth, columns["probability"], pooled),
        "parameters": outcome.parameters,
        "seconds": outcome.seconds,
    }


def _mean_of(
    metric: Callable[[np.ndarray, np.ndarray], float | None],
    truth: np.ndarray,
    probability: np.ndarray,
    parts: Sequence[np.ndarray],
) -> float | None:
    found = [value for part in parts if (value := metric(truth[part], probability[part])) is not None]
    return float(np.mean(found)) if found else None


def _compare(pipeline: Pipeline, outcomes: Sequence[Outcome], label: np.ndarray, cluster: np.ndarray) -> dict[str, Any]:
    """fused against every other variant, pooled over seeds, with subject-clustered intervals."""
    options = pipeline.config.evaluate
    by_variant = {outcome.variant: outcome.columns() for outcome in outcomes}
    if "fused" not in by_variant or options.bootstrap == 0:
        return {}
    fused = by_variant["fused"]
    found = {}
    for variant, columns in by_variant.items():
        if variant == "fused":
            continue
        interval: Interval = clustered_bootstrap(
            label[fused["pair"]],
            fused["probability"],
            columns["probability"],
            cluster[fused["pair"]],
            resamples=options.bootstrap,
            confidence=options.confidence,
            seed=pipeline.runtime.seed,
        )
        found[f"fused - {variant}"] = {
            "difference": interval.difference,
            "low": interval.low,
            "high": interval.high,
            "confidence": interval.confidence,
            "shown": interval.shown,
        }
    return found


def train_final(
    pipeline: Pipeline, material: Material, representations: Representations, target: str, variant: str, pairs: Pairs
) -> tuple[Any, torch.Tensor]:
    """The model that is kept: one variant trained on all pairs; and the scale of its columns."""
    import torch

    names = {"features": material.windows.names, "mask": material.windows.names}
    blocks = representations.blocks(torch.ones_like(material.windows.valid), BLOCKS[variant])
    delta, layout = differences({name: blocks[name] for name in BLOCKS[variant]}, names, pairs)
    rows = torch.arange(len(pairs), device=delta.device)
    problem, scale = make_problem(delta, layout, pairs, material.subject[pairs.later], rows, pipeline.runtime.seed)
    (model,) = pipeline.fit([problem])
    return model, scale
