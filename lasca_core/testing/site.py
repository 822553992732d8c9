"""A folder on the module search path that made-up distributions can be installed into."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lasca_core.host.plugins import GROUP, PluginInfo, Registry


@dataclass(frozen=True)
class Site:
    """Looks like a ``site-packages`` of its own: what is written here is found as if pip had installed it."""

    folder: Path

    def install(
        self,
        distribution: str,
        modules: Mapping[str, str],
        *,
        entry: str | None = None,
        version: str = "1.0",
        requires: tuple[str, ...] = (),
        metadata: str = "",
    ) -> None:
        """Write a distribution: ``modules`` maps a module's name to its code, and ``entry`` is the entry point's value
        (default: the first module). ``metadata`` are further lines of its core metadata."""
        for name, code in modules.items():
            (self.folder / f"{name}.py").write_text(code, encoding="utf-8")
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        value = entry or next(iter(modules))
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{distribution} = {value}\n", encoding="utf-8")
        lines = ["Metadata-Version: 2.4", f"Name: {distribution}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        (info / "METADATA").write_text("\n".join([*lines, metadata]) + "\n", encoding="utf-8")
        importlib.invalidate_caches()

    def registry(self) -> Registry:
        """What the distributions of this folder offer, and no others; to be asked for while it is ``active``."""
        registry = Registry()
        for found in sorted(importlib.metadata.distributions(path=[str(self.folder)]), key=lambda found: found.name):
            for entry in found.entry_points.select(group=GROUP):
                info = PluginInfo(entry.name, found.name, found.version, "loaded")
                registry.add(info, entry.load, found.requires or ())
        return registry

    @contextmanager
    def active(self) -> Iterator[Site]:
        """The folder is on the path inside the block; afterwards what was imported from it is forgotten."""
        sys.path.insert(0, str(self.folder))
        importlib.invalidate_caches()
        try:
            yield self
        finally:
            sys.path.remove(str(self.folder))
            for name, module in list(sys.modules.items()):
                if str(getattr(module, "__file__", None)).startswith(str(self.folder)):
                    del sys.modules[name]
