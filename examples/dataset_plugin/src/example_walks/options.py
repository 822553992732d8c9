"""Options of the dataset `walks`."""

from __future__ import annotations

from lasca_core.api import Field, Options


class WalksOptions(Options):
    """Options of ``walks``."""

    people: int = Field(6, ge=2, description="how many people there are, one session each")
    minutes: float = Field(2.0, gt=0, description="length of each session")
    noise: float = Field(0.1, ge=0, description="standard deviation of what the features do for other reasons")
