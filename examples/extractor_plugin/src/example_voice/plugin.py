"""Registers the extractor `voice`."""

from __future__ import annotations

from collections.abc import Iterator

from lasca_core.api import ExtractorSpec, hookimpl


@hookimpl
def lasca_register_extractors() -> Iterator[ExtractorSpec]:
    """Offer ``voice``."""
    yield ExtractorSpec(
        name="voice",
        target="example_voice.voice:Voice",
        options="example_voice.options:VoiceOptions",
        summary="Example: level and spectral centroid of the sound (2 features every 10 ms)",
        needs=frozenset({"audio"}),
        citation="Grey & Gordon (1978), Perceptual effects of spectral modifications on musical timbres, JASA 63(5)",
    )
