"""Train and test every variant on identical pairs and folds, and put an interval on what language adds."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from lasca_core.contract.errors import DatasetError
from lasca_core.contract.protocols import Model
from lasca_core.contract.types import Pairs
from lasca_core.experiment import heads
from lasca_core.experiment.material import Material
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.representations import RECIPES, Representations
from lasca_core.experiment.results import Outcome, cues_by_direction, summarise
from lasca_core.experiment.splits import Fold, make_folds
from lasca_core.experiment.trial import Trial, both_directions
from lasca_core.steps.fusion import Columns

if TYPE_CHECKING:
    from torch import Tensor


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
    variants = pipeline.config.evaluate.variants
    pairs_of = learnable(pipeline, material)
    if not representations.fitted:  # now, so that no variant's time includes it
        for variant in variants:
            representations.whole.get(RECIPES[variant])
    trials = {
        target: Trial(pipeline, representations, target, pairs_of[target], plan)
        for target, plan in plans_of(pipeline, pairs_of, material).items()
    }
    openings = {target: [trial.begin(variant) for variant in variants] for target, trial in trials.items()}
    count = sum(len(opening.folds) for opened in openings.values() for opening in opened)
    with pipeline.runtime.report.task(f"train and test {count} heads", count) as progress:
        pending = chain.from_iterable(trial.pending(openings[target]) for target, trial in trials.items())
        heads.train(pending, pipeline.fit, progress)
    results: dict[str, Any] = {}
    for target, trial in trials.items():
        found = [opening.outcome for opening in openings[target]]
        results[target] = summarise(pipeline, trial.pairs, trial.group, found)
        results[target]["cues"] = cues_by_direction(representations, trial.pairs)
    return Evaluation(
        [opening.outcome for opened in openings.values() for opening in opened],
        {target: trial.pairs for target, trial in trials.items()},
        {"targets": results},
    )


def learnable(pipeline: Pipeline, material: Material) -> dict[str, Pairs]:
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


def plans_of(pipeline: Pipeline, pairs_of: dict[str, Pairs], material: Material) -> dict[str, list[Fold]]:
    """The folds of each target that has some. Raises ``DatasetError`` if none has."""
    plans: dict[str, list[Fold]] = {}
    problems = []
    for target, pairs in pairs_of.items():
        try:
            plans[target] = _plan(pipeline, target, pairs, material)
        except DatasetError as fault:
            problems.append(f"{target}: {fault}")
    if not plans:
        raise DatasetError(problems[0])
    for problem in problems:
        pipeline.runtime.report.warn(f"left out: {problem}")
    return plans


def _plan(pipeline: Pipeline, target: str, pairs: Pairs, material: Material) -> list[Fold]:
    """Every fold of every repetition that can be trained; one whose training pairs all go one way cannot.

    On a learning curve, where few subjects are drawn, such folds stay: leaving them out would favour lucky draws.
    """
    options = pipeline.config.evaluate
    part = [material.part[session] for session in material.windows.session[pairs.later].tolist()]
    plan = make_folds(material.subject[pairs.later], part, options, pipeline.runtime.seed)
    kept = [fold for fold in plan if options.train_subjects is not None or both_directions(pairs.label[fold.train])]
    if len(kept) < len(plan):
        lost = f"{len(plan) - len(kept)} of {len(plan)} folds are left out"
        pipeline.runtime.report.warn(f"{target}: {lost}, their training pairs all go one way")
    if not kept:
        raise DatasetError("in every fold the training pairs all go one way; more subjects are needed")
    return kept


def train_final(
    pipeline: Pipeline, material: Material, representations: Representations, target: str, variant: str, pairs: Pairs
) -> tuple[Model, Columns]:
    """The model that is kept: one variant trained on all pairs; and its columns."""
    import torch

    every = torch.arange(len(pairs), device=pairs.label.device)
    trial = Trial(pipeline, representations, target, pairs, [])
    recipe = RECIPES[variant]
    delta, layout = trial.delta_of(representations.whole.get(recipe))
    problem, columns = trial.problem(recipe, delta, layout, Fold(0, 0, every, every))
    (model,) = pipeline.fit([problem])
    return model, columns
