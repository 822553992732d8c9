"""The lexicon `cultures`: everything it says lies in the folder `lexicon`."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable

from lasca_lexicons.stored import StoredLexicon


class CulturesLexicon(StoredLexicon):
    """``llm``, with some cues described as the session's culture has them."""

    def folder(self) -> Traversable:
        """The package's data."""
        return files("example_cultures") / "lexicon"
