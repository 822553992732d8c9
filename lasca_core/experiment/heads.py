"""The heads of many variants, targets and folds, trained in as few calls of the learner as memory allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from lasca_core.contract.protocols import Model, Task
from lasca_core.contract.types import Problem
from lasca_core.experiment.trial import Pending, Work
from lasca_core.steps.calibration import at_temperature, fit_temperature

if TYPE_CHECKING:
    from torch import Tensor

BYTES_AT_ONCE = 2**30
"""Training differences held in memory before they are handed to the learner."""

Fit = Callable[[Sequence[Problem]], Sequence[Model]]


def train(pending: Iterable[Pending], fit: Fit, progress: Task) -> None:
    """Train and test all pending heads, ``BYTES_AT_ONCE`` at a time, and complete their outcomes."""
    held: list[Pending] = []
    size = 0
    for head in pending:
        held.append(head)
        size += sum(_bytes(work) for work in (head.work, head.rehearsal) if work is not None)
        if size >= BYTES_AT_ONCE:
            _train(held, fit, progress)
            held, size = [], 0
    if held:
        _train(held, fit, progress)


def _bytes(work: Work) -> int:
    delta = work.problem.delta
    return delta.numel() * delta.element_size()


def _train(held: Sequence[Pending], fit: Fit, progress: Task) -> None:
    rehearsals = [head.rehearsal for head in held if head.rehearsal is not None]
    begin = time.perf_counter()
    models = fit([work.problem for work in (*(head.work for head in held), *rehearsals)])
    seconds = time.perf_counter() - begin
    rehearsed = iter(models[len(held) :])
    size = sum(_bytes(work) for work in (*(head.work for head in held), *rehearsals))
    for head, model in zip(held, models, strict=False):
        begin = time.perf_counter()
        temperature, share = 1.0, _bytes(head.work)
        if head.rehearsal is not None:
            temperature = fit_temperature(_tested(head.rehearsal, next(rehearsed)), head.rehearsal.truth)
            share += _bytes(head.rehearsal)
        probability = at_temperature(_tested(head.work, model), temperature)
        head.outcome.add(head.work.fold, probability.cpu().numpy(), temperature)
        head.outcome.parameters = max(head.outcome.parameters, model.parameters)
        head.outcome.seconds += seconds * share / max(size, 1) + time.perf_counter() - begin
        progress.advance()


def _tested(work: Work, model: Model) -> Tensor:
    """The probability of a rise for each of the fold's test pairs."""
    return model.predict(work.columns.apply(work.delta[work.fold.test], work.layout)[0]).probability
