"""What a plugin's tests need: an isolated runtime, a registry of given modules, and the usual small inputs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import ModuleType

from lasca_core.host.plugins import PluginInfo, Registry, discover
from lasca_core.host.runtime import HostRuntime, SilentReporter

__all__ = ["make_registry", "make_runtime"]


def make_runtime(cache: Path, *, device: str = "cpu", seed: int = 0, offline: bool = True) -> HostRuntime:
    """A runtime of its own in the folder ``cache``: CPU, offline, silent (``runtime.report.notes``, ``.warnings``)."""
    return HostRuntime(cache=cache, device_name=device, seed=seed, offline=offline, workers=2, report=SilentReporter())


def make_registry(*modules: ModuleType, installed: bool = True) -> Registry:
    """A registry with the given plugin modules, beside the installed plugins or (``installed=False``) alone."""
    registry = discover() if installed else Registry()
    for module in modules:
        name = module.__name__.rpartition(".")[2]
        registry.add(PluginInfo(name, f"{name} (given in a test)", "0", "loaded"), partial(_given, module))
    return registry


def _given(module: ModuleType) -> ModuleType:
    return module
