"""Registers the saliency method `quantile`."""

from __future__ import annotations

from collections.abc import Iterator

from lasca_core.api import SaliencySpec, hookimpl


@hookimpl
def lasca_register_saliency() -> Iterator[SaliencySpec]:
    """Offer ``quantile``."""
    yield SaliencySpec(
        name="quantile",
        target="example_quantile.quantile:Quantile",
        options="example_quantile.options:QuantileOptions",
        summary="Example: the values above an upper quantile of their window",
    )
