"""What a learner promises: it learns from the labels of one problem alone, forgets between fits, and can be saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from lasca_core.api import ContractError, Knowledge, LascaError, Problem, Scores
from lasca_core.testing.bench import Subject
from lasca_core.testing.checks.tags import only_if, promises
from lasca_core.testing.outcome import BrokenPromiseError, require
from lasca_core.testing.synthetic import describe, make_problem
from lasca_core.testing.use import differences

if TYPE_CHECKING:
    from torch import Tensor

ANTISYMMETRIC = "antisymmetric"
"""The promise that P(d) = 1 - P(-d): exchanging the two windows exchanges the answer."""
_ENOUGH = 0.8
"""Accuracy on held-out pairs of the synthetic rule, which is linear and free of noise, that any learner reaches."""
_EQUAL = 1e-3
"""Probabilities that differ by no more are equal."""


def check_learns_a_simple_rule(subject: Subject) -> None:
    """Trained on 240 pairs under a linear rule, it is right on new pairs under that rule."""
    accuracy = _accuracy(subject, make_problem(), make_problem(seed=1))
    require(
        accuracy >= _ENOUGH,
        f"only {accuracy:.2f} of 240 new pairs are right after training on 240 pairs under a linear rule without noise",
        "check that fit_many() reads problem.label (1 = rise) and predict() gives the probability of a rise",
    )


def check_flipped_labels_flip_predictions(subject: Subject) -> None:
    """Trained on the opposite labels, it says the opposite."""
    accuracy = _accuracy(subject, make_problem(flip=True), make_problem(seed=1, flip=True))
    require(
        accuracy >= _ENOUGH,
        f"with all labels flipped only {accuracy:.2f} of 240 new pairs are right",
        "let the labels alone decide the direction: no column is known to mean a rise",
    )


@only_if(lambda subject: getattr(subject.spec, "zero_shot", False))
def check_words_alone_predict(subject: Subject) -> None:
    """Given no pair and a lexicon's knowledge, it predicts what the words say, and 1/2 where they say nothing."""
    learner = subject.component
    test = make_problem(seed=1).to(learner.runtime.device)
    for sign, what in ((1.0, "rise"), (-1.0, "fall"), (0.0, "nothing")):
        weight = torch.tensor([sign] * 3 + [0.0] * 5) * (8 / 3) ** 0.5
        untaught = replace(make_problem(0), knowledge=Knowledge(weight, torch.eye(8), reliability=1.0))
        probability = _fit(learner, untaught).predict(test.delta).probability
        if not sign:
            worst = float((probability - 0.5).abs().max())
            require(
                worst <= _EQUAL,
                f"without labels, from words that say nothing, probabilities differ from 1/2 by up to {worst:.2g}",
                "abstain where problem.knowledge is silent: predict 1/2",
            )
            continue
        accuracy = float(((probability > 0.5) == ((test.label == 1) == (sign > 0))).float().mean())
        require(
            accuracy >= _ENOUGH,
            f"without labels, from words that speak of a {what} of the right columns, only {accuracy:.2f} are right",
            "weigh the columns of the block 'features' by problem.knowledge.weight, or set zero_shot=False in the spec",
        )


@only_if(promises(ANTISYMMETRIC))
def check_swapped_windows_swap_the_answer(subject: Subject) -> None:
    """The probability of a rise from one window to another is that of a fall the other way round."""
    learner = subject.component
    model = _fit(learner, make_problem())
    delta = make_problem(seed=1).delta.to(learner.runtime.device)
    there, back = model.predict(delta).probability, model.predict(-delta).probability
    worst = float((there + back - 1).abs().max())
    require(
        worst <= 1e-5,
        f"P(d) + P(-d) differs from 1 by up to {worst:.2g}",
        "leave out intercepts, or score d by (f(d) - f(-d)) / 2; or do not promise 'antisymmetric'",
    )


def check_refitting_forgets(subject: Subject) -> None:
    """A second fit on the same learner gives what a fresh learner gives."""
    fresh = _predictions(subject.build(), make_problem(seed=2))
    used = subject.build()
    _fit(used, make_problem(flip=True))
    _require_equal(
        fresh,
        _predictions(used, make_problem(seed=2)),
        "after another fit the same problem gives another model",
        "begin each fit from nothing: no warm start, no statistics kept on the learner",
    )


def check_problems_do_not_leak_into_each_other(subject: Subject) -> None:
    """A problem fitted among others gives the model it gives alone: they may be the folds of one experiment."""
    learner = subject.component
    problems = [make_problem(), make_problem(180, seed=3, flip=True), make_problem(seed=4)]
    together = learner.fit_many([problem.to(learner.runtime.device) for problem in problems])
    require(
        len(together) == len(problems),
        f"{len(problems)} problems give {len(together)} models",
        "return one model for each problem, in their order",
    )
    delta = make_problem(seed=1).delta.to(learner.runtime.device)
    for problem, model in zip(problems, together, strict=True):
        _require_equal(
            model.predict(delta).probability,
            _fit(learner, problem).predict(delta).probability,
            "a problem that is fitted among others gives another model than alone",
            "use only a problem's own pairs, labels and seed for its model",
        )


