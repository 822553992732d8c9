"""A model as an ONNX graph: exported once, compared with the model it was made from, and run by ONNX Runtime."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from lasca_core.api import OptionError, StoreError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from lasca_core.api import Runtime

_FORMAT = 1
"""Raised when the same model would be exported another way."""
_OPSET = 17
_LEAST_COSINE = 0.9999
"""Of a text's vectors from the graph and from the model; their difference is rounding, and the cosine 1 - 1e-12."""
_PROBES = ("", "A smile.", "Ünïcode — “quotes”, 顔, 🙂", "Lowered brows, frowning in anger; " * 4, "wide eyes; " * 300)
"""Texts of many lengths, one longer than any model here reads, so that padding and truncation are compared too."""
_INSTEAD = "use -o encoder.backend=torch"


class OnnxModel:
    """The graph in ``file``, with the tokenizer in ``folder``, on the runtime's device where ONNX Runtime supports it.

    ``max_tokens`` of each text are read. Nothing of transformers or sentence-transformers is imported.
    """

    def __init__(self, file: Path, folder: Path, max_tokens: int, runtime: Runtime) -> None:
        from tokenizers import Tokenizer

        self._session = _session(file, runtime)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(max_tokens)
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        # Some models tell where a token stands from the ids beside it, so the filler must be the model's own.
        self._tokenizer.enable_padding(pad_id=settings.get("pad_token_id") or 0)

    def encode(self, texts: Sequence[str]) -> Tensor:
        """float32 [N, dim] on the CPU, in one batch."""
        encodings = self._tokenizer.encode_batch(list(texts))
        inputs = {
            "input_ids": np.array([encoding.ids for encoding in encodings], dtype=np.int64),
            "attention_mask": np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64),
        }
        with _memory_errors_as_torchs():
            (vectors,) = self._session.run(None, inputs)
        return torch.from_numpy(vectors)


def exported(
    identity: str, folder: Path, max_tokens: int, runtime: Runtime, load: Callable[[], SentenceTransformer]
) -> Path:
    """The file with the graph of the model in ``folder``; made on first use, from the model that ``load`` gives.

    It lies in the runtime's cache under ``identity``, which says what the weights are, and the versions that export it,
    and is named after its own checksum: a damaged file is found out and made again. A new graph is kept only if it
    gives the vectors of the model. Raises ``OptionError`` if the model cannot be exported or a package is missing, and
    ``StoreError`` if the file cannot be written.
    """
    import filelock

    stem = _stem(identity)
    place = runtime.cache / "onnx"
    with _writing_errors_in_words(place):
        place.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(place / f"{stem}.lock"):  # a second process waits for the graph instead of making it too
            if (found := _whole(place, stem)) is not None:
                return found
            runtime.report.note(f"making an ONNX graph of the model in {folder} (once)")
            temporary = place / f".{stem}.part"  # what a killed process left here is overwritten
            try:
                _export(load(), temporary, folder, max_tokens, runtime)
                target = place / f"{stem}-{_digest(temporary)}.onnx"
                os.replace(temporary, target)
            finally:
                temporary.unlink(missing_ok=True)
            return target


def _stem(identity: str) -> str:
    """The beginning of the file's name."""
    versions = [importlib.metadata.version(package) for package in ("torch", "transformers", "sentence-transformers")]
    return hashlib.sha256(json.dumps([_FORMAT, identity, versions]).encode()).hexdigest()[:16]


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:16]


def _whole(place: Path, stem: str) -> Path | None:
    """The file whose content is what its name says; others are removed."""
    for file in place.glob(f"{stem}-*.onnx"):
        if file.stem == f"{stem}-{_digest(file)}":
            return file
        file.unlink()
    return None


def _export(model: SentenceTransformer, target: Path, folder: Path, max_tokens: int, runtime: Runtime) -> None:
    if importlib.util.find_spec("onnx") is None:
        raise _missing("onnx")
    try:
        _trace(model, target)
    except Exception as error:  # whatever a model's code does that cannot be traced
        raise _unsuited(folder, f"it cannot be exported ({_first_line(error)})") from None
    expected = model.encode(list(_PROBES), show_progress_bar=False, convert_to_tensor=True)
    found = OnnxModel(target, folder, max_tokens, runtime).encode(_PROBES)
    cosine = float(torch.cosine_similarity(found.double(), expected.cpu().double()).min())
    if not cosine >= _LEAST_COSINE:
        raise _unsuited(folder, f"the graph's vectors are not the model's (cosine {cosine:.4f})")


class _Whole(nn.Module):
    """All modules of a model, pooling and normalisation included, as a function of tensors."""

    def __init__(self, model: SentenceTransformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        vectors: Tensor = self.model({"input_ids": input_ids, "attention_mask": attention_mask})["sentence_embedding"]
        return vectors


def _trace(model: SentenceTransformer, target: Path) -> None:
    example = model.tokenizer(["A smile.", "A raised left cheek."], padding=True, return_tensors="pt")
    axes = {0: "texts", 1: "tokens"}
    with torch.no_grad(), warnings.catch_warnings():
        # Of the older exporter and of branches it settles, which the comparison afterwards is there for. The newer one
        # takes three times as long, needs three more packages, and its graph is no faster.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Whole(model).eval(),
            (example["input_ids"], example["attention_mask"]),
            str(target),
            input_names=["input_ids", "attention_mask"],
            output_names=["vectors"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "vectors": {0: "texts"}},
            opset_version=_OPSET,
            dynamo=False,
        )


def _session(file: Path, runtime: Runtime) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise _missing("onnxruntime") from None
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = runtime.workers
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3  # errors
    # Otherwise its threads spin for a while after each batch, in the way of whatever computes next.
    settings.add_session_config_entry("session.force_spinning_stop", "1")
    providers: list[Any] = ["CPUExecutionProvider"]
    device = runtime.device
    if device.type == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        # TensorFloat-32 is its default, and would not be the float32 that the encoder promises.
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": device.index or 0, "use_tf32": 0}))
    session = onnxruntime.InferenceSession(str(file), settings, providers=providers)
    if device.type != "cpu" and "CUDAExecutionProvider" not in session.get_providers():
        runtime.report.note(
            f"ONNX Runtime does not compute on {device} here, so texts are encoded on the CPU; install onnxruntime-gpu "
            f"for CUDA, or {_INSTEAD}"
        )
    return session


@contextlib.contextmanager
def _memory_errors_as_torchs() -> Iterator[None]:
    """ONNX Runtime says in words alone that the device is out of memory; the batch can then be halved as for torch."""
    try:
        yield
    except Exception as error:
        if "failed to allocate memory" in str(error).lower():
            raise torch.OutOfMemoryError(_first_line(error)) from None
        raise


@contextlib.contextmanager
def _writing_errors_in_words(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{place} cannot be written ({error.strerror or error}); free some space, choose another folder with "
            f"--cache, or {_INSTEAD}"
        ) from None


def _missing(package: str) -> OptionError:
    needed = f"option encoder.backend = 'onnx' needs the package {package}"
    return OptionError(f"{needed}: pip install 'lasca-encoders[onnx]', or {_INSTEAD}")


def _unsuited(folder: Path, why: str) -> OptionError:
    return OptionError(f"option encoder.backend = 'onnx' does not suit the model in {folder}: {why}; {_INSTEAD}")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
