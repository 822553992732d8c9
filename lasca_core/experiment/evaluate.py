"""Train and test every variant on identical pairs and folds, and put an interval on what language adds."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lasca_core.contract.errors import DatasetError
from lasca_core.contract.protocols import Model
from lasca_core.contract.types import Block, Pairs, Problem
from lasca_core.experiment import metrics
from lasca_core.experiment.material import Material
from lasca_core.experiment.metrics import clustered_bootstrap
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.representations import BLOCKS, Representations
from lasca_core.experiment.splits import grouped_folds
from lasca_core.steps.fusion import column_scale, differences

if TYPE_CHECKING:
    from torch import Tensor

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

    def add(self, fold: Fold, probability: np.ndarray) -> None:
        """Keep the predictions of one fold's test pairs."""
        self.seed.append(np.full(len(probability), fold.repetition))
        self.fold.append(np.full(len(probability), fold.number))
        self.pair.append(fold.test.cpu().numpy())
        self.probability.append(probability)

    def columns(self) -> dict[str, np.ndarray]:
        """seed, fold, pair and probability, each one array, ordered alike in all variants: by seed and pair."""
        joined = {name: np.concatenate(getattr(self, name)) for name in ("seed", "fold", "pair", "probability")}
        order = np.lexsort((joined["pair"], joined["seed"]))
        return {name: column[order] for name, column in joined.items()}


@dataclass(frozen=True)
class Fold:
    """One fold of one repetition: ``train`` and ``test`` int64 rows of the pairs."""

    repetition: int
    number: int
    train: Tensor
    test: Tensor


@dataclass(frozen=True)
class Work:
    """A fold made ready for the learner: its ``problem``, and the ``delta`` [P, D] of all pairs with the ``scale`` [D]
    that was fitted on the training pairs."""

    fold: Fold
    problem: Problem
    delta: Tensor
    scale: Tensor


@dataclass(frozen=True)
class Evaluation:
    """The results of a run: predictions, metrics, and the pairs they are about."""

    outcomes: list[Outcome]
    pairs: dict[str, Pairs]
    metrics: dict[str, Any]


def evaluate(pipeline: Pipeline, material: Material, representations: Representations) -> Evaluation:
    """All variants x targets x seeds x folds. A target that cannot be learnt is reported and left out.

    Raises ``DatasetError`` if none can.
    """
    options = pipeline.config.evaluate
    pairs_of = _learnable(pipeline, material)
    if not representations.fitted:  # now, so that no variant's time includes it
        representations.whole.get(sorted({block for variant in options.variants for block in BLOCKS[variant]}))
    outcomes: list[Outcome] = []
    results: dict[str, Any] = {}
    for target, pairs in pairs_of.items():
        group = material.subject[pairs.later]
        plan = _plan(pipeline, target, pairs, group)
        found = [
            _run_variant(pipeline, representations, target, variant, pairs, group, plan) for variant in options.variants
        ]
        outcomes += found
        results[target] = _summarise(pipeline, pairs, group, found)
    return Evaluation(outcomes, pairs_of, {"targets": results})


def _learnable(pipeline: Pipeline, material: Material) -> dict[str, Pairs]:
    """The pairs of each target that has enough of both directions, from at least two subjects."""
    found: dict[str, Pairs] = {}
    problems = []
    for target in material.labels:
        pairs = material.pairs(target, pipeline.config.pairs, pipeline.config.windows.stride())
        problem = _problem_with(pairs, material.subject[pairs.later], target, pipeline.config.pairs.tau)
        if problem:
            problems.append(problem)
        else:
            found[target] = pairs
    if not found:
        raise DatasetError(problems[0])
    for problem in problems:
        pipeline.runtime.report.warn(f"left out: {problem}")
    return found


