"""What the script of a timeline page knows of each window, as JSON in which no text is written twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lasca_core.experiment.explain import Contribution, Explanation
from lasca_core.experiment.predict import WindowPrediction
from lasca_core.report.markup import Markup, element
from lasca_core.report.media_timeline import Timeline

_NAMED_FEATURES = 6
_NAMED_CUES = 4
"""So many contributions are shown each by itself; the sum of the others is one line."""
_SEEN = 0.005
"""A smaller contribution would be shown as 0.00: it counts among the others."""


def windows_data(about: Timeline) -> Markup:
    """The data as an element that browsers neither show nor run."""
    texts = _Texts()
    content = {
        "targets": list(about.targets),
        "duration": round(about.duration, 3),
        "offset": round(about.player.offset, 3),
        "edges": [round(edge, 3) for edge in about.edges],
        "largest": {target: _largest(about, target) for target in about.targets},
        "windows": [_window(about, place, window, texts) for place, window in enumerate(about.windows)],
        "texts": texts.known,
    }
    encoded = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    # Inside a script element nothing is escaped: without "<" no text can end it or begin a comment.
    return element("script", Markup(encoded.replace("<", "\\u003c")), type="application/json", id="windows")


class _Texts:
    """Texts by number, each once."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self._number.setdefault(text.encode("utf-8", "replace").decode("utf-8"), len(self._number))

    @property
    def known(self) -> list[str]:
        """All texts in the order of their numbers."""
        return list(self._number)


def _window(about: Timeline, place: int, window: WindowPrediction, texts: _Texts) -> dict[str, Any]:
    before = about.compared_with[place]
    return {
        "start": round(window.start, 3),
        "end": round(window.end, 3),
        "valid": window.valid,
        "compared": before,
        "sentence": texts(window.sentence) if window.sentence else None,
        "dropped": window.dropped,
        "told": {target: [rises, round(probability, 4)] for target, (rises, probability) in window.directions.items()},
        "why": {target: _explained(found, texts) for target, found in window.explanations.items()},
        "annotated": {
            target: [None if value is None else round(value, 3) for value in (means[place], _at(means, before))]
            for target, means in about.annotated.items()
        },
    }


def _at(means: Sequence[float | None], place: int | None) -> float | None:
    return None if place is None else means[place]


def _explained(found: Explanation, texts: _Texts) -> dict[str, Any]:
    """An explanation, its weaker contributions summed: [how many, their sum]."""
    features, other_features = _foremost(found.features, _NAMED_FEATURES)
    cues, other_cues = _foremost(found.cues, _NAMED_CUES)
    return {
        "logit": round(found.logit, 4),
        "bias": round(found.bias, 4),
        "features": [_named(part, texts) for part in features],
        "otherFeatures": _summed(other_features),
        "text": round(found.text, 4),
        "cues": [_named(part, texts) for part in cues],
        "otherCues": _summed(other_cues),
        "interaction": round(found.interaction, 4),
        "residual": round(found.residual, 4),
    }


def _foremost(parts: Sequence[Contribution], most: int) -> tuple[Sequence[Contribution], Sequence[Contribution]]:
    """Contributions to be named, of those that come strongest first, and the others."""
    count = sum(abs(part.contribution) >= _SEEN for part in parts[:most])
    return parts[:count], parts[count:]


def _named(part: Contribution, texts: _Texts) -> list[Any]:
    return [texts(part.feature), round(part.contribution, 4), part.more, texts(part.words)]


def _summed(parts: Sequence[Contribution]) -> list[float]:
    return [len(parts), round(sum(part.contribution for part in parts), 4)]


def _largest(about: Timeline, target: str) -> float:
    """The largest single line drawn for a target, so that bars of all windows have one scale."""
    sizes = [
        abs(value)
        for window in about.windows
        if (found := window.explanations.get(target)) is not None
        for value in (
            found.bias,
            found.text,
            found.interaction,
            _summed(_foremost(found.features, _NAMED_FEATURES)[1])[1],
            _summed(_foremost(found.cues, _NAMED_CUES)[1])[1],
            *(part.contribution for part in (*found.features[:1], *found.cues[:1])),
        )
    ]
    return round(max(sizes, default=0.0), 4) or 1.0
