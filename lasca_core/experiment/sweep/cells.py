"""Results of finished cells: what is kept of one, and where, so that a sweep goes on from where it was killed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lasca_core.contract.errors import StoreError
from lasca_core.contract.protocols import Reporter
from lasca_core.experiment import metrics
from lasca_core.experiment.artifacts import write_json
from lasca_core.experiment.results import Outcome, summarise
from lasca_core.experiment.splits import Fold

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.experiment.trial import Trial

Record = dict[str, Any]
"""What is kept of a finished cell, as JSON values."""


class CellStore:
    """One JSON file for each finished cell, named by the cell's key and written atomically."""

    def __init__(self, folder: Path, report: Reporter) -> None:
        self.folder = folder / "cells"
        self._report = report

    def load(self, key: str) -> Record | None:
        """The result stored at ``key``; None if there is none, or a damaged one, which is reported."""
        path = self._path(key)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(content, dict) and "targets" in content:
                return content
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{path} cannot be read ({error.strerror}); mend it or choose another --output") from None
        except ValueError:  # not UTF-8, or not JSON
            pass
        self._report.warn(f"{path} is damaged: the cell is computed anew")
        return None

    def save(self, key: str, record: Record) -> None:
        """Store the result of a finished cell."""
        write_json(self._path(key), record)

    def known(self) -> set[str]:
        """The keys of all stored results."""
        return {path.stem for path in self.folder.glob("*.json")}

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"


def describe_target(trial: Trial, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What is kept of one target of a cell: the summary of a run, and the metrics of every fold."""
    label = trial.pairs.label.cpu().numpy()
    folds = {(fold.repetition, fold.number): fold for fold in trial.plan}
    by_fold = {outcome.variant: _by_fold(outcome.columns(), label, folds, trial.group) for outcome in outcomes}
    return summarise(trial.pipeline, trial.pairs, trial.group, outcomes) | {"folds": by_fold}


def _by_fold(
    columns: Mapping[str, np.ndarray], label: np.ndarray, folds: Mapping[tuple[int, int], Fold], group: Tensor
) -> list[dict[str, Any]]:
    rows = []
    for (seed, number), fold in folds.items():
        part = (columns["seed"] == seed) & (columns["fold"] == number)
        truth, probability = label[columns["pair"][part]], columns["probability"][part]
        rows.append(
            {
                "seed": seed,
                "fold": number,
                "train_subjects": len(set(group[fold.train].tolist())),
                "train_pairs": len(fold.train),
                "test_pairs": len(truth),
                "accuracy": metrics.accuracy(truth, probability),
                "balanced_accuracy": metrics.balanced_accuracy(truth, probability),
                "auc": metrics.auc(truth, probability),
            }
        )
    return rows
