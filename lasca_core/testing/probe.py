"""Runs in a Python of its own: loads one plugin, asks what it offers, and writes down what that did to the process."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path

from lasca_core.host.plugins import GROUP, PluginInfo, Registry
from lasca_core.testing.isolation import no_network
from lasca_core.testing.state import changed, global_state

HEAVY = frozenset({
    "PIL", "av", "cv2", "huggingface_hub", "jax", "librosa", "matplotlib", "mediapipe", "numpy", "onnxruntime",
    "opensmile", "pandas", "polars", "pyarrow", "pydantic", "requests", "safetensors", "scipy", "sentence_transformers",
    "skimage", "sklearn", "soundfile", "tensorflow", "tokenizers", "torch", "transformers",
})  # fmt: skip
"""What listing plugins must not import: each of these takes longer than everything else `lasca plugins list` does."""


def main(entry: str, result: str) -> None:
    """Load the entry point ``module[:attribute]`` and write what was seen to the file ``result``, as JSON."""
    import lasca_core.api  # every plugin may rely on it: what it imports is no plugin's doing

    assert lasca_core.api.hookimpl
    point = importlib.metadata.EntryPoint("plugin", entry, GROUP)
    registry = Registry()
    before = global_state()
    with no_network() as network:
        registry.add(PluginInfo("plugin", "plugin", "0", "loaded"), point.load)
    seen = {
        "heavy": sorted(HEAVY & {name.partition(".")[0] for name in sys.modules}),
        "changed": changed(before, global_state()),
        "network": network,
    }
    Path(result).write_text(json.dumps(seen), encoding="utf-8")
