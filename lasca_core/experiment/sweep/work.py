"""Computes cells: recordings, windows, words and embeddings once for all cells that agree on what matters to them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

from lasca_core.contract.errors import DatasetError, LascaError
from lasca_core.contract.protocols import Reporter, Task
from lasca_core.contract.types import Recording
from lasca_core.experiment import heads
from lasca_core.experiment.artifacts import resolved_tables
from lasca_core.experiment.evaluate import learnable, plans_of
from lasca_core.experiment.material import Material, check_recordings, gather
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.representations import RECIPES, Representations
from lasca_core.experiment.results import Outcome
from lasca_core.experiment.sweep.cells import Record, describe_target
from lasca_core.experiment.sweep.identity import (
    Identity,
    data_digest,
    material_key,
    outcome_key,
    representations_key,
)
from lasca_core.experiment.sweep.plan import Builder, Cell
from lasca_core.experiment.trial import Opening, Trial
from lasca_core.host.runtime import deterministic
from lasca_core.steps.labels import standardize


class Watcher(Reporter, Protocol):
    """Speaks to the person who waits for a sweep."""

    def training(self, heads: int) -> Task:
        """Start the progress bar of the heads of some cells."""
        ...


@dataclass(frozen=True)
class Data:
    """The recordings of a dataset, before anything is done to them, and their digest."""

    recordings: Sequence[Recording]
    digest: str


@dataclass(frozen=True)
class Part:
    """One target of a cell: its trial, and the outcome of every variant."""

    trial: Trial
    outcomes: list[Outcome]
    openings: list[Opening]
    """Those of the outcomes that are still to be trained for this part."""


@dataclass
class Workshop:
    """Computes cells one batch after the other, and keeps what the next batch may share.

    Cells must come in the order of a ``Plan``: only the last material and the last representations are kept.
    """

    builder: Builder
    watcher: Watcher
    _data: dict[int, Data | Exception] = field(default_factory=dict)
    _absent: dict[str, LascaError] = field(default_factory=dict)
    _material: tuple[str, Material] | None = None
    _representations: tuple[str, Representations] | None = None
    _outcomes: dict[str, Outcome] = field(default_factory=dict)

    def data(self, cell: Cell) -> Data:
        """The cell's recordings, read once. Raises what the dataset raised, each time."""
        key = id(cell.dataset)
        if key not in self._data:
            try:
                recordings = list(cell.dataset.component.sessions())
                if not recordings:
                    raise DatasetError(f"the dataset {cell.dataset.spec.name!r} has no session")
                self._data[key] = Data(recordings, data_digest(recordings, self.builder.runtime.store))
            except Exception as error:
                self._data[key] = error
        found = self._data[key]
        if isinstance(found, Exception):
            raise found
        return found

    def compute(self, cells: Sequence[Cell]) -> list[Record]:
        """The results of cells that share their representations and their learner, whose heads are trained together."""
        with deterministic() if self.builder.runtime.device.type != "cpu" else nullcontext():
            return self._compute(cells)

    def close(self) -> None:
        """Give back what components hold."""
        self._drop_representations()
        self._material = None
        self._outcomes.clear()

    def _compute(self, cells: Sequence[Cell]) -> list[Record]:
        for cell in cells:
            self._fetch(cell)
        representations = self._represent(cells[0])
        pipelines = [self._pipeline(cell) for cell in cells]
        try:
            parts = [
                self._begin(cell, pipeline, representations) for cell, pipeline in zip(cells, pipelines, strict=True)
            ]
            every = [part for of_cell in parts for part in of_cell]
            count = sum(len(opening.folds) for part in every for opening in part.openings)
            with self.watcher.training(count) as progress:
                pending = chain.from_iterable(part.trial.pending(part.openings) for part in every)
                heads.train(pending, pipelines[0].fit, progress)
            material = representations.material
            return [self._record(cell, material, of_cell) for cell, of_cell in zip(cells, parts, strict=True)]
        except BaseException:
            self._outcomes.clear()  # some may lack folds
            raise
        finally:
            for pipeline in pipelines:
                pipeline.close()

    # --- what cells share ---------------------------------------------------------------------------------------------

    def _fetch(self, cell: Cell) -> None:
        """Pretrained files before the long work. What could not be had once is not asked for again."""
        for weights in (weights for built in cell.components for weights in built.spec.weights):
            if weights.name not in self._absent:
                try:
                    self.builder.runtime.fetch(weights)
                    continue
                except LascaError as error:
                    self._absent[weights.name] = error
            raise self._absent[weights.name]

    def _represent(self, cell: Cell) -> Representations:
        identity = cell.known
        key = representations_key(identity)
        if self._representations is None or self._representations[0] != key:
            self._drop_representations()
            pipeline = self._pipeline(cell)
            material = self._gather(pipeline, cell, identity)
            self._representations = key, Representations.of(pipeline, material)
        return self._representations[1]

    def _gather(self, pipeline: Pipeline, cell: Cell, identity: Identity) -> Material:
        key = material_key(identity)
        if self._material is None or self._material[0] != key:
            self._material = None
            self._outcomes.clear()
            recordings = standardize(self.data(cell).recordings, cell.config.pairs.standardize)
            targets = check_recordings(recordings, cell.config.run.targets)
            self._material = key, gather(pipeline, recordings, targets)
        return self._material[1]

    def _drop_representations(self) -> None:
        if self._representations is not None:
            self._representations[1].pipeline.close()
            self._representations = None

    def _pipeline(self, cell: Cell) -> Pipeline:
        runtime = self.builder.runtime_for(cell.config.run.seed)
        return Pipeline(cell.config, self.builder.registry, runtime, ready=cell.ready)

    # --- one cell -----------------------------------------------------------------------------------------------------

    def _begin(self, cell: Cell, pipeline: Pipeline, representations: Representations) -> list[Part]:
        """The targets of a cell, as far as they are known before training."""
        identity = cell.known
        material = representations.material
        pairs_of = learnable(pipeline, material)
        parts = []
        for target, plan in plans_of(pipeline, pairs_of, material).items():
            trial = Trial(pipeline, representations, target, pairs_of[target], plan)
            outcomes, openings = [], []
            for variant in cell.config.evaluate.variants:
                key = outcome_key(identity, RECIPES[variant], target)
                if key not in self._outcomes:
                    openings.append(trial.begin(variant))
                    self._outcomes[key] = openings[-1].outcome
                outcomes.append(self._outcomes[key])
            parts.append(Part(trial, outcomes, openings))
        return parts

    def _record(self, cell: Cell, material: Material, parts: Sequence[Part]) -> Record:
        recordings = self.data(cell).recordings
        return {
            "axes": cell.labels,
            "config": resolved_tables(cell.config, [cell.dataset, *cell.components]),
            "components": [built.describe() for built in (cell.dataset, *cell.components)],
            "synthetic": cell.synthetic,
            "data": {
                "sessions": len(material.windows.sessions),
                "subjects": len(material.subjects),
                "windows": int(material.windows.valid.sum()),
                "segments": any(recording.segments is not None for recording in recordings),
                "skipped": material.skipped,
            },
            "targets": {part.trial.target: describe_target(part.trial, part.outcomes) for part in parts},
        }
