"""The benchmarks `otsu` and `otsu-histogram`: all windows at once beside scikit-image's threshold, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from lasca_core.api import Agreement, Benchmark, Saliency
from lasca_saliency.options import OtsuOptions
from lasca_saliency.otsu import Otsu

if TYPE_CHECKING:
    from lasca_core.api import BenchmarkData, Runtime


class _OtsuBenchmark(Benchmark):
    """Both ways judge the same rows; a difference is the share of rows whose masks are not the same."""

    variant: Literal["exact", "histogram"]
    tolerance: float

    def __init__(self, data: BenchmarkData, runtime: Runtime) -> None:
        super().__init__(data, runtime)
        self._component = Otsu(OtsuOptions(variant=self.variant), runtime)

    def prepare(self) -> None:
        """Have the recording's windows measured."""
        self._values = self.data.salience
        self._rows = self._values.double().cpu().numpy()
        self.units = len(self._rows)
        self.work = f"{len(self._rows)} windows of {self._rows.shape[1]} features, {self.data.media_origin} repeated"

    def ours(self) -> Saliency:
        """The method as a run uses it."""
        return self._component.select(self._values)

    def compare(self, ours: Saliency, reference: np.ndarray) -> Agreement:
        """Share of rows whose masks differ."""
        unequal = (ours.mask.cpu().numpy() != reference).any(axis=1).mean()
        return Agreement("share of windows with another mask", float(unequal), self.tolerance)


class ExactBenchmark(_OtsuBenchmark):
    """The default variant. scikit-image gives the same threshold if each distinct value is a bin of its own; it adds up
    in float32, so that a near tie between two cuts may fall the other way."""

    variant = "exact"
    tolerance = 0.01

    def reference(self) -> np.ndarray:
        """scikit-image's threshold of each row's own values: mask bool [W, F]."""
        from skimage.filters import threshold_otsu

        masks = np.zeros(self._rows.shape, dtype=bool)
        for mask, row in zip(masks, self._rows, strict=True):
            values, counts = np.unique(row, return_counts=True)
            if len(values) > 1:
                mask[:] = row > threshold_otsu(hist=(counts, values))  # type: ignore[no-untyped-call]
        return masks


class HistogramBenchmark(_OtsuBenchmark):
    """The variant that is scikit-image's, bin by bin."""

    variant = "histogram"
    tolerance = 0.0

    def reference(self) -> np.ndarray:
        """scikit-image's threshold as people call it: mask bool [W, F]."""
        from skimage.filters import threshold_otsu

        masks = np.zeros(self._rows.shape, dtype=bool)
        for mask, row in zip(masks, self._rows, strict=True):
            mask[:] = row > threshold_otsu(row)  # type: ignore[no-untyped-call]
        return masks
