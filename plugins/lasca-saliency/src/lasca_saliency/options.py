"""Options of the saliency methods."""

from __future__ import annotations

from typing import Literal

from lasca_core.api import Field, Options


class OtsuOptions(Options):
    """Options of ``otsu``."""

    variant: Literal["exact", "histogram"] = Field(
        "exact",
        description="exact: threshold midway in the best gap of the sorted values; histogram: scikit-image's 256-bin "
        "threshold_otsu, which gives another mask on about half of all rows and flickers more from window to window",
    )


class TopKOptions(Options):
    """Options of ``topk``."""

    k: int = Field(8, ge=1, description="how many features of a window are salient")
