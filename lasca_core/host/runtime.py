"""Where and how a run happens: device, seed, threads, cache, offline switch, and how to reach pretrained files."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lasca_core.contract.errors import DeviceError, OptionError

if TYPE_CHECKING:
    import torch

    from lasca_core.contract.protocols import Reporter
    from lasca_core.contract.specs import Weights
    from lasca_core.host.store import Store


def default_cache() -> Path:
    """``$LASCA_CACHE``, or the user's cache folder of this system."""
    if folder := os.environ.get("LASCA_CACHE"):
        return Path(folder).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("lasca", appauthor=False))


def default_offline() -> bool:
    """True if ``$LASCA_OFFLINE`` (or ``$HF_HUB_OFFLINE``) is set to anything but 0, false or no."""
    values = (os.environ.get(name, "").strip().lower() for name in ("LASCA_OFFLINE", "HF_HUB_OFFLINE"))
    return any(value not in ("", "0", "false", "no") for value in values)


def default_workers() -> int:
    """How many CPU cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class SilentTask:
    """A progress bar that shows nothing."""

    def advance(self, amount: float = 1) -> None:
        """Ignore the progress."""

    def __enter__(self) -> SilentTask:
        return self

    def __exit__(self, *exception: object) -> None:
        return None


class SilentReporter:
    """Keeps what it is told in ``notes`` and ``warnings`` and prints nothing: for library use and tests."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, message: str) -> None:
        """Keep a note, once."""
        if message not in self.notes:
            self.notes.append(message)

    def warn(self, message: str) -> None:
        """Keep a warning, once."""
        if message not in self.warnings:
            self.warnings.append(message)

    def task(self, label: str, total: float | None = None) -> SilentTask:
        """A progress bar that shows nothing."""
        return SilentTask()


@dataclass
class HostRuntime:
    """The runtime that the host passes to every component; see ``protocols.Runtime``.

    ``device_name`` is ``auto`` (CUDA, then MPS, then CPU), or an explicit torch device. The choice is made once, at
    first use.
    """

    cache: Path
    device_name: str = "auto"
    seed: int = 0
    offline: bool = False
    workers: int = field(default_factory=default_workers)
    report: Reporter = field(default_factory=SilentReporter)

    @cached_property
    def device(self) -> torch.device:
        """The resolved device. Raises ``DeviceError`` if it was asked for by name and is not there."""
        return resolve_device(self.device_name)

    @cached_property
    def store(self) -> Store:
        """The store of features and embeddings in this runtime's cache."""
        from lasca_core.host.store import Store

        return Store(self.cache / "store", self.report)

    def generator(self, *scope: object) -> torch.Generator:
        """A CPU generator seeded from the run's seed and ``scope`` (strings and numbers), the same on every machine."""
        import torch

        digest = hashlib.sha256(repr((self.seed, *scope)).encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

    def fetch(self, weights: Weights) -> Path:
        """The local folder holding the verified files of ``weights``."""
        from lasca_core.host.weights import fetch

        return fetch(weights, self.cache / "weights", offline=self.offline, report=self.report)

    def describe_device(self) -> str:
        """The device in words, for ``run.json`` and the person who waits."""
        import torch

        if self.device.type == "cuda":
            return f"{self.device} ({torch.cuda.get_device_name(self.device)})"
        return f"{self.device} ({self.workers} threads)" if self.device.type == "cpu" else str(self.device)


def resolve_device(name: str) -> torch.device:
    """``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps`` -> a device that exists."""
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise OptionError(f"--device {name}: not a device; use auto, cpu, cuda, cuda:1, ... or mps") from None
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            have = f"{count or 'no'} CUDA device{'s' if count > 1 else ''}"
            raise DeviceError(
                f"--device {name}: torch {torch.__version__} sees {have} on this machine; use --device auto or cpu"
            )
        return torch.device("cuda", device.index or 0)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("--device mps: torch sees no Metal device on this machine; use --device auto or cpu")
    if device.type not in ("cpu", "mps"):
        raise OptionError(f"--device {name}: LaScA runs on cpu, cuda and mps")
    if device.index:
        raise DeviceError(f"--device {name}: there is only one {device.type} device; use --device {device.type}")
    return torch.device(device.type)


@contextlib.contextmanager
def deterministic() -> Iterator[None]:
    """Torch uses deterministic algorithms inside this block where it has them, silently; what was set before is
    restored afterwards."""
    import warnings

    import torch

    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*determinis.*", category=UserWarning)
            yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Torch computes with ``count`` CPU threads inside this block; what was set before is restored afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
