"""The configuration of a run: which components, which options, resolved from defaults, presets, files and -o."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from lasca_core.contract.errors import OptionError
from lasca_core.host.options import Options, build, parse_assignment, read_config
from lasca_core.host.plugins import KINDS
from lasca_core.steps.labels import Standardization
from lasca_core.steps.normalize import Strategy
from lasca_core.steps.pairs import Threshold
from lasca_core.steps.windows import Statistic, stride

Variant = Literal[
    "majority", "zero-shot", "features", "mask", "text", "fused", "names", "shuffled", "zero-shot-names",
    "zero-shot-shuffled",
]  # fmt: skip


class RunOptions(Options):
    """Which components a run is made of: the table ``[run]`` of a configuration file."""

    extractors: tuple[str, ...] = Field(
        ("blendshape",), min_length=1, description="extractors, in the order of their features"
    )
    saliency: str = Field("otsu", description="saliency method")
    lexicon: str = Field("llm", description="lexicon")
    encoder: str = Field("minilm", description="sentence encoder")
    learner: str = Field("prior", description="preference learner")
    zero_shot: str = Field(
        "prior", description="learner that predicts from the lexicon's words alone, without training"
    )
    dataset: str = Field("puppet", description="dataset of annotated recordings")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of everything random")
    targets: tuple[str, ...] = Field(
        (), description="affect dimensions to learn; empty: all that the dataset annotates"
    )

    def names(self, kind: str) -> tuple[str, ...]:
        """The chosen components of one kind."""
        if kind == "extractor":
            return self.extractors
        if kind == "learner":
            return tuple(dict.fromkeys((self.learner, self.zero_shot)))
        return (getattr(self, kind),)


class WindowOptions(Options):
    """How frames become windows."""

    length: float = Field(3.0, gt=0, description="length of a window in seconds")
    hop: float | None = Field(
        None, ge=0.01, description="seconds from one window's start to the next one's; default: the length"
    )
    statistic: Statistic = Field(
        "mean", description="what is kept of the valid frames of a window: mean, or mean and standard deviation"
    )
    min_valid: float = Field(
        0.5, ge=0, le=1, description="a window is valid if valid frames cover at least this share of its time"
    )

    def stride(self) -> int:
        """How many rows later the next window lies that does not overlap a given one."""
        return stride(self.length, self.hop or self.length)


class NormalizeOptions(Options):
    """How features get onto one scale before saliency and fusion."""

    strategy: Strategy = Field(
        "session",
        description="whose minimum and maximum: each session's, each subject's, those of the training data, or none",
    )
    resolution: float = Field(
        1.0,
        ge=0,
        description="times the range below which a feature does not really change, as its extractor states it: a "
        "smaller range is not blown up to [0, 1]; 0: plain min-max, as published",
    )

    def scale_floor(self) -> float:
        """The least by which differences of features are divided before the learner: a twentieth of the resolution."""
        return 0.05 * self.resolution if self.strategy != "none" else 0.0


class SaliencyStage(Options):
    """How the saliency method is applied."""

    scope: Literal["joint", "modality"] = Field(
        "joint", description="one threshold for all features of a window, or one for each extractor's"
    )


class LexiconStage(Options):
    """Which words are asked of the lexicon."""

    language: str = Field("en", description="language of the descriptions, as a BCP 47 tag")
    direction: bool = Field(
        True,
        description="speak of a raised or lowered feature in words of its own, where the lexicon has them; else the "
        "text is a function of the salient features alone, as published",
    )


class FusionOptions(Options):
    """How words become columns beside the features."""

    wording: Literal["sentence", "weighted"] = Field(
        "weighted",
        description="sentence: the embedding of each window's sentence; weighted: the mean of the salient cues' own "
        "embeddings, weighted by saliency, for which each description is encoded only once",
    )
    components: int = Field(
        16,
        ge=0,
        description="principal components kept of the text block, fitted on the training pairs; 0: all columns",
    )
    scale: Literal["column", "block"] = Field(
        "block",
        description="divide each column of the text block by its own size in training, or all by the block's; "
        "features are always scaled one by one",
    )


class PairOptions(Options):
    """Which consecutive windows make a training pair."""

    tau: float = Field(0.1, ge=0, description="threshold of change; pairs that change less are dropped and counted")
    strategy: Threshold = Field(
        "range",
        description="what tau is relative to: the session's range, the earlier label itself, the annotation scale, or "
        "nothing (absolute)",
    )
    floor: float = Field(
        0.05,
        gt=0,
        description="with strategy self: the smallest label, as a share of the scale, that tau is relative to",
    )
    standardize: Standardization = Field(
        "none",
        description="whose mean and standard deviation annotations are expressed in before pairs are made: none, each "
        "session's, each subject's; matters for the strategies self, scale and absolute",
    )
    min_labelled: float = Field(
        0.5, ge=0, le=1, description="a window is labelled if annotated moments cover at least this share of its time"
    )


class EvaluateOptions(Options):
    """How results are measured."""

    split: Literal["folds", "subjects", "official"] = Field(
        "folds",
        description="folds: cross-validation grouped by subject; subjects: leave one subject out; official: train and "
        "test on the parts that the corpus states",
    )
    folds: int = Field(15, ge=2, description="folds grouped by subject; with fewer subjects, one fold for each")
    train_parts: tuple[str, ...] = Field(("train",), min_length=1, description="with split official: to train on")
    test_parts: tuple[str, ...] = Field(("validation",), min_length=1, description="with split official: to test on")
    train_subjects: int | None = Field(
        None, ge=0, description="train each fold on so many subjects, drawn by seed; default: all. 0: on none"
    )
    seeds: int = Field(1, ge=1, description="repetitions with other folds and initial weights")
    variants: tuple[Variant, ...] = Field(
        ("majority", "zero-shot", "features", "mask", "text", "fused", "names", "shuffled"), min_length=1,
        description="representations compared on identical pairs and folds; names = fused with the control lexicon, "
        "shuffled = fused with the lexicon's descriptions permuted among features, zero-shot = the words alone, "
        "without training",
    )  # fmt: skip
    control: str = Field("names", description="lexicon of the variants names and zero-shot-names")
    calibrate: bool = Field(
        True,
        description="calibrate the probabilities of the variants features and fused, and of the one that a model is "
        "saved of, by a temperature: each fold is rehearsed without a fifth of its training subjects, on whom the "
        "temperature is chosen. No direction changes. A learner that calibrates itself (prior) is left as it is, and "
        "so is a saved model where train_subjects is set",
    )
    bootstrap: int = Field(
        2000, ge=0, le=100_000, description="resamples of subjects for the interval of fused - features; 0: no interval"
    )
    confidence: float = Field(0.95, gt=0, lt=1, description="coverage of that interval")

    @field_validator("variants")
    @classmethod
    def _distinct(cls, variants: tuple[Variant, ...]) -> tuple[Variant, ...]:
        if len(set(variants)) < len(variants):
            raise ValueError("names a variant twice")
        return variants


STAGES: dict[str, type[Options]] = {
    "run": RunOptions,
    "windows": WindowOptions,
    "normalize": NormalizeOptions,
    "saliency": SaliencyStage,
    "lexicon": LexiconStage,
    "fusion": FusionOptions,
    "pairs": PairOptions,
    "evaluate": EvaluateOptions,
}
"""The options of the steps between components. ``saliency`` and ``lexicon`` share their name with a kind of component:
a key that is not the stage's own goes to the component."""


