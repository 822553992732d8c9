"""Models of the Hugging Face hub: what is said when they cannot be had, and that a cached copy needs no network."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from lasca_encoders.options import EncoderOptions, HubOptions, SentenceOptions
from lasca_encoders.sentence import AnyModel, DistilBERT, DistilRoBERTa, MiniLM, QAMPNet

from lasca_core.api import OptionError, WeightsError
from lasca_core.testing import make_runtime

KNOWN = [QAMPNet, DistilRoBERTa, DistilBERT]


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def cached_model(cache: Path, model: str, files: Path, revision: str = "main") -> None:
    """Lay ``files`` into ``cache`` as the hub's client would."""
    home = cache / f"models--{model.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / revision).write_text(COMMIT)
    (home / "snapshots").mkdir()
    os.symlink(files, home / "snapshots" / COMMIT, target_is_directory=True)


def answers(monkeypatch, error: Exception) -> list[str]:
    """Let the hub answer every question with ``error``; returns the models it was asked for."""
    asked = []

    def model_info(self, model, **settings):
        asked.append(model)
        assert settings["timeout"] <= 5
        raise error

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
    return asked


def hub_error(name: str, status: int = 404) -> Exception:
    import importlib
    from types import SimpleNamespace

    kind = getattr(importlib.import_module("huggingface_hub.errors"), name)
    return kind(name, response=SimpleNamespace(headers={}, status_code=status, request=None))


@pytest.mark.parametrize("kind", KNOWN)
def test_known_sizes_need_neither_network_nor_model(kind, tmp_path, empty_hub_cache):
    encoder = kind(HubOptions(), make_runtime(tmp_path))
    assert (encoder.dim, encoder.max_tokens) == (768, 512)
    assert encoder.encode([]).shape == (0, 768)


@pytest.mark.parametrize("kind", KNOWN)
def test_offline_and_absent_is_one_sentence_that_says_what_to_do(kind, tmp_path, empty_hub_cache):
    encoder = kind(HubOptions(), make_runtime(tmp_path))
    sentence = (
        f"the model {kind.model} is not on this machine and LaScA is offline; run once with the network on, "
        "or name a downloaded copy with `--encoder sentence -o encoder.model=FOLDER`"
    )
    asks = (lambda: encoder.encode(["a smile"]), lambda: encoder.count_tokens(["a smile"]), encoder.fingerprint)
    for use in (encoder.prepare, *asks):
        with pytest.raises(WeightsError) as caught:
            use()
        assert str(caught.value) == sentence


def test_a_made_up_id_offline_is_the_same_sentence(tmp_path, empty_hub_cache):
    encoder = AnyModel(SentenceOptions(model="nobody/no-such-model"), make_runtime(tmp_path))
    with pytest.raises(
        WeightsError, match="the model nobody/no-such-model is not on this machine and LaScA is offline"
    ):
        encoder.prepare()


def test_an_unreachable_hub_is_asked_once_and_briefly(tmp_path, empty_hub_cache, monkeypatch):
    asked = answers(monkeypatch, ConnectionError("Name or service not known\nand more"))
    encoder = QAMPNet(HubOptions(), make_runtime(tmp_path, offline=False))
    with pytest.raises(
        WeightsError, match=r"hub cannot be reached \(Name or service not known\); run once with"
    ) as caught:
        encoder.prepare()
    assert asked == [QAMPNet.model]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("RepositoryNotFoundError", "nobody/x is neither a folder here nor on the Hugging Face hub"),
        ("RevisionNotFoundError", "nobody/x has no revision 'v9'"),
        ("GatedRepoError", "nobody/x is gated: accept its terms"),
        ("HfHubHTTPError", "nobody/x is gated: accept its terms"),
    ],
)
def test_what_the_hub_refuses_is_said_plainly(tmp_path, empty_hub_cache, monkeypatch, error, sentence):
    answers(monkeypatch, hub_error(error, 403))
    encoder = AnyModel(SentenceOptions(model="nobody/x", revision="v9"), make_runtime(tmp_path, offline=False))
    with pytest.raises(WeightsError, match=sentence):
        encoder.prepare()


def test_a_download_that_breaks_off_is_an_error_that_says_so(tmp_path, empty_hub_cache, monkeypatch):
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *args, **settings: None)
    answers_offline = ConnectionError("connection reset")

    def snapshot_download(model, *, local_files_only=False, **settings):
        raise FileNotFoundError if local_files_only else answers_offline

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    runtime = make_runtime(tmp_path, offline=False)
    with pytest.raises(WeightsError, match=r"the download of .* broke off \(connection reset\); run the same command"):
        QAMPNet(HubOptions(), runtime).prepare()
    assert runtime.report.notes == [f"fetching {QAMPNet.model} from the Hugging Face hub"]


def test_a_cached_copy_is_used_without_asking_the_hub(tmp_path, empty_hub_cache, minilm_folder, online, monkeypatch):
    asked = answers(monkeypatch, AssertionError("the hub was asked"))
    cached_model(empty_hub_cache, "nobody/copy", minilm_folder, revision="v1")
    encoder = AnyModel(SentenceOptions(model="nobody/copy", revision="v1"), make_runtime(tmp_path, offline=False))
    pinned = MiniLM(EncoderOptions(), online)
    assert torch.equal(encoder.encode(["a smile"]), pinned.encode(["a smile"]))
    assert encoder.fingerprint() == f"nobody/copy@{COMMIT}"
    assert asked == []


