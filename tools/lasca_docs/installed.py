"""The first-party plugins as they are installed: what the reference describes, and nothing that others have added."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from lasca_core.cli.common import Settings
from lasca_core.host.plugins import Registered, Registry, discover
from lasca_docs.markup import Undocumented

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@cache
def distributions() -> tuple[str, ...]:
    """The distributions of this repository's plugins, by name."""
    files = sorted(ROOT.glob("plugins/*/pyproject.toml"))
    return tuple(tomllib.loads(file.read_text(encoding="utf-8"))["project"]["name"] for file in files)


@cache
def others() -> tuple[str, ...]:
    """Installed distributions with plugins that are not of this repository."""
    return tuple(sorted({info.distribution for info in discover().plugins} - set(distributions())))


@cache
def registry() -> Registry:
    """The first-party plugins. Raises ``Undocumented`` if one is not installed or does not load."""
    found = discover(disabled=others())
    loaded = {info.distribution for info in found.plugins if info.status == "loaded"}
    if missing := sorted(set(distributions()) - loaded):
        raise Undocumented(f"{', '.join(missing)} must be installed: pip install -r requirements.txt")
    return found


def settings() -> Settings:
    """The command line's settings with first-party plugins alone."""
    return Settings(quiet=True, disabled=others())


def components(kind: str) -> list[Registered]:
    """The first-party components of a kind, by name."""
    return registry().all(kind)
