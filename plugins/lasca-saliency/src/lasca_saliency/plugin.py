"""Registers the saliency methods `otsu` and `topk`."""

from __future__ import annotations

from collections.abc import Iterator

from lasca_core.api import SaliencySpec, hookimpl


@hookimpl
def lasca_register_saliency() -> Iterator[SaliencySpec]:
    """Offer ``otsu`` and ``topk``."""
    yield SaliencySpec(
        name="otsu",
        target="lasca_saliency.otsu:Otsu",
        options="lasca_saliency.options:OtsuOptions",
        summary="Otsu's threshold over the features of one window: exact, or scikit-image's histogram",
        citation="Otsu (1979), A threshold selection method from gray-level histograms, IEEE Trans. SMC 9(1)",
    )
    yield SaliencySpec(
        name="topk",
        target="lasca_saliency.topk:TopK",
        options="lasca_saliency.options:TopKOptions",
        summary="The k largest features of each window",
    )
