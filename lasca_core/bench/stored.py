"""The benchmark `encode-stored`: texts that were embedded before, from the store beside encoding them once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lasca_core.bench.data import Data
from lasca_core.bench.glued import sentence_transformer
from lasca_core.contract.protocols import Agreement, Benchmark
from lasca_core.host.runtime import HostRuntime

if TYPE_CHECKING:
    from torch import Tensor

_WINDOWS = 300
_WINDOWS_QUICK = 12


class StoredBenchmark(Benchmark):
    """What a second run costs: the store answers, and no model is loaded."""

    data: Data
    runtime: HostRuntime

    def prepare(self) -> None:
        """Store the embeddings of all sentences, and load the reference's model."""
        sentences = self.data.sentences[: _WINDOWS_QUICK if self.data.quick else _WINDOWS]
        self._sentences = list(sentences)
        self._texts = list(dict.fromkeys(sentences))
        self._pipeline = self.data.corpus.pipeline
        self._pipeline.embed(self._texts)
        self._model = sentence_transformer(self.data.encoder_folder, str(self.runtime.device))
        self.units = len(sentences)
        self.work = f"{len(sentences)} windows, {len(self._texts)} distinct sentences, {self.data.corpus_origin}"

    def ours(self) -> Tensor:
        """As a run embeds the wording of its windows."""
        import torch

        place = {text: row for row, text in enumerate(self._texts)}
        rows = torch.tensor([place[text] for text in self._sentences], device=self.runtime.device)
        return self._pipeline.embed(self._texts).vectors[rows]

    def reference(self) -> Any:
        """All sentences once more."""
        return self._model.encode(self._sentences)

    def compare(self, ours: Tensor, reference: Any) -> Agreement:
        """1 - cosine, at most."""
        import torch

        cosine = torch.nn.functional.cosine_similarity(ours.double().cpu(), torch.from_numpy(reference).double())
        return Agreement("1 - cosine of a window's vectors, at most", float((1 - cosine).max()), 1e-4)

    def close(self) -> None:
        """Drop the reference's model."""
        self.__dict__.pop("_model", None)
