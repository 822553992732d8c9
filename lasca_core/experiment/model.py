"""A saved model: a folder of safetensors, JSON and the lexicon it was trained with. Nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lasca_core import __version__
from lasca_core.contract.errors import LascaError, ModelError
from lasca_core.contract.lexicon import Anchors, Combination, Lexicon
from lasca_core.experiment.config import Config, resolve
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.host.plugins import Registry
from lasca_core.host.runtime import HostRuntime
from lasca_core.host.store import sha256_of, writing
from lasca_core.steps.fusion import Columns
from lasca_core.steps.normalize import Statistics

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 3
_STATISTICS = ("low", "high", "median", "reach")


@dataclass(frozen=True)
class Head:
    """The trained learner of one target: its ``state``, how differences become its ``columns``, and the
    ``temperature`` that its logits are divided by, so that probabilities mean what they say."""

    state: Mapping[str, Tensor]
    columns: Columns
    temperature: float = 1.0


@dataclass(frozen=True)
class SavedModel:
    """What a model folder holds."""

    variant: str
    columns: tuple[str, ...]
    heads: Mapping[str, Head]
    lexicon: Lexicon
    config: dict[str, Any]
    components: tuple[dict[str, Any], ...]
    statistics: Statistics | None = None
    training: Mapping[str, Any] | None = None


def save(folder: Path, model: SavedModel) -> None:
    """Write the model folder: ``model.safetensors``, ``lexicon.json`` and, last, ``model.json`` with checksums."""
    import torch
    from safetensors.torch import save as to_bytes

    tensors: dict[str, Tensor] = {}
    for target, head in model.heads.items():
        tensors[f"{target}/scale"] = head.columns.scale
        tensors[f"{target}/temperature"] = torch.tensor(head.temperature)
        if head.columns.rotation is not None:
            tensors[f"{target}/rotation"] = head.columns.rotation
        tensors.update({f"{target}/state/{name}": value for name, value in head.state.items()})
    if model.statistics is not None:
        tensors.update({f"statistics/{name}": getattr(model.statistics, name) for name in _STATISTICS})
    weights, words = folder / "model.safetensors", folder / "lexicon.json"
    with writing(weights) as temporary:
        kept = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        temporary.write_bytes(to_bytes(kept))
    with writing(words) as temporary:
        temporary.write_text(
            json.dumps(_lexicon_to_json(model.lexicon), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    content = {
        "format": FORMAT,
        "lasca": __version__,
        "variant": model.variant,
        "targets": list(model.heads),
        "columns": list(model.columns),
        "config": model.config,
        "components": list(model.components),
        "lexicon_checksum": model.lexicon.checksum,
        "files": {path.name: sha256_of(path) for path in (weights, words)},
        "training": model.training or {},
    }
    with writing(folder / "model.json") as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def locate(path: Path) -> Path:
    """The model folder meant by ``path``: a model's folder, or the folder of a run."""
    for folder in (path, path / "model"):
        if (folder / "model.json").is_file():
            return folder
    if not path.exists():
        raise ModelError(f"--model {path}: there is no such folder; train one with `lasca run`, or see runs/")
    raise ModelError(
        f"--model {path}: the folder holds no model.json; give the folder of a finished run (runs/...) or its model/"
    )


