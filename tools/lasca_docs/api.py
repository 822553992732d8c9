"""The reference of what a plugin author imports: hooks, specs, protocols, values, errors and helpers."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from lasca_core import api
from lasca_core.contract import errors, hookspecs, lexicon, protocols, specs, types
from lasca_docs.markup import code, declaration, described, fence, intro, page, prose, sentence, table


def pages() -> Iterator[tuple[str, str]]:
    """(address, Markdown) of each page."""
    yield "reference/hooks.md", page("Hooks", intro("hooks"), *(_hook(name) for name in hook_names()))
    yield "reference/specs.md", page("Specs", intro("specs"), *map(class_entry, _public(specs)))
    surroundings = [protocols.Runtime, protocols.Reporter, protocols.Task]
    own = [item for item in _public(protocols) if item not in surroundings]
    yield "reference/protocols.md", page("Protocols", intro("protocols"), *map(class_entry, [*own, *surroundings]))
    values = [*_public(types), *_public(lexicon)]
    yield "reference/values.md", page("Values", prose(types.__doc__ or ""), *map(class_entry, values))
    yield "reference/errors.md", page("Errors", intro("errors"), _errors())
    yield "reference/helpers.md", page("Helpers", intro("helpers"), *map(_helper, helpers()))


# --- hooks ------------------------------------------------------------------------------------------------------------


def hook_names() -> list[str]:
    """The hooks in the order of the source: registration, then observation."""
    return [name for name in vars(hookspecs.Hooks) if name.startswith("lasca_")]


def hook_signature(name: str) -> str:
    """``def lasca_run_started(run: RunInfo) -> None``, as a plugin writes it."""
    declared = declaration(getattr(hookspecs.Hooks, name)).removeprefix("@hookspec\n")
    return re.sub(r"\(self(, )?", "(", declared)


def _hook(name: str) -> str:
    text = described(getattr(hookspecs.Hooks, name).__doc__, f"the hook {name}")
    return "\n\n".join([f"## {code(name)}", fence(hook_signature(name), "python"), prose(text)])


# --- classes ----------------------------------------------------------------------------------------------------------


def _public(module: Any) -> list[type]:
    """The public classes of a module, in the order of the source."""
    return [
        value
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_")
    ]


@cache
def _module_tree(module: str) -> tuple[str, ast.Module]:
    source = inspect.getsource(importlib.import_module(module))
    return source, ast.parse(source)


def _definition(owner: type) -> tuple[str, ast.ClassDef]:
    source, tree = _module_tree(owner.__module__)
    return source, next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == owner.__name__)


def class_entry(owner: type) -> str:
    """A class with its fields and methods, each with what its source says of it."""
    source, node = _definition(owner)
    text = prose(described(ast.get_docstring(node), f"the class {owner.__name__}"))
    members = list(_members(owner.__name__, node, source))
    return "\n\n".join([f"## {code(owner.__name__)}", fence(_outline(owner, node, source), "python"), text, *members])


def _outline(owner: type, node: ast.ClassDef, source: str) -> str:
    """The class without its bodies: what a caller sees."""
    lines = [f"@{ast.unparse(decorator)}" for decorator in node.decorator_list]
    bases = ", ".join(ast.unparse(base) for base in node.bases if not ast.unparse(base).startswith("_"))
    lines.append(f"class {node.name}({bases}):" if bases else f"class {node.name}:")
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and not ast.unparse(item.target).startswith("_"):
            lines.append(f"    {ast.get_source_segment(source, item)}")
        elif isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
            method = vars(owner)[item.name]
            lines.append("")
            lines.append(textwrap.indent(declaration(_function(method)), "    "))
    return "\n".join(lines) if len(lines) > 1 else f"{lines[0]} ..."


def _function(member: Any) -> Any:
    """The function behind a property or a static method."""
    return member.fget if isinstance(member, property) else inspect.unwrap(getattr(member, "__func__", member))


def _members(owner: str, node: ast.ClassDef, source: str) -> Iterator[str]:
    """What is said of fields (the text after them) and methods (their docstring)."""
    said = []
    for item, after in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(item, ast.AnnAssign) and _is_text(after):
            assert isinstance(after, ast.Expr)
            assert isinstance(after.value, ast.Constant)
            said.append((ast.unparse(item.target), sentence(textwrap.dedent(str(after.value.value)))))
        elif isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
            said.append((item.name, sentence(described(ast.get_docstring(item), f"{owner}.{item.name}"))))
    if said:
        yield table(("member", "meaning"), [(code(name), text) for name, text in said])


def _is_text(node: ast.stmt | None) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _errors() -> str:
    rows = [
        (code(owner.__name__), str(owner.exit_code), sentence(described(owner.__doc__, owner.__name__)))  # type: ignore[attr-defined]
        for owner in _public(errors)
    ]
    return table(("error", "exit code", "meaning"), rows)


# --- helpers ----------------------------------------------------------------------------------------------------------


def helpers() -> list[str]:
    """The names of ``lasca_core.api`` that are on no other page."""
    elsewhere: Iterable[type] = [
        item for module in (specs, protocols, types, lexicon, errors) for item in _public(module)
    ]
    return sorted(set(api.__all__) - {item.__name__ for item in elsewhere})


def _helper(name: str) -> str:
    value = getattr(api, name)
    parts = [f"## {code(name)}"]
    if name in _FOREIGN:
        return "\n\n".join([*parts, _FOREIGN[name]])
    if isinstance(value, type):
        parts.append(fence(f"class {name}", "python"))
    else:
        parts.append(fence(declaration(value), "python"))
    return "\n\n".join([*parts, prose(described(value.__doc__, name))])


_FOREIGN = {
    "hookimpl": "The mark of a hook's implementation: [pluggy](https://pluggy.readthedocs.io)'s `HookimplMarker` for "
    'the project `"lasca"`.',
    "Field": "pydantic's `Field`, for an option that changes results. Every option needs a `description`; constraints "
    "(`gt`, `ge`, `lt`, `le`, `min_length`) are checked when a run begins.",
}
"""What comes from other packages, in our words."""
