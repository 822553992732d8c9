"""Registers the saliency methods `otsu` and `topk`, and the benchmarks of `otsu`."""

from __future__ import annotations

from collections.abc import Iterator

from lasca_core.api import BenchmarkSpec, Goal, SaliencySpec, hookimpl


@hookimpl
def lasca_register_saliency() -> Iterator[SaliencySpec]:
    """Offer ``otsu`` and ``topk``."""
    yield SaliencySpec(
        name="otsu",
        target="lasca_saliency.otsu:Otsu",
        options="lasca_saliency.options:OtsuOptions",
        summary="Otsu's threshold over the features of one window: exact, or scikit-image's histogram",
        citation="Otsu (1979), A threshold selection method from gray-level histograms, IEEE Trans. SMC 9(1)",
    )
    yield SaliencySpec(
        name="topk",
        target="lasca_saliency.topk:TopK",
        options="lasca_saliency.options:TopKOptions",
        summary="The k largest features of each window",
    )


@hookimpl
def lasca_register_benchmarks() -> Iterator[BenchmarkSpec]:
    """Offer ``otsu`` and ``otsu-histogram``."""
    yield BenchmarkSpec(
        name="otsu",
        target="lasca_saliency.bench:ExactBenchmark",
        stage="saliency",
        unit="windows",
        summary="the exact threshold of each window",
        reference="a loop with scikit-image's threshold_otsu, each value its own bin",
        needs=("scikit-image",),
        goals=(Goal("ratio", 20),),
    )
    yield BenchmarkSpec(
        name="otsu-histogram",
        target="lasca_saliency.bench:HistogramBenchmark",
        stage="saliency",
        unit="windows",
        summary="scikit-image's own threshold, by 256 bins",
        reference="a loop with scikit-image's threshold_otsu",
        needs=("scikit-image",),
        goals=(Goal("ratio", 20),),
    )
