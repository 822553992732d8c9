"""Registers the learners `prior`, `mlp` and `logistic`, and the benchmarks of `mlp`."""

from __future__ import annotations

from collections.abc import Iterator

from lasca_core.api import BenchmarkSpec, Goal, LearnerSpec, hookimpl


@hookimpl
def lasca_register_learners() -> Iterator[LearnerSpec]:
    """Offer ``prior``, ``mlp`` and ``logistic``."""
    yield LearnerSpec(
        name="prior",
        target="lasca_preference.prior:Prior",
        options="lasca_preference.options:PriorOptions",
        summary="Bayesian logistic regression with the words as prior: learns from any number of labels, or none",
        citation="MacKay (1992), The evidence framework applied to classification networks, Neural Computation 4",
        zero_shot=True,
        calibrated=True,
    )
    yield LearnerSpec(
        name="mlp",
        target="lasca_preference.mlp:Mlp",
        options="lasca_preference.options:MlpOptions",
        summary="Multilayer perceptron (256, 64) with scikit-learn's alpha, batches and early stopping",
        citation="Fürnkranz & Hüllermeier (2010), Preference Learning; Kingma & Ba (2015), Adam",
    )
    yield LearnerSpec(
        name="logistic",
        target="lasca_preference.logistic:Logistic",
        options="lasca_preference.options:LogisticOptions",
        summary="L2-regularised logistic regression without intercept, with scikit-learn's C",
        citation="Bradley & Terry (1952), Rank analysis of incomplete block designs, Biometrika 39",
    )


@hookimpl
def lasca_register_benchmarks() -> Iterator[BenchmarkSpec]:
    """Offer ``train`` and ``grid``."""
    reference = "scikit-learn's MLPClassifier, one after the other"
    yield BenchmarkSpec(
        name="train",
        target="lasca_preference.bench:FoldsBenchmark",
        stage="heads",
        unit="heads",
        summary="mlp on the 15 folds of one variant",
        reference=reference,
        needs=("scikit-learn",),
        goals=(Goal("ratio", 1),),
        threads=1,
    )
    yield BenchmarkSpec(
        name="grid",
        target="lasca_preference.bench:GridBenchmark",
        stage="heads",
        unit="heads",
        summary="mlp on all variants, targets and folds of one condition",
        reference=reference,
        needs=("scikit-learn",),
        goals=(Goal("ratio", 1), Goal("ratio", 20, "cuda")),
        threads=1,
    )
