"""What a lexicon has to say, in memory: layers of words on top of each other, and the choice that a session makes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lasca_core.api import Anchors, Combination, Lexicon, LexiconContext, LexiconError
from lasca_lexicons.schema import Tokens

SPREAD = "_std"
"""Ending of the features that tell how much another feature varies within the window."""


@dataclass(frozen=True)
class Words:
    """What one layer says in one language. What is absent is as in the layer below."""

    settings: Mapping[str, str] = field(default_factory=dict)
    """``template``, ``separator``, ``empty``, ``varying``, ``encoder``."""
    entries: Mapping[str, str] = field(default_factory=dict)
    forms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    combinations: tuple[Combination, ...] = ()
    anchors: Mapping[str, Anchors] = field(default_factory=dict)
    speaks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Feature -> the affect dimensions for which its words are evidence; all of them for a feature not named here."""
    origin: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Feature -> how its words came to be, where that differs from the lexicon as a whole."""

    def over(self, below: Words) -> Words:
        """These words on top of ``below``, whose order of entries they keep.

        An entry replaces all that was said of its feature: forms, and combinations in which it takes part. Forms
        without an entry join those there are, or take their place. Combinations come before those of ``below`` and
        replace those of the same features.
        """
        forms = {name: said for name, said in below.forms.items() if name not in self.entries}
        for name, said in self.forms.items():
            forms[name] = {**forms.get(name, {}), **said}
        origin = {name: said for name, said in below.origin.items() if name not in self.entries}
        for name, said in self.origin.items():
            origin[name] = {**origin.get(name, {}), **said}
        own = {item.features for item in self.combinations}
        kept = [
            item for item in below.combinations if item.features not in own and not item.features & self.entries.keys()
        ]
        return Words(
            settings={**below.settings, **self.settings},
            entries={**below.entries, **self.entries},
            forms=forms,
            combinations=(*self.combinations, *kept),
            anchors={**below.anchors, **self.anchors},
            speaks={**below.speaks, **self.speaks},
            origin=origin,
        )

    def of(self, features: frozenset[str]) -> Words:
        """The words for ``features`` alone. A feature ``f_std`` without an entry of its own is described by the
        ``varying`` phrase around the entry of ``f``, follows it, and is evidence for what ``f`` is evidence for."""
        entries: dict[str, str] = {}
        speaks = dict(self.speaks)
        for name, description in self.entries.items():
            if name in features:
                entries[name] = description
            spread = name + SPREAD
            if spread in features and spread not in self.entries and "varying" in self.settings:
                entries[spread] = self.settings["varying"].replace("{cue}", description)
                if name in speaks:
                    speaks[spread] = speaks[name]
        return Words(
            settings=self.settings,
            entries=entries,
            forms={name: said for name, said in self.forms.items() if name in entries},
            combinations=tuple(item for item in self.combinations if item.features <= entries.keys()),
            anchors=self.anchors,
            speaks=speaks,
            origin={name: said for name, said in self.origin.items() if name in entries},
        )

    def targets(self) -> dict[str, frozenset[str]]:
        """Affect dimension -> the features whose words are evidence for it, where that is not all of them."""
        named = frozenset(self.anchors).union(*self.speaks.values())
        found = {
            target: frozenset(name for name in self.entries if target in self.speaks.get(name, named))
            for target in sorted(named)
        }
        return {target: features for target, features in found.items() if features != self.entries.keys()}


@dataclass(frozen=True)
class Rule:
    """Words for the sessions of which ``when`` holds: metadata key -> values, one of which must be the session's.

    Upper and lower case are the same, and so are ``-`` and ``_``. ``language`` is the language spoken, and ``de`` holds
    for ``de-AT`` too.
    """

    when: Mapping[str, tuple[str, ...]]
    words: Mapping[str, Words]

    @property
    def name(self) -> str:
        """``culture=DE``, for messages and for the id of what comes out."""
        return ",".join(f"{key}={'|'.join(self.when[key])}" for key in sorted(self.when))

    def rank(self, language: str, metadata: Mapping[str, str]) -> tuple[int, int] | None:
        """How specific the rule is for a session, or None if it does not hold: by the number of its keys, then by how
        closely it names the language."""
        closeness = 0
        for key, values in self.when.items():
            if key == "language":
                closeness = max((tag.count("-") + 1 for tag in wider(language) if tag in map(plain, values)), default=0)
                if not closeness:
                    return None
            elif plain(metadata.get(key, "")) not in map(plain, values):
                return None
        return len(self.when), closeness

    def clashes(self, other: Rule) -> bool:
        """Whether there is a session for which both hold and are equally specific, for certain: the same keys, values
        in common, and words in one language."""
        common = {plain(tag) for tag in self.words} & {plain(tag) for tag in other.words}
        return (
            bool(common)
            and self.when.keys() == other.when.keys()
            and all(set(map(plain, values)) & set(map(plain, other.when[key])) for key, values in self.when.items())
        )


@dataclass(frozen=True)
class Layer:
    """One folder: its words by language, its rules, and what is known of it."""

    place: str
    """Its ``lexicon.toml``, for messages."""
    id: str
    version: str
    license: str
    provenance: Mapping[str, str]
    words: Mapping[str, Words]
    rules: tuple[Rule, ...]
    tokens: Mapping[str, Mapping[str, Tokens]]
    """Encoder -> language -> how long the entries are for it, as the author counted."""
    digest: str
    """sha256 (hex) of ``lexicon.toml``, which names the verified checksums of all other files."""

    def rule_for(self, language: str, metadata: Mapping[str, str]) -> Rule | None:
        """The most specific rule that holds for a session and has words in ``language``, or None.

        Raises ``LexiconError`` if two are equally specific.
        """
        ranked = [
            (rank, rule)
            for rule in self.rules
            if find(rule.words, language) is not None and (rank := rule.rank(language, metadata)) is not None
        ]
        highest = max((rank for rank, _ in ranked), default=None)
        best = [rule for rank, rule in ranked if rank == highest]
        if len(best) > 1:
            raise LexiconError(
                f"{self.place}: the overrides {best[0].name!r} and {best[1].name!r} both hold for a session and are "
                f"equally specific; add one for both together, or a further key to one of them"
            )
        return best[0] if best else None


class LexiconContent:
    """All that a lexicon has to say, verified: its layers, the lowest base first.

    ``languages`` are the tags of the languages there are, those of the base first.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)
        self.languages = tuple(dict.fromkeys(tag for layer in layers for tag in layer.words))
        self._tags = {plain(tag): tag for tag in self.languages}
        self._chosen: dict[tuple[object, ...], Lexicon] = {}

    @property
    def id(self) -> str:
        """The lexicon's id, after those it builds on: ``llm/cultures``."""
        return "/".join(layer.id for layer in self.layers)

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) that every byte of every layer decides."""
        digests = [layer.digest for layer in self.layers]
        return digests[0] if len(digests) == 1 else hashlib.sha256(" ".join(digests).encode()).hexdigest()

    def answer(self, tag: str) -> str | None:
        """The language that answers to ``tag``: its own, or a wider one (``de`` for ``de-AT``), or None."""
        return next((self._tags[wide] for wide in wider(tag) if wide in self._tags), None)

    def language(self, tag: str) -> str:
        """The language that answers to ``tag``. Raises ``LexiconError`` naming the languages there are."""
        found = self.answer(tag)
        if found is None:
            known = ", ".join(self.languages)
            raise LexiconError(f"lexicon {self.id!r} has no language {tag!r}; it has {known} (lexicon.language)")
        return found

    def rules(self, language: str, metadata: Mapping[str, str]) -> list[Rule | None]:
        """The rule of each layer that is spoken in a session. Raises ``LexiconError`` if two are equally specific."""
        return [layer.rule_for(language, metadata) for layer in self.layers]

    def words(self, language: str, rules: Sequence[Rule | None] = ()) -> Words:
        """All words of a language there is: those of each layer, and of its rule where one is given, on top of those
        below."""
        found = Words()
        for position, layer in enumerate(self.layers):
            rule = rules[position] if rules else None
            for words in (layer.words, rule.words if rule is not None else {}):
                tag = find(words, language)
                found = words[tag].over(found) if tag is not None else found
        return found

    def complete(self, tag: str) -> Lexicon:
        """All entries of a language, for a session of which nothing is known. Raises like ``language``."""
        language = self.language(tag)
        rules = self.rules(language, {})
        return self._lexicon(language, rules, self.words(language, rules))

    def select(self, context: LexiconContext) -> Lexicon:
        """The words for ``context.features`` in a session of ``context.metadata``, in the lexicon's order; contexts
        that the rules do not tell apart are answered with the same object.

        Raises ``LexiconError`` if the language or a feature is not covered, or if two rules are equally specific.
        """
        language = self.language(context.language)
        rules = self.rules(language, context.metadata)
        key = (context.features, language, *(rule and rule.name for rule in rules))
        if key not in self._chosen:
            words = self.words(language, rules).of(frozenset(context.features))
            chosen = self._lexicon(language, rules, words)
            chosen.require(context.features)
            self._chosen[key] = chosen
        return self._chosen[key]

    def _lexicon(self, language: str, rules: Sequence[Rule | None], words: Words) -> Lexicon:
        *below, top = self.layers
        provenance: dict[str, str] = {}
        for layer in below:
            known = {"version": layer.version, "license": layer.license, **layer.provenance}
            provenance |= {f"{layer.id}.{key}": said for key, said in known.items()}
        provenance |= top.provenance
        if "encoder" in words.settings:
            provenance["encoder"] = words.settings["encoder"]
        for said in words.origin.values():
            provenance |= said
        names = [layer.id + (f"#{rule.name}" if rule else "") for layer, rule in zip(self.layers, rules, strict=True)]
        return Lexicon(
            id="/".join(names),
            version=top.version,
            language=language,
            license=_all_of([layer.license for layer in self.layers]),
            entries=words.entries,
            template=words.settings["template"],
            separator=words.settings["separator"],
            empty=words.settings["empty"],
            provenance=provenance,
            forms=words.forms,
            combinations=words.combinations,
            anchors=words.anchors,
            speaks=words.targets(),
        )


def _all_of(licenses: Sequence[str]) -> str:
    """The SPDX expression for text under several licences at once."""
    first, *others = dict.fromkeys(licenses)
    return " AND ".join(f"({name})" if " OR " in name else name for name in (first, *others)) if others else first


def plain(tag: str) -> str:
    """A language tag, or what is known of a session, as it is compared: ``de_AT`` is ``de-at``."""
    return tag.replace("_", "-").casefold()


def wider(tag: str) -> Iterator[str]:
    """``de-AT`` -> ``de-at``, ``de``: the tag and its wider ones, as they are compared."""
    parts = plain(tag).split("-")
    return ("-".join(parts[:count]) for count in range(len(parts), 0, -1))


def find(words: Mapping[str, Words], language: str) -> str | None:
    """The tag in ``words`` that answers to a language."""
    known = {plain(tag): tag for tag in words}
    return next((known[wide] for wide in wider(language) if wide in known), None)
