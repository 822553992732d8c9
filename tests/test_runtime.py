"""The runtime: which device it takes, how it seeds, and that it leaves torch's global state alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lasca_core.contract.errors import DeviceError, OptionError
from lasca_core.host.runtime import SilentReporter, default_cache, default_offline, deterministic, resolve_device
from lasca_core.testing import make_runtime


def test_auto_is_the_cpu_where_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")


def test_auto_prefers_cuda_to_mps_and_mps_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("mps")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:3"])
def test_cuda_asked_for_and_absent_is_an_error_and_never_the_cpu(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        DeviceError, match=f"--device {name}: torch .* sees no CUDA device on this machine; use --device"
    ):
        resolve_device(name)


def test_a_cuda_device_beyond_the_last_one_is_an_error_that_says_how_many_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(DeviceError, match="sees 2 CUDA devices"):
        resolve_device("cuda:2")


def test_mps_asked_for_and_absent_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="--device mps: torch sees no Metal device"):
        resolve_device("mps")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "meta"])
def test_a_device_that_means_nothing_here_is_a_wrong_option(name: str) -> None:
    with pytest.raises(OptionError, match=f"--device {name}: "):
        resolve_device(name)


def test_there_is_only_one_cpu() -> None:
    assert resolve_device("cpu:0") == torch.device("cpu")
    with pytest.raises(DeviceError, match="there is only one cpu device"):
        resolve_device("cpu:1")


@pytest.mark.gpu
def test_tensors_of_a_run_on_auto_live_on_the_gpu_where_there_is_one(tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    runtime = make_runtime(tmp_path, device="auto")
    assert torch.zeros(1, device=runtime.device).is_cuda
    assert torch.cuda.get_device_name(0) in runtime.describe_device()


def draw(folder: Path, *scope: object, seed: int = 0) -> list[float]:
    """Four numbers of the generator for ``scope``."""
    return torch.rand(4, generator=make_runtime(folder, seed=seed).generator(*scope)).tolist()


def test_a_generator_depends_on_the_seed_and_its_scope_alone(tmp_path: Path) -> None:
    first = draw(tmp_path, "mlp", 3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        assert draw(tmp_path, "mlp", 3) == first
    assert draw(tmp_path, "mlp", 4) != first
    assert draw(tmp_path, "mlp", "3") != first
    assert draw(tmp_path, "mlp", 3, seed=1) != first


def test_a_generator_gives_the_same_numbers_on_every_machine(tmp_path: Path) -> None:
    import hashlib

    seed = int.from_bytes(hashlib.sha256(b"(7, 'mlp', 3)").digest()[:7], "big")
    expected = torch.rand(4, generator=torch.Generator().manual_seed(seed)).tolist()
    assert draw(tmp_path, "mlp", 3, seed=7) == expected


def test_a_runtime_and_its_generators_leave_global_state_alone(tmp_path: Path) -> None:
    before = (torch.initial_seed(), torch.get_num_threads(), torch.get_rng_state().tolist(), torch.get_default_dtype())
    runtime = make_runtime(tmp_path)
    torch.rand(3, generator=runtime.generator("anything"))
    assert runtime.device == torch.device("cpu")
    assert (
        torch.initial_seed(),
        torch.get_num_threads(),
        torch.get_rng_state().tolist(),
        torch.get_default_dtype(),
    ) == before


@pytest.mark.parametrize(("enabled", "warn_only"), [(False, False), (True, False), (True, True)])
def test_determinism_ends_with_its_block_even_when_the_block_fails(enabled: bool, warn_only: bool) -> None:
    outside = (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled())
    torch.use_deterministic_algorithms(enabled, warn_only=warn_only)

    @deterministic()
    def fail() -> None:
        assert torch.are_deterministic_algorithms_enabled()
        raise ZeroDivisionError

    try:
        with pytest.raises(ZeroDivisionError):
            fail()
        assert torch.are_deterministic_algorithms_enabled() == enabled
        assert torch.is_deterministic_algorithms_warn_only_enabled() == warn_only
    finally:
        torch.use_deterministic_algorithms(outside[0], warn_only=outside[1])


def test_the_silent_reporter_keeps_each_message_once() -> None:
    report = SilentReporter()
    for _ in range(2):
        report.note("hello")
        report.warn("careful")
    with report.task("work", 3) as task:
        task.advance()
    assert (report.notes, report.warnings) == (["hello"], ["careful"])


def test_the_cache_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LASCA_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.setenv("LASCA_CACHE", "")
    assert default_cache().name == "lasca"


@pytest.mark.parametrize(
    ("value", "offline"), [("1", True), ("yes", True), ("0", False), ("False", False), ("", False)]
)
def test_offline_is_what_either_variable_says(monkeypatch: pytest.MonkeyPatch, value: str, offline: bool) -> None:
    for name, other in (("LASCA_OFFLINE", "HF_HUB_OFFLINE"), ("HF_HUB_OFFLINE", "LASCA_OFFLINE")):
        monkeypatch.setenv(name, value)
        monkeypatch.delenv(other, raising=False)
        assert default_offline() is offline
