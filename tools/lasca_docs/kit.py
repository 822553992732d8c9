"""The reference of the conformance kit: what it exports, its fixtures, and every check."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lasca_core import testing
from lasca_core.host.plugins import KINDS
from lasca_core.testing.checks import OF_KIND, behaviour, distribution, spec
from lasca_docs.markup import code, declaration, described, fence, intro, page, prose, sentence, table


def pages() -> Iterator[tuple[str, str]]:
    """(address, Markdown) of the page of the conformance kit."""
    groups: list[tuple[str, Iterable[Callable[..., None]]]] = [
        ("Every plugin", distribution.CHECKS),
        ("Every component", (*spec.CHECKS, *behaviour.CHECKS)),
        *((f"Every {kind}", OF_KIND[kind]) for kind in KINDS),
    ]
    checks = [f"### {title}\n\n{_checks(functions)}" for title, functions in groups]
    head = prose(described(testing.__doc__, "lasca_core.testing"))
    exported = map(_exported, testing.__all__)
    parts = [*exported, _fixtures(), "## Checks", intro("checks"), *checks]
    yield "reference/testing.md", page("The conformance kit", head, *parts)


def _checks(functions: Iterable[Callable[..., None]]) -> str:
    rows = [(code(one.__name__), sentence(described(one.__doc__, one.__name__))) for one in functions]
    return table(("check", "promise"), rows)


def _exported(name: str) -> str:
    value = getattr(testing, name)
    if isinstance(value, type):
        members = [
            (code(key), sentence(described(inspect.getdoc(item), f"{name}.{key}")))
            for key, item in vars(value).items()
            if not key.startswith("_") and (callable(item) or isinstance(item, property))
        ]
        text = prose(described(value.__doc__, name))
        return "\n\n".join([f"## {code(name)}", text, *([table(("member", "meaning"), members)] if members else [])])
    return "\n\n".join([f"## {code(name)}", fence(declaration(value), "python"), prose(described(value.__doc__, name))])


def _fixtures() -> str:
    # A module of its own, because it imports pytest, which building the documentation does not otherwise need.
    module: Any = importlib.import_module("lasca_core.testing.fixtures")
    rows = [
        (code(name), sentence(described(inspect.getdoc(value), f"the fixture {name}")))
        for name, value in vars(module).items()
        if name.startswith("lasca_")
    ]
    return "\n\n".join(["## Fixtures", prose(module.__doc__), table(("fixture", "what it gives"), rows)])
