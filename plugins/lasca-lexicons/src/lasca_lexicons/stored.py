"""Lexicons that lie in a folder: the bundled one, and the user's own."""

from __future__ import annotations

from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from lasca_core.api import Component, Lexicon, LexiconContext
from lasca_lexicons.format import LexiconFolder, read_lexicon


class StoredLexicon(Component):
    """Base of lexicons in this package's format; another plugin names its folder and has the rest.

    The folder is read and verified as a whole at first use: every method raises ``LexiconError`` if it is faulty.
    """

    def folder(self) -> Traversable:
        """The folder that holds ``lexicon.toml``."""
        raise NotImplementedError

    @cached_property
    def _content(self) -> LexiconFolder:
        return read_lexicon(self.folder())

    def lexicon_for(self, context: LexiconContext) -> Lexicon:
        """The entries for ``context.features`` in the folder's order.

        Raises ``LexiconError`` if the language or a feature is not covered.
        """
        return self._content.select(context.features, context.language)

    def languages(self) -> tuple[str, ...]:
        """The languages there are, in the folder's order."""
        return tuple(self._content.languages)

    def features(self, language: str) -> tuple[str, ...]:
        """The features that have an entry of their own, in the lexicon's order: no derived ``f_std``.

        Raises ``LexiconError`` if there is no such language.
        """
        return tuple(self._content.complete(language).entries)

    def fingerprint(self) -> str:
        """sha256 (hex) that every byte of the folder's lexicon decides; see ``LexiconFolder.fingerprint``."""
        return self._content.fingerprint

    def prepare(self) -> None:
        """Read and verify the folder."""
        _ = self._content


class BundledLexicon(StoredLexicon):
    """``llm``: what the 58 features of the face and the 15 of the voice show, as a language model describes them."""

    def folder(self) -> Traversable:
        """The package's data."""
        return files("lasca_lexicons") / "data" / "llm"


class FolderLexicon(StoredLexicon):
    """``folder``: a lexicon of the user's own, in the folder that the option ``path`` names."""

    def folder(self) -> Traversable:
        """The option's folder; ``~`` is the home folder."""
        path: Path = self.options.path
        return path.expanduser()
