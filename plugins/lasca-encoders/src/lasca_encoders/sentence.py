"""Sentence encoders: one way to load and use a sentence-transformers model, and the models known by name."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch

from lasca_core.api import Component, Weights, WeightsError, float32_products, in_batches
from lasca_encoders.graph import OnnxModel, exported
from lasca_encoders.hub import checksum, require_model, snapshot
from lasca_encoders.lengths import TokenCounter
from lasca_encoders.pins import MINILM, MPNET

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

    from lasca_encoders.options import EncoderOptions, HubOptions, SentenceOptions

_BATCH_SIZE = {"cpu": 4, "cuda": 128, "mps": 32}
"""On a CPU small batches of similar length win, because padding costs arithmetic; a GPU needs many texts to be busy."""
_OWNER = "sentence-transformers"


class _Encoder(Component, ABC):
    """A frozen sentence-transformers model in a folder; subclasses say where the folder comes from."""

    options: EncoderOptions

    @property
    @abstractmethod
    def dim(self) -> int:
        """Length of the vectors."""

    @property
    @abstractmethod
    def max_tokens(self) -> int:
        """Tokens the model reads of a text; see ``Encoder.max_tokens``."""

    @abstractmethod
    def folder(self) -> Path:
        """The folder holding the model; fetched on first use."""

    def prepare(self) -> None:
        """Load the model onto the device."""
        _ = self._graph if self.options.backend == "onnx" else self._model

    def close(self) -> None:
        """Give back the memory of the model and its tokenizer."""
        for name in ("_model", "_graph", "_counter"):
            self.__dict__.pop(name, None)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has, special tokens included, before any truncation.

        Reads the tokenizer alone: neither the model nor the library that runs it is loaded.
        """
        return self._counter(texts)

    def encode(self, texts: Sequence[str]) -> Tensor:
        """float32 [N, dim] on the runtime's device; pooled and normalised as the model's own pipeline says."""
        if not texts:
            return torch.empty((0, self.dim), dtype=torch.float32, device=self.runtime.device)
        # By length, so that texts of one batch need little padding; the longest first, so that a batch that is too much
        # for the device's memory is found out at once.
        distinct = sorted(dict.fromkeys(texts), key=len, reverse=True)
        vectors = in_batches(
            len(distinct),
            self.options.batch_size or _BATCH_SIZE.get(self.runtime.device.type, 4),
            lambda start, end: self._batch(distinct[start:end]),
            report=self.runtime.report,
            option="encoder.batch_size",
        )
        rows = {text: row for row, text in enumerate(distinct)}
        index = torch.tensor([rows[text] for text in texts], device=self.runtime.device)
        return torch.cat(vectors).to(self.runtime.device)[index].float()

    def _batch(self, texts: list[str]) -> Tensor:
        if self.options.backend == "onnx":
            return self._graph.encode(texts)
        with float32_products(self.runtime.device):
            return self._model.encode(texts, batch_size=len(texts), show_progress_bar=False, convert_to_tensor=True)

    @cached_property
    def _counter(self) -> TokenCounter:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.folder() / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return TokenCounter(tokenizer)

    @cached_property
    def _model(self) -> SentenceTransformer:
        return self._load(self.folder(), self.runtime.device)

    @cached_property
    def _graph(self) -> OnnxModel:
        folder, cpu = self.folder(), torch.device("cpu")
        file = exported(self._identity(), folder, self.max_tokens, self.runtime, lambda: self._load(folder, cpu))
        return OnnxModel(file, folder, self.max_tokens, self.runtime)

    def _identity(self) -> str:
        """What tells the weights from all others."""
        return self.fingerprint()

    def _load(self, folder: Path, device: torch.device) -> SentenceTransformer:
        # Imported here and not above: it brings transformers and scikit-learn and takes five to twenty seconds, which a
        # run whose embeddings are all in the store must not pay.
        from sentence_transformers import SentenceTransformer

        with _no_progress_bars():
            return SentenceTransformer(
                str(folder),
                device=str(device),
                local_files_only=True,
                model_kwargs={"dtype": getattr(torch, self.options.dtype), "use_safetensors": True},
            ).eval()


