"""The benchmarks `encode` and `encode-overlapping`: each distinct sentence once beside sentence-transformers on all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from lasca_core.api import Agreement, Benchmark
from lasca_encoders.options import EncoderOptions
from lasca_encoders.sentence import MiniLM

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from lasca_core.api import BenchmarkData, Runtime

_SENTENCES = 300
_SENTENCES_QUICK = 12


class _EncodeBenchmark(Benchmark):
    """Both ways embed the sentence of every window with MiniLM; both models are loaded before the clock runs."""

    def __init__(self, data: BenchmarkData, runtime: Runtime) -> None:
        super().__init__(data, runtime)
        self._component = MiniLM(EncoderOptions.model_validate({}), runtime)

    def sentences(self) -> tuple[Sequence[str], str]:
        """The sentence of every window, and where they are from."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Write the sentences and load both models."""
        from sentence_transformers import SentenceTransformer

        sentences, origin = self.sentences()
        self._sentences = list(sentences[: _SENTENCES_QUICK if self.data.quick else _SENTENCES])
        self.units = len(self._sentences)
        self.work = f"{len(self._sentences)} windows, {len(set(self._sentences))} distinct sentences, {origin}"
        self._component.prepare()
        self._model = SentenceTransformer(
            str(self._component.folder()), device=str(self.runtime.device), local_files_only=True
        )

    def ours(self) -> Tensor:
        """The encoder as a run uses it, on texts of which none is stored."""
        return self._component.encode(self._sentences)

    def reference(self) -> np.ndarray:
        """``SentenceTransformer.encode`` as its documentation shows it: float32 [W, 384]."""
        found: np.ndarray = self._model.encode(self._sentences)
        return found

    def compare(self, ours: Tensor, reference: np.ndarray) -> Agreement:
        """1 - cosine, at most."""
        cosine = torch.nn.functional.cosine_similarity(ours.double().cpu(), torch.from_numpy(reference).double())
        return Agreement("1 - cosine of a window's vectors, at most", float((1 - cosine).max()), 1e-4)

    def close(self) -> None:
        """Drop both models."""
        self._component.close()
        self.__dict__.pop("_model", None)


class CorpusBenchmark(_EncodeBenchmark):
    """Windows that do not overlap, of several people, as they are trained on."""

    def sentences(self) -> tuple[Sequence[str], str]:
        """The corpus's sentences."""
        return self.data.sentences, self.data.corpus_origin


class OverlappingBenchmark(_EncodeBenchmark):
    """Windows of one recording every tenth of a second, as they are shown: neighbours often have the same cues."""

    def sentences(self) -> tuple[Sequence[str], str]:
        """The recording's sentences."""
        return self.data.overlapping_sentences, self.data.media_origin
