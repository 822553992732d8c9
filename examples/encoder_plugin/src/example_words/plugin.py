"""Registers the encoder `words`."""

from __future__ import annotations

from collections.abc import Iterator

from lasca_core.api import EncoderSpec, hookimpl


@hookimpl
def lasca_register_encoders() -> Iterator[EncoderSpec]:
    """Offer ``words``."""
    yield EncoderSpec(
        name="words",
        target="example_words.words:Words",
        options="example_words.options:WordsOptions",
        summary="Example: hashed words and pairs of words, by scikit-learn; no download",
        citation="Weinberger et al. (2009), Feature hashing for large scale multitask learning, ICML",
    )
