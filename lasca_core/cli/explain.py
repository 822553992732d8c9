"""How an explanation is printed, and what of it is told as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lasca_core.experiment.explain import Contribution, Explanation

SPOKEN = 5
"""Features printed for each target of a window; JSON has all of them."""
_DIGITS = 6
_SIDED = re.compile(r"(?P<stem>\w+?)(?P<side>Left|Right)(?P<statistic>_std)?")
_DIRECTED = frozenset({"jaw", "mouth"})
"""Blendshapes that move to the left or the right; in all other names left and right are the sides of one face."""


@dataclass
class _Named:
    """What one feature, or the same feature on both sides of the face, adds: its change and its words."""

    name: str
    parts: list[Contribution] = field(default_factory=list)
    change: float = 0.0
    words: float = 0.0

    @property
    def total(self) -> float:
        return self.change + self.words

    @property
    def strongest(self) -> Contribution:
        return max(self.parts, key=lambda part: abs(part.contribution))

    @property
    def direction(self) -> str:
        """More, less, or nothing where that is not known or differs between the sides."""
        sides = {part.more for part in self.parts if part.more is not None}
        return "" if len(sides) != 1 else "more " if sides.pop() else "less "

    @property
    def split(self) -> str:
        """How much the words add, where they add anything."""
        if not _shows(self.words):
            return ""
        return f" (change {self.change:+.2f}, words {self.words:+.2f})" if _shows(self.change) else " (its words)"


def explanation_lines(explanation: Explanation, count: int = SPOKEN) -> Iterator[str]:
    """The ``count`` features that add most, with both sides of the face and change and words together; below, what the
    logit is made of."""
    yield f"{explanation.target}: logit of a rise {explanation.logit:+.2f}"
    for one in [one for one in _by_name(explanation) if _shows(one.total)][:count]:
        yield f"  {one.total:+.2f} {one.direction}{one.name}{one.split}: {one.strongest.words}"
    terms = []
    if explanation.features:
        terms.append(f"changes {_signed(sum(part.contribution for part in explanation.features))}")
    if explanation.cues or explanation.text:
        beyond = f" ({explanation.interaction:+.2f} beyond single cues)" if _shows(explanation.interaction) else ""
        terms.append(f"words {_signed(explanation.text)}{beyond}")
    terms += [f"without any change {_signed(explanation.bias)}", f"residual {_signed(explanation.residual, 4)}"]
    yield f"  in all: {', '.join(terms)}"


def _signed(value: float, digits: int = 2) -> str:
    """Without the sign of a zero."""
    return f"{round(value, digits) + 0.0:+.{digits}f}"


def _shows(value: float) -> bool:
    """Whether there is anything to see of a number after rounding."""
    return abs(value) >= 0.005


def explanation_as_dict(explanation: Explanation) -> dict[str, Any]:
    """Everything, as JSON values."""
    numbers = ("logit", "bias", "text", "interaction", "residual")
    return {
        **{name: round(getattr(explanation, name), _DIGITS) for name in numbers},
        "features": [_as_dict(part) for part in explanation.features],
        "cues": [_as_dict(part) for part in explanation.cues],
    }


def _as_dict(part: Contribution) -> dict[str, Any]:
    return {
        "feature": part.feature,
        "contribution": round(part.contribution, _DIGITS),
        "more": part.more,
        "words": part.words,
    }


def _by_name(explanation: Explanation) -> list[_Named]:
    """The strongest first."""
    known = {part.feature for part in (*explanation.features, *explanation.cues)}
    found: dict[str, _Named] = {}
    for parts, kind in ((explanation.features, "change"), (explanation.cues, "words")):
        for part in parts:
            name = _name(part.feature, known)
            one = found.setdefault(name, _Named(name))
            one.parts.append(part)
            setattr(one, kind, getattr(one, kind) + part.contribution)
    return sorted(found.values(), key=lambda one: -abs(one.total))


def _name(feature: str, known: set[str]) -> str:
    """The feature's name, or that of both sides where the explanation has both."""
    sided = _SIDED.fullmatch(feature)
    if sided is None or sided["stem"] in _DIRECTED:
        return feature
    statistic = sided["statistic"] or ""
    if not {f"{sided['stem']}{side}{statistic}" for side in ("Left", "Right")} <= known:
        return feature
    return f"{sided['stem']}{statistic} (left and right)"