def _problem_with(pairs: Pairs, group: Tensor, target: str, tau: float) -> str:
    """Why these pairs cannot be learnt from, or an empty string."""
    dropped = ", ".join(f"{count} {reason}" for reason, count in pairs.dropped.items() if count) or "none"
    if len(pairs) < 2:
        return (
            f"only {len(pairs)} pairs of windows are left for {target} ({dropped} dropped at pairs.tau = {tau:g}); "
            f"lower -o pairs.tau, shorten -o windows.length or check the annotation"
        )
    if len(set(pairs.label.tolist())) < 2:
        way = "rise" if float(pairs.label[0]) > 0.5 else "fall"
        return (
            f"all {len(pairs)} pairs of {target} {way} ({dropped} dropped at pairs.tau = {tau:g}): there is nothing "
            f"to tell apart; check the annotation's sign and scale"
        )
    if len(set(group.tolist())) < 2:
        return f"all {len(pairs)} pairs of {target} are of 1 subject: folds that keep subjects apart need at least 2"
    return ""


def _plan(pipeline: Pipeline, target: str, pairs: Pairs, group: Tensor) -> list[Fold]:
    """Every fold of every repetition that can be trained; one whose training pairs all go one way cannot."""
    options = pipeline.config.evaluate
    plan = [
        Fold(repetition, number, train, test)
        for repetition in range(options.seeds)
        for number, (train, test) in enumerate(grouped_folds(group, options.folds, pipeline.runtime.seed + repetition))
    ]
    kept = [fold for fold in plan if 0 < float(pairs.label[fold.train].mean()) < 1]
    if len(kept) < len(plan):
        lost = f"{len(plan) - len(kept)} of {len(plan)} folds are left out"
        pipeline.runtime.report.warn(f"{target}: {lost}, their training pairs all go one way")
    if not kept:
        raise DatasetError(f"{target}: in every fold the training pairs all go one way; more subjects are needed")
    return kept


def _run_variant(
    pipeline: Pipeline,
    representations: Representations,
    target: str,
    variant: str,
    pairs: Pairs,
    group: Tensor,
    plan: Sequence[Fold],
) -> Outcome:
    outcome = Outcome(target, variant)
    begin = time.perf_counter()
    if variant == "majority":
        for fold in plan:
            share = float(pairs.label[fold.train].mean())
            outcome.add(fold, np.full(len(fold.test), share, dtype=np.float32))
        return outcome
    prepare = _preparer(pipeline, representations, variant, pairs, group)
    with pipeline.runtime.report.task(f"train {target} / {variant}", len(plan)) as progress:
        for portion in _portions(plan, prepare):
            models = pipeline.fit([work.problem for work in portion])
            with pipeline.stage("test"):
                for work, model in zip(portion, models, strict=True):
                    scores = model.predict(work.delta[work.fold.test] / work.scale)
                    outcome.add(work.fold, scores.probability.cpu().numpy())
                    outcome.parameters = model.parameters
                    progress.advance()
    outcome.seconds = time.perf_counter() - begin
    return outcome


def _preparer(
    pipeline: Pipeline, representations: Representations, variant: str, pairs: Pairs, group: Tensor
) -> Callable[[Fold], Work]:
    """A function that makes a fold ready for the learner."""
    windows = representations.material.windows
    names = {"features": windows.names, "mask": windows.names}
    floor = pipeline.config.normalize.scale_floor()
    kept: dict[int, tuple[Tensor, tuple[Block, ...]]] = {}

    def compute(fold: Fold) -> tuple[Tensor, tuple[Block, ...]]:
        blocks = representations.given(_windows_of(pairs, fold.train, len(windows)))
        return differences(blocks.get(BLOCKS[variant], fold.repetition), names, pairs)

    def prepare(fold: Fold) -> Work:
        if representations.fitted:
            delta, layout = compute(fold)
        else:
            if fold.repetition not in kept:
                kept.clear()  # repetitions come one after the other
                kept[fold.repetition] = compute(fold)
            delta, layout = kept[fold.repetition]
        seed = pipeline.runtime.seed + fold.repetition
        problem, scale = make_problem(delta, layout, pairs, group, fold.train, seed, floor)
        return Work(fold, problem, delta, scale)

    return prepare


