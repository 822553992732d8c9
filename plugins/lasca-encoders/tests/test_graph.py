"""The backend `onnx`: the vectors of the backend `torch`, from a graph made once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lasca_encoders import graph
from lasca_encoders.graph import OnnxModel, exported
from lasca_encoders.options import EncoderOptions
from lasca_encoders.sentence import MiniLM

from lasca_core.api import OptionError, StoreError
from lasca_core.host.options import build
from lasca_core.host.runtime import HostRuntime
from lasca_core.testing import make_runtime

ONNX = EncoderOptions(backend="onnx")


@pytest.fixture(scope="module")
def place(online, minilm_folder, tmp_path_factory) -> HostRuntime:
    """A runtime with the real weights and a cache of its own, in which MiniLM's graph is."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    runtime = make_runtime(tmp_path_factory.mktemp("cache"))
    runtime.fetch = online.fetch  # type: ignore[method-assign]
    MiniLM(ONNX, runtime).prepare()
    return runtime


@pytest.fixture
def encoder(place, monkeypatch) -> MiniLM:
    """MiniLM on the graph that is there, and on nothing else."""
    monkeypatch.setattr(MiniLM, "_load", lambda *_: pytest.fail("the model was loaded although there is a graph"))
    return MiniLM(ONNX, place)


@pytest.fixture
def made(monkeypatch) -> list[str]:
    """Instead of exporting, writes a few bytes; what was asked for is in the list."""
    asked: list[str] = []

    def write(model: object, target: Path, *_: object) -> None:
        asked.append(str(model))
        target.write_bytes(b"a graph")

    monkeypatch.setattr(graph, "_export", write)
    return asked


def test_parity_of_the_onnx_backend_with_sentence_transformers(encoder, minilm_folder, sentences):
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(minilm_folder), device="cpu")
    texts = [*sentences, "lowered brows, frowning in anger; " * 60]
    assert encoder.count_tokens(texts)[-1] > encoder.max_tokens
    expected = reference.encode(texts, convert_to_tensor=True, show_progress_bar=False)
    found = encoder.encode(texts)
    assert (found.dtype, found.device) == (torch.float32, torch.device("cpu"))
    assert float(torch.cosine_similarity(found.double(), expected.double()).min()) > 1 - 1e-9
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_a_vector_does_not_depend_on_the_texts_beside_it(encoder, sentences):
    together = encoder.encode(sentences)
    alone = torch.cat([encoder.encode([text]) for text in sentences])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=0)
    together.mul_(2)  # an ordinary tensor, which later steps may change


def test_vectors_of_either_backend_are_found_again_by_the_other():
    assert ONNX.identity() == EncoderOptions().identity()


def test_another_number_format_than_float32_is_torchs(place):
    with pytest.raises(OptionError, match=r"for dtype = bfloat16 use backend = torch"):
        build(EncoderOptions, {"backend": "onnx", "dtype": "bfloat16"}, "encoder")


def test_with_a_graph_at_hand_no_model_library_is_imported(place, minilm_folder):
    code = (
        "import sys, json; from pathlib import Path; from lasca_core.testing import make_runtime;"
        "from lasca_encoders.options import EncoderOptions; from lasca_encoders.sentence import MiniLM;"
        f"runtime = make_runtime(Path({str(place.cache)!r})); runtime.fetch = lambda _: Path({str(minilm_folder)!r});"
        "vectors = MiniLM(EncoderOptions(backend='onnx'), runtime).encode(['a smile']);"
        "print(json.dumps([list(vectors.shape), sorted(sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    shape, names = json.loads(done.stdout)
    assert shape == [1, 384]
    assert not {"sentence_transformers", "transformers", "onnx", "sklearn"} & set(names)
    assert done.stderr == ""


def test_close_gives_the_graph_back_and_the_next_use_reads_it_again(encoder):
    before = encoder.encode(["a smile"])
    encoder.close()
    assert not {"_graph", "_model"} & set(vars(encoder))
    assert torch.equal(encoder.encode(["a smile"]), before)


def test_the_file_is_made_once_for_each_model(tmp_path, made):
    runtime = make_runtime(tmp_path)
    files = [exported(model, tmp_path, 9, runtime, lambda model=model: model) for model in ("one", "one", "two")]
    assert made == ["one", "two"]
    assert files[0] == files[1] != files[2]
    assert all(file.read_bytes() == b"a graph" and file.parent == tmp_path / "onnx" for file in files)


def test_a_damaged_file_is_made_again(tmp_path, made):
    file = exported("model", tmp_path, 9, make_runtime(tmp_path), lambda: "first")
    file.write_bytes(b"half a gr")
    again = exported("model", tmp_path, 9, make_runtime(tmp_path), lambda: "second")
    assert made == ["first", "second"]
    assert again == file
    assert again.read_bytes() == b"a graph"


def test_an_export_that_breaks_off_leaves_nothing_that_looks_like_a_graph(tmp_path, made, monkeypatch):
    def fail(_: object, target: Path, *__: object) -> None:
        target.write_bytes(b"half a gr")
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(graph, "_export", fail)
        with pytest.raises(KeyboardInterrupt):
            exported("model", tmp_path, 9, make_runtime(tmp_path), lambda: "first")
    assert not [file for file in (tmp_path / "onnx").iterdir() if file.suffix != ".lock"]
    exported("model", tmp_path, 9, make_runtime(tmp_path), lambda: "second")
    assert made == ["second"]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, made):
    (tmp_path / "onnx").write_text("a file in its place")
    with pytest.raises(StoreError, match=r"onnx cannot be written .* use -o encoder\.backend=torch"):
        exported("model", tmp_path, 9, make_runtime(tmp_path), lambda: "model")


