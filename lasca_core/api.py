"""The one module a plugin imports: hook marker, specs, protocols, values, options, errors and helpers.

Importing it is cheap. Names that need torch, numpy, pydantic or PyAV are loaded when they are first used, so a plugin's
registration module may import anything from here, and its component modules may too.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lasca_core.contract.errors import (
    ContractError,
    DatasetError,
    DeviceError,
    LascaError,
    LexiconError,
    MediaError,
    ModelError,
    OptionError,
    PluginError,
    StoreError,
    WeightsError,
)
from lasca_core.contract.hookspecs import hookimpl
from lasca_core.contract.lexicon import Anchors, Combination, Lexicon, LexiconContext
from lasca_core.contract.protocols import (
    Agreement,
    Benchmark,
    BenchmarkData,
    Component,
    Dataset,
    Encoder,
    Extractor,
    HeldOut,
    Learner,
    LexiconProvider,
    Model,
    Reporter,
    Runtime,
    SaliencyMethod,
)
from lasca_core.contract.specs import (
    BenchmarkSpec,
    CommandSpec,
    ComponentSpec,
    DatasetSpec,
    EncoderSpec,
    ExtractorSpec,
    Goal,
    LearnerSpec,
    LexiconSpec,
    PackageSource,
    SaliencySpec,
    Weights,
)
from lasca_core.contract.types import (
    Block,
    Embeddings,
    Frames,
    Knowledge,
    Pairs,
    Problem,
    ReadyFeatures,
    Recording,
    RunInfo,
    Saliency,
    Samples,
    Scores,
    Source,
    StageInfo,
    Trace,
    Track,
    Windows,
    Wording,
)

if TYPE_CHECKING:
    from pydantic import Field

    from lasca_core.host.batches import in_batches
    from lasca_core.host.options import NoOptions, Options, how
    from lasca_core.host.precision import float32_products
    from lasca_core.steps.labels import build_trace
    from lasca_core.steps.media import open_container, open_media

_LAZY = {
    "Field": "pydantic",
    "Options": "lasca_core.host.options",
    "NoOptions": "lasca_core.host.options",
    "how": "lasca_core.host.options",
    "in_batches": "lasca_core.host.batches",
    "float32_products": "lasca_core.host.precision",
    "build_trace": "lasca_core.steps.labels",
    "open_container": "lasca_core.steps.media",
    "open_media": "lasca_core.steps.media",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Agreement",
    "Anchors",
    "Benchmark",
    "BenchmarkData",
    "BenchmarkSpec",
    "Block",
    "Combination",
    "CommandSpec",
    "Component",
    "ComponentSpec",
    "ContractError",
    "Dataset",
    "DatasetError",
    "DatasetSpec",
    "DeviceError",
    "Embeddings",
    "Encoder",
    "EncoderSpec",
    "Extractor",
    "ExtractorSpec",
    "Field",
    "Frames",
    "Goal",
    "HeldOut",
    "Knowledge",
    "LascaError",
    "Learner",
    "LearnerSpec",
    "Lexicon",
    "LexiconContext",
    "LexiconError",
    "LexiconProvider",
    "LexiconSpec",
    "MediaError",
    "Model",
    "ModelError",
    "NoOptions",
    "OptionError",
    "Options",
    "PackageSource",
    "Pairs",
    "PluginError",
    "Problem",
    "ReadyFeatures",
    "Recording",
    "Reporter",
    "RunInfo",
    "Runtime",
    "Saliency",
    "SaliencyMethod",
    "SaliencySpec",
    "Samples",
    "Scores",
    "Source",
    "StageInfo",
    "StoreError",
    "Trace",
    "Track",
    "Weights",
    "WeightsError",
    "Windows",
    "Wording",
    "build_trace",
    "float32_products",
    "hookimpl",
    "how",
    "in_batches",
    "open_container",
    "open_media",
]
