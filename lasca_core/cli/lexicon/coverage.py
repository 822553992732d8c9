"""Which extractors' features a lexicon describes, wholly or in part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lasca_core.cli.lexicon.workbench import FeatureSet, OpenLexicon


@dataclass(frozen=True)
class Coverage:
    """``complete``: extractor -> number of its features, all described. ``partial``: extractor -> the features that
    lack a description although most of its features have one. ``absent``: the other extractors."""

    complete: dict[str, int]
    partial: dict[str, list[str]]
    absent: list[str]


def coverage(opened: OpenLexicon, language: str, extractors: Mapping[str, FeatureSet]) -> Coverage:
    """Whom a lexicon covers in one language.

    A lexicon claims a feature set if it describes half of it or more: then what is missing is a fault. A few names that
    two sets have in common, such as those of the head's pose, are no claim. Raises ``LexiconError`` if the lexicon
    cannot be read.
    """
    own = set(opened.features(language))
    found = Coverage({}, {}, [])
    for name, extractor in extractors.items():
        missing = [] if opened.by_rule else [feature for feature in extractor.features if feature not in own]
        if not missing:
            opened.lexicon(extractor.features, language)
            found.complete[name] = len(extractor.features)
        elif 2 * len(missing) <= len(extractor.features):
            found.partial[name] = missing
        else:
            found.absent.append(name)
    return found
