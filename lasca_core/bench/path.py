"""The benchmarks `path-cold` and `path-warm`: the command `lasca predict` beside a script that does the same."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any

import numpy as np

from lasca_core.bench.data import Data
from lasca_core.contract.errors import ContractError, MediaError
from lasca_core.contract.protocols import Agreement, Benchmark
from lasca_core.experiment.model import load
from lasca_core.host.runtime import HostRuntime
from lasca_core.steps.media import open_media


class _PathBenchmark(Benchmark):
    """Both ways are a Python of their own, so that imports and loading count, as they do for a person who waits.

    The model was trained before, with what a script of other libraries can repeat: scikit-image's variant of Otsu, and
    the features' names as their descriptions, so that no sentence is too long for the encoder and must be shortened.
    """

    data: Data
    runtime: HostRuntime

    def prepare(self) -> None:
        """Train a model, and write down for the script where its parts are.

        Raises ``MediaError`` for a recording with windows that cannot be measured, of which the script knows nothing.
        """
        pipeline = self.data.pipeline(extractors=self.data.extractors)
        windows = pipeline.windows(self.data.recording, pipeline.tracks(self.data.recording))
        if len(windows) < 2 or not bool(windows.valid.all()):
            problem = "has windows in which no face is seen, or only one; the script it is compared with needs more"
            raise MediaError(self.data.media, problem)
        self._model = self.data.model("names")
        self._cache = self.data.empty_cache(type(self).__name__)
        self._parts = self.data.folder / f"{type(self).__name__}.json"
        self._parts.write_text(json.dumps(self._described()), encoding="utf-8")
        self.units = open_media(self.data.media).duration
        self.work = f"{self.units:.1f} s of video with sound, {self.data.media_origin}"

    def _described(self) -> dict[str, Any]:
        """What the script must know of the model."""
        saved = load(self._model)
        heads = {}
        for target, head in saved.heads.items():
            file = self.data.folder / f"{target}.npz"
            layers = range(sum(name.startswith("weight_") for name in head.state))
            arrays: dict[str, Any] = {f"coef_{i}": head.state[f"weight_{i}"][0].numpy() for i in layers}
            arrays |= {f"intercept_{i}": head.state[f"bias_{i}"][0].numpy() for i in layers}
            np.savez(file, scale=head.columns.scale.numpy(), **arrays)
            heads[target] = str(file)
        pipeline = self.data.pipeline(extractors=self.data.extractors)
        return {
            "media": str(self.data.media.absolute()),
            "face_model": str(self.data.weights_folder("extractor", "blendshape") / "face_landmarker.task"),
            "encoder": str(self.data.encoder_folder),
            "device": str(self.runtime.device),
            "length": saved.config["windows"]["length"],
            "hidden": saved.config["mlp"]["hidden"],
            "names": list(saved.columns),
            "signed": [name for built in pipeline.extractors for name in built.component.signed],
            "lexicon": json.loads((self._model / "lexicon.json").read_text(encoding="utf-8")),
            "heads": heads,
        }

    def ours(self) -> dict[str, list[float]]:
        """``lasca predict``: the probability of a rise in each window, by target."""
        command = ["-m", "lasca_core", "--quiet", "--cache", str(self._cache), "predict", str(self.data.media)]
        command += ["--model", str(self._model), "--json", "--device", str(self.runtime.device)]
        windows = json.loads(_python(*command))["windows"]
        found: dict[str, list[float]] = {}
        for window in windows:
            for target, said in window["directions"].items():
                rises = said["direction"] == "rises"
                found.setdefault(target, []).append(said["probability"] if rises else 1 - said["probability"])
        return found

    def reference(self) -> dict[str, list[float]]:
        """The script; the same."""
        found: dict[str, list[float]] = json.loads(_python("-m", "lasca_core.bench.glued", str(self._parts)))
        return found

    def compare(self, ours: dict[str, list[float]], reference: dict[str, list[float]]) -> Agreement:
        """Probabilities, at most."""
        gap = max(
            (abs(a - b) for target, row in ours.items() for a, b in zip(row, reference[target], strict=True)),
            default=float("nan"),
        )
        return Agreement("probability of a rise, at most", gap, 0.01)


class ColdPathBenchmark(_PathBenchmark):
    """Pretrained files are there, and nothing else: every feature and sentence is computed."""

    def reset(self) -> None:
        """Empty the store."""
        shutil.rmtree(self._cache / "store", ignore_errors=True)


class WarmPathBenchmark(_PathBenchmark):
    """The store holds the recording's features and sentences."""


def _python(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise ContractError(f"python {' '.join(arguments[:3])} ended with exit code {done.returncode}: {last}")
    return done.stdout
