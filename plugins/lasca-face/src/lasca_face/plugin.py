"""Registers the extractor `blendshape` and the benchmark `face`."""

from __future__ import annotations

from collections.abc import Iterator

from lasca_core.api import BenchmarkSpec, ExtractorSpec, Goal, hookimpl
from lasca_face.pins import FACE_LANDMARKER


@hookimpl
def lasca_register_extractors() -> Iterator[ExtractorSpec]:
    """Offer ``blendshape``."""
    yield ExtractorSpec(
        name="blendshape",
        target="lasca_face.blendshape:Blendshape",
        options="lasca_face.options:BlendshapeOptions",
        summary="52 blendshapes and the head's pose (58 features a frame), by MediaPipe's Face Landmarker",
        needs=frozenset({"video"}),
        weights=(FACE_LANDMARKER,),
        citation="Grishchenko et al. (2023), Blendshapes GHUM: real-time monocular facial blendshape prediction, "
        "arXiv:2309.05782; Kartynnik et al. (2019), Real-time facial surface geometry from monocular video on mobile "
        "GPUs, arXiv:1907.06724",
        note="made for faces near the camera: one narrower than about a ninth of the frame's longer side is not found",
    )


@hookimpl
def lasca_register_benchmarks() -> Iterator[BenchmarkSpec]:
    """Offer ``face``."""
    yield BenchmarkSpec(
        name="face",
        target="lasca_face.bench:FaceBenchmark",
        stage="features",
        unit="frames",
        summary="blendshapes and pose from decoded frames",
        reference="a loop over frames with MediaPipe, mode IMAGE",
        needs=("mediapipe",),
        goals=(Goal("ratio", 1.8), Goal("rate", 5000, "cuda")),
    )
