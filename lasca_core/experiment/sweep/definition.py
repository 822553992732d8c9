"""What a sweep's file says: axes, named groups, rules that leave cells out, and the options all cells share."""

from __future__ import annotations

import difflib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import Field

from lasca_core.contract.errors import OptionError
from lasca_core.experiment.config import STAGES, Config, resolve
from lasca_core.host.options import Options, build, parse_assignment, read_config
from lasca_core.host.plugins import KINDS

Key: TypeAlias = tuple[str, str]
"""A stage or component and one of its options."""
Tables: TypeAlias = dict[str, dict[str, Any]]

CURVE = "evaluate.train_subjects"
"""The axis of a learning curve."""
ALL = "all"
"""On that axis: every training subject there is."""


class SweepOptions(Options):
    """The table ``[sweep]`` of a sweep's file."""

    preset: str | None = Field(None, description="a configuration that ships with LaScA, below everything else")
    axes: dict[str, dict[str, list[Any]]] = Field(
        default={}, description="stage.option = [values]: any option of a stage, a component, or the choice of one"
    )
    groups: dict[str, dict[str, dict[str, dict[str, Any]]]] = Field(
        default={}, description="axes whose values have names and may set several options each"
    )
    exclude: list[dict[str, Any]] = Field(
        default=[], description="cells to leave out: those to which all conditions of one of these rules apply"
    )


@dataclass(frozen=True)
class Choice:
    """One value of an axis: its ``label`` in tables, its ``value`` in Parquet, and the options it sets."""

    label: str
    value: Any
    settings: Mapping[Key, Any]


@dataclass(frozen=True)
class Axis:
    """An axis: ``stage.option`` for an option, any other name for a group."""

    name: str
    choices: tuple[Choice, ...]

    @property
    def keys(self) -> set[Key]:
        """The options that the axis sets."""
        return {key for choice in self.choices for key in choice.settings}


@dataclass(frozen=True)
class Definition:
    """A sweep as it was written, ``name`` being that of its file.

    ``rules`` map an axis to the labels to which a rule applies; ``forced`` options, from the command line, go before
    everything else.
    """

    name: str
    preset: str | None
    tables: Tables
    axes: tuple[Axis, ...]
    rules: tuple[Mapping[str, frozenset[str]], ...] = ()
    forced: Mapping[Key, Any] = field(default_factory=dict)

    def points(self) -> Iterator[dict[str, Choice]]:
        """One choice on every axis for each cell that no rule leaves out, the last axis changing fastest."""
        for choices in itertools.product(*(axis.choices for axis in self.axes)):
            point = {axis.name: choice for axis, choice in zip(self.axes, choices, strict=True)}
            if not any(all(point[name].label in labels for name, labels in rule.items()) for rule in self.rules):
                yield point

    @property
    def size(self) -> int:
        """Number of cells before any is left out."""
        count = 1
        for axis in self.axes:
            count *= len(axis.choices)
        return count

    def tables_at(self, point: Mapping[str, Choice]) -> Tables:
        """The configuration tables of one cell."""
        tables = {name: dict(table) for name, table in self.tables.items()}
        chosen = [item for choice in point.values() for item in choice.settings.items()]
        for (stage, option), value in [*chosen, *self.forced.items()]:
            tables.setdefault(stage, {})[option] = value
        return tables

    def config_at(self, point: Mapping[str, Choice]) -> Config:
        """The resolved configuration of one cell. Raises ``OptionError`` naming the option."""
        return resolve(preset=self.preset, tables=self.tables_at(point))

    def with_forced(self, settings: Mapping[Key, Any]) -> Definition:
        """With options from the command line, which take the place of an axis of the same name.

        Raises ``OptionError`` for an option that a group sets: its names would no longer say what its cells are.
        """
        for axis in self.axes:
            if not _is_option(axis.name) and (clash := axis.keys & settings.keys()):
                name = ".".join(min(clash))
                raise OptionError(f"-o {name}: the sweep's group {axis.name} sets it; change it there")
        axes = tuple(axis for axis in self.axes if not axis.keys & settings.keys())
        fixed = {".".join(key): label_of(value) for key, value in settings.items()}
        return replace(self, axes=axes, rules=_rest_of(self.rules, fixed), forced={**self.forced, **settings})


def forced_settings(chosen: Mapping[str, Any], assignments: Iterable[str]) -> dict[Key, Any]:
    """The options that were given on the command line: components by name, then ``-o`` assignments."""
    settings: dict[Key, Any] = {("run", key): value for key, value in chosen.items() if value is not None}
    for text in assignments:
        stage, option, value = parse_assignment(text)
        settings[stage, option] = _value(f"{stage}.{option}", value)
    return settings


