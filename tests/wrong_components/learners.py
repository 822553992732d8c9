"""Wrong learners, each beside the right one it is derived from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from wrong_components.faults import caught_by, specs_of

from lasca_core.api import Component, DatasetError, LearnerSpec, NoOptions, Problem, Scores, hookimpl


class Linear:
    """A fitted direction, and how far beyond 0 a difference must go that way."""

    def __init__(self, weight: torch.Tensor, offset: float = 0.0) -> None:
        self.weight, self.offset = weight, offset
        self.parameters = len(weight)

    def predict(self, delta: torch.Tensor) -> Scores:
        return Scores((delta @ self.weight + self.offset).sigmoid())

    def state(self) -> Mapping[str, torch.Tensor]:
        return {"weight": self.weight.clone()}


class Direction(Component):
    """The mean of all differences, falls turned round: the right learner."""

    options_model = NoOptions
    promises = frozenset({"antisymmetric"})

    def fit_many(self, problems: Sequence[Problem]) -> list[Any]:
        return [self.fit(problem) for problem in problems]

    def fit(self, problem: Problem) -> Linear:
        if not len(problem.label):
            raise DatasetError("there is no pair")
        return Linear((problem.delta * (2 * problem.label - 1)[:, None]).mean(dim=0))

    def from_state(self, state: Mapping[str, torch.Tensor]) -> Linear:
        return Linear(state["weight"])


@caught_by("check_learns_a_simple_rule", "check_flipped_labels_flip_predictions")
class SaysTheOpposite(Direction):
    """Gives the probability of a fall."""

    def fit(self, problem: Problem) -> Linear:
        return Linear(-super().fit(problem).weight)


@caught_by("check_flipped_labels_flip_predictions")
class KnowsBetter(Direction):
    """Is sure that more of anything is a rise."""

    def fit(self, problem: Problem) -> Linear:
        return Linear(super().fit(problem).weight.abs())


@caught_by("check_swapped_windows_swap_the_answer")
class LeansToARise(Direction):
    """Promises antisymmetry and has an intercept."""

    def fit(self, problem: Problem) -> Linear:
        return Linear(super().fit(problem).weight, 0.1)

    def from_state(self, state: Mapping[str, torch.Tensor]) -> Linear:
        return Linear(state["weight"], 0.1)


@caught_by(
    "check_refitting_forgets",
    "check_problems_do_not_leak_into_each_other",
    "check_group_numbers_are_no_features",
    "check_flipped_labels_flip_predictions",
)
class StartsWarm(Direction):
    """Goes on from the model before."""

    last: torch.Tensor | None = None

    def fit(self, problem: Problem) -> Linear:
        weight = super().fit(problem).weight
        self.last = weight if self.last is None else 0.5 * (weight + self.last)
        return Linear(self.last)


@caught_by("check_problems_do_not_leak_into_each_other")
class LearnsFromAllFolds(Direction):
    """Mixes the problems that are fitted together."""

    def fit_many(self, problems: Sequence[Problem]) -> list[Any]:
        fits = [self.fit(problem).weight for problem in problems]
        mean = torch.stack(fits).mean(dim=0) if fits else None
        return [Linear(0.7 * weight + 0.3 * mean) for weight in fits]


@caught_by("check_group_numbers_are_no_features")
class KnowsPeopleByNumber(Direction):
    """Weighs pairs by the number of the person."""

    def fit(self, problem: Problem) -> Linear:
        if not len(problem.label):
            raise DatasetError("there is no pair")
        rises = problem.delta * (2 * problem.label - 1)[:, None]
        weights = 1 + (problem.group % 1000 > 35).float() + problem.group.float() / 1000
        return Linear((rises * weights[:, None]).mean(dim=0))


@caught_by("check_state_survives_saving")
class SavesHalf(Direction):
    """Leaves the scale out of its state."""

    def from_state(self, state: Mapping[str, torch.Tensor]) -> Linear:
        return Linear(state["weight"] / 2)


class StandardisedByTheCall(Linear):
    """Scales what it is asked by the other pairs of the call."""

    def predict(self, delta: torch.Tensor) -> Scores:
        usual = (delta @ self.weight).abs().mean() if len(delta) else 1.0
        return Scores((delta @ self.weight / usual).sigmoid())


@caught_by("check_rows_are_predicted_by_themselves")
class LooksAtTheNeighbours(Direction):
    """A pair's probability depends on which others are asked about."""

    def fit(self, problem: Problem) -> Linear:
        return StandardisedByTheCall(super().fit(problem).weight)

    def from_state(self, state: Mapping[str, torch.Tensor]) -> Linear:
        return StandardisedByTheCall(state["weight"])


@caught_by("check_hopeless_problems_are_explained")
class NeedsBothDirections(Direction):
    """Fails in an assertion where all pairs rise."""

    def fit(self, problem: Problem) -> Linear:
        assert 0 < problem.label.sum() < len(problem.label)
        return super().fit(problem)


class Taught(Direction):
    """Begins with the words: the right learner for no labels."""

    spec: ClassVar = {"zero_shot": True}

    def fit(self, problem: Problem) -> Linear:
        if len(problem.label):
            return super().fit(problem)
        weight = torch.zeros(problem.delta.shape[1])
        if problem.knowledge is not None:
            weight[: len(problem.knowledge.weight)] = self.read(problem.knowledge.weight)
        return Linear(weight)

    def read(self, said: torch.Tensor) -> torch.Tensor:
        return said


@caught_by("check_words_alone_predict", zero_shot=True)
class ReadsTheWordsBackwards(Taught):
    """Takes what speaks for a rise to speak for a fall."""

    def read(self, said: torch.Tensor) -> torch.Tensor:
        return -said


@caught_by("check_words_alone_predict", zero_shot=True)
class NeverAbstains(Taught):
    """Has an opinion where the words have none."""

    def read(self, said: torch.Tensor) -> torch.Tensor:
        return said if said.any() else torch.ones_like(said)


@hookimpl
def lasca_register_learners() -> Iterator[LearnerSpec]:
    """Offer all of them."""
    yield from specs_of(LearnerSpec, globals())