class Model:
    """Stands for a loaded model, whose vectors are all the same."""

    def encode(self, texts: list[str], **_: object) -> torch.Tensor:
        return torch.ones(len(texts), 2)


def test_a_graph_whose_vectors_are_not_the_models_is_not_kept(tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    monkeypatch.setattr(graph, "_trace", lambda _, target: target.write_bytes(b"a graph"))
    monkeypatch.setattr(OnnxModel, "__init__", lambda *_: None)
    monkeypatch.setattr(OnnxModel, "encode", lambda _, texts: torch.tensor([[1.0, 0.9]] * len(texts)))
    with pytest.raises(OptionError, match=r"does not suit the model in .*vectors are not .*0\.9986\); use -o .*=torch"):
        exported("model", tmp_path, 9, make_runtime(tmp_path), Model)
    assert not list((tmp_path / "onnx").glob("*.onnx"))


def test_a_model_that_cannot_be_exported_is_one_sentence_that_names_torch(tmp_path, monkeypatch):
    pytest.importorskip("onnx")

    def fail(*_: object) -> None:
        raise RuntimeError("no such operator\nat line 12")

    monkeypatch.setattr(graph, "_trace", fail)
    with pytest.raises(OptionError) as caught:
        exported("model", tmp_path, 9, make_runtime(tmp_path), Model)
    assert str(caught.value) == (
        f"option encoder.backend = 'onnx' does not suit the model in {tmp_path}: it cannot be exported (no such "
        "operator); use -o encoder.backend=torch"
    )


@pytest.mark.parametrize("package", ["onnxruntime", "onnx"])
def test_a_missing_package_is_an_error_with_the_line_that_installs_it(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    runtime = make_runtime(tmp_path)
    use = {
        "onnxruntime": lambda: OnnxModel(tmp_path / "graph.onnx", tmp_path, 9, runtime),
        "onnx": lambda: exported("model", tmp_path, 9, runtime, Model),
    }
    with pytest.raises(OptionError) as caught:
        use[package]()
    assert str(caught.value) == (
        f"option encoder.backend = 'onnx' needs the package {package}: pip install 'lasca-encoders[onnx]', or use "
        "-o encoder.backend=torch"
    )


@pytest.mark.parametrize(
    ("device", "offered", "providers"),
    [
        ("cpu", ["CPUExecutionProvider"], ["CPUExecutionProvider"]),
        ("mps", ["CPUExecutionProvider"], ["CPUExecutionProvider"]),
        ("cuda:1", ["CPUExecutionProvider"], ["CPUExecutionProvider"]),
        (
            "cuda:1",
            ["CUDAExecutionProvider", "CPUExecutionProvider"],
            [("CUDAExecutionProvider", {"device_id": 1, "use_tf32": 0}), "CPUExecutionProvider"],
        ),
    ],
)
def test_the_graph_runs_on_cuda_where_it_can_and_says_so_where_it_cannot(
    tmp_path, monkeypatch, device, offered, providers
):
    onnxruntime = pytest.importorskip("onnxruntime")
    asked: list[object] = []

    class Session:
        def __init__(self, _: str, settings: object, providers: list[object]) -> None:
            asked.append(providers)
            assert settings.intra_op_num_threads == 3  # type: ignore[attr-defined]

        def get_providers(self) -> list[str]:
            return [each if isinstance(each, str) else each[0] for each in providers]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: offered)
    runtime = make_runtime(tmp_path)
    runtime.workers = 3
    runtime.__dict__["device"] = torch.device(device)
    graph._session(tmp_path / "graph.onnx", runtime)
    assert asked == [providers]
    said = device != "cpu" and len(providers) == 1
    assert [f"does not compute on {device} here" in note for note in runtime.report.notes] == [True] * said


def test_a_batch_too_large_for_the_device_is_halved(tmp_path, monkeypatch):
    """ONNX Runtime's error of an exhausted device; its session is a stand-in."""

    class Session:
        sizes: list[int] = []  # noqa: RUF012

        def run(self, _: None, inputs: dict) -> list:
            self.sizes.append(len(inputs["input_ids"]))
            if self.sizes[-1] > 2:
                raise RuntimeError("bfc_arena.cc: Failed to allocate memory for requested buffer of size 7")
            return [inputs["input_ids"][:, :1].astype("float32")]

    class Encoding:
        attention_mask = (1,)

        def __init__(self, text: str) -> None:
            self.ids = [len(text)]

    class Words:
        def encode_batch(self, texts: list[str]) -> list[Encoding]:
            return [Encoding(text) for text in texts]

    model = OnnxModel.__new__(OnnxModel)
    model._session, model._tokenizer = Session(), Words()
    runtime = make_runtime(tmp_path)
    encoder = MiniLM(EncoderOptions(backend="onnx", batch_size=4), runtime)
    encoder.__dict__["_graph"] = model
    assert encoder.encode(["a", "bb", "ccc", "dddd", "eeeee"])[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert Session.sizes == [4, 2, 2, 1]
    assert runtime.report.warnings == ["the device ran out of memory with encoder.batch_size = 4; going on with 2"]