def test_a_copy_without_safetensors_is_no_copy(tmp_path, empty_hub_cache):
    files = tmp_path / "files"
    files.mkdir()
    (files / "config.json").write_text("{}")
    (files / "pytorch_model.bin").write_bytes(b"pickled")
    cached_model(empty_hub_cache, "nobody/pickled", files)
    with pytest.raises(WeightsError, match="not on this machine and LaScA is offline"):
        AnyModel(SentenceOptions(model="nobody/pickled"), make_runtime(tmp_path)).prepare()


def test_a_download_without_pickled_weights_that_a_module_needs_is_refused(tmp_path, empty_hub_cache, monkeypatch):
    files = whole_model(tmp_path / "files")
    (files / "2_Dense/model.safetensors").unlink()
    cached_model(empty_hub_cache, "nobody/pickled", files)
    from huggingface_hub import snapshot_download

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *args, **settings: None)
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download",
        lambda model, **settings: snapshot_download(model, **{**settings, "local_files_only": True}),
    )
    with pytest.raises(
        WeightsError, match=r"nobody/pickled has no \*\.safetensors file in 2_Dense: .* pickled weights"
    ):
        AnyModel(SentenceOptions(model="nobody/pickled"), make_runtime(tmp_path, offline=False)).prepare()


def test_a_bare_name_means_a_model_of_sentence_transformers(tmp_path, empty_hub_cache):
    cached_model(empty_hub_cache, "sentence-transformers/copy", whole_model(tmp_path / "files"))
    encoder = AnyModel(SentenceOptions(model="copy"), make_runtime(tmp_path))
    assert encoder.fingerprint() == f"sentence-transformers/copy@{COMMIT}"


def whole_model(folder: Path) -> Path:
    """A folder that looks like a model of a transformer in two shards, a pooling and a dense layer."""
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Dense": "Dense", "3_Normalize": "Normalize"}
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    shards = {"a.weight": "model-1-of-2.safetensors", "b.weight": "model-2-of-2.safetensors"}
    files = {
        "modules.json": json.dumps(modules),
        "config.json": "{}",
        "model.safetensors.index.json": json.dumps({"weight_map": shards}),
        **dict.fromkeys(shards.values(), ""),
        "1_Pooling/config.json": "{}",
        "2_Dense/config.json": "{}",
        "2_Dense/model.safetensors": "",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize("lost", ["model-2-of-2.safetensors", "2_Dense/model.safetensors", "modules.json"])
def test_an_interrupted_download_is_completed_when_the_hub_can_be_reached(tmp_path, empty_hub_cache, monkeypatch, lost):
    files = whole_model(tmp_path / "files")
    cached_model(empty_hub_cache, "nobody/half", files)
    whole = (files / lost).read_text()
    if lost == "modules.json":  # broken off in the middle of it
        (files / lost).write_text(whole[:20])
    else:
        (files / lost).unlink()
    asked = []
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda self, model, **settings: asked.append(model))
    from huggingface_hub import snapshot_download

    def download(model, *, local_files_only=False, **settings):
        if not local_files_only:
            (files / lost).write_text(whole)
        return snapshot_download(model, local_files_only=True, **settings)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    with pytest.raises(WeightsError, match="nobody/half is not on this machine and LaScA is offline"):
        AnyModel(SentenceOptions(model="nobody/half"), make_runtime(tmp_path)).folder()
    encoder = AnyModel(SentenceOptions(model="nobody/half"), make_runtime(tmp_path, offline=False))
    for _ in range(2):
        assert encoder.fingerprint() == f"nobody/half@{COMMIT}"
    assert asked == ["nobody/half"]


@pytest.mark.parametrize(
    ("name", "status"), [("GatedRepoError", 403), ("HfHubHTTPError", 401), ("HfHubHTTPError", 403)]
)
def test_files_that_the_hub_withholds_are_said_to_need_consent(tmp_path, empty_hub_cache, monkeypatch, name, status):
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *args, **settings: None)

    def snapshot_download(model, *, local_files_only=False, **settings):
        raise FileNotFoundError if local_files_only else hub_error(name, status)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    with pytest.raises(WeightsError) as caught:
        QAMPNet(HubOptions(), make_runtime(tmp_path, offline=False)).prepare()
    assert str(caught.value) == (
        f"the model {QAMPNet.model} is gated: accept its terms on the Hugging Face hub and run `hf auth login`"
    )


def test_an_id_that_only_the_hubs_client_refuses_is_an_error_of_the_option(tmp_path, empty_hub_cache):
    folder = tmp_path / "two words"
    folder.mkdir()
    encoder = AnyModel(SentenceOptions(model=str(folder)), make_runtime(tmp_path))
    folder.rmdir()
    with pytest.raises(OptionError, match="two words cannot be the id of a model on the Hugging Face hub"):
        encoder.folder()


def test_every_package_that_is_imported_is_a_declared_dependency():
    plugin = Path(__file__).parents[1]
    trees = [ast.parse(file.read_text()) for file in (plugin / "src").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    imported |= {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    packages = {name.partition(".")[0] for name in imported} - set(sys.stdlib_module_names) - {"lasca_encoders"}
    project = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]
    declared = {re.split("[<>=]", entry)[0].replace("-", "_") for entry in project["dependencies"]}
    extra = {re.split("[<>=]", entry)[0] for entry in project["optional-dependencies"]["onnx"]}
    assert {"lasca" if name == "lasca_core" else name for name in packages} == declared | (extra & packages)
    assert extra == {"onnxruntime", "onnx"}  # the second is imported by torch's exporter
