"""Registers the lexicon `cultures`."""

from __future__ import annotations

from collections.abc import Iterator

from lasca_core.api import LexiconSpec, hookimpl


@hookimpl
def lasca_register_lexicons() -> Iterator[LexiconSpec]:
    """Offer ``cultures``."""
    yield LexiconSpec(
        name="cultures",
        target="example_cultures.lexicon_of_cultures:CulturesLexicon",
        options="lasca_lexicons.options:SessionOptions",
        summary="Example: llm, with some cues described as German, Greek and Hungarian sessions have them; English",
        note="an illustration of the format: nobody has measured or reviewed its words",
    )
