"""Models of the Hugging Face hub: what is said when they cannot be had, and that a cached copy needs no network."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from lasca_encoders.options import EncoderOptions, HubOptions, SentenceOptions
from lasca_encoders.sentence import AnyModel, DistilBERT, DistilRoBERTa, MiniLM, QAMPNet

from lasca_core.api import WeightsError
from lasca_core.testing import make_runtime

KNOWN = [QAMPNet, DistilRoBERTa, DistilBERT]


def cached_model(cache: Path, model: str, files: Path, revision: str = "main") -> None:
    """Lay ``files`` into ``cache`` as the hub's client would."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    home = cache / f"models--{model.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / revision).write_text(commit)
    (home / "snapshots").mkdir()
    os.symlink(files, home / "snapshots" / commit, target_is_directory=True)


def answers(monkeypatch, error: Exception) -> list[str]:
    """Let the hub answer every question with ``error``; returns the models it was asked for."""
    asked = []

    def model_info(self, model, **settings):
        asked.append(model)
        assert settings["timeout"] <= 5
        raise error

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
    return asked


def hub_error(name: str) -> Exception:
    import importlib
    from types import SimpleNamespace

    kind = getattr(importlib.import_module("huggingface_hub.errors"), name)
    return kind(name, response=SimpleNamespace(headers={}, status_code=404, request=None))


@pytest.mark.parametrize("kind", KNOWN)
def test_known_sizes_and_identity_need_neither_network_nor_model(kind, tmp_path, empty_hub_cache):
    encoder = kind(HubOptions(), make_runtime(tmp_path))
    assert (encoder.dim, encoder.max_tokens) == (768, 512)
    assert encoder.fingerprint() == f"{kind.model}@main"
    assert encoder.encode([]).shape == (0, 768)


@pytest.mark.parametrize("kind", KNOWN)
def test_offline_and_absent_is_one_sentence_that_says_what_to_do(kind, tmp_path, empty_hub_cache):
    encoder = kind(HubOptions(), make_runtime(tmp_path))
    sentence = (
        f"the model {kind.model} is not on this machine and LaScA is offline; run once with the network on, "
        "or name a downloaded copy with `--encoder sentence -o encoder.model=FOLDER`"
    )
    for use in (encoder.prepare, lambda: encoder.encode(["a smile"]), lambda: encoder.count_tokens(["a smile"])):
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
    ],
)
def test_what_the_hub_refuses_is_said_plainly(tmp_path, empty_hub_cache, monkeypatch, error, sentence):
    answers(monkeypatch, hub_error(error))
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
    assert encoder.fingerprint() == "nobody/copy@v1"
    assert asked == []


def test_a_copy_without_safetensors_is_no_copy(tmp_path, empty_hub_cache):
    files = tmp_path / "files"
    files.mkdir()
    (files / "config.json").write_text("{}")
    (files / "pytorch_model.bin").write_bytes(b"pickled")
    cached_model(empty_hub_cache, "nobody/pickled", files)
    with pytest.raises(WeightsError, match="not on this machine and LaScA is offline"):
        AnyModel(SentenceOptions(model="nobody/pickled"), make_runtime(tmp_path)).prepare()


def test_a_bare_name_means_a_model_of_sentence_transformers(tmp_path):
    encoder = AnyModel(SentenceOptions(model="all-MiniLM-L12-v2"), make_runtime(tmp_path))
    assert encoder.fingerprint() == "sentence-transformers/all-MiniLM-L12-v2@main"
