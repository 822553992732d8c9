"""The main job from a configuration to a finished run folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from lasca_core.contract.errors import DatasetError
from lasca_core.contract.types import RunInfo
from lasca_core.experiment import artifacts
from lasca_core.experiment.components import Built, build_component
from lasca_core.experiment.config import Config
from lasca_core.experiment.evaluate import Evaluation, evaluate, train_final
from lasca_core.experiment.material import Material, check_recordings, gather
from lasca_core.experiment.model import Head, SavedModel, save
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.ready import ready_extractors, with_ready_features
from lasca_core.experiment.representations import Representations
from lasca_core.experiment.results import kept as kept_variant
from lasca_core.host.plugins import KINDS, Registry
from lasca_core.host.runtime import HostRuntime, deterministic
from lasca_core.steps.labels import standardize


@dataclass(frozen=True)
class Finished:
    """A finished run: its folder and what ``run.json`` and ``metrics.json`` say."""

    folder: Path
    record: dict[str, Any]
    metrics: dict[str, Any]


class Observers:
    """Calls the observing hooks; what an observer raises is one warning and stops nothing."""

    def __init__(self, registry: Registry, runtime: HostRuntime, info: RunInfo) -> None:
        self._registry, self._runtime, self._info = registry, runtime, info
        self._told: set[str] = set()

    def tell(self, hook: str, **arguments: Any) -> None:
        """Call ``hook`` of every plugin that has it, with the arguments it names."""
        import inspect

        given = {"run": self._info, **arguments}
        for name, function in self._registry.observers(hook):
            try:
                wanted = {key: given[key] for key in inspect.signature(function).parameters if key in given}
                function(**wanted)
            except (Exception, SystemExit) as error:
                said = f"{type(error).__name__}: {error}"
                self._runtime.report.warn(f"plugin {name!r} failed in {hook} ({said}); the run goes on")

    def tell_stages(self, pipeline: Pipeline) -> None:
        """Tell of the stages that have ended since the last call."""
        for stage in pipeline.stages.values():
            if stage.name not in self._told:
                self._told.add(stage.name)
                self.tell("lasca_stage_finished", stage=stage.info())


def run(config: Config, registry: Registry, runtime: HostRuntime, output: Path, command: Sequence[str]) -> Finished:
    """Extract, describe, encode, train, evaluate, and save everything in a new folder below ``output``.

    A run that fails leaves its folder with a ``run.json`` whose status says so; features and embeddings computed by
    then stay in the store, and the next run finds them.
    """
    if runtime.seed != config.run.seed:
        runtime = replace(runtime, seed=config.run.seed)  # the configuration is what reproduces a run
    values = config.values_for("dataset", config.run.dataset)
    dataset = build_component(registry, runtime, "dataset", config.run.dataset, values)
    config = _without_absent_controls(with_ready_features(config, dataset), registry, runtime)
    pipeline = Pipeline(config, registry, runtime, ready=ready_extractors(dataset, runtime))
    _introduce(pipeline, dataset)
    with pipeline.stage("dataset"):
        recordings = standardize(list(dataset.component.sessions()), config.pairs.standardize)
    if not recordings:
        raise DatasetError(f"the dataset {dataset.spec.name!r} has no session")
    targets = check_recordings(recordings, config.run.targets)
    for weights in (weights for built in pipeline.components for weights in built.spec.weights):
        runtime.fetch(weights)  # before the long work, not in the midst of it
    folder = artifacts.new_folder(output)
    write_record = partial(artifacts.describe_run, pipeline, dataset, command=command)
    artifacts.write_json(folder / "run.json", write_record(None, status="running"))
    components = {kind: config.run.names(kind) for kind in KINDS}
    resolved = artifacts.resolved_tables(config, [dataset, *pipeline.components, *pipeline.controls])
    observers = Observers(registry, runtime, RunInfo(folder, components, resolved))
    observers.tell("lasca_run_started")
    error: BaseException | None = None
    material: Material | None = None
    try:
        with deterministic() if runtime.device.type != "cpu" else nullcontext():  # a CPU is deterministic anyway
            material = gather(pipeline, recordings, targets)
            observers.tell_stages(pipeline)
            evaluation, model = _learn(pipeline, material, synthetic=getattr(dataset.spec, "synthetic", False))
            observers.tell_stages(pipeline)
        record = write_record(material, status="finished")
        _write(folder, evaluation, material, model, record)
    except BaseException as failure:
        error = failure
        _record_failure(folder / "run.json", partial(write_record, material, status="failed"), failure)
        raise
    finally:
        pipeline.close()
        observers.tell("lasca_run_finished", error=error)
    artifacts.point_latest(folder)
    return Finished(folder, record, evaluation.metrics)


def _without_absent_controls(config: Config, registry: Registry, runtime: HostRuntime) -> Config:
    """Without the variants that need a default component which is not installed, where none was asked for by name."""
    if "variants" in config.evaluate.model_fields_set:
        return config
    control, zero_shot = config.evaluate, config.run
    needed = (
        ("lexicon", control.control, "control" in control.model_fields_set, ("names", "zero-shot-names")),
        ("learner", zero_shot.zero_shot, "zero_shot" in zero_shot.model_fields_set,
         ("zero-shot", "zero-shot-names", "zero-shot-shuffled")),
    )  # fmt: skip
    lost: list[str] = []
    for kind, name, asked, variants in needed:
        if not asked and all(registered.spec.name != name for registered in registry.all(kind)):
            lost += [variant for variant in config.evaluate.variants if variant in variants]
            runtime.report.note(f"{kind} {name} is not installed: {', '.join(variants)} are left out")
    kept = tuple(variant for variant in config.evaluate.variants if variant not in lost)
    return replace(config, evaluate=config.evaluate.model_copy(update={"variants": kept}))


def _introduce(pipeline: Pipeline, dataset: Built) -> None:
    """Say what is about to run; builds and identifies all components, so that a wrong name, a wrong option or a model
    that is not to be had is an error before any work."""
    report = pipeline.runtime.report
    named = [built.identity["name"] for built in (*pipeline.components, *pipeline.controls)]
    report.note(f"components: {', '.join(named)}")
    report.note(f"device: {pipeline.runtime.describe_device()}")
    if getattr(dataset.spec, "synthetic", False):
        report.note(f"dataset: {dataset.spec.name}, which is synthetic: its results say nothing about real people")


def _learn(pipeline: Pipeline, material: Material, *, synthetic: bool) -> tuple[Evaluation, SavedModel]:
    representations = Representations.of(pipeline, material)
    evaluation = evaluate(pipeline, material, representations)
    variants = pipeline.config.evaluate.variants
    variant = kept_variant(variants)
    heads = {}
    lexicons = len({lexicon.checksum for lexicon in representations.lexicons})
    kept_words = representations
    if lexicons > 1:  # a model keeps one lexicon, and must be trained on what it will say
        base = representations.base
        kept_words = Representations(pipeline, material, base, [base] * len(representations.lexicons))
        told = f"{lexicons} lexicons speak of its sessions; the saved model is trained with {base.id} alone"
        pipeline.runtime.report.warn(f"the dataset was evaluated as {told}")
    tested = {target: found["variants"].get(variant, {}) for target, found in evaluation.metrics["targets"].items()}
    for target, pairs in evaluation.pairs.items():
        trained, columns = train_final(pipeline, material, kept_words, target, variant, pairs)
        # With few training subjects the tested models are not as sure as one that is trained on all.
        alike = pipeline.config.evaluate.train_subjects is None
        heads[target] = Head(trained.state(), columns, tested[target].get("temperature", 1.0) if alike else 1.0)
    evaluation.metrics["wording"] = _describe_wording(representations)
    model = SavedModel(
        variant=variant,
        columns=material.windows.names,
        heads=heads,
        lexicon=representations.base,
        config=artifacts.resolved_tables(pipeline.config, pipeline.components),
        components=tuple(built.describe() for built in pipeline.components),
        statistics=representations.global_statistics(),
        training={
            "dataset": pipeline.config.run.dataset,
            "synthetic": synthetic,
            "subjects": len(material.subjects),
            "lexicons": lexicons,
            "pairs": {target: len(pairs) for target, pairs in evaluation.pairs.items()},
            "coverage": {target: found.get("coverage") for target, found in tested.items()},
        },
    )
    return evaluation, model


def _describe_wording(representations: Representations) -> dict[str, Any]:
    """How many windows and distinct texts there are, and what the encoder's token limit cost."""
    whole = representations.whole
    valid = representations.material.windows.valid
    salient = whole.saliency.mask[valid].sum(dim=1).float()
    found = {
        "windows": int(valid.sum()),
        "salient_cues_mean": float(salient.mean()) if len(salient) else 0.0,
    }
    if representations.pipeline.config.fusion.wording != "sentence":
        return found  # no sentence is read
    dropped = whole.wording.dropped[valid]
    return {
        **found,
        "distinct_texts": len(whole.wording.texts),
        "windows_with_dropped_cues": int((dropped > 0).sum()),
        "dropped_cues": int(dropped.sum()),
        "max_tokens": representations.pipeline.encoder.component.max_tokens,
    }


def _write(folder: Path, evaluation: Evaluation, material: Material, model: SavedModel, record: dict[str, Any]) -> None:
    """Everything the run's folder holds; run.json last, so that a folder with a finished one is whole."""
    artifacts.write_predictions(folder / "predictions.parquet", evaluation, material)
    artifacts.write_json(folder / "metrics.json", evaluation.metrics)
    save(folder / "model", model)
    artifacts.write_json(folder / "run.json", record)


def _record_failure(path: Path, describe: Callable[[], dict[str, Any]], failure: BaseException) -> None:
    try:
        artifacts.write_json(path, {**describe(), "error": f"{type(failure).__name__}: {failure}"})
    except Exception:  # the failure itself, for instance a full disk, is what the person must hear of
        return
