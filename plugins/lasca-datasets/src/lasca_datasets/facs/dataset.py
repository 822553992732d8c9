"""The synthetic dataset `facs`: people whose faces follow published prototypes, each person in their own way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lasca_core.api import Component, Field, Options, ReadyFeatures, Recording, Trace, Track
from lasca_datasets.facs.knowledge import PLACES, PROTOTYPES, SPEECH, UNITS

if TYPE_CHECKING:
    import numpy as np

SECONDS = 3.0
"""Length of a segment."""


class FacsOptions(Options):
    """Options of ``facs``."""

    people: int = Field(140, ge=2, le=100_000, description="number of people; each is one session")
    segments: int = Field(36, ge=2, le=100_000, description="segments of each person")
    noise: float = Field(
        1.0,
        ge=0,
        description="size of all that hides the emotion: speech, idle movements, the detector's and raters' errors",
    )
    individuality: float = Field(
        1.0,
        ge=0,
        description="how far people differ: in how strongly each unit moves, and in what a unit means for them",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="seed of the generator")


class Facs(Component):
    """Action units and ratings of valence and arousal, one row for each segment of three seconds. Always called
    synthetic."""

    targets: tuple[str, ...] = ("valence", "arousal")
    options: FacsOptions

    @classmethod
    def example_options(cls, folder: Path) -> dict[str, int]:
        """Options for the conformance kit: a few people."""
        return {"people": 4, "segments": 8}

    def feature_sets(self) -> Mapping[str, ReadyFeatures]:
        """One set, ``au``: 20 units in py-feat's naming, in [0, 1]."""
        return {"au": ReadyFeatures(UNITS, resolution=dict.fromkeys(UNITS, 0.1))}

    def sessions(self) -> Iterator[Recording]:
        """The people, in order."""
        import torch

        for person in range(self.options.people):
            units, ratings = self._person(person)
            times = torch.arange(len(units), dtype=torch.float64) * SECONDS
            valid = torch.ones(len(units), dtype=torch.bool)
            yield Recording(
                session=f"person {person + 1:03d}",
                subject=f"person {person + 1:03d}",
                features={"au": Track(UNITS, torch.from_numpy(units).float(), times, valid)},
                annotations={
                    target: Trace(times, torch.from_numpy(ratings[:, column]).float(), valid)
                    for column, target in enumerate(self.targets)
                },
                segments=torch.stack([times, times + SECONDS], dim=1),
                metadata={"synthetic": "true"},
            )

    def _person(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Units [S, 20] in [0, 1] and ratings [S, 2] in [-1, 1] of one person, from the seed and the number alone.

        What is felt is a mixture of emotions that changes slowly (a squared autoregressive process for each, with
        neutral moments); the face shows the emotions' prototypes by the person's own expressiveness and habits (unit by
        unit, and sometimes a smile when something else is felt), and also speech and idle movement; raters see what is
        felt, in the place of the circumplex where the emotion's word lies, with their own error.
        """
        import numpy as np

        rng = np.random.default_rng((self.options.seed, number))
        size, noise, individual = self.options.segments, self.options.noise, self.options.individuality
        names = list(PROTOTYPES)
        prototypes = np.array([[PROTOTYPES[name].get(unit, 0.0) for unit in UNITS] for name in names])
        places = np.array([PLACES[name] for name in names])

        felt = np.maximum(_slow(rng, size, len(names)) - 0.5, 0) / 1.5
        habits = np.exp(
            individual * rng.normal(0, 0.5, (len(names), len(UNITS)))
        )  # what this person's anger looks like
        habits *= rng.random(habits.shape) > 0.25 * individual
        shown = felt @ (prototypes * habits)
        masking = individual * rng.beta(1, 6)
        unpleasant = felt[:, places[:, 0] < 0].sum(axis=1)
        shown[:, UNITS.index("AU12")] += masking * unpleasant
        expressiveness = np.exp(individual * rng.normal(0, 0.4))
        speech = np.maximum(_slow(rng, size, 1), 0) * np.array([SPEECH.get(unit, 0.0) for unit in UNITS])
        idle = np.abs(rng.normal(0, 0.08, (size, len(UNITS)))) + 0.15 * individual * rng.beta(1, 4, len(UNITS))
        units = 1 - np.exp(-(expressiveness * shown + noise * (speech * rng.uniform(0.3, 1.2) + idle)))
        units += noise * rng.normal(0, 0.06, units.shape)

        rated = felt @ places + noise * (0.12 * _slow(rng, size, 2) + rng.normal(0, 0.05, (size, 2)))
        return np.clip(units, 0, 1), np.clip(np.tanh(rated), -1, 1)


def _slow(rng: np.random.Generator, size: int, columns: int) -> np.ndarray:
    """Unit-variance autoregressive noise [size, columns] with a correlation of 0.6 from one segment to the next."""
    import numpy as np

    found = rng.normal(size=(size, columns))
    for step in range(1, size):
        found[step] = 0.6 * found[step - 1] + 0.8 * found[step]
    return np.asarray(found)
