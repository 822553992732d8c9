"""Lower precision and compiled networks: what they change, what they refuse, and that nothing else notices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lasca_face import tflite_graph
from lasca_face.blendshape import Blendshape
from lasca_face.compiled import Compiled
from lasca_face.fixed import FixedBatches
from lasca_face.options import BlendshapeOptions
from lasca_face.pins import FACE_LANDMARKER, FACE_LANDMARKER_FILE
from lasca_face.torch_landmarker import TorchLandmarker
from torch import nn

from lasca_core.api import DeviceError, LascaError, Track
from lasca_core.host.options import build
from lasca_core.host.runtime import default_cache, default_offline
from lasca_core.testing import make_runtime


def whole(extractor, source) -> Track:
    return Track.concatenate(list(extractor.stream(source)))


@pytest.fixture
def networks(runtime):
    """``networks(precision=..., ...)``: on the CPU."""
    model = runtime.fetch(FACE_LANDMARKER) / FACE_LANDMARKER_FILE
    return lambda **options: TorchLandmarker(model, BlendshapeOptions(**options), torch.device("cpu"))


def errors(found: Track, expected: Track) -> torch.Tensor:
    assert torch.equal(found.valid.cpu(), expected.valid)
    return (found.values.cpu() - expected.values)[expected.valid][:, :52].abs()


# --- precision --------------------------------------------------------------------------------------------------------


def test_bfloat16_changes_blendshapes_by_no_more_than_its_help_says(make, array_source, clip_images):
    source = array_source(clip_images[::10])
    error = errors(whole(make(precision="bfloat16"), source), whole(make(backend="torch"), source))
    assert 1e-5 < error.mean() < 7e-3
    assert error.max() < 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "mean", "most"), [("bfloat16", 7e-3, 0.15), ("float16", 7e-4, 2e-2)])
def test_lower_precision_on_the_clip_changes_blendshapes_by_what_its_help_says(
    make, array_source, clip_images, precision, mean, most
):
    source = array_source(clip_images)
    error = errors(whole(make(precision=precision), source), whole(make(backend="torch"), source))
    assert 1e-5 < error.mean() < mean
    assert error.max() < most


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(("precision", "most"), [("tf32", 2e-2), ("bfloat16", 0.15), ("float16", 2e-2)])
def test_lower_precision_on_a_gpu_changes_blendshapes_little(make, array_source, clip_images, precision, most):
    on_gpu = make_runtime(default_cache(), device="cuda", offline=default_offline())
    source = array_source(clip_images)
    found = whole(Blendshape(BlendshapeOptions(precision=precision), on_gpu), source)
    assert errors(found, whole(make(backend="torch"), source)).max() < most


def test_only_the_landmark_network_computes_in_less_than_float32(networks):
    of = networks(precision="bfloat16")
    kinds = {
        name: {tensor.dtype for tensor in network.graph.buffers() if tensor.is_floating_point()}
        for name, network in (("detector", of._detector), ("landmarks", of._landmarks), ("shapes", of._blendshapes))
    }
    assert kinds == {"detector": {torch.float32}, "landmarks": {torch.bfloat16}, "shapes": {torch.float32}}


def test_tf32_without_a_cuda_device_is_an_error_and_not_silently_float32(make, array_source, clip_images):
    with pytest.raises(DeviceError, match=r"precision = tf32 is for CUDA devices, and this run is on cpu; "):
        whole(make(precision="tf32"), array_source(clip_images[:1]))


@pytest.mark.parametrize("options", [{"backend": "mediapipe"}, {"mode": "video"}])
def test_lower_precision_is_refused_where_mediapipe_computes(options):
    with pytest.raises(LascaError, match="precision = float16 is for backend torch"):
        build(BlendshapeOptions, {"precision": "float16", **options}, "blendshape")


def test_lower_precision_chooses_the_backend_that_has_it():
    assert BlendshapeOptions(precision="bfloat16").backend_on("cpu") == "torch"
    assert BlendshapeOptions(precision="float32").backend_on("cpu") == "mediapipe"


def test_the_precision_is_part_of_the_identity_and_float32_is_what_was_stored_before_there_was_a_choice():
    assert BlendshapeOptions(precision="bfloat16").identity() == {
        **BlendshapeOptions().identity(),
        "precision": "bfloat16",
    }
    assert BlendshapeOptions().identity() == {
        "mode": "image",
        "faces": "largest",
        "max_faces": None,
        "min_detection": 0.5,
        "min_presence": 0.5,
        "fps": None,
    }


# --- memory that is used again ----------------------------------------------------------------------------------------


def test_sums_that_overwrite_a_convolution_change_no_bit_and_no_input(networks, clip_images, monkeypatch):
    inputs = torch.rand((2, 256, 256, 3), generator=torch.Generator().manual_seed(0))
    before = inputs.clone()
    with torch.inference_mode():
        reused = networks()._landmarks.graph(inputs)
        monkeypatch.setattr(tflite_graph, "_reuse_memory", lambda steps: None)
        fresh = networks()._landmarks.graph(inputs)
    assert torch.equal(inputs, before)
    assert all(torch.equal(a, b) for a, b in zip(reused, fresh, strict=True))


# --- compiled networks ------------------------------------------------------------------------------------------------


class Doubled(nn.Module):
    """A graph with two outputs, the second with another shape."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("factor", torch.tensor(2.0))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.factor * x, x.sum((1, 2))


