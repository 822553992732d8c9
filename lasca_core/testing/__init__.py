"""What a plugin's tests need: conformance checks of every kind, an isolated runtime, registries, small inputs.

The whole conformance test of a plugin::

    from lasca_core.testing import parametrize_with_checks

    @parametrize_with_checks("lasca-gaze")      # the distribution's name, as in pyproject.toml
    def test_conformance(check):
        check()

The same outside pytest: ``lasca plugins check lasca-gaze``. What the checks look for is written in
``lasca_core.testing.checks``, one function a promise. Two optional attributes of a component are read by the checks
alone:

``example_options(folder)``, a classmethod
    Options to check with, where the defaults do not do (a dataset needs a path). It may write small files into
    ``folder``.
``promises``, a frozenset of strings
    What the component promises beyond its protocol: ``"antisymmetric"`` for a learner whose P(d) is 1 - P(-d).

Where there is no GPU, ``lasca_core.testing.standin`` has a device that finds what one would refuse, and counts how
often the host would wait for it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import ModuleType

from lasca_core.host.plugins import PluginInfo, Registry, discover
from lasca_core.host.runtime import HostRuntime, SilentReporter
from lasca_core.testing.outcome import BrokenPromiseError
from lasca_core.testing.site import Site
from lasca_core.testing.suite import Check, Result, collect_checks, parametrize_with_checks
from lasca_core.testing.synthetic import (
    make_problem,
    make_salience,
    make_session,
    make_trace,
    make_track,
    write_recording,
)

__all__ = [
    "BrokenPromiseError",
    "Check",
    "Result",
    "Site",
    "collect_checks",
    "make_problem",
    "make_registry",
    "make_runtime",
    "make_salience",
    "make_session",
    "make_trace",
    "make_track",
    "parametrize_with_checks",
    "write_recording",
]


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
