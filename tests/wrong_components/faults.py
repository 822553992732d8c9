"""Marks a deliberately wrong component with the check that must catch it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from lasca_core.api import ComponentSpec

SpecT = TypeVar("SpecT", bound=ComponentSpec)
ClassT = TypeVar("ClassT", bound=type)


def caught_by(check: str, *also: str, **spec: Any) -> Callable[[ClassT], ClassT]:
    """The component fails ``check``, cannot help failing ``also``, and passes all others.

    ``spec`` are fields of its spec that differ from those of the right component.
    """

    def mark(wrong: ClassT) -> ClassT:
        wrong.caught_by, wrong.also, wrong.spec = check, frozenset(also), spec
        return wrong

    return mark


def specs_of(kind: type[SpecT], module: dict[str, Any], **common: Any) -> Iterator[SpecT]:
    """A spec for each component of a module: the wrong ones and the right one they are derived from."""
    for name, found in list(module.items()):
        if isinstance(found, type) and found.__module__ == module["__name__"] and hasattr(found, "options_model"):
            fields = {"summary": (found.__doc__ or "").splitlines()[0], **common, **vars(found).get("spec", {})}
            yield kind(
                name=re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower(),
                target=fields.pop("target", f"{module['__name__']}:{name}"),
                options=f"{module['__name__']}:{found.options_model.__name__}",
                **fields,
            )
