"""What a plugin's tests need: an isolated runtime and small made-up inputs."""

from __future__ import annotations

from pathlib import Path

from lasca_core.host.runtime import HostRuntime, SilentReporter

__all__ = ["make_runtime"]


def make_runtime(cache: Path, *, device: str = "cpu", seed: int = 0, offline: bool = True) -> HostRuntime:
    """A runtime of its own in the folder ``cache``: CPU, offline, silent (``runtime.report.notes``, ``.warnings``)."""
    return HostRuntime(cache=cache, device_name=device, seed=seed, offline=offline, workers=2, report=SilentReporter())
