"""The benchmarks `train` and `grid`: the learner `mlp` beside scikit-learn's, one head after the other."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lasca_core.api import Agreement, Benchmark, HeldOut
from lasca_preference.mlp import Mlp
from lasca_preference.options import MlpOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lasca_core.api import BenchmarkData, Model, Runtime


class _HeadsBenchmark(Benchmark):
    """Both ways train the same heads on the same mirrored pairs with the same options. Their random numbers differ, and
    with them single networks: compared is the mean accuracy on the pairs left out."""

    def __init__(self, data: BenchmarkData, runtime: Runtime) -> None:
        super().__init__(data, runtime)
        self._options = MlpOptions.model_validate({})
        self._component = Mlp(self._options, runtime)

    def heads(self) -> Sequence[HeldOut]:
        """What is to be trained, and the pairs on which it is judged."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Have the pairs made, on the device for us and in numpy's arrays for scikit-learn."""
        heads = self.heads()
        self._problems = [head.problem for head in heads]
        self._tests = [(head.delta, head.label.cpu().numpy()) for head in heads]
        self._arrays = [_mirrored(head) for head in heads]
        self.units = len(heads)
        widths = sorted({problem.delta.shape[1] for problem in self._problems})
        columns = f"{widths[0]} columns" if len(widths) == 1 else f"{widths[0]} to {widths[-1]} columns"
        pairs = sum(len(problem.label) for problem in self._problems) / len(heads)
        self.work = f"{len(heads)} heads, {pairs:.0f} pairs each, {columns}, {self.data.corpus_origin}"

    def ours(self) -> list[Model]:
        """All heads in one call, as a run trains them."""
        return self._component.fit_many(self._problems)

    def reference(self) -> list[object]:
        """One ``MLPClassifier`` after the other."""
        from sklearn.neural_network import MLPClassifier

        options = self._options
        found: list[object] = []
        for seed, (delta, label) in enumerate(self._arrays):
            head = MLPClassifier(
                options.hidden,
                alpha=options.alpha,
                learning_rate_init=options.learning_rate,
                batch_size=min(options.batch_size, round(len(delta) * (1 - options.validation_fraction))),
                max_iter=options.max_iter,
                early_stopping=options.early_stopping,
                n_iter_no_change=options.n_iter_no_change,
                tol=options.tol,
                validation_fraction=options.validation_fraction,
                random_state=seed,
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it warns of every head that uses all its epochs
                found.append(head.fit(delta, label))
        return found

    def compare(self, ours: list[Model], reference: list[object]) -> Agreement:
        """Mean accuracy over all heads."""
        right, right_there = [], []
        for model, theirs, (delta, label) in zip(ours, reference, self._tests, strict=True):
            right.append(np.mean(model.predict(delta).rises.cpu().numpy() == (label > 0.5)))
            right_there.append(theirs.score(delta.cpu().numpy(), label))  # type: ignore[attr-defined]
        tolerance = 0.1 if self.data.quick else 0.02  # a handful of test pairs leaves much to chance
        what = f"mean accuracy, {np.mean(right):.3f} and {np.mean(right_there):.3f}"
        return Agreement(what, float(abs(np.mean(right) - np.mean(right_there))), tolerance)


def _mirrored(head: HeldOut) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The pairs both ways, as ``MlpOptions.mirror`` has them."""
    delta, label = head.problem.delta.cpu().numpy(), head.problem.label.cpu().numpy()
    return np.concatenate([delta, -delta]), np.concatenate([label, 1 - label])


class FoldsBenchmark(_HeadsBenchmark):
    """The folds of one variant."""

    def heads(self) -> Sequence[HeldOut]:
        """Those of the corpus."""
        return self.data.folds


class GridBenchmark(_HeadsBenchmark):
    """Every head of the published comparison under one condition."""

    def heads(self) -> Sequence[HeldOut]:
        """Those of the corpus."""
        return self.data.grid
