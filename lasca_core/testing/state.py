"""What all code of a process shares (seeds, warning filters, environment, threads, ...): read, compared, restored."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class _Shared:
    """How to read one shared thing, in a form that can be compared, and how to write it back."""

    read: Callable[[], Any]
    write: Callable[[Any], object]


def global_state() -> dict[str, Any]:
    """Everything shared, by its name in words; of numpy and torch where they are imported."""
    return {name: shared.read() for name, shared in _everything().items()}


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The names of what differs between two ``global_state()``."""
    return [name for name in before if name in after and before[name] != after[name]]


@contextlib.contextmanager
def restored(state: Mapping[str, Any]) -> Iterator[None]:
    """Everything is as in the earlier ``state`` inside this block, and afterwards as it was before the block."""
    before = global_state()
    _write(state)
    try:
        yield
    finally:
        _write(before)


@contextlib.contextmanager
def random_state(seed: int) -> Iterator[None]:
    """The global random generators start from ``seed`` inside this block; what was there before is restored."""
    import numpy as np
    import torch

    with restored(global_state()):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        yield


def _write(state: Mapping[str, Any]) -> None:
    everything = _everything()
    for name, value in state.items():
        if everything[name].read() != value:  # some setters of torch import half of it
            everything[name].write(value)


def _everything() -> dict[str, _Shared]:
    shared = dict(_PYTHON)
    if "numpy" in sys.modules:
        shared.update(_numpy())
    if "torch" in sys.modules:
        shared.update(_torch())
    return shared


def _write_environment(value: dict[str, str]) -> None:
    for name in os.environ.keys() - value.keys():
        del os.environ[name]
    os.environ.update(value)


def _write_filters(value: list[Any]) -> None:
    warnings.resetwarnings()  # also tells the machinery that the filters have changed
    warnings.filters.extend(value)  # type: ignore[attr-defined]


def _write_path(value: list[str]) -> None:
    sys.path[:] = value


def _read_logger() -> tuple[int, list[Any], list[Any], int]:
    root = logging.getLogger()
    return root.level, list(root.handlers), list(root.filters), logging.root.manager.disable


def _write_logger(value: tuple[int, list[Any], list[Any], int]) -> None:
    root = logging.getLogger()
    level, root.handlers[:], root.filters[:], disabled = value
    root.setLevel(level)
    logging.disable(disabled)


_PYTHON = {
    "the generator of the module random": _Shared(random.getstate, random.setstate),
    "the warning filters": _Shared(lambda: list(warnings.filters), _write_filters),
    "the environment variables": _Shared(lambda: dict(os.environ), _write_environment),
    "the current folder": _Shared(os.getcwd, os.chdir),
    "the module search path": _Shared(lambda: list(sys.path), _write_path),
    "the root logger": _Shared(_read_logger, _write_logger),
    "the hook for uncaught errors": _Shared(lambda: sys.excepthook, lambda hook: setattr(sys, "excepthook", hook)),
}


def _numpy() -> dict[str, _Shared]:
    import numpy as np

    def read() -> tuple[Any, ...]:
        algorithm, keys, *rest = np.random.get_state()
        return (algorithm, tuple(keys), *rest)

    return {
        "numpy's random generator": _Shared(read, np.random.set_state),
        "numpy's error handling": _Shared(np.geterr, lambda value: np.seterr(**value)),
    }


def _torch() -> dict[str, _Shared]:
    import torch

    cudnn = torch.backends.cudnn

    def write_cudnn(value: tuple[bool, bool]) -> None:
        cudnn.benchmark, cudnn.deterministic = value

    def write_deterministic(value: tuple[bool, bool]) -> None:
        torch.use_deterministic_algorithms(value[0], warn_only=value[1])

    shared = {
        "torch's random generator": _Shared(
            lambda: tuple(torch.get_rng_state().tolist()),
            lambda value: torch.set_rng_state(torch.tensor(value, dtype=torch.uint8)),
        ),
        "torch's number of threads": _Shared(torch.get_num_threads, torch.set_num_threads),
        "torch's default dtype": _Shared(torch.get_default_dtype, torch.set_default_dtype),
        "torch's default device": _Shared(torch.get_default_device, _write_default_device),
        "torch's gradient mode": _Shared(torch.is_grad_enabled, torch.set_grad_enabled),
        "torch's deterministic mode": _Shared(
            lambda: (
                torch.are_deterministic_algorithms_enabled(),
                torch.is_deterministic_algorithms_warn_only_enabled(),
            ),
            write_deterministic,
        ),
        "torch's matrix precision": _Shared(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
        "cuDNN's settings": _Shared(lambda: (cudnn.benchmark, cudnn.deterministic), write_cudnn),
    }
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        shared["torch's CUDA generators"] = _Shared(
            lambda: [tuple(state.tolist()) for state in torch.cuda.get_rng_state_all()],
            lambda value: torch.cuda.set_rng_state_all([torch.tensor(state, dtype=torch.uint8) for state in value]),
        )
    return shared


def _write_default_device(device: Any) -> None:
    import torch

    torch.set_default_device(None if device.type == "cpu" else device)  # a CPU set by name would slow every call
