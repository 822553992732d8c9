"""What checks look at: one component on the bench, or one plugin with its distribution."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from unittest import SkipTest

from lasca_core.api import ComponentSpec, LascaError, WeightsError
from lasca_core.host.plugins import GROUP, PluginInfo, Registered, Registry
from lasca_core.host.runtime import HostRuntime, SilentReporter, default_cache
from lasca_core.testing.state import global_state

if TYPE_CHECKING:
    from lasca_core.api import Source
    from lasca_core.host.options import Options

STANDIN = "standin"
"""The name of the device of ``lasca_core.testing.standin``."""
_SECONDS = 3.0
"""How much of a recording the checks look at."""
_PROBE_SECONDS = 120
_INHERITED = frozenset({
    "DYLD_LIBRARY_PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONHOME", "SYSTEMROOT", "TEMP", "TMP",
    "TMPDIR", "USERPROFILE",
})  # fmt: skip
"""What a Python needs to start. The plugin may have set others when it was loaded here, and that must show there."""
UNAVAILABLE = (WeightsError,)
"""Errors that mean: this cannot be checked here, rather than: it is wrong."""


@dataclass
class Bench:
    """Where checks take place: a temporary folder, runtimes, and a recording of a few seconds.

    Pretrained files come from ``cache`` and are never fetched. ``media`` is a recording to use in place of the
    synthetic one.
    """

    cache: Path = field(default_factory=default_cache)
    device: str = "cpu"
    media: Path | None = None

    untouched: dict[str, Any] = field(init=False, repr=False)
    """The global state before any component was used."""
    _busy: Subject | None = field(default=None, init=False, repr=False)

    @cached_property
    def _temporary(self) -> TemporaryDirectory[str]:
        return TemporaryDirectory(prefix="lasca-check-", ignore_cleanup_errors=True)

    @property
    def folder(self) -> Path:
        """A folder that vanishes with this process."""
        return Path(self._temporary.name)

    def __post_init__(self) -> None:
        import torch  # so that its part of the state is known too

        assert torch.__version__
        self.untouched = global_state()

    def runtime(self, device: str | None = None) -> HostRuntime:
        """A silent runtime that is offline; ``device`` may be the stand-in too."""
        runtime = HostRuntime(
            cache=self.cache,
            device_name=device or self.device,
            offline=True,
            workers=2,
            report=SilentReporter(),
        )
        if runtime.device_name != STANDIN:
            return runtime
        from lasca_core.testing.standin import on_standin

        return on_standin(runtime)

    @cached_property
    def _synthetic(self) -> Path:
        from lasca_core.testing.synthetic import write_recording

        return write_recording(self.folder / "synthetic.avi", seconds=2.0)

    def source(self, streams: frozenset[str] = frozenset()) -> Source:
        """The first seconds of the bench's recording, or of the synthetic one where that lacks one of ``streams``."""
        from lasca_core.steps.media import open_media
        from lasca_core.testing.sources import Excerpt

        opened = open_media(self.media or self._synthetic)
        if not streams <= _streams(opened):
            opened = open_media(self._synthetic)
        return Excerpt(opened, _SECONDS)

    def take(self, subject: Subject) -> None:
        """Put ``subject`` on the bench: what the one before it holds (a model, a device's memory) is given back."""
        if self._busy is not None and self._busy is not subject:
            self._busy.close()
        self._busy = subject

    def close(self) -> None:
        """Give back what is held and remove the temporary folder."""
        if self._busy is not None:
            self._busy.close()
        self._busy = None
        self._temporary.cleanup()


def _streams(source: Source) -> set[str]:
    return {name for name, there in (("video", source.has_video), ("audio", source.has_audio)) if there}


