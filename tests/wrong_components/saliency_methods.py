"""Wrong saliency methods, each beside the right one it is derived from."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from wrong_components.faults import caught_by, specs_of

from lasca_core.api import Component, NoOptions, Saliency, SaliencySpec, hookimpl


class Middle(Component):
    """Values above the middle between the row's smallest and largest: the right method."""

    options_model = NoOptions

    def select(self, values: torch.Tensor) -> Saliency:
        if not values.numel():
            return Saliency(torch.zeros_like(values, dtype=torch.bool), values)
        middle = (values.amax(dim=1, keepdim=True) + values.amin(dim=1, keepdim=True)) / 2
        return Saliency(values > middle, values - middle)


@caught_by("check_mask_and_score_have_the_shape_of_the_values")
class FailsWithoutWindows(Middle):
    """Divides the windows among themselves, of which there may be none."""

    def select(self, values: torch.Tensor) -> Saliency:
        parts = [super(FailsWithoutWindows, self).select(row[None]) for row in values]
        return Saliency(torch.cat([part.mask for part in parts]), torch.cat([part.score for part in parts]))


@caught_by("check_mask_and_score_have_the_shape_of_the_values")
class NotANumberForASingleFeature(Middle):
    """Divides by the sample's standard deviation, which a single value has not."""

    def select(self, values: torch.Tensor) -> Saliency:
        if not values.numel() or values.shape[1] > 1:
            return super().select(values)
        score = (values - values.mean(dim=1, keepdim=True)) / values.std(dim=1, keepdim=True)
        return Saliency(score > 0, score)


@caught_by("check_rows_without_differences_are_empty")
class AlwaysFindsSomething(Middle):
    """Calls the first of equal values salient."""

    def select(self, values: torch.Tensor) -> Saliency:
        if not values.numel():
            return super().select(values)
        return Saliency(values >= values.amax(dim=1, keepdim=True), values)


@caught_by("check_rows_are_judged_by_themselves")
class ComparesWindows(Middle):
    """Takes the middle of all windows of the call."""

    def select(self, values: torch.Tensor) -> Saliency:
        if not values.numel():
            return super().select(values)
        even = (values == values[:, :1]).all(dim=1, keepdim=True)
        return Saliency((values > values.mean()) & ~even, values)


@caught_by("check_features_may_come_in_any_order")
class FavoursTheFirst(Middle):
    """Weighs columns by their position."""

    def select(self, values: torch.Tensor) -> Saliency:
        even = (values == values[:, :1]).all(dim=1, keepdim=True)
        found = super().select(values * torch.linspace(1, 0.5, values.shape[1]))
        return Saliency(found.mask & ~even, found.score)


@caught_by("check_score_is_highest_where_the_mask_is")
class ScoresUpsideDown(Middle):
    """Scores what is least salient highest."""

    def select(self, values: torch.Tensor) -> Saliency:
        found = super().select(values)
        return Saliency(found.mask, -found.score)


@hookimpl
def lasca_register_saliency() -> Iterator[SaliencySpec]:
    """Offer all of them."""
    yield from specs_of(SaliencySpec, globals())
