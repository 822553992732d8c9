"""The control: a feature is described by nothing but its own name, made readable."""

from __future__ import annotations

import re

from lasca_core.api import Component, Lexicon, LexiconContext, LexiconError

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+(?:\.\d+)?")
_ABBREVIATIONS = {
    "au": "action unit",
    "mfcc": "mel frequency cepstral coefficient",
    "std": "standard deviation",
}
"""Abbreviations of this field that have one reading, spelt out since no sentence encoder knows them."""


def readable(name: str) -> str:
    """``mouthSmileLeft`` -> ``mouth smile left``, ``mfcc_3`` -> ``mel frequency cepstral coefficient 3``.

    Nothing is added that the name does not say: ``pitch`` stays ``pitch``, which may be the head's or the voice's. A
    name without a letter or digit is its own description.
    """
    words = [word.lower() for word in _WORD.findall(name)]
    return " ".join(_ABBREVIATIONS.get(word, word) for word in words) or name


class NamesLexicon(Component):
    """Describes every feature there is by its name, in the order of the context's features.

    Template, separator and empty sentence are those of ``llm``, so that only the descriptions differ between the two.
    Feature names are English words, hence so is the lexicon: any other language is refused.
    """

    def lexicon_for(self, context: LexiconContext) -> Lexicon:
        """One entry for each of ``context.features``. Raises ``LexiconError`` for a language other than ``en``."""
        if context.language not in self.languages():
            raise LexiconError(
                f"lexicon 'names' has no language {context.language!r}: feature names are English; set "
                f"lexicon.language to en"
            )
        return Lexicon(
            id="names",
            version="1.0.0",
            language=context.language,
            license="Apache-2.0",
            entries={name: readable(name) for name in context.features},
            template="The person shows {cues}.",
            separator="; ",
            empty="The person shows nothing out of the ordinary.",
            provenance={"author": "derived from the feature's name by rule"},
        )

    def languages(self) -> tuple[str, ...]:
        """The languages there are: English."""
        return ("en",)
