"""Registers the lexicons `llm`, `names` and `folder`."""

from __future__ import annotations

from collections.abc import Iterator

from lasca_core.api import LexiconSpec, hookimpl


@hookimpl
def lasca_register_lexicons() -> Iterator[LexiconSpec]:
    """Offer ``llm``, ``names`` and ``folder``."""
    yield LexiconSpec(
        name="llm",
        target="lasca_lexicons.stored:BundledLexicon",
        summary="What face (58 features) and voice (15 MFCC) show and tend to mean, by a language model; English",
        citation="Pinitas & Maglogiannis (2026), LaScA, arXiv 2604.07193 (the method; the entries are our own)",
        note="no human expert has reviewed the entries yet",
    )
    yield LexiconSpec(
        name="names",
        target="lasca_lexicons.names:NamesLexicon",
        summary="Control: the feature's name as readable words, for any feature; English",
        citation="Pinitas & Maglogiannis (2026), LaScA, arXiv 2604.07193",
    )
    yield LexiconSpec(
        name="folder",
        target="lasca_lexicons.stored:FolderLexicon",
        options="lasca_lexicons.options:FolderOptions",
        summary="A lexicon of your own, read from a folder",
        license="as stated in the folder",
    )
