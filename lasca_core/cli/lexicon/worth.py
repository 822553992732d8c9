"""What a lexicon's words are worth: a run's own evaluation, with many shuffled lexicons as null distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lasca_core.contract.errors import DatasetError
from lasca_core.experiment import metrics
from lasca_core.experiment.components import build_component
from lasca_core.experiment.config import Config, Variant
from lasca_core.experiment.evaluate import Evaluation, evaluate
from lasca_core.experiment.material import Material, check_recordings, gather
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.ready import ready_extractors, with_ready_features
from lasca_core.experiment.representations import Representations
from lasca_core.host.plugins import Registry
from lasca_core.host.runtime import HostRuntime

if TYPE_CHECKING:
    from lasca_core.experiment.results import Outcome


@dataclass(frozen=True)
class Mode:
    """One use of the words: the ``own`` variant and its two controls, how many ``shuffles`` are enough by default, and
    what else is evaluated beside them."""

    own: Variant
    names: Variant
    shuffled: Variant
    shuffles: int
    beside: tuple[Variant, ...] = ()

    @property
    def variants(self) -> tuple[Variant, ...]:
        """All of them."""
        return (*self.beside, self.own, self.names, self.shuffled)


MODES: dict[str, Mode] = {
    "zero-shot": Mode("zero-shot", "zero-shot-names", "zero-shot-shuffled", 100),
    "fused": Mode("fused", "names", "shuffled", 5, ("features",)),
}
"""The words alone, and the words beside the features in training, for which each shuffled lexicon's sentences must be
encoded and each fold trained anew."""


@dataclass(frozen=True)
class Prepared:
    """A dataset ready to be measured on."""

    pipeline: Pipeline
    material: Material
    synthetic: bool


def prepare(config: Config, registry: Registry, runtime: HostRuntime) -> Prepared:
    """Read, extract and window the dataset of ``config``, as a run does."""
    values = config.values_for("dataset", config.run.dataset)
    dataset = build_component(registry, runtime, "dataset", config.run.dataset, values)
    config = with_ready_features(config, dataset)
    pipeline = Pipeline(config, registry, runtime, ready=ready_extractors(dataset, runtime))
    _ = [built.identity for built in pipeline.components]  # a wrong option is an error before any work
    recordings = list(dataset.component.sessions())
    if not recordings:
        raise DatasetError(f"the dataset {dataset.spec.name!r} has no session")
    targets = check_recordings(recordings, config.run.targets)
    for weights in (weights for built in pipeline.components for weights in built.spec.weights):
        runtime.fetch(weights)  # before the long work, not in the midst of it
    synthetic = bool(getattr(dataset.spec, "synthetic", False))
    return Prepared(pipeline, gather(pipeline, recordings, targets), synthetic)


def measure(prepared: Prepared, mode: Mode, shuffles: int) -> dict[str, Any]:
    """What one use of the words is worth, by target, as JSON values.

    Every repetition permutes the descriptions anew and, where training is needed, draws other folds. ``shuffled`` tells
    the accuracies of the single permutations, and ``p``, the share of them (the lexicon itself included) that do at
    least as well as the lexicon: Phipson & Smyth (2010), Permutation p-values should never be zero.
    """
    config = prepared.pipeline.config
    options: dict[str, Any] = {"variants": mode.variants, "seeds": shuffles}
    if mode.own == "zero-shot":  # nothing is trained: folds would only repeat the same
        options |= {"split": "folds", "folds": 2, "train_subjects": 0}
    changed = replace(config, evaluate=config.evaluate.model_copy(update=options))
    pipeline = replace(prepared.pipeline, config=changed)
    found = evaluate(pipeline, prepared.material, Representations.of(pipeline, prepared.material))
    return {target: _result(found, mode, target) for target in found.pairs}


def _result(found: Evaluation, mode: Mode, target: str) -> dict[str, Any]:
    summary = found.metrics["targets"][target]
    by_variant = {outcome.variant: outcome for outcome in found.outcomes if outcome.target == target}
    label = found.pairs[target].label.cpu().numpy()
    accuracies = _by_repetition(by_variant[mode.shuffled], label)
    own = summary["variants"][mode.own]["accuracy_pooled"]
    as_good = sum(accuracy >= own for accuracy in accuracies)
    wanted = {f"{mode.own} - {other}" for other in mode.variants}
    return {
        "pairs": summary["pairs"]["kept"],
        "subjects": summary["subjects"],
        "variants": {
            name: {key: row[key] for key in ("accuracy_pooled", "accuracy_interval", "abstains")}
            for name, row in summary["variants"].items()
            if name != mode.shuffled
        },
        "shuffled": {
            "accuracies": accuracies,
            "mean": sum(accuracies) / len(accuracies),
            "as_good": as_good,
            "p": (1 + as_good) / (1 + len(accuracies)),
        },
        "comparisons": {name: row for name, row in summary["comparisons"].items() if name in wanted},
    }


def _by_repetition(outcome: Outcome, label: Any) -> list[float]:
    """The accuracy over all pairs of each repetition, in their order."""
    columns = outcome.columns()
    rows: Sequence[Any] = [columns["seed"] == repetition for repetition in sorted(set(columns["seed"].tolist()))]
    return [metrics.accuracy(label[columns["pair"][row]], columns["probability"][row]) for row in rows]
