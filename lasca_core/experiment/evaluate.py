"""Train and test every variant on identical pairs and folds, and put an interval on what language adds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lasca_core.contract.errors import DatasetError
from lasca_core.contract.protocols import Model
from lasca_core.contract.types import Block, Knowledge, Pairs, Problem
from lasca_core.experiment.config import FusionOptions
from lasca_core.experiment.material import Material
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.representations import RECIPES, Recipe, Representations
from lasca_core.experiment.results import Outcome, summarise
from lasca_core.experiment.splits import Fold, make_folds
from lasca_core.steps.fusion import Columns, differences, fit_columns
from lasca_core.steps.pairs import unlabelled_pairs

if TYPE_CHECKING:
    from torch import Tensor

_PROBLEM_BYTES = 2**30
"""Training tasks are handed to the learner in portions of about this size."""


@dataclass(frozen=True)
class Work:
    """A fold made ready for the learner: its ``problem``, the differences ``delta`` [P, D] of all pairs in their
    ``layout``, and the ``columns`` that were fitted on the training pairs."""

    fold: Fold
    problem: Problem
    delta: Tensor
    layout: tuple[Block, ...]
    columns: Columns


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
    plans = plans_of(pipeline, pairs_of, material)
    outcomes: list[Outcome] = []
    results: dict[str, Any] = {}
    for target, plan in plans.items():
        pairs = pairs_of[target]
        trial = Trial(pipeline, representations, target, pairs, plan)
        found = [trial.run(variant) for variant in variants]
        outcomes += found
        results[target] = summarise(pipeline, pairs, trial.group, found)
    return Evaluation(outcomes, {target: pairs_of[target] for target in plans}, {"targets": results})


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
    kept = [fold for fold in plan if options.train_subjects is not None or _both(pairs.label[fold.train])]
    if len(kept) < len(plan):
        lost = f"{len(plan) - len(kept)} of {len(plan)} folds are left out"
        pipeline.runtime.report.warn(f"{target}: {lost}, their training pairs all go one way")
    if not kept:
        raise DatasetError("in every fold the training pairs all go one way; more subjects are needed")
    return kept


def _both(label: Tensor) -> bool:
    """Whether both directions occur."""
    return len(label) > 0 and 0 < float(label.mean()) < 1


@dataclass
class Trial:
    """The trial of all variants of one target on the same pairs and folds."""

    pipeline: Pipeline
    representations: Representations
    target: str
    pairs: Pairs
    plan: Sequence[Fold]

    @property
    def group(self) -> Tensor:
        """The subject of each pair, int64 [P]."""
        return self.representations.material.subject[self.pairs.later]

    def run(self, variant: str) -> Outcome:
        """What one variant predicts for the test pairs of every fold."""
        recipe = RECIPES[variant]
        outcome = Outcome(self.target, variant)
        begin = time.perf_counter()
        if variant == "majority":
            for fold in self.plan:
                outcome.add(fold, self._majority(fold))
            return outcome
        if not recipe.trained:
            self._apply_words(recipe, outcome)
        else:
            self._train(variant, recipe, outcome)
        outcome.seconds = time.perf_counter() - begin
        return outcome

    def _majority(self, fold: Fold) -> np.ndarray:
        """The share of rising pairs in training, for every test pair; 1/2 if there is none."""
        share = float(self.pairs.label[fold.train].mean()) if len(fold.train) else 0.5
        return np.full(len(fold.test), share, dtype=np.float32)

    def _apply_words(self, recipe: Recipe, outcome: Outcome) -> None:
        """Predict from the words alone: no label is seen, and columns are scaled by the changes of all windows."""
        words = recipe.words or "own"
        known: dict[int, tuple[Model, Columns]] = {}
        for fold in self.plan:
            if fold.repetition not in known:
                known[fold.repetition] = zero_shot(
                    self.pipeline, self.representations, self.target, recipe, fold.repetition
                )
            model, columns = known[fold.repetition]
            delta, layout = self.delta_of(self.representations.whole.get(recipe, fold.repetition))
            scores = model.predict(columns.apply(delta[fold.test], layout)[0])
            outcome.abstains |= self.representations.knowledge(words, self.target, fold.repetition).silent
            outcome.add(fold, scores.probability.cpu().numpy())

    def _train(self, variant: str, recipe: Recipe, outcome: Outcome) -> None:
        learner = self.pipeline.learner
        prepare = self._preparer(recipe)
        with self.pipeline.runtime.report.task(f"train {self.target} / {variant}", len(self.plan)) as progress:
            trainable = []
            for fold in self.plan:
                if self._can_train(fold, recipe, needs_both=not getattr(learner.spec, "zero_shot", False)):
                    trainable.append(fold)
                else:
                    outcome.add(fold, self._majority(fold))
                    progress.advance()
            for portion in _portions(trainable, prepare):
                models = self.pipeline.fit([work.problem for work in portion])
                with self.pipeline.stage("test"):
                    for work, model in zip(portion, models, strict=True):
                        scores = model.predict(work.columns.apply(work.delta[work.fold.test], work.layout)[0])
                        outcome.add(work.fold, scores.probability.cpu().numpy())
                        outcome.parameters = max(outcome.parameters, model.parameters)
                        progress.advance()

    def _can_train(self, fold: Fold, recipe: Recipe, *, needs_both: bool) -> bool:
        if _both(self.pairs.label[fold.train]):
            return True
        if needs_both or recipe.words is None or "features" not in recipe.blocks:
            return False
        return not self.representations.knowledge(recipe.words, self.target, fold.repetition).silent

    def _preparer(self, recipe: Recipe) -> Callable[[Fold], Work]:
        """A function that makes a fold ready for the learner."""
        kept: dict[int, tuple[Tensor, tuple[Block, ...]]] = {}
        count = len(self.representations.material.windows)

        def prepare(fold: Fold) -> Work:
            if self.representations.fitted:
                blocks = self.representations.given(_windows_of(self.pairs, fold.train, count))
                delta, layout = self.delta_of(blocks.get(recipe, fold.repetition))
            else:
                if fold.repetition not in kept:
                    kept.clear()  # repetitions come one after the other
                    kept[fold.repetition] = self.delta_of(self.representations.whole.get(recipe, fold.repetition))
                delta, layout = kept[fold.repetition]
            problem, columns = self.problem(recipe, delta, layout, fold)
            return Work(fold, problem, delta, layout, columns)

        return prepare

    def delta_of(self, blocks: dict[str, Tensor]) -> tuple[Tensor, tuple[Block, ...]]:
        """Differences of all pairs, and which columns are which."""
        names = self.representations.material.windows.names
        return differences(blocks, {"features": names, "mask": names}, self.pairs)

    def problem(self, recipe: Recipe, delta: Tensor, layout: tuple[Block, ...], fold: Fold) -> tuple[Problem, Columns]:
        """The training problem over a fold's training pairs, and the columns, fitted on these pairs alone."""
        knowledge = None
        if recipe.words is not None and "features" in recipe.blocks:
            knowledge = self.representations.knowledge(recipe.words, self.target, fold.repetition)
        config = self.pipeline.config
        unlabelled = None
        if not len(fold.train):
            unlabelled = _changes(self.pipeline, self.representations, recipe, fold.repetition)[0]
        return make_problem(
            delta,
            layout,
            self.pairs,
            self.group,
            fold.train,
            seed=self.pipeline.runtime.seed + fold.repetition,
            fusion=config.fusion,
            floor=config.normalize.scale_floor(),
            knowledge=knowledge,
            unlabelled=unlabelled,
        )


