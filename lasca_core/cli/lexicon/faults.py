"""What can be wrong with the words of a lexicon in one language: each kind of fault is a function of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lasca_core.cli.lexicon import sides, tongue
from lasca_core.contract.lexicon import Lexicon

if TYPE_CHECKING:
    from torch import Tensor

Embed = Callable[[Sequence[str]], "Tensor"]
"""Texts [N] -> vectors float32 [N, D]."""

OPPOSITE = 0.5
"""Standard deviations of all projections by which those of a left and a right feature must lie apart, on two sides of
0, to be a contradiction: an encoder itself sees a little good in the word right, and tells twins apart by up to 0.2."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: its ``kind``, and a sentence that says where."""

    kind: str
    message: str


@dataclass(frozen=True)
class Company:
    """Which features can be cues of one sentence: those of one of ``sets``. Two names of one thing, such as an action
    unit's in two programs, never meet, and may be described in the same words."""

    sets: tuple[frozenset[str], ...]

    def meet(self, first: str, second: str) -> bool:
        """Whether both can be in one sentence."""
        return any(first in one and second in one for one in self.sets)


def duplicates(lexicon: Lexicon, company: Company) -> Iterator[Fault]:
    """Texts of two features that meet, or of the two directions of one, that differ in nothing but spacing and case."""
    seen: dict[str, list[tuple[str, str]]] = {}
    for feature, form, text in _spoken(lexicon):
        alike = seen.setdefault(" ".join(text.casefold().split()), [])
        for first, other in alike:
            opposed = {_direction(other), _direction(form)} == {"raised", "lowered"}
            if opposed if first == feature else company.meet(first, feature):
                yield Fault(
                    "duplicate", f"{_label(first, other)} and {_label(feature, form)} have the same description"
                )
                break
        alike.append((feature, form))


def synonyms(lexicon: Lexicon, company: Company) -> list[tuple[str, str]]:
    """Pairs of features that never meet and have the same description."""
    seen: dict[str, str] = {}
    found = []
    for feature, text in lexicon.entries.items():
        first = seen.setdefault(" ".join(text.casefold().split()), feature)
        if first != feature and not company.meet(first, feature):
            found.append((first, feature))
    return found


def near_duplicates(lexicon: Lexicon, embed: Embed, threshold: float, company: Company) -> Iterator[Fault]:
    """Descriptions of two features that meet with a cosine similarity of at least ``threshold``; those of a left and a
    right feature are meant to be alike, and equal ones are duplicates already."""
    import torch

    names = list(lexicon.entries)
    alike = {frozenset(pair) for pair in sides.twins(names)}
    unit = torch.nn.functional.normalize(embed(list(lexicon.entries.values())), dim=1)
    similar = (unit @ unit.T).triu(diagonal=1)
    for row, column in (similar >= threshold).nonzero().tolist():
        first, second = names[row], names[column]
        equal = lexicon.entries[first] == lexicon.entries[second]
        if equal or frozenset((first, second)) in alike or not company.meet(first, second):
            continue
        cosine = float(similar[row, column])
        yield Fault("near-duplicate", f"{first} and {second} say nearly the same (cosine similarity {cosine:.3f})")


def exchanged_sides(lexicon: Lexicon) -> Iterator[Fault]:
    """Left and right features whose texts do not agree once left and right are exchanged."""
    if not sides.knows_sides(lexicon.language):
        return
    for left, right in sides.twins(lexicon.entries):
        forms = {"", *lexicon.forms.get(left, {}), *lexicon.forms.get(right, {})}
        for form in sorted(forms):
            texts = [_text(lexicon, name, form) for name in (left, right)]
            if None in texts:
                yield Fault("sides", f"only one of {left} and {right} has a form {form!r}")
            elif problem := sides.contradiction(texts[0] or "", texts[1] or "", lexicon.language):
                yield Fault("sides", f"the descriptions of {_label(left, form)} and {_label(right, form)} {problem}")


def opposite_meanings(lexicon: Lexicon, embed: Embed) -> Iterator[Fault]:
    """Left and right features that speak for different directions of an affect dimension."""
    from lasca_core.steps.knowledge import directions

    names = list(lexicon.entries)
    pairs = sides.twins(names)
    if not pairs or not lexicon.anchors:
        return
    meaning = directions(lexicon, names, embed)
    place = {name: row for row, name in enumerate(names)}
    for target, anchors in lexicon.anchors.items():
        projection = meaning @ (embed(anchors.high).mean(dim=0) - embed(anchors.low).mean(dim=0))
        projection = projection - projection.mean()
        spread = float(projection.std())
        evidence = lexicon.speaks.get(target, place.keys())
        for left, right in (pair for pair in pairs if evidence >= set(pair)):
            one, other = float(projection[place[left]]), float(projection[place[right]])
            if one * other < 0 and abs(one - other) > OPPOSITE * spread:
                yield Fault(
                    "opposite",
                    f"{left} speaks for {_way(one)} {target} and {right} for {_way(other)} "
                    f"({one / spread:+.2f} and {other / spread:+.2f} standard deviations)",
                )


def foreign_texts(lexicon: Lexicon) -> Iterator[Fault]:
    """Descriptions, and the frame of the sentence, that are surely in another language."""
    texts = {_label(feature, form): text for feature, form, text in _spoken(lexicon)}
    texts |= {" + ".join(sorted(item.features)): item.text for item in lexicon.combinations}
    texts["the sentence where nothing is salient"] = lexicon.empty
    for owner, found in tongue.foreign(texts, lexicon.language).items():
        yield Fault("language", f"the text of {owner} is in {found!r}, not in {lexicon.language!r}: {texts[owner]!r}")


def unknown_license(lexicon: Lexicon) -> Iterator[Fault]:
    """A licence that is no SPDX expression."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        canonicalize_license_expression(lexicon.license)
    except InvalidLicenseExpression:
        yield Fault(
            "license",
            f"its licence {lexicon.license!r} is no SPDX expression, such as CC-BY-4.0 or LicenseRef-Proprietary",
        )


def _spoken(lexicon: Lexicon) -> Iterator[tuple[str, str, str]]:
    """(feature, form, text) of everything that is said of single features; the form of a plain description is ""."""
    for feature, text in lexicon.entries.items():
        yield feature, "", text
        for form, said in lexicon.forms.get(feature, {}).items():
            yield feature, form, said


def _text(lexicon: Lexicon, feature: str, form: str) -> str | None:
    return lexicon.forms.get(feature, {}).get(form) if form else lexicon.entries[feature]


def _label(feature: str, form: str) -> str:
    return f"{feature} ({form})" if form else feature


def _direction(form: str) -> str:
    return form.removeprefix("strongly ")


def _way(value: float) -> str:
    return "high" if value > 0 else "low"
