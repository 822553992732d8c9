"""A recording that nobody made and predictions that no model made, for tests of its page."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch

from lasca_core.contract.types import Trace, Track
from lasca_core.experiment.explain import Contribution, Explanation
from lasca_core.experiment.predict import WindowPrediction
from lasca_core.report.media_player import Player
from lasca_core.report.media_timeline import Predictor, Timeline

TARGETS = ("valence", "arousal")
FEATURES = tuple(f"feature {place}" for place in range(30))
SECONDS = 2.0
RATE = 5


def timeline(count: int = 12, *, unmeasured: int = 5, **changes: Any) -> Timeline:
    """``count`` windows of 2 s, one of which was not ``unmeasured``; ``changes`` replace what the timeline holds."""
    chance = random.Random(0)
    windows = [window(chance, place, unmeasured) for place in range(count)]
    length = count * SECONDS
    times = torch.arange(int(length * RATE), dtype=torch.float64) / RATE
    values = torch.stack([torch.sin(times * (1 + place / 9)).float() for place in range(len(FEATURES))], dim=1)
    every = torch.ones(len(times), dtype=torch.bool)
    known: dict[str, Any] = {
        "path": Path("talk.mp4"),
        "length": length,
        "player": Player("The recording is not shown: it was never made."),
        "windows": windows,
        "targets": TARGETS,
        "predictor": Predictor("the model runs/latest, trained on nothing", [], synthetic="puppet"),
        "command": ["lasca", "report", "talk.mp4", "--model", "runs/latest"],
        "tracks": [Track(FEATURES, values, times, every)],
        "words": {name: f"what is said of {name}" for name in FEATURES},
        "annotations": {"valence": Trace(times, torch.cos(times).float(), every)},
        "annotated_by": Path("talk.csv"),
    }
    return Timeline(**{**known, **changes})


def window(chance: random.Random, place: int, unmeasured: int) -> WindowPrediction:
    """The window number ``place``; nothing is told of the first one, nor of the one after the unmeasured one."""
    valid, compared = place != unmeasured, place not in (0, unmeasured, unmeasured + 1)
    found = {target: explanation(chance, target) for target in TARGETS} if compared else {}
    chances = {target: 1 / (1 + 2.718281828459045**-one.logit) for target, one in found.items()}
    return WindowPrediction(
        start=place * SECONDS,
        end=(place + 1) * SECONDS,
        valid=valid,
        directions={target: (rise > 0.5, max(rise, 1 - rise)) for target, rise in chances.items()},
        cues=(),
        sentence=f"The person shows sentence {place}." if valid else "",
        dropped=0,
        compared=compared,
        explanations=found,
    )


def explanation(chance: random.Random, target: str) -> Explanation:
    """Contributions of every feature and of four cues, with a bias, an interaction and a residual."""

    def parts(names: tuple[str, ...], spread: float) -> list[Contribution]:
        return [
            Contribution(name, chance.gauss(0, spread), chance.random() > 0.5, f"words of {name}") for name in names
        ]

    features, cues = parts(FEATURES, 0.4), parts(FEATURES[:4], 0.2)
    text = sum(cue.contribution for cue in cues) + 0.05
    logit = 0.1 + sum(feature.contribution for feature in features) + text + 0.0004
    return Explanation.of(target, logit, 0.1, features, text, cues)
