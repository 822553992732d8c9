"""What the objects of the Python interface share: plugins, a runtime, and pipelines that stay loaded between calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lasca_core.experiment.config import Config
    from lasca_core.experiment.pipeline import Pipeline
    from lasca_core.host.plugins import Registry
    from lasca_core.host.runtime import HostRuntime


@dataclass
class Session:
    """Where and how things run; ``cache`` and ``offline`` are the environment's where they are None."""

    device: str = "auto"
    cache: Path | None = None
    offline: bool | None = None
    quiet: bool = False
    _open: dict[str, Pipeline] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """An explicit device is looked up now; ``auto`` is left for later, since asking imports torch."""
        if self.device != "auto":
            from lasca_core.host.runtime import resolve_device

            resolve_device(self.device)

    def __getstate__(self) -> dict[str, Any]:
        """Without what is loaded, which is found again: whatever holds a session can be copied and pickled."""
        state = {name: value for name, value in vars(self).items() if name != "registry"}
        return {**state, "_open": {}}

    @cached_property
    def registry(self) -> Registry:
        """All plugins; a faulty one is one warning."""
        import warnings

        from lasca_core.host.plugins import discover

        registry = discover()
        for warning in registry.warnings:
            warnings.warn(warning, stacklevel=2)
        return registry

    def runtime(self, seed: int = 0) -> HostRuntime:
        """A runtime that reports on stderr, unless quiet."""
        from lasca_core.cli.progress import TerminalReporter
        from lasca_core.host.runtime import HostRuntime, default_cache, default_offline

        return HostRuntime(
            cache=self.cache or default_cache(),
            device_name=self.device,
            seed=seed,
            offline=default_offline() if self.offline is None else self.offline,
            report=TerminalReporter(quiet=self.quiet),
        )

    @contextmanager
    def using(self, config: Config) -> Iterator[Pipeline]:
        """The pipeline of a configuration, its models loaded by earlier calls."""
        from lasca_core.experiment.pipeline import Pipeline

        key = repr(config)
        if key not in self._open:
            self._open[key] = Pipeline(config, self.registry, self.runtime(config.run.seed))
        yield self._open[key]

    def close(self) -> None:
        """Give back what the pipelines hold."""
        while self._open:
            self._open.popitem()[1].close()