def check_group_numbers_are_no_features(subject: Subject) -> None:
    """The people's numbers serve to keep a person's pairs together, and do not matter otherwise."""
    problem = make_problem()
    learner = subject.component
    _require_equal(
        _predictions(learner, problem),
        _predictions(learner, replace(problem, group=problem.group * 10 + 1000)),
        "with other numbers for the same people another model is learnt",
        "use problem.group only to split by person, never as a value",
    )


def check_state_survives_saving(subject: Subject) -> None:
    """A model written as safetensors and read by another instance of the learner predicts the same."""
    from safetensors.torch import load, save

    learner = subject.component
    model = _fit(learner, make_problem())
    delta = make_problem(seed=1).delta.to(learner.runtime.device)
    state = dict(model.state())
    odd = [name for name, value in state.items() if not isinstance(value, torch.Tensor)]
    require(not odd, f"state() holds {', '.join(odd)}, which is no tensor", "put numbers into tensors: torch.tensor(x)")
    saved = load(save({name: value.contiguous().cpu() for name, value in state.items()}))
    again = subject.build().from_state(saved)
    _require_equal(
        model.predict(delta).probability,
        again.predict(delta).probability,
        "the model read back from its state predicts otherwise",
        "put everything that predict() needs into state()",
    )
    require(
        again.parameters == model.parameters and isinstance(model.parameters, int),
        f"the model has {model.parameters!r} parameters, and read back {again.parameters!r}",
        "set parameters to the number of trained numbers, also in from_state()",
    )


def check_rows_are_predicted_by_themselves(subject: Subject) -> None:
    """A pair's probability does not depend on the other pairs of the call; none and one are allowed."""
    learner = subject.component
    model = _fit(learner, make_problem())
    delta = make_problem(20, seed=1).delta.to(learner.runtime.device)
    together = model.predict(delta)
    require(
        isinstance(together, Scores) and together.probability.shape == (20,),
        f"20 pairs give {describe(together)}",
        "return Scores(probability), one number a pair",
    )
    none = model.predict(delta[:0]).probability
    require(none.shape == (0,), f"no pair gives scores of shape {list(none.shape)}", "return an empty tensor [0]")
    _require_equal(
        together.probability,
        torch.cat([model.predict(row[None]).probability for row in delta]),
        "a pair alone is predicted otherwise than among others",
        "standardise nothing over the pairs of the call: they come scaled as in training",
    )


def check_hopeless_problems_are_explained(subject: Subject) -> None:
    """No pair, one pair, or pairs of one direction only: a model with finite scores, or an error in a sentence."""
    for what, problem in _hopeless():
        learner = subject.component
        try:
            scores = _fit(learner, problem).predict(make_problem(5, seed=1).delta.to(learner.runtime.device))
        except Exception as error:
            if isinstance(error, LascaError) and not isinstance(error, ContractError):
                continue
            raise BrokenPromiseError(
                f"a problem with {what} raises {type(error).__name__}: {error}; raise DatasetError with a sentence "
                f"that says what is missing"
            ) from error
        require(
            scores.probability.shape == (5,),
            f"after a problem with {what} 5 pairs give scores of shape {list(scores.probability.shape)}",
            "raise DatasetError where there is nothing to learn from",
        )


def _hopeless() -> Sequence[tuple[str, Problem]]:
    whole = make_problem()
    rises = whole.label == 1
    rising = replace(whole, delta=whole.delta[rises], label=whole.label[rises], group=whole.group[rises])
    return (("no pair", make_problem(0)), ("one pair", make_problem(1)), ("pairs that all rise", rising))


def _fit(learner: Any, problem: Problem) -> Any:
    (model,) = learner.fit_many([problem.to(learner.runtime.device)])
    return model


def _predictions(learner: Any, problem: Problem) -> Tensor:
    """Probabilities for new pairs after training on ``problem``."""
    model = _fit(learner, problem)
    probability: Tensor = model.predict(make_problem(seed=1).delta.to(learner.runtime.device)).probability
    return probability


def _accuracy(subject: Subject, train: Problem, test: Problem) -> float:
    learner = subject.component
    scores = _fit(learner, train).predict(test.delta.to(learner.runtime.device))
    return float((scores.rises.cpu() == (test.label == 1)).float().mean())


def _require_equal(one: Tensor, other: Tensor, problem: str, advice: str) -> None:
    difference = differences({"probabilities": one}, {"probabilities": other}, _EQUAL)
    require(not difference, f"{problem} ({difference})", advice)


CHECKS = (
    check_learns_a_simple_rule,
    check_flipped_labels_flip_predictions,
    check_words_alone_predict,
    check_swapped_windows_swap_the_answer,
    check_refitting_forgets,
    check_problems_do_not_leak_into_each_other,
    check_group_numbers_are_no_features,
    check_state_survives_saving,
    check_rows_are_predicted_by_themselves,
    check_hopeless_problems_are_explained,
)
