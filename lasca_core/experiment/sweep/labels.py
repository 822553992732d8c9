"""How a sweep's tables and figures call its cells: data, modality, condition, and what else tells them apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from lasca_core.experiment.config import Config
from lasca_core.experiment.sweep.definition import CURVE, Axis
from lasca_core.experiment.sweep.plan import Cell

Role = Literal["table", "column", "row", "curve"]

MISSING = "–"
"""Stands where there is no result."""
SYNTHETIC = "The recordings are synthetic: these numbers say nothing about real people."

_TARGETS = ("arousal", "valence")
"""The order of the paper's columns."""


def role_of(axis: Axis) -> Role:
    """Where an axis stands: data and modality make tables, windows and pairs columns, the rest rows."""
    if axis.name == CURVE:
        return "curve"
    if axis.keys & {("run", "dataset"), ("run", "extractors")}:
        return "table"
    return "column" if all(stage in ("windows", "pairs") for stage, _ in axis.keys) else "row"


def axes_of(axes: Iterable[Axis], role: Role) -> list[str]:
    """The names of the axes of one role, less those that a cell's data, modality or condition says already."""
    said = ("run.dataset", "run.extractors", "windows.length", "pairs.tau")
    return [axis.name for axis in axes if role_of(axis) == role and axis.name not in said]


def labels_on(cell: Cell, names: Iterable[str]) -> tuple[str, ...]:
    """The cell's place on these axes in words: components and groups by their names, options with theirs."""
    words = []
    for name in names:
        stage, _, option = name.rpartition(".")
        alone = not stage or stage == "run"
        words.append(cell.point[name].label if alone else f"{option} {cell.point[name].label}")
    return tuple(words)


def data_name(cell: Cell) -> str:
    """The dataset, which is called synthetic if it is."""
    return f"{cell.config.run.dataset}{' (synthetic data)' if cell.synthetic else ''}"


def modality(cell: Cell) -> str | None:
    """``visual``, ``audio`` or ``audio+visual``, as extractors state what they read; None where they do not."""
    needs: set[str] = set()
    for built in cell.components:
        if built.spec.kind == "extractor":
            needs |= getattr(built.spec, "needs", frozenset())
    names = {"video": "visual", "audio": "audio"}
    return "+".join(sorted(names[need] for need in needs)) or None


def features_name(cell: Cell) -> str:
    """The modality with the names of the extractors."""
    extractors = "+".join(cell.config.run.extractors)
    found = modality(cell)
    return f"{found} ({extractors})" if found else extractors


def condition(cell: Cell, *, segments: bool) -> str:
    """Window and threshold: ``5 s, 20 %``; windows that are the recordings' own ``segments`` have no one length."""
    length = "segments" if segments else f"{cell.config.windows.length:g} s"
    tau = cell.config.pairs.tau
    return f"{length}, {f'{tau:g}' if cell.config.pairs.strategy == 'absolute' else f'{100 * tau:g} %'}"


def protocol(config: Config) -> str:
    """How results were obtained: ``15 folds grouped by subject``."""
    options = config.evaluate
    repeated = f", {options.seeds} seeds" if options.seeds > 1 else ""
    if options.split == "official":
        return f"official split{repeated or ', 1 seed'}"
    if options.split == "subjects":
        return f"one fold for each subject{repeated}"
    return f"{options.folds} folds grouped by subject{repeated}"


def in_order(targets: Iterable[str]) -> list[str]:
    """Targets as the paper orders them, others after."""
    found = list(dict.fromkeys(targets))
    return sorted(found, key=lambda target: _TARGETS.index(target) if target in _TARGETS else len(_TARGETS))


def score(row: dict[str, Any]) -> str:
    """A variant's accuracy with its standard deviation."""
    return "abstains" if row["abstains"] else f"{row['mean']:.3f} ± {row['sd']:.3f}"
