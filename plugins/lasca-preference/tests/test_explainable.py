"""Explanations differentiate what the models predict: the logit's gradient with respect to the differences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lasca_preference.logistic import Logistic
from lasca_preference.mlp import Mlp
from lasca_preference.options import LogisticOptions, MlpOptions, PriorOptions
from lasca_preference.prior import Prior

from lasca_core.api import Block, Knowledge, Model, Problem, Runtime
from lasca_core.testing import make_runtime

WIDTH = 8
LEARNERS: dict[str, Callable[[Runtime], Prior | Mlp | Logistic]] = {
    "prior": lambda runtime: Prior(PriorOptions(), runtime),
    "logistic": lambda runtime: Logistic(LogisticOptions(), runtime),
    "mlp": lambda runtime: Mlp(MlpOptions(), runtime),
    "antisymmetric mlp": lambda runtime: Mlp(MlpOptions(antisymmetric=True), runtime),
    "mlp on prior, three of them": lambda runtime: Mlp(MlpOptions(prior=True, ensemble=3), runtime),
}


@pytest.fixture(params=LEARNERS)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Model:
    generator = torch.Generator().manual_seed(0)
    delta = torch.randn(240, WIDTH, generator=generator)
    truth = torch.linspace(-2, 2, WIDTH)
    label = (torch.rand(240, generator=generator) < (delta @ truth).sigmoid()).float()
    blocks = (Block("features", 0, 5), Block("text", 5, WIDTH))
    told = Knowledge(torch.ones(5), torch.eye(5), 0.9)
    given = Problem(delta, label, torch.arange(240) // 10, blocks, 0, told)
    (fitted,) = LEARNERS[request.param](make_runtime(tmp_path)).fit_many([given])
    return fitted


def test_the_gradient_of_the_logit_is_its_finite_difference(model: Model) -> None:
    """In float64, where a step of 1e-6 is seen; a pair at which a ReLU bends has no gradient and is not drawn."""
    delta = torch.randn(20, WIDTH, generator=torch.Generator().manual_seed(1)).double().requires_grad_()
    logit = model.predict(delta).probability.logit()
    assert logit.dtype == torch.float64
    (slope,) = torch.autograd.grad(logit.sum(), delta)
    assert slope.abs().amax(dim=1).min() > 1e-3, "every pair's logit depends on its differences"
    step = 1e-6
    for column in range(WIDTH):
        away = torch.zeros(WIDTH).double()
        away[column] = step
        with torch.no_grad():
            ends = [model.predict(delta + side * away).probability.logit() for side in (1, -1)]
        torch.testing.assert_close(slope[:, column], (ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-7)


def test_the_gradient_in_float32_is_that_in_float64(model: Model) -> None:
    delta = torch.randn(20, WIDTH, generator=torch.Generator().manual_seed(1))
    slopes = []
    for dtype in (torch.float32, torch.float64):
        given = delta.to(dtype).requires_grad_()
        (slope,) = torch.autograd.grad(model.predict(given).probability.logit().sum(), given)
        slopes.append(slope.double())
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-3, atol=1e-4)


def test_the_logit_can_be_read_off_the_probability(model: Model) -> None:
    """Of ordinary differences, from which no probability is rounded to 0 or 1."""
    delta = torch.randn(500, WIDTH, generator=torch.Generator().manual_seed(2))
    probability = model.predict(delta).probability
    assert float(probability.min()) > 0
    assert float(probability.max()) < 1
    exact = model.predict(delta.double()).probability.logit()
    assert exact.std() > 0.1, "they are not all near one half"
    torch.testing.assert_close(probability.double().logit(), exact, rtol=0, atol=0.01)


def test_without_a_gradient_asked_for_none_is_recorded(model: Model) -> None:
    assert not model.predict(torch.randn(3, WIDTH)).probability.requires_grad
