"""Lexicons that lie in folders: the bundled one, the user's own, and overrides on top of another."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from lasca_core.api import Component, Lexicon, LexiconContext
from lasca_lexicons.bases import Chain, inherit
from lasca_lexicons.content import LexiconContent
from lasca_lexicons.format import read_lexicon
from lasca_lexicons.options import SessionOptions


class StoredLexicon(Component):
    """Base of lexicons in this package's format; another plugin names its folder and has the rest.

    The folder, and the lexicon that it builds on, are read and verified as a whole at first use: every method raises
    ``LexiconError`` if one is faulty.
    """

    def folder(self) -> Traversable:
        """The folder that holds ``lexicon.toml``."""
        raise NotImplementedError

    def read_content(self, above: Chain = ()) -> LexiconContent:
        """All that the lexicon has to say, for the lexicons ``above`` that build on it."""
        return read_lexicon(self.folder(), self.runtime, above=above)

    @cached_property
    def content(self) -> LexiconContent:
        """All that the lexicon has to say, read once."""
        return self.read_content()

    def lexicon_for(self, context: LexiconContext) -> Lexicon:
        """The words for ``context.features`` in the lexicon's order, as the overrides for the session have them.

        Contexts that the overrides do not tell apart are answered with the same object. Raises ``LexiconError`` if the
        language or a feature is not covered, or if two overrides are equally specific.
        """
        spoken = context.metadata.get("language", "")
        follows = isinstance(self.options, SessionOptions) and self.options.session_language
        if follows and self.content.answer(spoken) is not None:
            context = replace(context, language=spoken)
        return self.content.select(context)

    def languages(self) -> tuple[str, ...]:
        """The languages there are, in the folder's order."""
        return self.content.languages

    def features(self, language: str) -> tuple[str, ...]:
        """The features that have an entry of their own, in the lexicon's order: no derived ``f_std``.

        Raises ``LexiconError`` if there is no such language.
        """
        return tuple(self.content.complete(language).entries)

    def fingerprint(self) -> str:
        """sha256 (hex) that every byte of the lexicon decides, and every byte of those it builds on."""
        return self.content.fingerprint

    def prepare(self) -> None:
        """Read and verify the folder."""
        _ = self.content


class BundledLexicon(StoredLexicon):
    """``llm``: what the features of face and voice show, as a language model describes them."""

    def folder(self) -> Traversable:
        """The package's data."""
        return files("lasca_lexicons") / "data" / "llm"


class FolderLexicon(StoredLexicon):
    """``folder``: a lexicon of the user's own, in the folder that the option ``path`` names."""

    def folder(self) -> Traversable:
        """The option's folder; ``~`` is the home folder."""
        path: Path = self.options.path
        return path.expanduser()


class AdaptiveLexicon(StoredLexicon):
    """``adaptive``: an installed lexicon, with the words of the user's folders on top."""

    def read_content(self, above: Chain = ()) -> LexiconContent:
        """The option's base with the option's folders on top, the last one highest."""
        content = inherit(self.options.base, "lexicon.base", self.runtime, above)
        for folder in self.options.overrides:
            content = read_lexicon(folder.expanduser(), self.runtime, on=content)
        return content
