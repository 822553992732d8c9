"""Options of the saliency method `quantile`."""

from __future__ import annotations

from lasca_core.api import Field, Options


class QuantileOptions(Options):
    """Options of ``quantile``."""

    share: float = Field(
        0.25, gt=0, lt=1, description="largest share of a window's features that is salient (at least one)"
    )
