"""Finds the lexicon that another one builds on, among the installed ones."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

from pydantic import ValidationError

from lasca_core.api import LexiconError, LexiconSpec, NoOptions, Runtime
from lasca_lexicons.content import LexiconContent

Chain = tuple[tuple[str, str], ...]
"""(folder, id) of the lexicons that are being read, each building on the next."""


@runtime_checkable
class Stored(Protocol):
    """A lexicon whose whole content can be had, not only its words for a context; see ``stored.StoredLexicon``."""

    def read_content(self, above: Chain = ()) -> LexiconContent:
        """The content, for the lexicons ``above`` that build on it."""
        ...


def inherit(name: str, asked_by: str, runtime: Runtime | None, above: Chain = ()) -> LexiconContent:
    """The content of the installed lexicon ``name``. ``asked_by`` is the file or option that names it.

    Raises ``LexiconError`` if there is none of the name, or if it has no content of its own to build on.
    """
    installed = list(_installed())
    specs = [spec for spec in installed if spec.name == name]
    if not specs:
        known = ", ".join(sorted({spec.name for spec in installed})) or "none"
        raise LexiconError(f"{asked_by}: there is no lexicon {name!r} to build on; installed: {known}")
    if len(specs) > 1:
        raise LexiconError(f"{asked_by}: there are {len(specs)} lexicons {name!r}; uninstall the others")
    spec = specs[0]
    try:
        options = _load(spec.options)() if spec.options is not None else NoOptions()
        component = _load(spec.target)(options, runtime)
    except ValidationError:
        raise LexiconError(f"{asked_by}: lexicon {name!r} needs options, so no other can build on it") from None
    except (ImportError, AttributeError) as error:
        raise LexiconError(f"{asked_by}: lexicon {name!r} cannot be loaded: {error}") from error
    if not isinstance(component, Stored):
        raise LexiconError(f"{asked_by}: lexicon {name!r} has no fixed entries, so no other can build on it")
    content = component.read_content(above)
    if content.layers[-1].id != name:
        raise LexiconError(
            f"{asked_by}: lexicon {name!r} calls itself {content.layers[-1].id!r} in {content.layers[-1].place}, so no "
            f"other can build on it"
        )
    return content


def _installed() -> Iterator[LexiconSpec]:
    """What the installed plugins offer; a plugin that is broken offers nothing here, and the host says why."""
    for entry in sorted(importlib.metadata.entry_points(group="lasca"), key=lambda entry: entry.name):
        try:
            yield from getattr(entry.load(), "lasca_register_lexicons", tuple)()
        except Exception:
            continue


def _load(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)
