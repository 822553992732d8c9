"""The features that a new lexicon is to describe: those of an installed extractor, or the lines of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lasca_core.api import LexiconError, Reporter


class ExtractorFeatures(Protocol):
    """The features of an extractor, as the host knows them."""

    @property
    def features(self) -> tuple[str, ...]:
        """Their names."""

    @property
    def signed(self) -> frozenset[str]:
        """Those that speak in both directions; see ``Track.signed``."""


class Host(Protocol):
    """What the host gives to a lexicon command: the object of the command's context."""

    @property
    def report(self) -> Reporter:
        """Speaks to the person at the terminal."""

    def feature_set(self, extractor: str) -> ExtractorFeatures:
        """The features of an installed extractor. Raises ``PluginError`` if there is none of that name."""


@dataclass(frozen=True)
class Feature:
    """One feature: its name, what it measures as far as somebody wrote that down, and whether it needs further words
    for a value above and below the person's usual."""

    name: str
    note: str = ""
    directed: bool = False


@dataclass(frozen=True)
class FeatureSet:
    """Features that belong together and are described in one file."""

    name: str
    features: tuple[Feature, ...]


def feature_sets(sources: Sequence[str], host: Host, forms: str) -> list[FeatureSet]:
    """The feature sets that ``sources`` name: extractors, or files. ``forms`` says which features need words for both
    directions: ``none``, ``all``, or the ``signed`` ones, which a file does not tell.

    Raises ``LexiconError`` for a faulty file and a feature that is named twice.
    """
    found = [
        _from_file(Path(source), forms) if _is_file(source) else _of_extractor(source, host, forms)
        for source in sources
    ]
    owner: dict[str, str] = {}
    for one in found:
        for feature in one.features:
            if feature.name in owner:
                raise LexiconError(
                    f"the feature {feature.name!r} stands in {owner[feature.name]} and {one.name}; name it once"
                )
            owner[feature.name] = one.name
    if len({one.name for one in found}) < len(found):
        raise LexiconError(f"two of the feature sets are called {found[0].name!r}; rename one of the files")
    return found


def _is_file(source: str) -> bool:
    return Path(source).suffix != "" or "/" in source or "\\" in source


def _of_extractor(name: str, host: Host, forms: str) -> FeatureSet:
    known = host.feature_set(name)
    directed = {"none": frozenset[str](), "signed": known.signed, "all": frozenset(known.features)}[forms]
    return FeatureSet(name, tuple(Feature(feature, "", feature in directed) for feature in known.features))


def _from_file(file: Path, forms: str) -> FeatureSet:
    """A feature a line, after a tab what it measures; empty lines and those that begin with # are passed over."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise LexiconError(f"{file} does not exist; --features takes an extractor's name or a file of names") from None
    except UnicodeDecodeError:
        raise LexiconError(f"{file} is not UTF-8; save the file in that encoding") from None
    except OSError as error:
        raise LexiconError(f"{file} cannot be read ({error.strerror})") from None
    features: dict[str, Feature] = {}
    for number, line in enumerate(lines, start=1):
        name, _, note = (part.strip() for part in line.partition("\t"))
        if not name or name.startswith("#"):
            continue
        if name in features:
            raise LexiconError(f"{file}, line {number}: {name!r} stands there twice; remove one of the two")
        features[name] = Feature(name, note, forms == "all")
    if not features:
        raise LexiconError(f"{file} names no feature; write one a line")
    return FeatureSet(file.stem, tuple(features.values()))
