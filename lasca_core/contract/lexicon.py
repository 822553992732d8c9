"""Lexicons: what features look or sound like in words, and which words stand for the ends of an affect dimension."""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from lasca_core.contract.errors import LexiconError


@dataclass(frozen=True)
class LexiconContext:
    """What a lexicon may know when it is asked for its entries: the features, the language, and the session's metadata
    (``culture``, ``subject``, ``dataset``, ... as far as the dataset states them)."""

    features: tuple[str, ...]
    language: str = "en"
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Anchors:
    """Phrases that stand for the two ends of an affect dimension, several for each: their embeddings span the axis on
    which a feature's description is read as speaking for a rise or a fall."""

    high: tuple[str, ...]
    low: tuple[str, ...]

    def __post_init__(self) -> None:
        for end, phrases in (("high", self.high), ("low", self.low)):
            if len(set(phrases)) < 2:
                raise LexiconError(f"anchors: {end} needs at least two different phrases, so that they can agree")


@dataclass(frozen=True)
class Combination:
    """A description for several cues at once, spoken in their place where all of them are salient and raised."""

    features: frozenset[str]
    text: str


FORMS: Mapping[int, tuple[str, ...]] = {
    2: ("strongly raised", "raised"),
    1: ("raised",),
    0: (),
    -1: ("lowered",),
    -2: ("strongly lowered", "lowered"),
}
"""State of a cue -> the forms of its description, the first that the lexicon has being spoken. The state is the side of
the person's usual value on which the feature lies, doubled where it is far from it; 0 = not said."""


