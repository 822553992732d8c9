"""The stand-in for a GPU: true values, CUDA's refusals, every wait counted, and no trace of it where it is not used."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lasca_core.api import Component, Saliency, SaliencySpec, hookimpl
from lasca_core.testing import make_registry
from lasca_core.testing.bench import Bench, Subject
from lasca_core.testing.checks import behaviour
from lasca_core.testing.standin import NotOnHostError, StandIn, WrongDeviceError, standin_device
from lasca_core.testing.suite import Check

HERE = torch.arange(6.0).reshape(2, 3)


@pytest.fixture
def standin() -> Iterator[StandIn]:
    with standin_device() as found:
        yield found


@pytest.fixture
def there(standin: StandIn) -> Tensor:
    """``HERE`` on the device, with nothing counted."""
    moved = HERE.to(standin.device)
    standin.forget()
    return moved


# --- values -----------------------------------------------------------------------------------------------------------


def test_a_tensor_lies_on_the_device_and_comes_back_as_it_was(standin: StandIn, there: Tensor) -> None:
    assert there.device == standin.device
    assert (there.shape, there.dtype, there.is_contiguous()) == (HERE.shape, HERE.dtype, True)
    assert torch.equal(there.cpu(), HERE)


@pytest.mark.parametrize(
    "make",
    [
        lambda device: torch.zeros(2, 3, device=device),
        lambda device: torch.arange(7, device=device),
        lambda device: torch.eye(3, dtype=torch.float64, device=device),
        lambda device: torch.tensor([[1.5, 2], [3, 4]], device=device),
        lambda device: torch.linspace(0, 1, 5, device=device),
        lambda device: torch.full((2,), 7, device=device),
        lambda device: torch.hann_window(8, device=device),
        lambda device: torch.ones(2, device=device).new_tensor([3, 4]),
    ],
)
def test_tensors_made_on_the_device_have_their_values(standin: StandIn, make: Callable[[torch.device], Tensor]) -> None:
    made, expected = make(standin.device), make(torch.device("cpu"))
    assert made.device == standin.device
    torch.testing.assert_close(made.cpu(), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: x @ x.T,
        lambda x: x.sort(dim=1, descending=True).values.cumsum(0),
        lambda x: torch.stft(x.repeat(1, 40), 16, window=torch.hann_window(16).to(x.device), return_complex=True).abs(),
        lambda x: torch.linalg.cholesky(x @ x.T + torch.eye(2).to(x.device)),
        lambda x: nn.functional.scaled_dot_product_attention(x[None, None], x[None, None], x[None, None]),
        lambda x: torch.where(x > 2, x, torch.tensor(-1.0)),
        lambda x: x.clone().resize_(2, 3).t_().unsqueeze_(0),
    ],
)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_operations_give_what_they_give_on_the_cpu(
    there: Tensor, compute: Callable[[Tensor], Tensor], mode: Callable[[], Any]
) -> None:
    with mode():
        found = compute(there)
        assert found.device == there.device
        torch.testing.assert_close(found.cpu(), compute(HERE.clone()))


def test_a_view_and_its_base_are_one_memory(there: Tensor) -> None:
    row, columns = there[1], there.T
    row.add_(10)
    columns[0, 0] = 99
    there[:, 2] += there.new_tensor([100.0, 200])
    assert there.tolist() == [[99, 1, 102], [13, 14, 215]]
    assert row.tolist() == [13, 14, 215]


def test_what_an_operation_changes_in_place_is_the_tensor_itself(there: Tensor) -> None:
    assert there.mul_(2) is there
    out = torch.empty_like(there)
    assert torch.add(there, 1, out=out) is out
    assert torch.equal(out.cpu(), HERE * 2 + 1)
    with pytest.raises(NotImplementedError, match="cannot resize a tensor in place"):
        torch.add(there, 1, out=there.new_empty(0))


def test_a_network_learns_the_same_there(standin: StandIn) -> None:
    networks = [nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))]
    nn.init.constant_(networks[0][0].weight, 0.1)
    networks.append(copy.deepcopy(networks[0]).to(standin.device))
    inputs = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    for network, given in zip(networks, (inputs, inputs.to(standin.device)), strict=True):
        adam = torch.optim.Adam(network.parameters(), lr=0.1)
        for _ in range(5):
            adam.zero_grad()
            network(given).square().mean().backward()
            adam.step()
    assert {parameter.device for parameter in networks[1].parameters()} == {standin.device}
    for here, moved in zip(networks[0].parameters(), networks[1].cpu().parameters(), strict=True):
        torch.testing.assert_close(moved, here, rtol=1e-5, atol=1e-6)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mix",
    [
        lambda there: there + HERE,
        lambda there: HERE @ there.T,
        lambda there: torch.cat([there, HERE]),
        lambda there: torch.where(HERE > 2, there, there),
        lambda there: HERE[there.long()],
        lambda there: there.index_select(0, torch.tensor([1])),
        lambda there: there.gather(1, torch.zeros(2, 1, dtype=torch.int64)),
        lambda there: torch.tensor(1.0).add_(there[0, 0]),
        lambda there: HERE.clone().mul_(there),
        lambda there: nn.Linear(3, 2)(there),
        lambda there: torch.searchsorted(there[0], HERE[0]),
        lambda there: there.long() @ there.long().T,
        lambda there: torch.randperm(5, generator=torch.Generator(), device=there.device),
        lambda there: there.normal_(generator=torch.Generator()),
    ],
)
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.inference_mode])
def test_what_cuda_refuses_is_refused_and_remembered(
    standin: StandIn, there: Tensor, mix: Callable[[Tensor], Tensor], mode: Callable[[], Any]
) -> None:
    with mode(), pytest.raises(WrongDeviceError) as caught:
        mix(there)
    assert standin.refusals == [caught.value]


@pytest.mark.parametrize("read", [lambda there: there.numpy(), np.asarray, np.sqrt])
def test_numpy_cannot_read_the_device(there: Tensor, read: Callable[[Tensor], Any]) -> None:
    with pytest.raises(NotOnHostError, match="can't convert standin:0 device type tensor to numpy"):
        read(there)


@pytest.mark.parametrize(
    "mix",
    [
        lambda x: x + torch.tensor(2.0),
        lambda x: x.masked_fill(x > 2, torch.tensor(0.0)),
        lambda x: x.clamp(min=torch.tensor(1.0)),
        lambda x: x[torch.tensor([1, 0])],
        lambda x: x.index_put((torch.tensor([0]),), torch.tensor(7.0)),
        lambda x: x.clone().copy_(HERE + 1),
    ],
)
def test_what_cuda_allows_between_devices_is_allowed(there: Tensor, mix: Callable[[Tensor], Tensor]) -> None:
    torch.testing.assert_close(mix(there).cpu(), mix(HERE), rtol=0, atol=0)


# --- counts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fetch",
    [
        lambda there: there.cpu(),
        lambda there: there.to("cpu", torch.float64),
        lambda there: there.sum().item(),
        lambda there: float(there[0, 0]),
        lambda there: bool((there > 2).any()),
        lambda there: there.tolist(),
        lambda there: torch.empty(2, 3).copy_(there),
        lambda there: there.nonzero(),
        lambda there: there[there > 2],
        lambda there: there.unique(),
        lambda there: torch.equal(there, there),
        lambda there: there.numpy(force=True),
        lambda there: there[0].long().repeat_interleave(there[0].long()),
        lambda there: torch.linalg.cholesky(there[:, 1:] @ there[:, 1:].T + torch.eye(2, device=there.device)),
    ],
)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_host_waits_once_for_values_and_for_shapes_that_depend_on_them(
    standin: StandIn, there: Tensor, fetch: Callable[[Tensor], Any], mode: Callable[[], Any]
) -> None:
    with mode():
        fetch(there)
    (wait,) = standin.waits
    assert wait.line.startswith(f"{__name__}:"), "the line that asked"


def test_what_needs_no_value_is_not_waited_for(standin: StandIn, there: Tensor) -> None:
    weight = torch.zeros(3, device=there.device, requires_grad=True)
    (there @ weight).sigmoid().sum().backward()
    there.masked_fill_(there > 2, 0)
    there[:, 0] = 1.0
    assert there.shape[0] == len(there) == 2
    there.repeat_interleave(torch.ones_like(there[:, 0]).long(), 0, output_size=2)
    assert there.to(torch.float64).to(standin.device).dtype == torch.float64
    assert (standin.waits, standin.uploads) == ([], [])


def test_uploads_are_counted_apart(standin: StandIn, there: Tensor) -> None:
    torch.tensor([1.0, 2], device=there.device)
    there[torch.tensor([0, 1])]
    there.copy_(HERE)
    assert len(standin.uploads) == 3
    assert standin.waits == []
    assert all(upload.line.startswith(f"{__name__}:") for upload in standin.uploads)


# --- the process ------------------------------------------------------------------------------------------------------


def test_each_use_counts_for_itself_and_afterwards_there_is_no_such_accelerator(standin: StandIn) -> None:
    with standin_device() as inner:
        assert torch.accelerator.is_available()
        torch.zeros(1, device=inner.device).item()
    assert (len(inner.waits), len(standin.waits)) == (1, 0)


def test_while_it_is_not_in_use_torch_sees_no_accelerator() -> None:
    with standin_device():
        pass
    assert torch.accelerator.is_available() == (torch.cuda.is_available() or torch.backends.mps.is_available())


def test_a_torch_without_devices_made_in_python_skips_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    from lasca_core.testing import standin as module

    monkeypatch.delattr(module.backend_registration, "_setup_privateuseone_for_python_backend", raising=False)
    with pytest.raises(behaviour.SkipTest, match="has no devices made in Python"):
        module._register.__wrapped__()


# --- the conformance kit ----------------------------------------------------------------------------------------------


class Right(Component):
    """Computes with numpy, and says so to torch."""

    def select(self, values: Tensor) -> Saliency:
        score = torch.from_numpy(values.cpu().numpy() - 0.5).to(values.device)
        return Saliency(score > 0, score)


class MadeOnCpu(Component):
    """Makes a tensor without naming a device, and blames something else."""

    def select(self, values: Tensor) -> Saliency:
        try:
            score = values - torch.full((values.shape[1],), 0.5)
        except RuntimeError as error:
            raise ValueError("nothing can be told") from error
        return Saliency(score > 0, score)


class SecondTry(Component):
    """Finds out by an error that the values are elsewhere."""

    def select(self, values: Tensor) -> Saliency:
        try:
            score = torch.from_numpy(values.numpy() - 0.5)
        except TypeError:
            score = torch.from_numpy(values.cpu().numpy() - 0.5).to(values.device)
        return Saliency(score > 0, score)


class OwnKernel(Component):
    """Needs what no stand-in has."""

    def select(self, values: Tensor) -> Saliency:
        if values.device.type != "cpu":
            raise NotImplementedError("no kernel for this device")
        return Saliency(values > 0.5, values - 0.5)


@pytest.mark.parametrize(
    ("component", "outcome", "words"),
    [
        (Right, "passed", ""),
        (SecondTry, "passed", ""),
        (MadeOnCpu, "failed", "a GPU would refuse what it does: Expected all tensors to be on the same device"),
        (OwnKernel, "skipped", "torch sees no GPU on this machine, and the stand-in for one cannot do this"),
    ],
)
def test_without_a_gpu_the_conformance_kit_finds_what_one_would_refuse(
    component: type[Component],
    outcome: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    standin: StandIn,  # so that this is skipped where there is none
) -> None:
    monkeypatch.setattr(behaviour, "gpu", lambda: None)

    @hookimpl
    def lasca_register_saliency() -> Iterator[SaliencySpec]:
        yield SaliencySpec(name="made-up", target=f"{__name__}:{component.__name__}", summary="made up")

    plugin = ModuleType("made_up")
    plugin.__dict__["lasca_register_saliency"] = lasca_register_saliency
    registry = make_registry(plugin, installed=False)
    (found,) = registry.all("saliency")
    bench = Bench(cache=tmp_path)
    monkeypatch.setattr(Subject, "target", component)
    result = Check(behaviour.check_cpu_and_gpu_agree, Subject(found, registry, bench)).run()
    monkeypatch.undo()
    bench.close()
    assert result.outcome == outcome, result.message
    assert words in result.message