def make_problem(
    delta: Tensor,
    layout: tuple[Block, ...],
    pairs: Pairs,
    group: Tensor,
    train: Tensor,
    *,
    seed: int,
    fusion: FusionOptions,
    floor: float = 0.0,
    knowledge: Knowledge | None = None,
    unlabelled: Tensor | None = None,
) -> tuple[Problem, Columns]:
    """The training problem over the pairs ``train`` int64, and its columns, fitted on these pairs alone; where there
    are none, on the differences ``unlabelled`` [N, D], whose direction nobody has said."""
    columns = fit_columns(
        delta[train] if unlabelled is None else unlabelled,
        layout,
        components=fusion.components,
        text_scale=fusion.scale,
        floor=floor,
    )
    scaled, found = columns.apply(delta[train], layout)
    problem = Problem(scaled, pairs.label[train], group[train], found, seed, knowledge)
    return problem, columns


def zero_shot(
    pipeline: Pipeline, representations: Representations, target: str, recipe: Recipe, repetition: int = 0
) -> tuple[Model, Columns]:
    """The model that knows nothing but the words, and its columns, scaled by the changes of all windows."""
    import torch

    delta, layout = _changes(pipeline, representations, recipe, repetition)
    columns = fit_columns(delta, layout, floor=pipeline.config.normalize.scale_floor())
    device = delta.device
    problem = Problem(
        delta=delta[:0],
        label=torch.zeros(0, device=device),
        group=torch.zeros(0, dtype=torch.int64, device=device),
        blocks=layout,
        seed=pipeline.runtime.seed,
        knowledge=representations.knowledge(recipe.words or "own", target, repetition),
    )
    (model,) = pipeline.without_training([problem])
    return model, columns


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


def _changes(
    pipeline: Pipeline, representations: Representations, recipe: Recipe, repetition: int
) -> tuple[Tensor, tuple[Block, ...]]:
    """The differences between all consecutive valid windows, whatever was said of them."""
    names = representations.material.windows.names
    changes = unlabelled_pairs(representations.material.windows, pipeline.config.windows.stride())
    return differences(representations.whole.get(recipe, repetition), {"features": names, "mask": names}, changes)
