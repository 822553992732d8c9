"""In which language a text is written, judged by the character statistics of py3langid."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

CANDIDATES = frozenset({"de", "el", "en", "es", "fr", "hu", "sr", "zh"})
"""What a text may be taken for besides the language that it should have: the languages of the corpora that we read.
Among a hundred of them, a phrase of ten words is too easily taken for a neighbour of its own."""
SURE = 0.9
"""Probability from which another language is reported."""
_ONE_LANGUAGE = ({"sr", "hr", "bs"}, {"no", "nb", "nn", "da"}, {"id", "ms"})
"""Languages that no statistics of a short phrase tell apart."""

INSTALL = "pip install py3langid"


def can_judge(language: str) -> bool | None:
    """Whether texts of ``language`` can be judged; None if the library that judges is not installed."""
    try:
        return _primary(language) in _identifier().labels
    except ImportError:
        return None


def foreign(texts: Mapping[str, str], language: str) -> dict[str, str]:
    """Those of ``texts`` (by any name) that are surely not in ``language``: name -> the language found.

    ``language`` must be one that ``can_judge``.
    """
    own = _primary(language)
    same = next((group for group in _ONE_LANGUAGE if own in group), {own})
    identifier = _identifier()
    identifier.set_languages(sorted((CANDIDATES - same) | {own}))
    judged = {name: identifier.classify(text) for name, text in texts.items()}
    return {name: found for name, (found, probability) in judged.items() if found != own and probability >= SURE}


@cache
def _identifier() -> LanguageIdentifier:
    """The library's statistics: 5 MB, read once. Its module's functions are not used, because they share one state."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _primary(language: str) -> str:
    return language.partition("-")[0].lower()