def load(path: Path) -> SavedModel:
    """Read a model folder. Raises ``ModelError`` naming the file that is missing, damaged or of a newer format."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = locate(path)
    try:
        content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        if content["format"] > FORMAT:
            raise ModelError(
                f"{folder}: the model has format {content['format']}, written by lasca {content['lasca']}; "
                f"upgrade lasca"
            )
        if content["format"] < FORMAT:
            raise ModelError(f"{folder}: the model was written by an earlier lasca; train it again")
        for name, digest in content["files"].items():
            if not (folder / name).is_file() or sha256_of(folder / name) != digest:
                raise ModelError(
                    f"{folder / name} is missing or is not the file this model was saved with; run `lasca run` again"
                )
        lexicon = _lexicon_from_json(json.loads((folder / "lexicon.json").read_text(encoding="utf-8")))
        tensors = load_file(folder / "model.safetensors")
        heads = {target: _head(tensors, target) for target in content["targets"]}
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, SafetensorError) as error:
        raise ModelError(
            f"{folder} is not a whole model ({type(error).__name__}: {error}); run `lasca run` again"
        ) from None
    if lexicon.checksum != content["lexicon_checksum"]:
        raise ModelError(f"{folder / 'lexicon.json'} is not the lexicon this model was trained with")
    statistics = None
    if "statistics/low" in tensors:
        statistics = Statistics(**{name: tensors[f"statistics/{name}"] for name in _STATISTICS})
    return SavedModel(
        variant=content["variant"],
        columns=tuple(content["columns"]),
        heads=heads,
        lexicon=lexicon,
        config=content["config"],
        components=tuple(content["components"]),
        statistics=statistics,
        training=content["training"],
    )


def _head(tensors: Mapping[str, Tensor], target: str) -> Head:
    prefix = f"{target}/state/"
    state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    columns = Columns(tensors[f"{target}/scale"], tensors.get(f"{target}/rotation"))
    return Head(state, columns, float(tensors[f"{target}/temperature"]))


def _lexicon_to_json(lexicon: Lexicon) -> dict[str, Any]:
    return {
        "id": lexicon.id,
        "version": lexicon.version,
        "language": lexicon.language,
        "license": lexicon.license,
        "template": lexicon.template,
        "separator": lexicon.separator,
        "empty": lexicon.empty,
        "entries": dict(lexicon.entries),
        "forms": {name: dict(forms) for name, forms in lexicon.forms.items()},
        "combinations": [{"features": sorted(item.features), "text": item.text} for item in lexicon.combinations],
        "anchors": {name: {"high": item.high, "low": item.low} for name, item in lexicon.anchors.items()},
        "speaks": {name: sorted(features) for name, features in lexicon.speaks.items()},
        "provenance": dict(lexicon.provenance),
    }


def _lexicon_from_json(content: dict[str, Any]) -> Lexicon:
    given = dict(content)
    combinations = [Combination(frozenset(item["features"]), item["text"]) for item in given.pop("combinations", [])]
    anchors = {
        name: Anchors(tuple(item["high"]), tuple(item["low"])) for name, item in given.pop("anchors", {}).items()
    }
    speaks = {name: frozenset(features) for name, features in given.pop("speaks", {}).items()}
    return Lexicon(**given, combinations=tuple(combinations), anchors=anchors, speaks=speaks)


def restore(
    model: SavedModel, registry: Registry, runtime: HostRuntime, overrides: Mapping[str, Any] | None = None
) -> Pipeline:
    """The pipeline the model was trained in, on another runtime; ``overrides`` changes window options.

    Raises ``ModelError`` if an installed component would give other results than the one in training.
    """
    brought = [part["name"] for part in model.components if part.get("ready")]
    if brought:
        raise ModelError(
            f"the model was trained on {', '.join(brought)}, features that the dataset "
            f"{(model.training or {}).get('dataset', '?')!r} brought along and nothing measures in a recording; train "
            f"one with an extractor, as in lasca run --extractor blendshape"
        )
    config: Config = resolve(tables={**model.config, "windows": {**model.config["windows"], **(overrides or {})}})
    try:
        pipeline = Pipeline(config, registry, runtime, fixed_lexicon=model.lexicon)
    except LascaError as error:
        raise ModelError(f"the model's components are not available: {error}") from None
    trained = {(part["kind"], part["name"]): part for part in model.components}
    for built in pipeline.components:
        part = trained[built.spec.kind, built.spec.name]
        now = {**built.identity, "weights": {weights.name: dict(weights.files) for weights in built.spec.weights}}
        then = {**part, "weights": {name: pinned["sha256"] for name, pinned in part["weights"].items()}}
        for what in ("version", "fingerprint", "weights"):
            if now[what] != then[what]:
                raise ModelError(
                    f"the model was trained with another {what} of {built.spec.kind} {built.spec.name!r} "
                    f"({part['distribution']} {part['distribution_version']}) than is installed "
                    f"({built.plugin.distribution} {built.plugin.version}); install the former or train again"
                )
    return pipeline