def read_definition(path: Path) -> Definition:
    """The sweep in a TOML file. Raises ``OptionError`` naming the file and the key at fault."""
    content = read_config(path)
    if "sweep" not in content:
        raise OptionError(
            f"{path} has no table [sweep]: write [sweep.axes] with lines like windows.length = [3, 5], or use the file "
            f"with lasca run --config"
        )
    if stray := [name for name, table in content.items() if not isinstance(table, dict)]:
        raise OptionError(f"{path}: {stray[0]} stands outside a table; write it as [run] {stray[0]} = ...")
    options = build(SweepOptions, content.pop("sweep"), "sweep")
    axes = (*_option_axes(options), *_group_axes(options))
    _check_axes(axes)
    rules = tuple(_rule(rule, axes) for rule in options.exclude)
    return Definition(path.stem, options.preset, content, axes, rules)


def check_tables(definition: Definition, components: Iterable[str]) -> None:
    """Raise ``OptionError`` for a table that belongs neither to a stage nor to one of the installed ``components``.

    Options of a component that no cell uses do not matter: a file may hold those of several datasets.
    """
    known = {*STAGES, *KINDS, *components}
    of_axes = {stage for axis in definition.axes for stage, _ in axis.keys}
    for table in (*definition.tables, *of_axes, *(stage for stage, _ in definition.forced)):
        if table not in known:
            near = difflib.get_close_matches(table, sorted(known), n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
            raise OptionError(f"sweep {definition.name}: there is no stage and no component {table!r}; {hint}")


def _option_axes(options: SweepOptions) -> Iterator[Axis]:
    for stage, table in options.axes.items():
        for option, values in table.items():
            name = f"{stage}.{option}"
            if not values:
                raise OptionError(f"sweep.axes.{name} has no value; write {name} = [...] with at least one")
            found = [_value(name, value) for value in values]
            yield Axis(name, tuple(Choice(label_of(value), value, {(stage, option): value}) for value in found))


def _group_axes(options: SweepOptions) -> Iterator[Axis]:
    for name, members in options.groups.items():
        if _is_option(name):
            raise OptionError(f"sweep.groups: the name {name!r} has a dot, which only axes have")
        if not members:
            raise OptionError(f"sweep.groups.{name} is empty; write [sweep.groups.{name}] with a table for each value")
        choices = []
        for label, tables in members.items():
            settings = {
                (stage, option): _value(f"{stage}.{option}", value)
                for stage, table in tables.items()
                for option, value in table.items()
            }
            choices.append(Choice(label, label, settings))
        yield Axis(name, tuple(choices))


def _check_axes(axes: Sequence[Axis]) -> None:
    if not axes:
        raise OptionError("the sweep has no axis: write [sweep.axes] with lines like windows.length = [3, 5]")
    owner: dict[Key, str] = {}
    for axis in axes:
        labels = [choice.label for choice in axis.choices]
        if twice := next((label for label in labels if labels.count(label) > 1), None):
            raise OptionError(f"sweep: the axis {axis.name} names {twice} twice")
        for key in axis.keys:
            if key in owner:
                raise OptionError(f"sweep: both {owner[key]} and {axis.name} set {'.'.join(key)}; only one axis may")
            owner[key] = axis.name


def _rule(written: Mapping[str, Any], axes: Sequence[Axis]) -> dict[str, frozenset[str]]:
    """Axis -> labels of one rule. A condition that can never apply is a mistake, and an error."""
    by_name = {axis.name: axis for axis in axes}
    conditions: dict[str, Any] = {}
    for name, condition in written.items():
        if isinstance(condition, dict):
            conditions.update({f"{name}.{option}": value for option, value in condition.items()})
        else:
            conditions[name] = condition
    rule: dict[str, frozenset[str]] = {}
    for name, condition in conditions.items():
        if name not in by_name:
            raise OptionError(f"sweep.exclude: {name} is no axis; axes: {', '.join(by_name)}")
        known = [choice.label for choice in by_name[name].choices]
        whole = label_of(_value(name, condition))
        if whole not in known and isinstance(condition, list):
            wanted = [label_of(_value(name, value)) for value in condition]
        else:
            wanted = [whole]
        for label in wanted:
            if label not in known:
                raise OptionError(f"sweep.exclude: {name} is never {label}; its values: {', '.join(known)}")
        rule[name] = frozenset(wanted)
    if not rule:
        raise OptionError("sweep.exclude: a rule without conditions would leave every cell out")
    return rule


def _rest_of(
    rules: Iterable[Mapping[str, frozenset[str]]], fixed: Mapping[str, str]
) -> tuple[Mapping[str, frozenset[str]], ...]:
    """What the rules still ask where some axes are fixed at one label each."""
    left = []
    for rule in rules:
        rest = {name: labels for name, labels in rule.items() if name not in fixed}
        applies = all(fixed[name] in labels for name, labels in rule.items() if name in fixed)
        if rest and applies:  # one that would exclude the very value that was asked for has nothing left to say
            left.append(rest)
    return tuple(left)


def _value(name: str, value: Any) -> Any:
    """TOML cannot write "no limit"; on the axis of a learning curve it is written "all"."""
    return None if name == CURVE and value == ALL else value


def label_of(value: Any) -> str:
    """A value as tables name it."""
    if value is None:
        return ALL
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return "+".join(map(label_of, value)) or "none"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _is_option(name: str) -> bool:
    return "." in name
