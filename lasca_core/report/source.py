"""Reads what a finished run left behind, and says in one sentence what is wrong with a folder that is not one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from lasca_core.contract.errors import LascaError
from lasca_core.experiment.metrics import accuracy
from lasca_core.report.records import Metrics, Protocol, Record

Checked = TypeVar("Checked")

_TEXT = ("target", "variant", "subject")
_NUMBERS = ("seed", "later_start", "later_end", "change", "rises", "probability")
_TOLERANCE = 1e-4


class RunFolderError(LascaError):
    """A folder is not that of a finished run, or a file of it is damaged."""


@dataclass(frozen=True)
class Predictions:
    """What one variant predicted for one target, arrays [P] over the tested pairs of all repetitions.

    ``length`` is that of the later window in seconds, ``change`` the change of the annotation from the earlier to the
    later window, ``rises`` its sign, and ``probability`` that predicted for a rise.
    """

    seed: np.ndarray
    subject: np.ndarray
    length: np.ndarray
    change: np.ndarray
    rises: np.ndarray
    probability: np.ndarray

    def __len__(self) -> int:
        return len(self.rises)


@dataclass(frozen=True)
class FinishedRun:
    """A finished run: its ``record`` and ``metrics``, the ``protocol`` among its options, the ``predictions`` of each
    target and variant, and the whole of run.json as ``text``."""

    folder: Path
    record: Record
    protocol: Protocol
    metrics: Metrics
    predictions: Mapping[tuple[str, str], Predictions]
    text: str

    @property
    def targets(self) -> tuple[str, ...]:
        """The affect dimensions."""
        return tuple(self.metrics["targets"])

    def variants(self, target: str) -> tuple[str, ...]:
        """The variants that were evaluated for a target, in the run's order."""
        return tuple(self.metrics["targets"][target]["variants"])


def read_run(path: Path) -> FinishedRun:
    """The finished run in the folder ``path``. Raises ``RunFolderError`` in one sentence that names the file at fault:
    no such folder, another kind of folder, a run that failed or is not finished, a damaged file."""
    if not path.exists():
        raise RunFolderError(f"{path}: there is no such folder; give the folder of a run, such as runs/latest")
    file = path / "run.json"
    if not file.is_file():
        raise RunFolderError(f"{path} is not the folder of a run: it holds no run.json; give one such as runs/latest")
    text, content = _read_json(file)
    status = content.get("status")
    if status == "failed":
        reason = " ".join(str(content.get("error", "no reason is recorded")).split())
        raise RunFolderError(f"{path}: the run failed ({reason}); repeat it")
    if status != "finished":
        raise RunFolderError(f"{path}: the run has not finished (status: {status}); wait for it or repeat it")
    record = _checked(file, Record, content)
    run = FinishedRun(
        folder=path.resolve(),
        record=record,
        protocol=_checked(file, Protocol, record["config"]),
        metrics=_checked(path / "metrics.json", Metrics, _read_json(path / "metrics.json")[1]),
        predictions=_read_predictions(path / "predictions.parquet"),
        text=text,
    )
    _check(run, path)
    return run


_REPEAT = "repeat the run with `lasca run --config` and its run.json"


def _read_json(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
    except FileNotFoundError:
        raise RunFolderError(f"{path} is missing; {_REPEAT}") from None
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise RunFolderError(f"{path} is damaged: it is not the JSON that a run writes; {_REPEAT}")
    return text, content


def _checked(path: Path, kind: type[Checked], content: object) -> Checked:
    """``content`` as the TypedDict ``kind``, without what it does not know."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunFolderError(f"{path} is damaged: {where}: {first['msg'].lower()}; {_REPEAT}") from None


def _read_predictions(path: Path) -> dict[tuple[str, str], Predictions]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    if not path.is_file():
        raise RunFolderError(f"{path} is missing; {_REPEAT}")
    try:
        read = pq.read_table(path, columns=[*_TEXT, *_NUMBERS])
        columns = {name: read[name].cast(pa.string()).to_numpy() for name in _TEXT}
        columns |= {name: read[name].cast(pa.float64()).to_numpy() for name in _NUMBERS if name != "rises"}
        columns["rises"] = read["rises"].to_numpy()
        columns["length"] = columns.pop("later_end") - columns.pop("later_start")
        missing = [name for name in read.column_names if pc.any(pc.is_null(read[name], nan_is_null=True)).as_py()]
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise RunFolderError(f"{path} is damaged ({reason}); {_REPEAT}") from None
    if missing:
        raise RunFolderError(f"{path} is damaged: values are missing in {', '.join(missing)}; {_REPEAT}")
    keys = list(zip(columns.pop("target"), columns.pop("variant"), strict=True))
    rows: dict[tuple[str, str], list[int]] = {}
    for place, key in enumerate(keys):
        rows.setdefault(key, []).append(place)
    return {key: Predictions(**{name: column[own] for name, column in columns.items()}) for key, own in rows.items()}


def _check(run: FinishedRun, path: Path) -> None:
    """What the page relies on: the files belong together."""
    if not run.targets:
        raise RunFolderError(f"{path / 'metrics.json'} is damaged: it has no target; {_REPEAT}")
    for target, found in run.metrics["targets"].items():
        for variant, score in found["variants"].items():
            rows = run.predictions.get((target, variant))
            if rows is None or abs(accuracy(rows.rises, rows.probability) - score["accuracy_pooled"]) > _TOLERANCE:
                raise RunFolderError(
                    f"{path}: predictions.parquet does not give the accuracy of {variant} for {target} that "
                    f"metrics.json states: the files are of different runs or damaged; {_REPEAT}"
                )
