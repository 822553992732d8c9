"""The heads of many variants, targets and cells, trained in as few calls of the learner as memory allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lasca_core.contract.protocols import Model, Task
from lasca_core.contract.types import Problem
from lasca_core.experiment.evaluate import Trial, Work
from lasca_core.experiment.representations import RECIPES
from lasca_core.experiment.results import Outcome
from lasca_core.experiment.splits import Fold

BYTES_AT_ONCE = 2**30
"""Training differences held in memory before they are handed to the learner."""


@dataclass(frozen=True)
class Pending:
    """A variant whose heads are still to be trained: those of ``folds``, which ``prepare`` makes ready."""

    outcome: Outcome
    folds: Sequence[Fold]
    prepare: Callable[[Fold], Work]


class OpenTrial(Trial):
    """A trial that leaves training to the caller, who trains the heads of several trials together."""

    def begin(self, variant: str) -> tuple[Outcome, Pending | None]:
        """The outcome of a variant, which lacks the folds that are still to be trained, and these."""
        recipe = RECIPES[variant]
        if not recipe.trained:
            return self.run(variant), None
        outcome = Outcome(self.target, variant)
        needs_both = not getattr(self.pipeline.learner.spec, "zero_shot", False)
        trainable = []
        for fold in self.plan:
            if self._can_train(fold, recipe, needs_both=needs_both):
                trainable.append(fold)
            else:
                outcome.add(fold, self._majority(fold))
        return outcome, Pending(outcome, trainable, self._preparer(recipe)) if trainable else None


def train(pending: list[Pending], fit: Callable[[Sequence[Problem]], Sequence[Model]], progress: Task) -> None:
    """Train and test all pending heads, ``BYTES_AT_ONCE`` at a time, and complete their outcomes.

    Empties ``pending``: a variant's differences are given back as soon as its heads are trained.
    """
    held: list[tuple[Outcome, Work]] = []
    size = 0
    while pending:
        variant = pending.pop(0)
        for fold in variant.folds:
            work = variant.prepare(fold)
            held.append((variant.outcome, work))
            size += work.problem.delta.numel() * work.problem.delta.element_size()
            if size >= BYTES_AT_ONCE:
                _train(held, fit, progress)
                held, size = [], 0
    if held:
        _train(held, fit, progress)


def _train(
    held: Sequence[tuple[Outcome, Work]], fit: Callable[[Sequence[Problem]], Sequence[Model]], progress: Task
) -> None:
    models = fit([work.problem for _, work in held])
    for (outcome, work), model in zip(held, models, strict=True):
        scores = model.predict(work.columns.apply(work.delta[work.fold.test], work.layout)[0])
        outcome.add(work.fold, scores.probability.cpu().numpy())
        outcome.parameters = max(outcome.parameters, model.parameters)
        progress.advance()
