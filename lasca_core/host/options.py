"""Options of components and stages: pydantic models that refuse unknown keys and know what changes results."""

from __future__ import annotations

import datetime
import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from lasca_core.contract.errors import OptionError


class Options(BaseModel):
    """Base of all options. Every field needs a description; an unknown key is an error, and so is NaN or infinity.

    Fields made with ``how(...)`` say how something runs (batch size, threads) and must not change its result beyond
    rounding: they stay out of cache keys and of a model's identity.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def identity(self) -> dict[str, Any]:
        """The fields that change results, as JSON values."""
        dumped = self.model_dump(mode="json")
        return {name: dumped[name] for name, info in type(self).model_fields.items() if not is_how(info)}


def how(default: Any, *, description: str, **constraints: Any) -> Any:
    """A field that changes how something runs but not its result."""
    return Field(default, description=description, json_schema_extra={"how": True}, **constraints)


def is_how(info: FieldInfo) -> bool:
    return isinstance(info.json_schema_extra, dict) and bool(info.json_schema_extra.get("how"))


class NoOptions(Options):
    """For components without options."""


OptionsT = TypeVar("OptionsT", bound=Options)


def build(model: type[OptionsT], values: Mapping[str, Any], where: str) -> OptionsT:
    """``model(**values)``, with pydantic's findings turned into one sentence that names ``where.key``."""
    try:
        return model(**values)
    except ValidationError as error:
        raise OptionError(_explain(model, error, where)) from None


def _explain(model: type[Options], error: ValidationError, where: str) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    name = f"{where}.{key}" if key else where
    if first["type"] == "extra_forbidden":
        known = sorted(model.model_fields)
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {where}.{near[0]}?" if near else f"known: {', '.join(known) or 'none'}"
        return f"option {name} does not exist; {hint}"
    if first["type"] == "missing":
        description = model.model_fields[key].description if key in model.model_fields else ""
        return f"option {name} is required{f' ({description})' if description else ''}; set it with -o {name}=..."
    message = first["msg"].removeprefix("Value error, ")
    message = f"{message[:1].lower()}{message[1:]}"
    if not key:  # a rule about several options at once
        return f"options of {where}: {message}"
    return f"option {name} = {first['input']!r}: {message}"


def parse_assignment(text: str) -> tuple[str, str, Any]:
    """``"stage.key=value"`` -> (stage, key, value).

    The value is read as TOML where it is a number, boolean, list, table or quoted string, and is a string otherwise.
    """
    name, equals, raw = text.partition("=")
    stage, dot, key = (part.strip() for part in name.partition("."))
    if not (equals and dot and stage and key):
        raise OptionError(f"-o {text}: expected stage.key=value, for instance -o windows.length=5")
    return stage, key, _value(raw.strip())


def _value(raw: str) -> Any:
    try:
        document = tomllib.loads(f"value = {raw}")
    except tomllib.TOMLDecodeError:
        return raw
    value = document.pop("value")
    if document or isinstance(value, datetime.date | datetime.time):  # several lines; a session named 2024-01-31
        return raw
    return value


def read_config(path: Path) -> dict[str, Any]:
    """The tables of a TOML configuration file."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise OptionError(f"configuration file {path} does not exist") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"configuration file {path} is not valid TOML: {error}") from None
    except OSError as error:
        raise OptionError(f"configuration file {path} cannot be read: {error.strerror}") from None
