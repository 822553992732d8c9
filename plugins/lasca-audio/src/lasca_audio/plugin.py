"""Registers the extractor `mfcc` and the benchmark of that name."""

from __future__ import annotations

from collections.abc import Iterator

from lasca_core.api import BenchmarkSpec, ExtractorSpec, Goal, hookimpl


@hookimpl
def lasca_register_extractors() -> Iterator[ExtractorSpec]:
    """Offer ``mfcc``."""
    yield ExtractorSpec(
        name="mfcc",
        target="lasca_audio.mfcc:Mfcc",
        options="lasca_audio.options:MfccOptions",
        summary="15 mel-frequency cepstral coefficients of the voice, every 10 ms, by librosa's definition",
        needs=frozenset({"audio"}),
        citation="Davis & Mermelstein (1980), Comparison of parametric representations for monosyllabic word "
        "recognition in continuously spoken sentences, IEEE Trans. ASSP 28(4)",
        note="backend = librosa needs the optional dependency: pip install 'lasca-audio[librosa]'",
    )


@hookimpl
def lasca_register_benchmarks() -> Iterator[BenchmarkSpec]:
    """Offer ``mfcc``."""
    yield BenchmarkSpec(
        name="mfcc",
        target="lasca_audio.bench:MfccBenchmark",
        stage="features",
        unit="s of sound",
        summary="15 coefficients every 10 ms from decoded sound",
        reference="librosa.feature.mfcc",
        needs=("librosa",),
        goals=(Goal("ratio", 2),),
        threads=1,
    )
