"""The learner `logistic`: L2-regularised logistic regression on differences between windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from lasca_core.api import Component, ModelError, Scores
from lasca_preference.newton import device_with_float64, find_modes
from lasca_preference.split import require_both_directions, require_width
from lasca_preference.stacks import in_stacks, stacked

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.api import Model, Problem

_ON_CPU = 2**20
"""Bytes of the problems that a CPU solves at once: small ones only, a large one keeps it busy."""


class Logistic(Component):
    """P(rise) = sigmoid(w . d), without intercept: swapping the two windows must swap the answer, and so does.

    For the same reason mirrored pairs would say nothing new here.
    """

    promises = frozenset({"antisymmetric"})
    """What the conformance kit may check besides: swapping two windows swaps the answer."""

    def fit_many(self, problems: Sequence[Problem]) -> list[Model]:
        """One model for each problem. Raises ``DatasetError`` for one without pairs or with one direction only."""
        for problem in problems:
            require_both_directions(problem)
        device = device_with_float64(self.runtime.device)
        deltas = [problem.delta.to(device, torch.float64) for problem in problems]
        labels = [problem.label.to(device, torch.float64) for problem in problems]
        weights = in_stacks(
            [8 * 2 * (rows + min(rows, columns)) * min(rows, columns) for rows, columns in (d.shape for d in deltas)],
            lambda part: fit([deltas[i] for i in part], [labels[i] for i in part], self.options.C),
            device=device,
            on_cpu=_ON_CPU,
            at_once=self.options.at_once,
            report=self.runtime.report,
            option="logistic.at_once",
        )
        return [LogisticModel(weight.to(self.runtime.device, torch.float32)) for weight in weights]

    def from_state(self, state: Mapping[str, Tensor]) -> LogisticModel:
        """The model that ``LogisticModel.state`` described. Raises ``ModelError`` if it is not one."""
        if set(state) != {"weight"} or state["weight"].ndim != 1:
            raise ModelError(f"the saved logistic model holds {', '.join(sorted(state)) or 'nothing'}: train it again")
        return LogisticModel(state["weight"].to(self.runtime.device, torch.float32))


class LogisticModel:
    """Weights float32 [D]: how much each column speaks for a rise."""

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight
        self.parameters = len(weight)

    def predict(self, delta: Tensor) -> Scores:
        """Probability of a rise for differences float32 [P, D]."""
        require_width(delta, len(self.weight))
        return Scores((delta.to(self.weight.device) @ self.weight.to(delta.dtype)).sigmoid())

    def state(self) -> dict[str, Tensor]:
        """``weight`` [D]."""
        return {"weight": self.weight.clone()}


def fit(deltas: Sequence[Tensor], labels: Sequence[Tensor], strength: float) -> list[Tensor]:
    """For each problem the w [D] that minimises |w|^2 / 2 + strength * sum of log losses.

    ``deltas`` [P, D] and ``labels`` [P] of each problem; all float64.

    w lies in the span of the rows: with fewer rows than columns a problem is solved in an orthonormal basis of that
    span, which leaves |w| and w . d as they are.
    """
    spans = [torch.linalg.qr(delta.T) if len(delta) < delta.shape[1] else None for delta in deltas]
    columns = [delta if span is None else span[1].T for delta, span in zip(deltas, spans, strict=True)]
    x = stacked(columns)
    sign = stacked([2 * label - 1 for label in labels])[:, None]
    precision = torch.eye(x.shape[2]).to(x).expand(len(x), 1, -1, -1) / strength
    found = find_modes(x, sign, x.new_zeros(len(x), x.shape[2]), precision)[:, 0]
    return [
        w[: own.shape[1]] if span is None else span[0] @ w[: own.shape[1]]
        for w, own, span in zip(found, columns, spans, strict=True)
    ]
