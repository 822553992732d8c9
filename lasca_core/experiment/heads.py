"""The heads of many variants, targets and folds, trained in as few calls of the learner as memory allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from lasca_core.contract.protocols import Model, Task
from lasca_core.contract.types import Problem
from lasca_core.experiment.trial import Pending
from lasca_core.steps.calibration import at_temperature, fit_temperature

BYTES_AT_ONCE = 2**30
"""Training differences held in memory before they are handed to the learner."""

Fit = Callable[[Sequence[Problem]], Sequence[Model]]


def train(pending: Iterable[Pending], fit: Fit, progress: Task) -> None:
    """Train and test all pending heads, ``BYTES_AT_ONCE`` at a time, and complete their outcomes."""
    held: list[Pending] = []
    size = 0
    for head in pending:
        held.append(head)
        size += sum(work.size for work in (head.work, head.rehearsal) if work is not None)
        if size >= BYTES_AT_ONCE:
            _train(held, fit, progress)
            held, size = [], 0
    if held:
        _train(held, fit, progress)


def _train(held: Sequence[Pending], fit: Fit, progress: Task) -> None:
    rehearsals = [head.rehearsal for head in held if head.rehearsal is not None]
    begin = time.perf_counter()
    models = fit([work.problem for work in (*(head.work for head in held), *rehearsals)])
    seconds = time.perf_counter() - begin
    rehearsed = iter(models[len(held) :])
    size = sum(work.size for work in (*(head.work for head in held), *rehearsals))
    for head, model in zip(held, models[: len(held)], strict=True):
        begin = time.perf_counter()
        probability, share, temperature = model.predict(head.work.tested).probability, head.work.size, None
        if head.rehearsal is not None:
            tried = next(rehearsed).predict(head.rehearsal.tested).probability
            temperature = fit_temperature(tried, head.rehearsal.truth)
            probability = at_temperature(probability, temperature)
            share += head.rehearsal.size
        head.outcome.add(head.work.fold, probability.cpu().numpy(), temperature)
        head.outcome.parameters = max(head.outcome.parameters, model.parameters)
        head.outcome.seconds += seconds * share / max(size, 1) + time.perf_counter() - begin
        progress.advance()