class _Pinned(_Encoder):
    """A model whose files are pinned by checksum."""

    weights: ClassVar[Weights]

    def folder(self) -> Path:
        """The verified files, from the cache or one of their sources."""
        return self.runtime.fetch(self.weights)

    def _identity(self) -> str:
        return repr(sorted(self.weights.files.items()))


class MiniLM(_Pinned):
    """all-MiniLM-L6-v2: small and fast."""

    weights = MINILM
    dim = 384
    max_tokens = 256


class MPNet(_Pinned):
    """all-mpnet-base-v2: the model of the published method."""

    weights = MPNET
    dim = 768
    max_tokens = 384


class _Hub(_Encoder):
    """A known model that is loaded from the Hugging Face hub."""

    options: HubOptions
    model: ClassVar[str]

    def folder(self) -> Path:
        """The model in the hub's cache; downloaded on first use."""
        return snapshot(self.model, self.options.revision, offline=self.runtime.offline, report=self.runtime.report)

    def fingerprint(self) -> str:
        """The model's id and commit; fetches the model on first use, since a branch alone does not say what it is."""
        return f"{self.model}@{self.folder().name}"


class QAMPNet(_Hub):
    """multi-qa-mpnet-base-dot-v1: trained on questions and answers; its vectors are not normalised."""

    model = f"{_OWNER}/multi-qa-mpnet-base-dot-v1"
    dim = 768
    max_tokens = 512


class DistilRoBERTa(_Hub):
    """all-distilroberta-v1."""

    model = f"{_OWNER}/all-distilroberta-v1"
    dim = 768
    max_tokens = 512


class DistilBERT(_Hub):
    """multi-qa-distilbert-cos-v1: trained on questions and answers."""

    model = f"{_OWNER}/multi-qa-distilbert-cos-v1"
    dim = 768
    max_tokens = 512


class AnyModel(_Encoder):
    """The model that option ``model`` names, by folder or hub id; ``dim`` and ``max_tokens`` load it."""

    options: SentenceOptions

    @cached_property
    def dim(self) -> int:
        """Length of the vectors, seen by encoding: not every chain of modules states it."""
        return len(self._model.encode("", show_progress_bar=False))

    @property
    def max_tokens(self) -> int:
        """Tokens the model reads of a text."""
        return int(self._model.max_seq_length or self._model.tokenizer.model_max_length)

    def fingerprint(self) -> str:
        """The checksum of the folder's files, or the model's id and commit; fetches the model on first use."""
        folder = self.folder()
        return checksum(folder) if self._local_folder() is not None else f"{self._hub_id()}@{folder.name}"

    def folder(self) -> Path:
        """The folder that was named, or the model in the hub's cache; downloaded on first use."""
        folder = self._local_folder()
        report = self.runtime.report
        if folder is not None:
            require_model(folder, str(folder))
        else:
            folder = snapshot(self._hub_id(), self.options.revision, offline=self.runtime.offline, report=report)
        if not (folder / "modules.json").is_file():
            report.warn(
                f"{self.options.model} has no modules.json that says how to pool: the vector of a text is the mean of "
                "its tokens' vectors, which may not be how the model was trained"
            )
        return folder

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """As the loaded model counts them: with its own tokenizer and the prompt it puts before each text, if any."""
        if not texts:
            return []
        model = self._model
        prompt = model.prompts.get(model.default_prompt_name or "") or ""
        prompted = [prompt + text for text in texts]
        tokens = model.tokenizer(prompted, truncation=False, padding=False, verbose=False)["input_ids"]
        return [len(ids) for ids in tokens]

    def _load(self, folder: Path, device: torch.device) -> SentenceTransformer:
        try:
            return super()._load(folder, device)
        except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise WeightsError(f"encoder.model = {self.options.model}: the model cannot be loaded ({reason})") from None

    def _local_folder(self) -> Path | None:
        folder = Path(self.options.model).expanduser()
        return folder if folder.is_dir() else None

    def _hub_id(self) -> str:
        name = self.options.model
        return name if "/" in name else f"{_OWNER}/{name}"


@contextlib.contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Transformers draws a bar while it loads weights, and no argument leaves it out; restored afterwards."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
