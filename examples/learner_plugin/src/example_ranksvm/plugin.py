"""Registers the learner `ranksvm`."""

from __future__ import annotations

from collections.abc import Iterator

from lasca_core.api import LearnerSpec, hookimpl


@hookimpl
def lasca_register_learners() -> Iterator[LearnerSpec]:
    """Offer ``ranksvm``."""
    yield LearnerSpec(
        name="ranksvm",
        target="example_ranksvm.ranksvm:RankSVM",
        options="example_ranksvm.options:RankSVMOptions",
        summary="Example: linear ranking support vector machine, by scikit-learn",
        citation="Joachims (2002), Optimizing search engines using clickthrough data, KDD; Platt (1999), Probabilistic "
        "outputs for support vector machines",
    )
