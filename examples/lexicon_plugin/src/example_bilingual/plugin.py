"""Registers the lexicon `bilingual`."""

from __future__ import annotations

from collections.abc import Iterator

from lasca_core.api import LexiconSpec, hookimpl


@hookimpl
def lasca_register_lexicons() -> Iterator[LexiconSpec]:
    """Offer ``bilingual``."""
    yield LexiconSpec(
        name="bilingual",
        target="example_bilingual.lexicon:Bilingual",
        summary="Example: level and centroid of the voice, in English and German",
        note="an illustration: nobody has measured or reviewed its words",
    )
