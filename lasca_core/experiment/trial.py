"""One target's trial: every variant on the same pairs and folds, made ready for the learner."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lasca_core.contract.protocols import Model
from lasca_core.contract.types import Block, Knowledge, Pairs, Problem
from lasca_core.experiment.config import FusionOptions
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.representations import RECIPES, Recipe, Representations
from lasca_core.experiment.results import Outcome, foremost
from lasca_core.experiment.splits import Fold, some_subjects
from lasca_core.steps.fusion import Columns, differences, fit_columns
from lasca_core.steps.pairs import unlabelled_pairs

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Work:
    """A fold made ready for the learner: its ``problem``; the test pairs' differences ``tested`` float32 [T, D], in the
    columns that were fitted on the training pairs; and their labels ``truth`` float32 [T]."""

    fold: Fold
    problem: Problem
    tested: Tensor
    truth: Tensor

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return sum(part.numel() * part.element_size() for part in (self.problem.delta, self.tested))


@dataclass(frozen=True)
class Opening:
    """A variant's ``outcome`` with all that needed no training, and the ``folds`` that are still to be trained."""

    outcome: Outcome
    folds: Sequence[Fold]


@dataclass(frozen=True)
class Pending:
    """One head to be trained. A ``rehearsal`` is the same work without some of its training subjects, who then tell how
    sure the head may be; None where the learner sees to that, or nobody can be spared."""

    outcome: Outcome
    work: Work
    rehearsal: Work | None


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

    def begin(self, variant: str) -> Opening:
        """What one variant predicts where nothing is to be trained: the majority, the words alone, and folds that
        cannot be trained, which get the majority's answer."""
        recipe = RECIPES[variant]
        outcome = Outcome(self.target, variant)
        if recipe.trained:
            trainable = [fold for fold in self.plan if self._can_train(fold, recipe)]
            for fold in self.plan:
                if fold not in trainable:
                    outcome.add(fold, self._majority(fold))
            return Opening(outcome, trainable)
        begin = time.perf_counter()
        if variant == "majority":
            for fold in self.plan:
                outcome.add(fold, self._majority(fold))
        else:
            self._apply_words(recipe, outcome)
        outcome.seconds = time.perf_counter() - begin
        return Opening(outcome, [])

    def pending(self, openings: Sequence[Opening]) -> Iterator[Pending]:
        """The heads that ``openings`` lack, each made ready when it is asked for.

        Normalisation by training windows depends on the fold: then fold by fold, so that it is done once for all
        variants. Otherwise variant by variant, so that one variant's differences are held at a time.
        """
        if self.representations.fitted:
            count = len(self.representations.material.windows)
            for fold in self.plan:
                asked = [opening for opening in openings if fold in opening.folds]
                if asked:
                    blocks = self.representations.given(_windows_of(self.pairs, fold.train, count))
                for opening in asked:
                    recipe = RECIPES[opening.outcome.variant]
                    yield self._pending(opening, fold, *self.delta_of(blocks.get(recipe, fold.repetition)))
            return
        for opening in openings:
            recipe = RECIPES[opening.outcome.variant]
            known: tuple[int, Tensor, tuple[Block, ...]] | None = None
            for fold in opening.folds:
                if known is None or known[0] != fold.repetition:  # repetitions come one after the other
                    blocks = self.representations.whole
                    known = (fold.repetition, *self.delta_of(blocks.get(recipe, fold.repetition)))
                yield self._pending(opening, fold, *known[1:])

    def _pending(self, opening: Opening, fold: Fold, delta: Tensor, layout: tuple[Block, ...]) -> Pending:
        begin = time.perf_counter()
        recipe = RECIPES[opening.outcome.variant]
        work = self._work(recipe, delta, layout, fold)
        rehearsal = None
        if self._calibrates(opening.outcome.variant) and (fewer := self._rehearsed(fold)) is not None:
            rehearsal = self._work(recipe, delta, layout, fewer)
        opening.outcome.seconds += time.perf_counter() - begin
        return Pending(opening.outcome, work, rehearsal)

    def _work(self, recipe: Recipe, delta: Tensor, layout: tuple[Block, ...], fold: Fold) -> Work:
        problem, columns = self.problem(recipe, delta, layout, fold)
        return Work(fold, problem, columns.apply(delta, layout, fold.test)[0], self.pairs.label[fold.test])

    def _calibrates(self, variant: str) -> bool:
        own = getattr(self.pipeline.learner.spec, "calibrated", False)
        return (
            self.pipeline.config.evaluate.calibrate
            and variant in foremost(self.pipeline.config.evaluate.variants)
            and not own
        )

    def _rehearsed(self, fold: Fold) -> Fold | None:
        """The fold with a fifth of its training subjects to test on; None where too few would be left to train on.

        With ``normalize.strategy = global`` their windows still count for the range of the features.
        """
        generator = self.pipeline.runtime.generator("rehearsal", fold.repetition, fold.number)
        held = some_subjects(self.group[fold.train], 0.2, generator)
        train, test = fold.train[~held], fold.train[held]
        if not len(test) or not both_directions(self.pairs.label[train]):
            return None
        return Fold(fold.repetition, fold.number, train, test)

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
            scores = model.predict(columns.apply(delta, layout, fold.test)[0])
            outcome.abstains |= self.representations.knowledge(words, self.target, fold.repetition).silent
            outcome.add(fold, scores.probability.cpu().numpy())

    def _can_train(self, fold: Fold, recipe: Recipe) -> bool:
        if both_directions(self.pairs.label[fold.train]):
            return True
        needs_both = not getattr(self.pipeline.learner.spec, "zero_shot", False)
        if needs_both or recipe.words is None or "features" not in recipe.blocks:
            return False
        return not self.representations.knowledge(recipe.words, self.target, fold.repetition).silent

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


def both_directions(label: Tensor) -> bool:
    """Whether both directions occur."""
    return len(label) > 0 and 0 < float(label.mean()) < 1


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
        delta if unlabelled is None else unlabelled,
        layout,
        components=fusion.components,
        text_scale=fusion.scale,
        floor=floor,
        rows=train if unlabelled is None else None,
    )
    scaled, found = columns.apply(delta, layout, train)
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


def _changes(
    pipeline: Pipeline, representations: Representations, recipe: Recipe, repetition: int
) -> tuple[Tensor, tuple[Block, ...]]:
    """The differences between all consecutive valid windows, whatever was said of them."""
    names = representations.material.windows.names
    changes = unlabelled_pairs(representations.material.windows, pipeline.config.windows.stride())
    return differences(representations.whole.get(recipe, repetition), {"features": names, "mask": names}, changes)
