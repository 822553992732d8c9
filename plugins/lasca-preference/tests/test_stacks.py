"""Problems that are computed together, as on a GPU: which ones, with what result, and when memory runs out.

The stacks of a GPU are forced on the CPU here; only the test marked ``gpu`` runs on one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from lasca_preference import logistic, mlp, newton, prior, stacks
from lasca_preference.logistic import Logistic
from lasca_preference.mlp import Mlp
from lasca_preference.newton import curvature_at, find_modes
from lasca_preference.options import LogisticOptions, MlpOptions, PriorOptions
from lasca_preference.prior import Prior
from lasca_preference.stacks import in_stacks, stacked
from torch.nn.functional import softplus

from lasca_core.api import Block, Component, DeviceError, Knowledge, Problem
from lasca_core.testing import make_runtime

CUDA = torch.device("cuda")
LEARNERS: dict[str, tuple[Callable[..., Component], Callable[..., Any], float]] = {
    "prior": (Prior, PriorOptions, 1e-6),
    "logistic": (Logistic, LogisticOptions, 1e-6),
    "mlp": (Mlp, lambda **more: MlpOptions(hidden=(9, 5), max_iter=8, **more), 1e-4),
    "mlp on prior": (Mlp, lambda **more: MlpOptions(hidden=(9, 5), max_iter=8, prior=True, **more), 1e-4),
}


def problem(people: int, each: int, *, text: int = 0, told: bool = False, features: int = 6, seed: int = 0) -> Problem:
    """Pairs of people whose direction follows the features, ``told`` with what words say of them."""
    generator = torch.Generator().manual_seed(seed)
    delta = torch.randn(people * each, features + text, generator=generator)
    truth = torch.linspace(-1.5, 2, features)
    label = (torch.rand(len(delta), generator=generator) < (delta[:, :features] @ truth).sigmoid()).float()
    blocks = (Block("features", 0, features),) + ((Block("text", features, features + text),) if text else ())
    alike = torch.eye(features)
    alike[0, 1] = alike[1, 0] = 0.8
    knowledge = Knowledge(truth / truth.square().mean().sqrt(), alike, 0.9) if told else None
    return Problem(delta, label, torch.arange(people).repeat_interleave(each), blocks, seed, knowledge)


def variety() -> list[Problem]:
    """What the folds, seeds, variants and targets of a run may be: sizes, widths, blocks and knowledge differ."""
    return [
        problem(12, 9),
        problem(3, 5, seed=1),
        problem(12, 9, text=8, told=True, seed=2),
        problem(8, 14, text=3, told=True, seed=3),
        problem(12, 9, text=8, seed=4),
        problem(1, 30, told=True, seed=5),
        problem(9, 11, features=4, seed=6),
        problem(5, 12, told=True, seed=7),
        problem(2, 4, features=30, seed=8),
    ]


@pytest.fixture
def like_a_gpu(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Makes the learners stack as on a GPU; the sizes of the stacks."""
    sizes: list[list[int]] = []

    def on_cuda(needs: Sequence[int], work: Callable[[list[int]], Any], **given: Any) -> Any:
        def noted(positions: list[int]) -> Any:
            sizes.append(list(positions))
            return work(positions)

        return in_stacks(needs, noted, **{**given, "device": CUDA})

    for module in (prior, logistic, mlp):
        monkeypatch.setattr(module, "in_stacks", on_cuda)
    return sizes


@pytest.mark.parametrize("name", LEARNERS)
def test_a_batch_of_all_problems_gives_the_models_of_one_after_the_other(
    name: str, tmp_path: Path, like_a_gpu: list[list[int]]
) -> None:
    learner, options, tolerance = LEARNERS[name]
    tasks = variety()
    together = learner(options(), make_runtime(tmp_path)).fit_many(tasks)
    assert max(map(len, like_a_gpu)) > 1, "they were stacked"
    for task, model in zip(tasks, together, strict=True):
        (alone,) = learner(options(), make_runtime(tmp_path)).fit_many([task])
        expected = alone.predict(task.delta).probability
        torch.testing.assert_close(model.predict(task.delta).probability, expected, rtol=0, atol=tolerance)
        assert model.parameters == alone.parameters
        assert {key: value.shape for key, value in model.state().items()} == {
            key: value.shape for key, value in alone.state().items()
        }


