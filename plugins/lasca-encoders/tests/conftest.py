"""What the tests of the encoders share: a runtime on the user's cache, sentences, and an empty hub cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from lasca_encoders.pins import MINILM

from lasca_core.api import WeightsError
from lasca_core.host.runtime import HostRuntime, default_cache, default_offline
from lasca_core.testing import make_runtime


@pytest.fixture(scope="session")
def online() -> HostRuntime:
    """A runtime on the user's own cache, offline only if the user says so."""
    return make_runtime(default_cache(), offline=default_offline())


@pytest.fixture(scope="session")
def minilm_folder(online: HostRuntime) -> Path:
    """The verified files of MiniLM."""
    try:
        return online.fetch(MINILM)
    except WeightsError as error:
        pytest.skip(f"MiniLM cannot be had here: {error}")


@pytest.fixture
def empty_hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache of its own, with nothing in it."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """Sentences of many lengths, a repetition and an empty one, none longer than MiniLM reads."""
    cues = ["a raised left cheek lifting the lower eyelid", "a smile", "lowered brows, frowning in anger", "wide eyes"]
    texts = [
        f"The person shows {'; '.join((cues * 6)[start : start + count])}."
        for start in range(4)
        for count in (1, 5, 17)
    ]
    return [*texts, texts[0], "", "Ünïcode — “quotes”, 顔, 🙂"]