@dataclass(eq=False)
class Subject:
    """One component to check: its spec and options, and instances of it."""

    registered: Registered
    registry: Registry
    bench: Bench
    given: Mapping[str, Any] = field(default_factory=dict)
    """Options from the person who checks; without any, the component's own ``example_options`` or its defaults."""

    def __str__(self) -> str:
        return f"{self.kind} {self.spec.name}"

    @property
    def spec(self) -> ComponentSpec:
        """The component's spec."""
        spec: ComponentSpec = self.registered.spec
        return spec

    @property
    def kind(self) -> str:
        """The component's kind."""
        return self.spec.kind

    @property
    def needs(self) -> frozenset[str]:
        """The streams an extractor reads; empty for other kinds."""
        return getattr(self.spec, "needs", frozenset())

    @property
    def model(self) -> type[Options]:
        """The component's options model, imported."""
        from lasca_core.experiment.components import options_model

        return options_model(self.registered)

    @property
    def target(self) -> Any:
        """The component's class, imported."""
        from lasca_core.host.plugins import load_target

        return load_target(self.registered, self.spec.target)

    def has(self, name: str) -> bool:
        """Whether the component's class has an attribute; no, where it cannot even be imported."""
        try:
            return hasattr(self.target, name)
        except LascaError:
            return False

    @cached_property
    def options(self) -> dict[str, Any]:
        """The option values it is built with. Skips the check if one is required and nobody states it."""
        values = dict(self.given)
        example = getattr(self.target, "example_options", None)
        if not values and example is not None:
            folder = self.bench.folder / f"{self.kind}-{self.spec.name}"
            folder.mkdir(exist_ok=True)
            values = dict(example(folder))
        for name, info in self.model.model_fields.items():
            if info.is_required() and name not in values:
                raise SkipTest(
                    f"option {name} is required ({info.description}); set it with -o {self.spec.name}.{name}=..., or "
                    f"give the class a classmethod example_options(folder) that returns values to check with"
                )
        return values

    def make(self, *, device: str | None = None, **changes: Any) -> Any:
        """A fresh instance, with ``changes`` to its options."""
        from lasca_core.experiment.components import build_component

        self.bench.take(self)
        values = {**self.options, **changes}
        runtime = self.bench.runtime(device)
        return build_component(self.registry, runtime, self.kind, self.spec.name, values).component

    def build(self, *, device: str | None = None, **changes: Any) -> Any:
        """As ``make``, but skips the check if there is no instance to be had: one check is enough to say so."""
        try:
            return self.make(device=device, **changes)
        except (SkipTest, *UNAVAILABLE):
            raise
        except Exception:
            raise SkipTest("it cannot be built, see check_target_can_be_built") from None

    @cached_property
    def component(self) -> Any:
        """One instance that all checks may use which leave it as it was: loading a model once is slow enough."""
        return self.build()

    @cached_property
    def promises(self) -> frozenset[str]:
        """What the component promises beyond its protocol: its attribute ``promises``.

        Empty where it cannot even be built: other checks say so.
        """
        try:
            return frozenset(getattr(self.build(), "promises", ()))
        except Exception:
            return frozenset()

    def close(self) -> None:
        """Give back what the instance holds; the next check that asks for it gets another one."""
        held = self.__dict__.pop("component", None)
        if hasattr(held, "close"):
            held.close()


@dataclass(eq=False)
class PluginSubject:
    """One plugin to check: what became of it at discovery, and its distribution."""

    info: PluginInfo
    registry: Registry

    def __str__(self) -> str:
        return f"plugin {self.info.name}"

    @cached_property
    def distribution(self) -> importlib.metadata.Distribution:
        """The installed distribution. Skips the check if there is none: the plugin is a module given in a test."""
        try:
            return importlib.metadata.distribution(self.info.distribution)
        except importlib.metadata.PackageNotFoundError:
            raise SkipTest(f"{self.info.distribution} is no installed distribution") from None

    @cached_property
    def registration(self) -> dict[str, Any]:
        """What happens when the plugin is loaded and asked what it offers, in a Python of its own; see ``probe``."""
        entries = [entry for entry in self.distribution.entry_points if entry.group == GROUP]
        (entry_point,) = [entry.value for entry in entries if entry.name == self.info.name]
        with TemporaryDirectory(prefix="lasca-probe-") as folder:
            result = Path(folder) / "result.json"
            start = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); import lasca_core.testing.probe as probe"
            command = [sys.executable, "-c", f"{start}; probe.main(sys.argv[2], sys.argv[3])"]
            command += [json.dumps(sys.path), entry_point, str(result)]
            inherited = {name: value for name, value in os.environ.items() if name in _INHERITED}
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_PROBE_SECONDS, env=inherited, check=False
            )
            if not result.is_file():
                last = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
                raise LascaError(f"loading {entry_point} ended Python: {last}")
            found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return {**found, "output": done.stdout + done.stderr}
