"""The learner `logistic`: L2-regularised logistic regression on differences between windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import softplus

from lasca_core.api import Component, ModelError, Scores
from lasca_preference.split import require_both_directions, require_width

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.api import Model, Problem

_STEPS = 100
_PRECISION = 1e-12
"""Newton's method ends when a step promises a smaller gain than this, relative to the loss."""


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
        return [LogisticModel(self._solve(problem)) for problem in problems]

    def from_state(self, state: Mapping[str, Tensor]) -> LogisticModel:
        """The model that ``LogisticModel.state`` described. Raises ``ModelError`` if it is not one."""
        if set(state) != {"weight"} or state["weight"].ndim != 1:
            raise ModelError(f"the saved logistic model holds {', '.join(sorted(state)) or 'nothing'}: train it again")
        return LogisticModel(state["weight"].to(self.runtime.device, torch.float32))

    def _solve(self, problem: Problem) -> Tensor:
        device = (
            self.runtime.device if self.runtime.device.type != "mps" else torch.device("cpu")
        )  # no float64 on Metal
        delta, label = problem.delta.to(device, torch.float64), problem.label.to(device, torch.float64)
        return fit(delta, label, self.options.C).to(self.runtime.device, torch.float32)


class LogisticModel:
    """Weights float32 [D]: how much each column speaks for a rise."""

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight
        self.parameters = len(weight)

    def predict(self, delta: Tensor) -> Scores:
        """Probability of a rise for differences float32 [P, D]."""
        require_width(delta, len(self.weight))
        return Scores((delta.to(self.weight.device) @ self.weight).sigmoid())

    def state(self) -> dict[str, Tensor]:
        """``weight`` [D]."""
        return {"weight": self.weight.clone()}


def fit(delta: Tensor, label: Tensor, strength: float) -> Tensor:
    """The w [D] that minimises |w|^2 / 2 + strength * sum of log losses; all float64, ``delta`` [P, D], ``label`` [P].

    Newton's method with halved steps where a full one does not lower the loss enough; the loss is strictly convex, so
    there is one minimum and no randomness. w lies in the span of the rows of ``delta``: with fewer rows than columns
    the problem is solved in an orthonormal basis of that span, which leaves |w| and w . d as they are.
    """
    basis = None
    if len(delta) < delta.shape[1]:
        basis, triangle = torch.linalg.qr(delta.T)
        delta = triangle.T
    sign = 2 * label - 1

    def loss_at(w: Tensor) -> Tensor:
        return w @ w / 2 + strength * softplus(-sign * (delta @ w)).sum()

    w = torch.zeros(delta.shape[1], dtype=torch.float64, device=delta.device)
    eye = torch.eye(len(w), dtype=torch.float64, device=delta.device)
    loss = loss_at(w)
    for _ in range(_STEPS):
        probability = (delta @ w).sigmoid()
        slope = w + strength * (delta.T @ (probability - label))
        curvature = eye + strength * (delta.T * (probability * (1 - probability))) @ delta
        step = torch.cholesky_solve(slope[:, None], torch.linalg.cholesky(curvature))[:, 0]
        gain = slope @ step
        if gain <= _PRECISION * loss:
            break
        size = 1.0
        while loss_at(w - size * step) > loss - 1e-4 * size * gain:
            size /= 2
        w = w - size * step
        loss = loss_at(w)
    return w if basis is None else basis @ w
