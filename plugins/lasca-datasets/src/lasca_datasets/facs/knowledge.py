"""What is published of action units and emotions, as numbers: nothing here comes from a lexicon of LaScA.

Prototypes are those of EMFACS (Friesen & Ekman 1983; Ekman, Friesen & Hager 2002, FACS Investigator's Guide). Places of
emotion words in the space of valence and arousal are the mean ratings of Russell & Mehrabian (1977), Evidence for a
three-factor theory of emotions, Journal of Research in Personality 11. Which units move in speech: 25, 26, and less 10,
12, 14, 17, 18; blinks (45) mean nothing here.
"""

from __future__ import annotations

UNITS: tuple[str, ...] = (
    "AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU11", "AU12", "AU14", "AU15", "AU17", "AU20",
    "AU23", "AU24", "AU25", "AU26", "AU28", "AU43",
)  # fmt: skip
"""The units, in py-feat's naming and order."""

PROTOTYPES: dict[str, dict[str, float]] = {
    "happy": {"AU06": 0.8, "AU12": 1.0, "AU25": 0.5},
    "sad": {"AU01": 0.9, "AU04": 0.6, "AU11": 0.3, "AU15": 0.8, "AU17": 0.5},
    "angry": {"AU04": 1.0, "AU05": 0.5, "AU07": 0.8, "AU10": 0.3, "AU23": 0.8, "AU24": 0.6},
    "fearful": {"AU01": 0.9, "AU02": 0.7, "AU04": 0.6, "AU05": 0.9, "AU07": 0.3, "AU20": 0.8, "AU25": 0.6, "AU26": 0.3},
    "disgusted": {"AU09": 1.0, "AU10": 0.6, "AU15": 0.3, "AU17": 0.4, "AU04": 0.3, "AU25": 0.2},
    "surprised": {"AU01": 0.9, "AU02": 0.9, "AU05": 0.7, "AU25": 0.6, "AU26": 0.9},
}
"""Emotion -> how strongly each unit takes part, at most 1."""

PLACES: dict[str, tuple[float, float]] = {
    "happy": (0.81, 0.51),
    "sad": (-0.63, -0.27),
    "angry": (-0.51, 0.59),
    "fearful": (-0.64, 0.60),
    "disgusted": (-0.60, 0.35),
    "surprised": (0.40, 0.67),
}
"""Emotion -> its mean valence and arousal, each in [-1, 1]."""

SPEECH: dict[str, float] = {"AU25": 0.4, "AU26": 0.3, "AU10": 0.1, "AU12": 0.1, "AU14": 0.15, "AU17": 0.15}
"""How strongly units move in speech, whatever is felt."""
