"""What the lexicon `bilingual` says, by language. Raise ``VERSION`` whenever something here changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

VERSION = "0.1.0"


@dataclass(frozen=True)
class Words:
    """One language: the entries in the order of cues, their forms, and the frame around them."""

    entries: Mapping[str, str]
    forms: Mapping[str, Mapping[str, str]]
    template: str
    empty: str
    calm: tuple[str, ...]
    excited: tuple[str, ...]


ENGLISH = Words(
    entries={
        "level": "an unusual loudness of the voice, a change in energy",
        "centroid": "an unusual brightness of the voice, a change in tension",
    },
    forms={
        "level": {"raised": "a loud voice, excited or angry", "lowered": "a quiet voice, calm or tired"},
        "centroid": {"raised": "a bright, tense voice", "lowered": "a dark, relaxed voice"},
    },
    template="The person speaks with {cues}.",
    empty="The person speaks as usual.",
    calm=("calm and relaxed", "tired and sleepy", "quiet and still"),
    excited=("excited and full of energy", "agitated and tense", "loud and lively"),
)

GERMAN = Words(
    entries={
        "level": "ungewohnt lauter oder leiser Stimme, mit veränderter Kraft",
        "centroid": "ungewohnt heller oder dunkler Stimme, mit veränderter Spannung",
    },
    forms={
        "level": {"raised": "lauter Stimme, erregt oder zornig", "lowered": "leiser Stimme, ruhig oder müde"},
        "centroid": {"raised": "heller, gespannter Stimme", "lowered": "dunkler, gelöster Stimme"},
    },
    template="Die Person spricht mit {cues}.",
    empty="Die Person spricht wie gewohnt.",
    calm=("ruhig und gelöst", "müde und schläfrig", "leise und still"),
    excited=("aufgeregt und voller Kraft", "unruhig und gespannt", "laut und lebhaft"),
)

LANGUAGES: Mapping[str, Words] = {"en": ENGLISH, "de": GERMAN}
