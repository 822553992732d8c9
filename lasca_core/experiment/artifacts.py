"""What a run leaves behind: its folder with run.json, metrics.json, predictions.parquet and the model."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lasca_core import __version__
from lasca_core.contract.errors import StoreError
from lasca_core.experiment.config import STAGES, Config
from lasca_core.experiment.evaluate import Evaluation
from lasca_core.experiment.material import Material
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.host.store import writing

if TYPE_CHECKING:
    from lasca_core.experiment.components import Built

_DISTRIBUTIONS = (
    "torch",
    "numpy",
    "av",
    "mediapipe",
    "librosa",
    "sentence-transformers",
    "transformers",
    "scikit-learn",
)


def new_folder(root: Path) -> Path:
    """A new, empty run folder named by the time, which no other run gets."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    try:
        root.mkdir(parents=True, exist_ok=True)
        while True:
            folder = root / f"{stamp}-{secrets.token_hex(2)}"
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise StoreError(f"{root} cannot be written ({error.strerror}); choose another folder with --output") from None


def point_latest(folder: Path) -> None:
    """Make ``latest`` beside the run folder point to it, where the file system has symbolic links."""
    temporary = folder.parent / f".latest-{secrets.token_hex(4)}"
    with contextlib.suppress(OSError):  # convenience only: some file systems have no links
        temporary.symlink_to(folder.name)
        os.replace(temporary, folder.parent / "latest")
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """A JSON file, atomically."""
    with writing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")


def describe_run(
    pipeline: Pipeline, dataset: Built, material: Material | None, *, command: Sequence[str], status: str
) -> dict[str, Any]:
    """The content of ``run.json``: everything that is needed to know and to repeat the run."""
    runtime = pipeline.runtime
    config = pipeline.config
    components = [dataset, *pipeline.components, *pipeline.controls]
    return {
        "lasca": __version__,
        "status": status,
        "time": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": list(command),
        "config": resolved_tables(config, components),
        "preset": dict(zip(("name", "sha256"), config.preset, strict=True)) if config.preset else None,
        "seed": runtime.seed,
        "device": runtime.describe_device(),
        "synthetic": bool(getattr(dataset.spec, "synthetic", False)),
        "components": [built.describe() for built in components],
        "licenses": _licenses(components),
        "versions": versions(),
        "stages": {
            stage.name: {"seconds": round(stage.seconds, 3), "computed": stage.computed, "stored": stage.stored}
            for stage in pipeline.stages.values()
        },
        "data": None if material is None else _describe_material(material),
    }


def resolved_tables(config: Config, components: Sequence[Built]) -> dict[str, Any]:
    """The configuration with every default of every stage and component written out: a configuration file that gives
    the same run again, whatever the defaults of a later version."""
    result: dict[str, Any] = {}
    for name, model in STAGES.items():
        options = getattr(config, name).model_dump(mode="json")
        result[name] = {key: options[key] for key in model.model_fields if options[key] is not None}
    for built in components:
        options = {key: value for key, value in built.options.model_dump(mode="json").items() if value is not None}
        shared = sum(other.spec.name == built.spec.name for other in components) > 1
        result.setdefault(built.spec.kind if shared else built.spec.name, {}).update(options)
    return result


def _licenses(components: Sequence[Built]) -> dict[str, str]:
    found = {f"{built.spec.kind} {built.spec.name}": built.spec.license for built in components}
    for built in components:
        found.update({f"weights {weights.name}": weights.license for weights in built.spec.weights})
    return found


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that may change a number."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _describe_material(material: Material) -> dict[str, Any]:
    return {
        "sessions": len(material.windows.sessions),
        "subjects": len(material.subjects),
        "windows": len(material.windows),
        "valid_windows": int(material.windows.valid.sum()),
        "skipped": material.skipped,
    }


def write_predictions(path: Path, evaluation: Evaluation, material: Material) -> None:
    """One row for each target, variant, seed and tested pair, as Parquet."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    windows = material.windows.to("cpu")
    sessions = np.array(windows.sessions, dtype=object)
    subjects = np.array(material.subjects, dtype=object)
    subject_of = material.subject.cpu().numpy()
    tables = []
    for outcome in evaluation.outcomes:
        columns = outcome.columns()
        pairs = evaluation.pairs[outcome.target].to("cpu")
        rows = columns["pair"]
        earlier, later = pairs.earlier.numpy()[rows], pairs.later.numpy()[rows]
        tables.append(
            pa.table(
                {
                    "target": pa.array([outcome.target] * len(rows)).dictionary_encode(),
                    "variant": pa.array([outcome.variant] * len(rows)).dictionary_encode(),
                    "seed": columns["seed"].astype(np.int32),
                    "fold": columns["fold"].astype(np.int32),
                    "session": sessions[windows.session.numpy()[later]],
                    "subject": subjects[subject_of[later]],
                    "earlier_start": windows.starts.numpy()[earlier],
                    "later_start": windows.starts.numpy()[later],
                    "later_end": windows.ends.numpy()[later],
                    "change": pairs.change.numpy()[rows],
                    "rises": pairs.label.numpy()[rows] > 0.5,
                    "probability": columns["probability"].astype(np.float32),
                }
            )
        )
    with writing(path) as temporary:
        pq.write_table(pa.concat_tables(tables, promote_options="permissive"), temporary)


def command_line() -> list[str]:
    """The command as it was typed."""
    return ["lasca", *sys.argv[1:]]
