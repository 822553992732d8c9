"""From a sweep's definition to its cells: each configuration resolved, its components checked, in the order of work."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lasca_core.contract.errors import LascaError, OptionError
from lasca_core.experiment.components import Built, build_component
from lasca_core.experiment.config import Config
from lasca_core.experiment.ready import ready_extractors, with_ready_features
from lasca_core.experiment.representations import RECIPES
from lasca_core.experiment.sweep.definition import Choice, Definition, check_tables
from lasca_core.experiment.sweep.identity import Identity, identity_of, learner_key, material_key, representations_key
from lasca_core.experiment.sweep.tidy import COLUMNS
from lasca_core.host.plugins import KINDS, Registry
from lasca_core.host.runtime import HostRuntime
from lasca_core.host.store import key_of


@dataclass(frozen=True)
class Cell:
    """One configuration of a sweep, and what it shares with others.

    ``identity`` is an error where a component cannot say what it is, for instance a model that is not to be had: such a
    cell cannot be computed.
    """

    point: Mapping[str, Choice]
    config: Config
    dataset: Built
    components: tuple[Built, ...]
    ready: Mapping[str, Built]
    identity: Identity | LascaError

    @property
    def problem(self) -> str:
        """Why the cell cannot be computed; empty if that is not known before it is tried."""
        return str(self.identity) if isinstance(self.identity, LascaError) else ""

    @property
    def known(self) -> Identity:
        """The identity. Raises the error that stands in its place."""
        if isinstance(self.identity, LascaError):
            raise self.identity
        return self.identity

    @property
    def labels(self) -> dict[str, str]:
        """Axis -> value, as tables name them."""
        return {name: choice.label for name, choice in self.point.items()}

    @property
    def synthetic(self) -> bool:
        """Whether the recordings are generated."""
        return bool(getattr(self.dataset.spec, "synthetic", False))

    @property
    def heads(self) -> int | None:
        """Heads trained at most for each target; None where that depends on the number of subjects."""
        options = self.config.evaluate
        if options.split == "subjects":
            return None
        folds = options.folds if options.split == "folds" else 1
        return folds * options.seeds * sum(RECIPES[name].trained for name in options.variants)

    def __str__(self) -> str:
        return ", ".join(f"{name.rpartition('.')[2]} {label}" for name, label in self.labels.items())


@dataclass(frozen=True)
class Plan:
    """The cells in the order of work; ``excluded`` by rules; ``repeated``: left out because another one is the same."""

    cells: tuple[Cell, ...]
    excluded: int
    repeated: int

    def counts(self) -> dict[str, int | None]:
        """How many cells there are and what they need: distinct materials and representations, and heads a target."""
        heads = [cell.heads for cell in self.cells]
        known = [cell.known for cell in self.cells if not cell.problem]
        return {
            "cells": len(self.cells),
            "excluded": self.excluded,
            "repeated": self.repeated,
            "materials": len({material_key(identity) for identity in known}),
            "representations": len({representations_key(identity) for identity in known}),
            "heads": None if None in heads else sum(count or 0 for count in heads),
        }


@dataclass
class Builder:
    """Builds components for many configurations, each distinct one once."""

    registry: Registry
    runtime: HostRuntime
    _built: dict[str, Built] = field(default_factory=dict)
    _runtimes: dict[int, HostRuntime] = field(default_factory=dict)
    _ready: dict[int, Mapping[str, Built]] = field(default_factory=dict)

    def runtime_for(self, seed: int) -> HostRuntime:
        """The runtime with the seed that a configuration states."""
        if seed not in self._runtimes:
            same = seed == self.runtime.seed
            self._runtimes[seed] = self.runtime if same else replace(self.runtime, seed=seed)
        return self._runtimes[seed]

    def build(self, config: Config, kind: str, name: str) -> Built:
        """One component of a configuration. Raises ``PluginError`` or ``OptionError`` in one sentence."""
        values = config.values_for(kind, name)
        key = json.dumps([config.run.seed, kind, name, values], sort_keys=True, default=str)
        if key not in self._built:
            runtime = self.runtime_for(config.run.seed)
            self._built[key] = build_component(self.registry, runtime, kind, name, values)
        return self._built[key]

    def ready(self, dataset: Built) -> Mapping[str, Built]:
        """Stand-ins for the extractors of features that the dataset brings along."""
        if id(dataset) not in self._ready:
            self._ready[id(dataset)] = ready_extractors(dataset, self.runtime)
        return self._ready[id(dataset)]

    def components(self, config: Config, ready: Mapping[str, Built]) -> tuple[Built, ...]:
        """All components but the dataset that a cell can use, control lexicon and zero-shot learner included."""
        wanted = [(kind, name) for kind in KINDS if kind != "dataset" for name in config.run.names(kind)]
        wanted.append(("lexicon", config.evaluate.control))
        return tuple(
            ready[name] if kind == "extractor" and name in ready else self.build(config, kind, name)
            for kind, name in dict.fromkeys(wanted)
        )


def make_plan(definition: Definition, builder: Builder) -> Plan:
    """All cells, checked.

    Raises ``OptionError`` or ``PluginError`` for an option or a component that does not exist in any one cell: a sweep
    that would fail after hours fails now.
    """
    if taken := next((axis.name for axis in definition.axes if axis.name in COLUMNS), None):
        raise OptionError(f"sweep.groups.{taken}: a column of the results has that name; choose another one")
    points = list(definition.points())
    if not points:
        raise OptionError(f"sweep {definition.name}: its rules exclude every one of its {definition.size} cells")
    check_tables(definition, (found.spec.name for kind in KINDS for found in builder.registry.all(kind)))
    cells = [_cell(point, definition.config_at(point), builder) for point in points]
    distinct: dict[str, Cell] = {}
    for number, cell in enumerate(cells):
        distinct.setdefault(str(number) if cell.problem else key_of(**cell.known), cell)
    excluded = definition.size - len(points)
    return Plan(tuple(_in_order(list(distinct.values()))), excluded, len(cells) - len(distinct))


def _cell(point: Mapping[str, Choice], config: Config, builder: Builder) -> Cell:
    dataset = builder.build(config, "dataset", config.run.dataset)
    config = with_ready_features(config, dataset)
    ready = builder.ready(dataset)
    components = builder.components(config, ready)
    try:
        return Cell(point, config, dataset, components, ready, identity_of(config, [dataset, *components]))
    except LascaError as error:
        return Cell(point, config, dataset, components, ready, error)


def _in_order(cells: Sequence[Cell]) -> list[Cell]:
    """Cells of one material together, and among them those of one representation, both in the order in which they were
    written: the first results come after the first extraction, and nothing is made twice."""
    places: dict[Any, int] = {}

    def rank(cell: Cell) -> tuple[int, int]:
        if cell.problem:
            return (-1, -1)  # nothing to compute: said at once
        keys = material_key(cell.known), representations_key(cell.known)
        first, second = (places.setdefault(key, len(places)) for key in keys)
        return first, second

    return sorted(cells, key=rank)


def efforts_of(cells: Sequence[Cell]) -> list[int]:
    """How much each cell has to prepare after the one before it: 2 a new material, 1 new representations, 0 neither."""
    efforts = []
    before = ("", "")
    for cell in cells:
        keys = material_key(cell.known), representations_key(cell.known)
        efforts.append(2 if keys[0] != before[0] else 1 if keys[1] != before[1] else 0)
        before = keys
    return efforts


def in_batches(cells: Sequence[Cell], *, together: bool) -> list[list[int]]:
    """Positions of the cells whose heads are trained together.

    Those are consecutive cells that share representations and learner where that helps (a GPU); else each cell is a
    batch by itself, so that results come sooner and less is lost in a kill.
    """
    batches: list[list[int]] = []
    before: object = None
    for place, cell in enumerate(cells):
        shared = (representations_key(cell.known), learner_key(cell.known)) if together else place
        if shared != before:
            batches.append([])
        batches[-1].append(place)
        before = shared
    return batches