def make_problem(
    delta: Tensor,
    layout: tuple[Block, ...],
    pairs: Pairs,
    group: Tensor,
    train: Tensor,
    seed: int,
    floor: float = 0.0,
) -> tuple[Problem, Tensor]:
    """The training problem over the pairs ``train`` int64, and its columns' scale, fitted on these pairs alone."""
    scale = column_scale(delta[train], layout, floor)
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


def _portions(plan: Sequence[Fold], prepare: Callable[[Fold], Work]) -> Iterator[list[Work]]:
    """Groups of folds of about ``_PROBLEM_BYTES``, so that a large corpus does not need all of them in memory."""
    portion: list[Work] = []
    held = 0
    for fold in plan:
        portion.append(prepare(fold))
        held += portion[-1].problem.delta.numel() * 4
        if held >= _PROBLEM_BYTES:
            yield portion
            portion, held = [], 0
    if portion:
        yield portion


# --- numbers ----------------------------------------------------------------------------------------------------------


def _summarise(pipeline: Pipeline, pairs: Pairs, group: Tensor, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    label = pairs.label.cpu().numpy()
    cluster = group.cpu().numpy()
    return {
        "pairs": {"kept": len(pairs), "rising": int(label.sum()), "dropped": dict(pairs.dropped)},
        "subjects": len(np.unique(cluster)),
        "variants": {outcome.variant: _row(outcome, label) for outcome in outcomes},
        "comparisons": _compare(pipeline, outcomes, label, cluster),
    }


def _row(outcome: Outcome, label: np.ndarray) -> dict[str, Any]:
    """Every metric is the mean over folds (where both directions occur, for balanced accuracy and AUC): scores of
    different folds come from different models and are not ranked against each other."""
    columns = outcome.columns()
    truth, probability = label[columns["pair"]], columns["probability"]
    folds = columns["seed"] * (columns["fold"].max() + 1) + columns["fold"]
    parts = [folds == fold for fold in np.unique(folds)]
    by_fold = [metrics.accuracy(truth[part], probability[part]) for part in parts]
    return {
        "accuracy": float(np.mean(by_fold)),
        "accuracy_sd": float(np.std(by_fold, ddof=1)) if len(by_fold) > 1 else 0.0,
        "accuracy_by_fold": by_fold,
        "accuracy_pooled": metrics.accuracy(truth, probability),
        "balanced_accuracy": _mean_of(metrics.balanced_accuracy, truth, probability, parts),
        "auc": None if outcome.variant == "majority" else _mean_of(metrics.auc, truth, probability, parts),
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
    """fused against every other variant, pooled over all pairs and repetitions, with subject-clustered intervals."""
    options = pipeline.config.evaluate
    by_variant = {outcome.variant: outcome.columns() for outcome in outcomes}
    if "fused" not in by_variant or options.bootstrap == 0:
        return {}
    fused = by_variant["fused"]
    found = {}
    for variant, columns in by_variant.items():
        if variant == "fused":
            continue
        interval = clustered_bootstrap(
            label[fused["pair"]],
            fused["probability"],
            columns["probability"],
            cluster[fused["pair"]],
            resamples=options.bootstrap,
            confidence=options.confidence,
            seed=pipeline.runtime.seed,
        )
        found[f"fused - {variant}"] = {**dataclasses.asdict(interval), "shown": interval.shown}
    return found


def train_final(
    pipeline: Pipeline, material: Material, representations: Representations, variant: str, pairs: Pairs
) -> tuple[Model, Tensor]:
    """The model that is kept: one variant trained on all pairs; and the scale of its columns."""
    import torch

    names = {"features": material.windows.names, "mask": material.windows.names}
    delta, layout = differences(representations.whole.get(BLOCKS[variant]), names, pairs)
    rows = torch.arange(len(pairs), device=delta.device)
    group, floor = material.subject[pairs.later], pipeline.config.normalize.scale_floor()
    problem, scale = make_problem(delta, layout, pairs, group, rows, pipeline.runtime.seed, floor)
    (model,) = pipeline.fit([problem])
    return model, scale
