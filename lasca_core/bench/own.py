"""The core's own benchmarks: what crosses several components, from the store to the whole path."""

from __future__ import annotations

from lasca_core import __version__
from lasca_core.contract.specs import BenchmarkSpec, Goal
from lasca_core.host.plugins import PluginInfo, Registered

_GLUED = ("mediapipe", "librosa", "scikit-image", "sentence-transformers", "scikit-learn")

SPECS = (
    BenchmarkSpec(
        name="encode-stored",
        target="lasca_core.bench.stored:StoredBenchmark",
        stage="text",
        unit="windows",
        summary="the sentences of a corpus again, MiniLM",
        reference="SentenceTransformer.encode of all windows",
        needs=("sentence-transformers",),
        goals=(Goal("ratio", 3),),
    ),
    BenchmarkSpec(
        name="window-stored",
        target="lasca_core.bench.live:StoredWindowBenchmark",
        stage="live",
        unit="windows",
        summary="a new window from its features to a prediction, its text stored",
        goals=(Goal("milliseconds", 2), Goal("milliseconds", 2, "cuda")),
    ),
    BenchmarkSpec(
        name="window-new",
        target="lasca_core.bench.live:NewWindowBenchmark",
        stage="live",
        unit="windows",
        summary="the same with a text that was never seen, MiniLM",
        goals=(Goal("milliseconds", 80), Goal("milliseconds", 5, "cuda")),
    ),
    BenchmarkSpec(
        name="path-cold",
        target="lasca_core.bench.path:ColdPathBenchmark",
        stage="path",
        unit="s of video",
        summary="lasca predict on a recording never seen, as a command",
        reference="a script of the same libraries",
        needs=_GLUED,
    ),
    BenchmarkSpec(
        name="path-warm",
        target="lasca_core.bench.path:WarmPathBenchmark",
        stage="path",
        unit="s of video",
        summary="the same command again",
        reference="a script of the same libraries",
        needs=_GLUED,
    ),
)
_CORE = PluginInfo("lasca", "lasca", __version__, "loaded")


def own_benchmarks() -> list[Registered]:
    """The core's benchmarks, registered as plugins' are."""
    return [Registered(spec, _CORE) for spec in SPECS]
