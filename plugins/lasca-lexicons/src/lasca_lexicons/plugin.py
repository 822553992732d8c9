"""Registers the lexicons `llm`, `names`, `folder` and `adaptive`, and the commands `lasca lexicon seal` and `build`."""

from __future__ import annotations

from collections.abc import Iterator

from lasca_core.api import CommandSpec, LexiconSpec, hookimpl


@hookimpl
def lasca_register_lexicons() -> Iterator[LexiconSpec]:
    """Offer ``llm``, ``names``, ``folder`` and ``adaptive``."""
    yield LexiconSpec(
        name="llm",
        target="lasca_lexicons.stored:BundledLexicon",
        options="lasca_lexicons.options:SessionOptions",
        summary="What face (blendshapes, action units) and voice (MFCC, eGeMAPS) show and mean, by a language model",
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
    yield LexiconSpec(
        name="adaptive",
        target="lasca_lexicons.stored:AdaptiveLexicon",
        options="lasca_lexicons.options:AdaptiveOptions",
        summary="A lexicon with your own words on top, chosen by what is known of each session",
        license="as stated in the folders",
    )


@hookimpl
def lasca_register_commands() -> Iterator[CommandSpec]:
    """Offer ``lasca lexicon seal`` and ``lasca lexicon build``."""
    yield CommandSpec(
        name="lexicon-seal", target="lasca_lexicons.commands:seal", summary="Write a lexicon's checksums."
    )
    yield CommandSpec(
        name="lexicon-build",
        target="lasca_lexicons.builder.command:build",
        summary="Make a new lexicon with a language model.",
    )