@pytest.fixture
def compiled_sizes(monkeypatch) -> list[int]:
    """The batches that compiled code was run with; it is not really compiled."""
    sizes: list[int] = []

    def compile(graph, *, dynamic):
        assert dynamic is False
        return lambda x: (sizes.append(len(x)), graph(x))[1]

    monkeypatch.setattr(torch, "compile", compile)
    return sizes


@pytest.mark.parametrize(
    ("count", "run"), [(1, [2]), (2, [2]), (3, [5]), (5, [5]), (6, [5, 2]), (10, [5, 5]), (13, [5, 5, 5])]
)
def test_a_graph_is_run_with_its_own_batches_alone_and_what_fills_them_up_is_dropped(compiled_sizes, count, run):
    inputs = torch.rand((count, 3, 4), generator=torch.Generator().manual_seed(count))
    outputs = FixedBatches(Compiled(Doubled()), (5, 2))(inputs)
    assert compiled_sizes == run
    assert all(torch.equal(a, b) for a, b in zip(outputs, Doubled()(inputs), strict=True))


def test_the_compiled_landmarker_runs_all_three_networks_in_fixed_batches(networks, clip_images, compiled_sizes):
    images = torch.from_numpy(np.stack(clip_images[:6]))
    found = networks(compile=True).detect([images])
    assert compiled_sizes == [4, 4, 4, 4, 4, 4]  # 6 frames; landmarks of 4 and 2 faces; shapes
    for faces, others in zip(found, networks().detect([images]), strict=True):
        np.testing.assert_allclose(faces[0].values, others[0].values, rtol=1e-4, atol=1e-4)


def test_where_torch_cannot_compile_the_error_says_what_to_do(networks, clip_images, monkeypatch):
    from torch._dynamo.exc import TorchDynamoException

    class NoCompiler(TorchDynamoException):
        """Stands for torch's own, whose arguments differ from version to version."""

    def compile(graph, *, dynamic):
        def fail(x):
            raise NoCompiler("no C++ compiler")

        return fail

    monkeypatch.setattr(torch, "compile", compile)
    with pytest.raises(DeviceError, match=r"option compile .* torch cannot compile here .* C\+\+ compiler"):
        networks(compile=True).detect([torch.from_numpy(clip_images[0][None])])


@pytest.mark.parametrize("mode", ["image", "video"])
def test_compile_with_mediapipe_is_said_to_have_no_effect(array_source, clip_images, mode, runtime):
    own = make_runtime(runtime.cache, offline=True)
    extractor = Blendshape(BlendshapeOptions(compile=True, mode=mode), own)
    whole(extractor, array_source(clip_images[:1]))
    extractor.close()
    assert own.report.notes == ["option blendshape.compile has no effect: backend mediapipe compiles nothing"]


@pytest.mark.slow
def test_compiled_networks_find_what_the_others_find(make, array_source, clip_images):
    source = array_source(clip_images[:13])
    error = errors(whole(make(backend="torch", compile=True), source), whole(make(backend="torch"), source))
    assert error.max() < 2e-3  # a rounding in the detector moves the place where a few pixels of a face are read


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_compiled_and_recorded_networks_find_what_the_others_find(make, array_source, clip_images):
    on_gpu = make_runtime(default_cache(), device="cuda", offline=default_offline())
    extractor = Blendshape(BlendshapeOptions(compile=True), on_gpu)
    expected = whole(make(backend="torch"), array_source(clip_images))
    for _ in range(2):  # recorded, then replayed
        assert errors(whole(extractor, array_source(clip_images)), expected).max() < 1e-2
