"""What people write in Python, as the core takes it: names, and option values, which numpy may have made."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from lasca_core.contract.errors import OptionError


def names_of(names: str | Iterable[str]) -> tuple[str, ...]:
    """One name, or several in their order, each once."""
    return (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))


def plain(name: str, value: Any) -> Any:
    """The value of the option ``name`` without numpy's types and paths: numbers, texts, truth values, lists of such."""
    return json.loads(_as_json(name, value))


def assignment(name: str, value: Any) -> str:
    """An option as ``-o`` reads it: TOML, in which these values are written as in JSON."""
    return f"{name}=none" if value is None else f"{name}={_as_json(name, value)}"


def _as_json(name: str, value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=_simpler)
    except (TypeError, ValueError):
        raise OptionError(
            f"option {name}: {value!r} is not a number, a text, a truth value or a list of such"
        ) from None


def _simpler(value: Any) -> Any:
    if isinstance(value, PurePath):
        return str(value)
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):  # a numpy scalar, without importing numpy
        return value.item()
    raise TypeError
