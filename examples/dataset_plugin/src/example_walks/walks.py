"""The dataset `walks`: valence that walks from one random level to the next. Synthetic throughout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import torch

from lasca_core.api import Component, ReadyFeatures, Recording, Trace, Track

if TYPE_CHECKING:
    from example_walks.options import WalksOptions

RATE = 10
"""Samples a second."""
SECONDS = 5
"""About how long a walk from one level to the next takes."""
FEATURES = ReadyFeatures(("smile", "frown", "blink"))


class Walks(Component):
    """``smile`` follows valence, ``frown`` opposes it, ``blink`` has nothing to do with it."""

    targets = ("valence",)
    options: WalksOptions

    def feature_sets(self) -> Mapping[str, ReadyFeatures]:
        """One set, ``face``."""
        return {"face": FEATURES}

    def sessions(self) -> Iterator[Recording]:
        """The people, in order."""
        for number in range(self.options.people):
            yield self._session(f"person {number + 1}")

    def _session(self, person: str) -> Recording:
        generator = self.runtime.generator("walks", person)
        count = round(self.options.minutes * 60 * RATE)
        times = torch.arange(count, dtype=torch.float64) / RATE
        levels = torch.rand(1, 1, 2 + count // (SECONDS * RATE), generator=generator) * 1.6 - 0.8
        valence = torch.nn.functional.interpolate(levels, size=count, mode="linear", align_corners=True)[0, 0]
        noise = torch.randn(count, len(FEATURES.names), generator=generator) * self.options.noise
        meant = torch.stack([valence, -valence, torch.zeros(count)], dim=1)
        values = (0.5 + 0.5 * meant + noise).clamp(0, 1)
        valid = torch.ones(count, dtype=torch.bool)
        return Recording(
            session=f"walk of {person}",
            subject=person,
            features={"face": Track(FEATURES.names, values, times, valid)},
            annotations={"valence": Trace(times, valence, valid)},
            metadata={"synthetic": "true"},
        )
