"""The learner `ranksvm`: scikit-learn's linear support vector machine behind the protocol of a learner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from lasca_core.api import Component, DatasetError, ModelError, Scores

if TYPE_CHECKING:
    from torch import Tensor

    from example_ranksvm.options import RankSVMOptions
    from lasca_core.api import Model, Problem


class RankSVM(Component):
    """P(rise) = sigmoid(slope * w . d), w by the squared hinge loss, slope by logistic regression on w . d."""

    promises = frozenset({"antisymmetric"})
    options: RankSVMOptions

    def fit_many(self, problems: Sequence[Problem]) -> list[Model]:
        """One model for each problem. Raises ``DatasetError`` for one without pairs of both directions."""
        return [self._fit(problem) for problem in problems]

    def from_state(self, state: Mapping[str, Tensor]) -> RankSVMModel:
        """The model that ``RankSVMModel.state`` described. Raises ``ModelError`` if it is not one."""
        if set(state) != {"weight", "slope"}:
            raise ModelError(f"the saved ranksvm holds {', '.join(sorted(state)) or 'nothing'}: train it again")
        return RankSVMModel(*(state[name].to(self.runtime.device) for name in ("weight", "slope")))

    def _fit(self, problem: Problem) -> RankSVMModel:
        from sklearn.linear_model import LogisticRegression
        from sklearn.svm import LinearSVC

        delta, label = problem.delta.cpu().numpy(), problem.label.cpu().numpy()
        if len(set(label.tolist())) < 2:
            raise DatasetError(f"{len(label)} training pairs do not show both a rise and a fall; use more sessions")
        machine = LinearSVC(C=self.options.C, fit_intercept=False, random_state=problem.seed % 2**32).fit(delta, label)
        distance = machine.decision_function(delta)[:, None]
        slope = LogisticRegression(fit_intercept=False).fit(distance, label).coef_
        weight = torch.from_numpy(machine.coef_[0]).float()
        return RankSVMModel(weight.to(self.runtime.device), torch.tensor(float(slope[0, 0])).to(self.runtime.device))


class RankSVMModel:
    """``weight`` float32 [D] and ``slope`` float32 []."""

    def __init__(self, weight: Tensor, slope: Tensor) -> None:
        self.weight, self.slope = weight, slope
        self.parameters = len(weight) + 1

    def predict(self, delta: Tensor) -> Scores:
        """Probability of a rise for differences float32 [P, D]."""
        return Scores((self.slope * (delta @ self.weight)).sigmoid())

    def state(self) -> dict[str, Tensor]:
        """``weight`` [D] and ``slope`` []."""
        return {"weight": self.weight.clone(), "slope": self.slope.clone()}