@dataclass(frozen=True)
class Lexicon:
    """A fixed map from feature names to descriptions, with the template that makes a sentence of some of them.

    ``entries`` are in the lexicon's own order, which is the order of cues in every sentence. ``template`` contains
    ``{cues}`` once; ``separator`` joins the descriptions; ``empty`` is the sentence when nothing is salient.

    ``forms`` maps a feature to further descriptions by direction and intensity (see ``FORMS``), for cues whose state is
    known; ``combinations`` are spoken in place of the cues they are made of, the first ones first. ``anchors`` maps an
    affect dimension to its ends, and ``speaks`` maps it to the features whose descriptions are evidence of it (a
    dimension that is not named there: all of them).
    """

    id: str
    version: str
    language: str
    license: str
    entries: Mapping[str, str]
    template: str = "{cues}."
    separator: str = "; "
    empty: str = "Nothing stands out."
    provenance: Mapping[str, str] = field(default_factory=dict)
    forms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    combinations: tuple[Combination, ...] = ()
    anchors: Mapping[str, Anchors] = field(default_factory=dict)
    speaks: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            placeholders = [name for _, name, _, _ in string.Formatter().parse(self.template) if name is not None]
        except ValueError as error:
            raise LexiconError(f"lexicon {self.id!r}: the template {self.template!r} is malformed ({error})") from None
        if placeholders != ["cues"]:
            others = ", ".join(name for name in placeholders if name != "cues") or f"{len(placeholders)} times"
            raise LexiconError(
                f"lexicon {self.id!r}: the template must contain {{cues}} and nothing else, once, not {others}"
            )
        known = {form for forms in FORMS.values() for form in forms}
        for feature, text in self.entries.items():
            self._check_text(text, feature)
        for feature, forms in self.forms.items():
            for form, text in forms.items():
                if form not in known:
                    names = ", ".join(sorted(known))
                    raise LexiconError(f"lexicon {self.id!r}: {feature!r} has a form {form!r}, not one of {names}")
                self._check_text(text, f"{feature} ({form})")
        for combination in self.combinations:
            name = " + ".join(sorted(combination.features))
            self._check_text(combination.text, name)
            if len(combination.features) < 2:
                raise LexiconError(f"lexicon {self.id!r}: the combination {name!r} needs at least two features")

    def _check_text(self, text: str, owner: str) -> None:
        if not text.strip() or "\n" in text:
            raise LexiconError(f"lexicon {self.id!r}: the entry of {owner!r} is empty or has more than one line")

    @property
    def checksum(self) -> str:
        """sha256 (hex) over everything that decides which sentence is written and what the words are taken to mean."""
        content: list[Any] = [self.language, self.template, self.separator, self.empty, list(self.entries.items())]
        more = {
            "forms": {feature: dict(forms) for feature, forms in self.forms.items()},
            "combinations": [[sorted(item.features), item.text] for item in self.combinations],
            "anchors": {target: [list(item.high), list(item.low)] for target, item in self.anchors.items()},
            "speaks": {target: sorted(features) for target, features in self.speaks.items()},
        }
        content += [[name, value] for name, value in more.items() if value]
        return hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode()).hexdigest()

    def restrict(self, features: Sequence[str]) -> Lexicon:
        """The same lexicon for ``features`` alone, in the lexicon's order."""
        kept = set(features)
        return replace(
            self,
            entries={name: text for name, text in self.entries.items() if name in kept},
            forms={name: forms for name, forms in self.forms.items() if name in kept},
            combinations=tuple(item for item in self.combinations if item.features <= kept),
            speaks={target: known & kept for target, known in self.speaks.items()},
        )

    def require(self, features: Sequence[str]) -> None:
        """Raise ``LexiconError`` naming the features that have no entry."""
        missing = [name for name in features if name not in self.entries]
        if missing:
            shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            raise LexiconError(
                f"lexicon {self.id!r} ({self.language}) has no entry for {shown}; choose another with --lexicon"
            )

    def order(self, features: Sequence[str]) -> list[int]:
        """Positions in ``features``, in the order in which the lexicon speaks of them."""
        rank = {name: position for position, name in enumerate(self.entries)}
        return sorted(range(len(features)), key=lambda index: rank[features[index]])

    def describe(self, feature: str, state: int = 0) -> str:
        """What is said of one cue in the given state (see ``FORMS``)."""
        return self._said[feature][state]

    def plainest(self, feature: str, state: int) -> int:
        """The state nearest 0, on the same side, in which the same is said of the cue as in ``state``."""
        said = self._said[feature]
        return next(other for other in ((0, 1, 2) if state >= 0 else (-1, -2)) if said[other] == said[state])

    @cached_property
    def _combined(self) -> list[tuple[frozenset[str], list[str], str]]:
        """The features of each combination, as a set and in the lexicon's order, and its text."""
        rank = {name: position for position, name in enumerate(self.entries)}
        return [
            (item.features, sorted(item.features, key=rank.__getitem__), item.text)
            for item in self.combinations
            if item.features <= rank.keys()
        ]

    @cached_property
    def _said(self) -> dict[str, dict[int, str]]:
        """What is said of each feature in each state: every window asks for it."""
        return {
            feature: {
                state: next((forms[form] for form in wanted if form in forms), entry) for state, wanted in FORMS.items()
            }
            for feature, entry in self.entries.items()
            for forms in (self.forms.get(feature, {}),)
        }

    def sentence(self, cues: Sequence[str], states: Sequence[int] = ()) -> str:
        """The sentence for ``cues``, which must be in the lexicon's order, each in its state (0 if none are given)."""
        if not cues:
            return self.empty
        return self.template.format(cues=self.separator.join(self.phrases(cues, states)))

    def phrases(self, cues: Sequence[str], states: Sequence[int] = ()) -> list[str]:
        """The descriptions that ``sentence`` joins, combinations standing where their first cue would."""
        state = dict(zip(cues, states, strict=True)) if states else dict.fromkeys(cues, 0)
        open_cues = {name for name, value in state.items() if value >= 0}
        instead: dict[str, str] = {}
        silent: set[str] = set()
        for features, (first, *others), text in self._combined:
            if features <= open_cues:
                open_cues -= features
                instead[first] = text
                silent.update(others)
        return [instead.get(name) or self.describe(name, value) for name, value in state.items() if name not in silent]
