"""The lexicon `bilingual`: two features of the voice in two languages."""

from __future__ import annotations

from example_bilingual.words import LANGUAGES, VERSION, Words
from lasca_core.api import Anchors, Component, Lexicon, LexiconContext, LexiconError


class Bilingual(Component):
    """The voice's level and centroid, in English and German."""

    def lexicon_for(self, context: LexiconContext) -> Lexicon:
        """The entries for ``context.features``. Raises ``LexiconError`` for another language or feature."""
        words = self._words(context.language)
        lexicon = Lexicon(
            id="bilingual",
            version=VERSION,
            language=context.language,
            license="Apache-2.0",
            entries=words.entries,
            forms=words.forms,
            template=words.template,
            empty=words.empty,
            anchors={"arousal": Anchors(high=words.excited, low=words.calm)},
            speaks={"arousal": frozenset(words.entries)},
            provenance={"author": "written by hand for this example"},
        )
        lexicon.require(context.features)
        return lexicon.restrict(context.features)

    def languages(self) -> tuple[str, ...]:
        """The languages there are."""
        return tuple(LANGUAGES)

    def features(self, language: str) -> tuple[str, ...]:
        """The features that are described. Raises ``LexiconError`` if there is no such language."""
        return tuple(self._words(language).entries)

    def _words(self, language: str) -> Words:
        if language not in LANGUAGES:
            raise LexiconError(f"lexicon 'bilingual' has no language {language!r}; it has {', '.join(LANGUAGES)}")
        return LANGUAGES[language]
