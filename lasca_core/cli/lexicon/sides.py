"""Left and right: which features are each other's mirror image, and whether their descriptions are so too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_SIDE_IN_NAME = re.compile(r"Left|Right|LEFT|RIGHT|left|right|(?<=[_.\s-])[LRlr](?=$|[_.\s-])")
_OTHER = {"Left": "Right", "LEFT": "RIGHT", "left": "right", "L": "R", "l": "r"}
_OTHER |= {right: left for left, right in _OTHER.items()}

_SIDE_WORDS: dict[str, tuple[str, str]] = {
    "de": (r"\blink\w*", r"\brecht\w*"),
    "el": (r"\bαριστερ\w*", r"\bδεξ[ιί]\w*"),
    "en": (r"\bleft\b", r"\bright\b"),
    "es": (r"\bizquierd\w*", r"\bderech\w*"),
    "fr": (r"\bgauche\w*", r"\bdroit\w*"),
    "hu": (r"\bbal(?:ra|ról|oldal\w*)?\b", r"\bjobb(?:ra|ról|oldal\w*)?\b"),
    "sr": (r"\b(?:lev|лев)\w*", r"\b(?:desn|десн)\w*"),
    "zh": ("左", "右"),
}
"""Language -> the words for left and for right, in all their inflections."""


def mirrored(name: str) -> str:
    """The name with left and right exchanged: ``browDownLeft`` -> ``browDownRight``, ``AU12_L`` -> ``AU12_R``."""
    return _SIDE_IN_NAME.sub(lambda found: _OTHER[found.group()], name)


def twins(names: Iterable[str]) -> list[tuple[str, str]]:
    """The pairs of features that are each other's mirror image, the left one first."""
    known = dict.fromkeys(names)
    pairs = []
    for name in known:
        found = _SIDE_IN_NAME.search(name)
        other = mirrored(name)
        if found is not None and found.group().lower().startswith("l") and other != name and other in known:
            pairs.append((name, other))
    return pairs


def knows_sides(language: str) -> bool:
    """Whether this module has the words for left and right in ``language``."""
    return _primary(language) in _SIDE_WORDS


def contradiction(left: str, right: str, language: str) -> str:
    """Why the descriptions of a left and a right feature are not each other's mirror image, or an empty string.

    ``language`` must be one of which ``knows_sides`` is true. Words for a side count as the same in any inflection.
    """
    said, swapped = _marked(left, language), _marked(right, language, swap=True)
    if said != swapped:
        return "differ in more than the side"
    if _RIGHT in said and _LEFT not in said:
        return "have their sides exchanged"
    return ""


_LEFT, _RIGHT = "<left>", "<right>"  # no description contains such marks, because markup is refused


def _marked(text: str, language: str, *, swap: bool = False) -> str:
    left, right = _SIDE_WORDS[_primary(language)]
    marks: Mapping[bool, str] = {True: _RIGHT if swap else _LEFT, False: _LEFT if swap else _RIGHT}
    pattern = re.compile(f"(?P<left>{left})|{right}", re.IGNORECASE)
    marked = pattern.sub(lambda found: marks[found["left"] is not None], text)
    return " ".join(marked.casefold().split())


def _primary(language: str) -> str:
    return language.partition("-")[0].lower()
