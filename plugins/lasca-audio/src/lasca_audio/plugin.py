"""Registers the extractor `mfcc`."""

from __future__ import annotations

from collections.abc import Iterator

from lasca_core.api import ExtractorSpec, hookimpl


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