def test_the_stacked_regressions_minimise_their_losses() -> None:
    """An independent look at the minimum: autograd's slope, under priors that are not diagonal."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 40, 7, generator=generator).double()
    sign = torch.randint(-1, 2, (3, 4, 40), generator=generator).double()
    mean = torch.randn(3, 7, generator=generator).double()
    root = torch.randn(3, 4, 7, 7, generator=generator).double()
    precision = root @ root.mT + 0.01 * torch.eye(7)
    w = find_modes(x, sign, mean, precision).requires_grad_()
    away = w - mean[:, None]
    fit = (softplus(-sign * (w @ x.mT)) * sign.abs()).sum()
    penalty = (away[..., None, :] @ precision @ away[..., None]).sum() / 2
    (slope,) = torch.autograd.grad(fit + penalty, w)
    assert slope.abs().max() < 1e-4


def many_rows() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows, directions, means and precisions of two regressions that see so many rows that some suffice for a
    curvature; the last column is 0 in all but 1 % of them."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, 6000, 4, generator=generator).double()
    x[..., 3] *= torch.rand(1, 6000, generator=generator) < 0.01
    logit = x @ torch.tensor([3.0, -2.0, 0.5, 4.0]).double()
    sign = torch.where(torch.rand(1, 6000, generator=generator) < logit.sigmoid(), 1, -1)[:, None].repeat(1, 2, 1)
    sign[:, 1, ::5] = 0
    return (
        x,
        sign,
        torch.zeros(1, 4).double(),
        torch.eye(4).double().expand(1, 2, 4, 4) * torch.tensor([0.1, 50.0])[:, None, None].double(),
    )


def test_a_curvature_of_some_rows_finds_the_minimum_of_all() -> None:
    """Plain Newton steps over all rows, from the start, are the reference."""
    x, sign, mean, precision = many_rows()
    assert newton._stride(sign, 4) > 1
    w = torch.zeros(1, 2, 4).double()
    for _ in range(30):
        miss = (-sign * (w @ x.mT)).sigmoid() * sign
        slope = (precision @ w[..., None])[..., 0] - miss @ x
        w = w - torch.linalg.solve(curvature_at(x, sign, w) + precision, slope[..., None])[..., 0]
    torch.testing.assert_close(find_modes(x, sign, mean, precision), w, rtol=1e-6, atol=1e-7)


def test_how_many_rows_are_looked_at_at_a_time_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, sign, mean, precision = many_rows()
    w = find_modes(x, sign, mean, precision)
    curvature = curvature_at(x, sign, w)
    monkeypatch.setattr(newton, "_AT_ONCE", {"cpu": 8 * 4 * 77})
    torch.testing.assert_close(find_modes(x, sign, mean, precision), w, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(curvature_at(x, sign, w), curvature, rtol=1e-12, atol=1e-12)


# --- which ones -------------------------------------------------------------------------------------------------------


def test_problems_of_like_size_share_a_stack_and_small_ones_need_not_be_alike() -> None:
    mega = 2**20
    sizes = [100 * mega, 20 * mega, 95 * mega, 3, 98 * mega, 5, 19 * mega]
    assert stacks.stacks(sizes, 2**32, 2**26) == [[0, 4, 2], [1, 6, 5], [3]]


def test_a_stack_stays_within_the_memory_and_what_is_larger_is_alone() -> None:
    assert stacks.stacks([40, 40, 40, 40, 130], 100, 0) == [[4], [0, 1], [2, 3]]


def test_a_cpu_takes_networks_one_by_one() -> None:
    seen: list[list[int]] = []

    def work(positions: list[int]) -> list[int]:
        seen.append(positions)
        return positions

    device, report = torch.device("cpu"), make_runtime(Path()).report
    in_stacks([5, 5, 5], work, device=device, on_cpu=0, at_once=9, report=report, option="mlp.at_once")
    assert seen == [[0], [1], [2]]


def test_tensors_of_different_sizes_are_padded_at_their_ends() -> None:
    found = stacked([torch.ones(2, 3), torch.ones(3, 1)], -1)
    assert found.tolist() == [[[1, 1, 1], [1, 1, 1], [-1, -1, -1]], [[1, -1, -1]] * 3]


# --- out of memory ----------------------------------------------------------------------------------------------------


def at_most(most: int, work: Callable[..., Any]) -> Callable[..., Any]:
    """A device whose memory suffices for ``most`` problems."""

    def limited(problems: Sequence[Problem], *rest: Any) -> Any:
        if len(problems) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return work(problems, *rest)

    return limited


@pytest.mark.parametrize(
    ("name", "module", "function"), [("prior", prior, "train"), ("logistic", logistic, "fit"), ("mlp", mlp, "train")]
)
def test_where_memory_runs_out_half_as_many_are_computed_at_once_and_the_person_is_told(
    name: str,
    module: Any,
    function: str,
    tmp_path: Path,
    like_a_gpu: list[list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learner, options, _ = LEARNERS[name]
    tasks = [problem(8, 9, seed=seed) for seed in range(5)]
    expected = learner(options(), make_runtime(tmp_path)).fit_many(tasks)
    monkeypatch.setattr(module, function, at_most(2, getattr(module, function)))
    runtime = make_runtime(tmp_path)
    models = learner(options(at_once=4), runtime).fit_many(tasks)
    assert runtime.report.warnings == [f"the device ran out of memory with {name}.at_once = 4; going on with 2"]
    for task, model, other in zip(tasks, models, expected, strict=True):
        torch.testing.assert_close(
            model.predict(task.delta).probability, other.predict(task.delta).probability, rtol=0, atol=1e-4
        )


def test_where_half_is_too_much_as_well_the_option_is_named(
    tmp_path: Path, like_a_gpu: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlp, "train", at_most(1, mlp.train))
    with pytest.raises(DeviceError, match=r"set a lower -o mlp\.at_once"):
        Mlp(MlpOptions(), make_runtime(tmp_path)).fit_many([problem(8, 9, seed=seed) for seed in range(4)])


# --- on a GPU ---------------------------------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", LEARNERS)
def test_a_gpu_gives_the_cpus_models(name: str, tmp_path: Path) -> None:
    learner, options, tolerance = LEARNERS[name]
    more = {"early_stopping": False} if name.startswith("mlp") else {}
    tasks = variety()
    on_cpu = learner(options(**more), make_runtime(tmp_path)).fit_many(tasks)
    runtime = make_runtime(tmp_path, device="cuda")
    on_gpu = learner(options(**more), runtime).fit_many([task.to("cuda") for task in tasks])
    for task, one, other in zip(tasks, on_cpu, on_gpu, strict=True):
        probability = other.predict(task.delta.to("cuda")).probability.cpu()
        torch.testing.assert_close(probability, one.predict(task.delta).probability, rtol=0, atol=10 * tolerance)


def test_a_model_does_not_change_with_the_order_of_the_problems(tmp_path: Path, like_a_gpu: list[list[int]]) -> None:
    tasks = [dataclasses.replace(task, seed=1) for task in variety()]
    learner = Prior(PriorOptions(), make_runtime(tmp_path))
    forth, back = learner.fit_many(tasks), learner.fit_many(tasks[::-1])[::-1]
    for task, one, other in zip(tasks, forth, back, strict=True):
        torch.testing.assert_close(
            one.predict(task.delta).probability, other.predict(task.delta).probability, rtol=0, atol=1e-6
        )