@dataclass(frozen=True)
class Config:
    """A resolved configuration: the options of every stage, and the raw option values given for components.

    Component values are checked against the component's own model when it is built, which is when its plugin is known.
    """

    run: RunOptions = field(default_factory=lambda: build(RunOptions, {}, "run"))
    windows: WindowOptions = field(default_factory=lambda: build(WindowOptions, {}, "windows"))
    normalize: NormalizeOptions = field(default_factory=lambda: build(NormalizeOptions, {}, "normalize"))
    saliency: SaliencyStage = field(default_factory=lambda: build(SaliencyStage, {}, "saliency"))
    lexicon: LexiconStage = field(default_factory=lambda: build(LexiconStage, {}, "lexicon"))
    fusion: FusionOptions = field(default_factory=lambda: build(FusionOptions, {}, "fusion"))
    pairs: PairOptions = field(default_factory=lambda: build(PairOptions, {}, "pairs"))
    evaluate: EvaluateOptions = field(default_factory=lambda: build(EvaluateOptions, {}, "evaluate"))
    components: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Name of a component or of a kind -> option values."""
    preset: tuple[str, str] | None = None
    """Name and sha256 of the preset, if one was used."""

    def values_for(self, kind: str, name: str) -> dict[str, Any]:
        """Option values for one component: those given for its kind, if it is chosen, then those given for its name.

        A component that only serves as a control, or for the zero-shot variants, has its own options alone.
        """
        chosen = self.run.extractors if kind == "extractor" else (getattr(self.run, kind),)
        of_kind = self.components.get(kind, {}) if name in chosen else {}
        return {**of_kind, **self.components.get(name, {})}


def resolve(
    *,
    preset: str | None = None,
    file: Path | None = None,
    chosen: Mapping[str, Any] | None = None,
    assignments: Iterable[str] = (),
    tables: Mapping[str, Mapping[str, Any]] | None = None,
) -> Config:
    """Defaults < preset < configuration file < ``chosen`` (components named on the command line) < ``-o`` assignments.

    ``file`` is TOML, or the ``run.json`` of an earlier run, which reproduces it; ``tables`` are such a file's content.
    Raises ``OptionError`` in one sentence
    that names the option.
    """
    merged: dict[str, dict[str, Any]] = {}
    provenance = None
    if preset is not None:
        content, provenance = _read_preset(preset)
        _merge(merged, content, f"preset {preset}")
    if tables is not None:
        _merge(merged, tables, "configuration")
    if file is not None and file.suffix == ".json":
        content, recorded = _read_record(file)
        _merge(merged, content, str(file))
        provenance = provenance or recorded
    optional = frozenset(merged)  # written for all components of some run: those not chosen now do not matter
    if file is not None and file.suffix != ".json":
        content = read_config(file)
        _merge(merged, content, str(file))
        optional -= content.keys()
    if chosen:
        _merge(merged, {"run": {key: value for key, value in chosen.items() if value is not None}}, "command line")
    for text in assignments:
        stage, key, value = parse_assignment(text)
        merged.setdefault(stage, {})[key] = value
        optional -= {stage}
    return _check(merged, provenance, optional)


def _check(tables: dict[str, dict[str, Any]], provenance: tuple[str, str] | None, optional: frozenset[str]) -> Config:
    stages: dict[str, Options] = {}
    for name, model in STAGES.items():
        given = tables.get(name, {})
        own = given if name not in KINDS else {key: value for key, value in given.items() if key in model.model_fields}
        stages[name] = build(model, own, name)
    run = stages["run"]
    assert isinstance(run, RunOptions)
    kinds_of: dict[str, list[str]] = {}
    for kind in KINDS:
        for name in run.names(kind):
            kinds_of.setdefault(name, []).append(kind)
    components: dict[str, dict[str, Any]] = {}
    for table, given in tables.items():
        own_keys = STAGES[table].model_fields if table in STAGES else {}
        rest = {key: value for key, value in given.items() if key not in own_keys}
        if table in KINDS or table in kinds_of:
            if rest:
                components[table] = _unambiguous(table, rest, kinds_of)
        elif table not in STAGES and table not in optional:
            raise OptionError(_explain_unknown_table(table, given, kinds_of))
    return Config(**stages, components=components, preset=provenance)  # type: ignore[arg-type]


def _unambiguous(table: str, values: dict[str, Any], kinds_of: Mapping[str, list[str]]) -> dict[str, Any]:
    kinds = kinds_of.get(table, [])
    if len(kinds) > 1 and table not in KINDS:
        key = next(iter(values))
        ways = " or ".join(f"{kind}.{key}" for kind in kinds)
        raise OptionError(f"option {table}.{key}: {' and '.join(kinds)} are both named {table!r}; write {ways}")
    return values


def _explain_unknown_table(table: str, values: Mapping[str, Any], kinds_of: Mapping[str, list[str]]) -> str:
    known = sorted({*STAGES, *KINDS, *kinds_of})
    near = difflib.get_close_matches(table, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
    key = next(iter(values), "...")
    return f"option {table}.{key}: there is no stage {table!r} and no such component in this run; {hint}"


def _merge(tables: dict[str, dict[str, Any]], content: Mapping[str, Any], where: str) -> None:
    for name, table in content.items():
        if not isinstance(table, Mapping):
            raise OptionError(
                f"{where}: {name} stands outside a table; write it as [run] {name} = ... or [stage] key = ..."
            )
        tables.setdefault(name, {}).update(table)


def _read_record(path: Path) -> tuple[dict[str, Any], tuple[str, str] | None]:
    """The configuration and the preset in the ``run.json`` of an earlier run."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        config, preset = content["config"], content.get("preset")
        if not isinstance(config, dict):
            raise TypeError("config is no table")
        return config, (preset["name"], preset["sha256"]) if preset else None
    except FileNotFoundError:
        raise OptionError(f"configuration file {path} does not exist") from None
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        raise OptionError(f"configuration file {path} is not the run.json of a run") from None
    except OSError as error:
        raise OptionError(f"configuration file {path} cannot be read: {error.strerror}") from None


def _read_preset(name: str) -> tuple[dict[str, Any], tuple[str, str]]:
    import hashlib
    import tomllib

    file = resources.files("lasca_core") / "presets" / f"{name}.toml"
    if not file.is_file():
        raise OptionError(f"there is no preset {name!r}; known: {', '.join(presets())}")
    content = file.read_bytes()
    return tomllib.loads(content.decode()), (name, hashlib.sha256(content).hexdigest())


def presets() -> list[str]:
    """The names of the presets that ship with LaScA."""
    folder = resources.files("lasca_core") / "presets"
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))
