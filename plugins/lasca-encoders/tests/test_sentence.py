"""The encoders with MiniLM's real weights, against sentence_transformers itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from lasca_encoders import plugin
from lasca_encoders.options import EncoderOptions, SentenceOptions
from lasca_encoders.pins import MINILM, MPNET
from lasca_encoders.sentence import AnyModel, MiniLM, MPNet

from lasca_core.api import OptionError, WeightsError
from lasca_core.experiment.config import resolve
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.host.options import build
from lasca_core.testing import make_registry, make_runtime


@pytest.fixture(scope="module")
def minilm(online, minilm_folder) -> MiniLM:
    return MiniLM(EncoderOptions(), online)


@pytest.fixture(scope="module")
def reference(minilm_folder):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(minilm_folder), device="cpu")


@pytest.fixture(scope="module")
def expected(reference, sentences) -> torch.Tensor:
    return reference.encode(sentences, convert_to_tensor=True, show_progress_bar=False)


def test_parity_with_sentence_transformers(minilm, sentences, expected):
    vectors = minilm.encode(sentences)
    assert vectors.shape == (len(sentences), minilm.dim)
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors, expected, atol=1e-5, rtol=0)
    assert float(torch.cosine_similarity(vectors, expected).min()) > 0.999999


def test_vectors_are_ordinary_tensors_that_later_steps_may_change_and_learn_from(minilm):
    vectors = minilm.encode(["a smile"])
    assert not vectors.is_inference()
    assert not vectors.requires_grad
    vectors.mul_(2)


def test_order_number_and_batch_size_do_not_change_a_texts_vector(minilm, online, sentences):
    vectors = minilm.encode(sentences)
    backwards = minilm.encode(sentences[::-1]).flip(0)
    one_by_one = torch.cat([minilm.encode([text]) for text in sentences])
    other_batches = MiniLM(EncoderOptions(batch_size=3), online)
    other_batches.__dict__["_model"] = minilm._model
    for others in (backwards, one_by_one, other_batches.encode(sentences)):
        torch.testing.assert_close(others, vectors, atol=1e-5, rtol=0)


def test_equal_texts_have_equal_vectors_and_are_computed_once(minilm, monkeypatch):
    computed = []
    encode = minilm._model.encode
    monkeypatch.setattr(minilm._model, "encode", lambda texts, **how: (computed.extend(texts), encode(texts, **how))[1])
    vectors = minilm.encode(["a frown", "a smile", "a frown"])
    assert torch.equal(vectors[0], vectors[2])
    assert not torch.equal(vectors[0], vectors[1])
    assert sorted(computed) == ["a frown", "a smile"]


def test_the_longest_texts_come_first_and_a_batch_too_large_for_the_device_is_halved(online, tmp_path):
    class Model:
        asked: list[list[str]] = []  # noqa: RUF012

        def encode(self, texts: list[str], **_: object) -> torch.Tensor:
            self.asked.append(texts)
            if len(texts) > 2:
                raise torch.OutOfMemoryError
            return torch.tensor([[float(len(text))] for text in texts])

    runtime = make_runtime(tmp_path)
    encoder = MiniLM(EncoderOptions(batch_size=4), runtime)
    encoder.__dict__["_model"] = Model()
    vectors = encoder.encode(["a", "dddd", "ccc", "bb", "eeeee", "a"])
    assert vectors[:, 0].tolist() == [1, 4, 3, 2, 5, 1]
    assert Model.asked == [["eeeee", "dddd", "ccc", "bb"], ["eeeee", "dddd"], ["ccc", "bb"], ["a"]]
    assert runtime.report.warnings == ["the device ran out of memory with encoder.batch_size = 4; going on with 2"]


def test_the_weights_are_loaded_only_if_some_text_is_not_stored(online, minilm_folder, tmp_path, monkeypatch):
    def pipeline() -> Pipeline:
        features = SimpleNamespace(spec=SimpleNamespace(name="face"), component=SimpleNamespace(names=("smile",)))
        runtime = make_runtime(tmp_path)
        runtime.fetch = online.fetch  # type: ignore[method-assign]
        chosen = {"encoder": "minilm", "extractors": ["face"]}
        return Pipeline(resolve(chosen=chosen), make_registry(plugin), runtime, ready={"face": features})

    first = pipeline().embed(["a smile", "a frown"]).vectors
    monkeypatch.setattr(MiniLM, "_load", lambda *_: pytest.fail("the weights were loaded"))
    assert torch.equal(pipeline().embed(["a frown", "a smile"]).vectors, first.flip(0))
    with pytest.raises(pytest.fail.Exception, match="the weights were loaded"):
        pipeline().embed(["a frown", "a yawn"])


def test_no_texts_are_no_rows(minilm):
    assert minilm.encode([]).shape == (0, 384)
    assert minilm.count_tokens([]) == []


def test_the_stated_sizes_are_those_of_the_model(minilm, reference):
    assert minilm.dim == reference.get_embedding_dimension()
    assert minilm.max_tokens == reference.max_seq_length


def test_tokens_are_counted_as_the_model_counts_them_and_beyond_its_limit(minilm, reference, sentences):
    texts = [*sentences, "a smile; " * 200]
    counts = minilm.count_tokens(texts)
    assert counts == [len(ids) for ids in reference.tokenizer(texts, truncation=False, verbose=False)["input_ids"]]
    assert counts[-1] > minilm.max_tokens


def test_counting_tokens_and_registering_load_no_model_library(minilm_folder):
    code = (
        "import sys, json, lasca_encoders.plugin as plugin; list(plugin.lasca_register_encoders());"
        "light = set(sys.modules);"
        "from pathlib import Path; from lasca_core.testing import make_runtime;"
        "from lasca_core.host.runtime import default_cache;"
        "from lasca_encoders.options import EncoderOptions; from lasca_encoders.sentence import MiniLM;"
        "assert MiniLM(EncoderOptions(), make_runtime(default_cache())).count_tokens(['a smile']) == [4];"
        "print(json.dumps([sorted(light), sorted(sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    registered, counted = (set(names) for names in json.loads(done.stdout))
    assert not {"torch", "pydantic", "tokenizers", "huggingface_hub"} & registered
    assert not {"sentence_transformers", "transformers"} & counted


def test_bfloat16_stays_close_and_is_given_back_as_float32(minilm, online, sentences):
    rounded = MiniLM(EncoderOptions(dtype="bfloat16"), online).encode(sentences)
    assert rounded.dtype == torch.float32
    cosine = torch.cosine_similarity(rounded, minilm.encode(sentences))
    assert 0.999 < float(cosine.min()) < 0.999999
    assert EncoderOptions(dtype="bfloat16").identity() != EncoderOptions().identity()


def test_the_batch_size_is_no_part_of_the_identity():
    assert EncoderOptions(batch_size=1).identity() == EncoderOptions().identity()


def test_close_gives_the_model_back_and_the_next_use_loads_it_again(online, minilm_folder):
    encoder = MiniLM(EncoderOptions(), online)
    encoder.count_tokens(["a smile"])
    encoder.prepare()
    encoder.close()
    encoder.close()
    assert not {"_model", "_counter"} & set(vars(encoder))
    assert encoder.count_tokens(["a smile"]) == [4]


def test_loading_prints_nothing_and_leaves_progress_bars_as_they_were(online, minilm_folder, capfd):
    from transformers.utils import logging

    MiniLM(EncoderOptions(), online).prepare()
    assert capfd.readouterr() == ("", "")
    assert logging.is_progress_bar_enabled()


def any_model(runtime, folder) -> AnyModel:
    return AnyModel(build(SentenceOptions, {"model": str(folder)}, "encoder"), runtime)


def test_a_folder_gives_the_same_vectors_sizes_and_counts_as_the_pinned_model(minilm, online, minilm_folder, sentences):
    encoder = any_model(online, minilm_folder)
    assert (encoder.dim, encoder.max_tokens) == (384, 256)
    assert encoder.count_tokens(sentences) == minilm.count_tokens(sentences)
    assert encoder.count_tokens([]) == []
    assert encoder.encode([]).shape == (0, 384)
    assert torch.equal(encoder.encode(sentences), minilm.encode(sentences))


def test_a_models_own_prompt_is_counted_and_encoded(online, minilm, minilm_folder, tmp_path):
    folder = tmp_path / "prompted"
    shutil.copytree(minilm_folder, folder)
    settings = {"prompts": {"classify": "emotion: "}, "default_prompt_name": "classify"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    encoder = any_model(online, folder)
    assert encoder.count_tokens(["a smile"]) == minilm.count_tokens(["emotion: a smile"])
    torch.testing.assert_close(encoder.encode(["a smile"]), minilm.encode(["emotion: a smile"]), atol=1e-5, rtol=0)


def test_a_folders_fingerprint_changes_with_its_content_and_not_with_its_place(online, minilm_folder, tmp_path):
    small = [name for name in MINILM.files if not name.endswith(".safetensors")]
    for place in ("one", "two"):
        for name in small:
            (tmp_path / place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(minilm_folder / name, tmp_path / place / name)
        (tmp_path / place / "model.safetensors").write_bytes(b"the same in both")
        for unread in ("README.md", ".gitattributes", ".git/HEAD", ".cache/huggingface/x.metadata", "onnx/model.onnx"):
            (tmp_path / place / unread).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / place / unread).write_text(place)
    one, two = (any_model(online, tmp_path / place) for place in ("one", "two"))
    seen = {one.fingerprint()}
    assert two.fingerprint() in seen
    for name in ("vocab.txt", "1_Pooling/config.json", "merges.bpe", "2_Dense/tables.npz"):
        (tmp_path / "two" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "two" / name).write_text("other")
        assert two.fingerprint() not in seen
        seen.add(two.fingerprint())


def test_a_folder_that_is_no_model_is_an_error_that_names_it(online, tmp_path):
    with pytest.raises(WeightsError, match=f"{tmp_path} is not a sentence-transformers model"):
        any_model(online, tmp_path).prepare()
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickled")
    with pytest.raises(WeightsError, match="does not load pickled weights"):
        any_model(online, tmp_path).prepare()
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match=rf"encoder\.model = {tmp_path}: the model cannot be loaded \(."):
        any_model(online, tmp_path).prepare()


@pytest.mark.parametrize("dense", ["2_Dense", "2_Router/query_Dense"])
def test_a_dense_layer_that_is_pickled_is_refused_by_name(online, minilm_folder, tmp_path, dense):
    folder = tmp_path / "model"
    shutil.copytree(minilm_folder, folder)
    top = dense.partition("/")[0]
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"idx": 2, "name": "2", "path": top, "type": f"sentence_transformers.models.{top[2:]}"})
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / dense).mkdir(parents=True)
    (folder / "2_Router").mkdir(exist_ok=True)
    types = {"query_Dense": "sentence_transformers.models.Dense"}
    (folder / "2_Router/router_config.json").write_text(json.dumps({"types": types}))
    (folder / dense / "pytorch_model.bin").write_bytes(b"pickled")
    for other in ("config.json", "other.safetensors"):  # a name that the library does not look for is no help
        (folder / dense / other).write_bytes(b"{}")
        with pytest.raises(WeightsError, match=f"no safetensors file beside {dense}/pytorch_model.bin, and LaScA does"):
            any_model(online, folder).fingerprint()


def test_a_model_that_does_not_say_how_to_pool_is_averaged_with_a_warning(minilm_folder, tmp_path, sentences):
    folder = tmp_path / "bare"
    shutil.copytree(minilm_folder, folder)
    runtime = make_runtime(tmp_path)
    any_model(runtime, folder).fingerprint()
    assert runtime.report.warnings == []
    (folder / "modules.json").unlink()
    shutil.rmtree(folder / "1_Pooling")
    vectors = any_model(runtime, folder).encode(sentences)
    assert vectors.shape == (len(sentences), 384)
    assert runtime.report.warnings == [
        f"{folder} has no modules.json that says how to pool: the vector of a text is the mean of its tokens' vectors, "
        "which may not be how the model was trained"
    ]


@pytest.mark.parametrize(
    "name",
    [
        *["./nowhere", "/no/such/folder", "C:\\model", "a/b/c", "two words", "a..b", "-x", "x/.y"],
        *["foo.git", "owner/foo.git", "visage/é", "x" * 97, "x" * 97 + "/y", "x" * 999],
    ],
)
def test_what_is_neither_a_folder_nor_an_id_is_an_error_of_the_option(name):
    with pytest.raises(OptionError) as caught:
        build(SentenceOptions, {"model": name}, "encoder")
    assert str(caught.value) == (
        f"option encoder.model = {name!r}: no such folder, and not the id of a model on the Hugging Face hub "
        "(owner/name) either"
    )


@pytest.mark.parametrize("name", ["x", "x" * 96, f"{'x' * 96}/{'y' * 96}", "a-b/c.d_e", "foo.gitter"])
def test_ids_that_the_hub_can_have_are_taken(name):
    assert build(SentenceOptions, {"model": name}, "encoder").model == name


def test_the_model_of_sentence_must_be_named():
    with pytest.raises(OptionError, match=r"option encoder\.model is required"):
        build(SentenceOptions, {}, "encoder")


@pytest.mark.slow
def test_float16_stays_closer_than_bfloat16(minilm, online, sentences):
    rounded = MiniLM(EncoderOptions(dtype="float16"), online).encode(sentences)
    assert rounded.dtype == torch.float32
    assert 0.99999 < float(torch.cosine_similarity(rounded, minilm.encode(sentences)).min()) < 0.99999999


@pytest.mark.slow
def test_mpnet_equals_sentence_transformers(online, sentences):
    from sentence_transformers import SentenceTransformer

    try:
        folder = online.fetch(MPNET)
    except WeightsError as error:
        pytest.skip(f"MPNet cannot be had here: {error}")
    encoder, reference = MPNet(EncoderOptions(), online), SentenceTransformer(str(folder), device="cpu")
    expected = reference.encode(sentences, convert_to_tensor=True, show_progress_bar=False)
    torch.testing.assert_close(encoder.encode(sentences), expected, atol=1e-5, rtol=0)
    assert (encoder.dim, encoder.max_tokens) == (expected.shape[1], reference.max_seq_length) == (768, 384)
    assert encoder.count_tokens(sentences) == [
        len(ids) for ids in reference.tokenizer(sentences, truncation=False, verbose=False)["input_ids"]
    ]
