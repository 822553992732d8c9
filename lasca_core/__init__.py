"""LaScA: does affect rise or fall between two windows of a recording, and why, in words.

``Pipeline``, ``Run``, ``Model`` and ``Prediction`` are the Python interface; what plugins need is in
``lasca_core.api``. Importing this package imports neither torch nor numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lasca_core.interface.model import Model
    from lasca_core.interface.pipeline import Pipeline
    from lasca_core.interface.prediction import Prediction
    from lasca_core.interface.runs import Run

__version__ = "0.1.0"

_LAZY = {
    "Model": "lasca_core.interface.model",
    "Pipeline": "lasca_core.interface.pipeline",
    "Prediction": "lasca_core.interface.prediction",
    "Run": "lasca_core.interface.runs",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


__all__ = ["Model", "Pipeline", "Prediction", "Run", "__version__"]
