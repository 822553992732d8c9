"""Options of the learner `ranksvm`."""

from __future__ import annotations

from lasca_core.api import Field, Options


class RankSVMOptions(Options):
    """Options of ``ranksvm``."""

    C: float = Field(0.1, gt=0, description="inverse strength of the L2 penalty, as in scikit-learn's LinearSVC")
