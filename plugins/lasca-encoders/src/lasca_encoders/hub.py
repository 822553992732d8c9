"""Models of the Hugging Face hub as local folders: from the hub's own cache first, then over the network."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from lasca_core.api import WeightsError

if TYPE_CHECKING:
    from lasca_core.api import Reporter

_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
"""What a sentence-transformers model consists of. Pickled weights (``*.bin``) are neither fetched nor loaded."""
_NOT_OURS = ["onnx/*", "openvino/*", "*/onnx/*", "*/openvino/*"]
_ANSWER_SECONDS = 5.0
"""How long the hub may take to answer at all; the download itself, once begun, is not bound by it."""
_COPY = "name a downloaded copy with `--encoder sentence -o encoder.model=FOLDER`"


def snapshot(model: str, revision: str, *, offline: bool, report: Reporter) -> Path:
    """The folder holding ``model`` at ``revision``; downloads it on first use into the hub's own cache.

    A copy in the cache is used as it is, so that a run needs the network only once and a branch that moves on does not
    change results unnoticed. Raises ``WeightsError`` if there is no copy and none can be had.
    """
    # huggingface_hub takes a second to import and is of no use to an encoder whose files are here.
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    folder = _cached(model, revision)
    if folder is not None:
        return folder
    if offline:
        raise WeightsError(
            f"the model {model} is not on this machine and LaScA is offline; run once with the network on, or {_COPY}"
        )
    try:
        # Asked first and briefly: the download itself would wait and try again for minutes where no hub answers.
        HfApi().model_info(model, revision=revision, timeout=_ANSWER_SECONDS)
    except GatedRepoError:
        raise WeightsError(
            f"the model {model} is gated: accept its terms on the Hugging Face hub and run `hf auth login`"
        ) from None
    except RepositoryNotFoundError:
        raise WeightsError(
            f"the model {model} is neither a folder here nor on the Hugging Face hub "
            "(if it is private, run `hf auth login`)"
        ) from None
    except RevisionNotFoundError:
        raise WeightsError(f"the model {model} has no revision {revision!r} on the Hugging Face hub") from None
    except Exception as error:  # transport errors are those of whichever HTTP library the hub's client was built on
        raise WeightsError(
            f"the model {model} is not on this machine and the Hugging Face hub cannot be reached "
            f"({_first_line(error)}); run once with the network on, or {_COPY}"
        ) from None
    report.note(f"fetching {model} from the Hugging Face hub")
    try:
        folder = Path(snapshot_download(model, revision=revision, allow_patterns=_FILES, ignore_patterns=_NOT_OURS))
    except Exception as error:  # as above
        raise WeightsError(
            f"the download of {model} broke off ({_first_line(error)}); "
            "run the same command again, what has arrived is kept"
        ) from None
    require_model(folder, model)
    return folder


def require_model(folder: Path, model: str) -> None:
    """Raise ``WeightsError`` unless ``folder`` holds a model that can be loaded without unpickling."""
    if not _configured(folder):
        raise WeightsError(f"{model} is not a sentence-transformers model: it has neither modules.json nor config.json")
    if not _weighted(folder):
        raise WeightsError(f"{model} has no *.safetensors file, and LaScA does not load pickled weights")


def checksum(folder: Path) -> str:
    """sha256 (hex) over the names and contents of all files in ``folder`` that make up a model."""
    digest = hashlib.sha256()
    files = {file for pattern in _FILES for file in folder.rglob(pattern) if file.is_file()}
    for file in sorted(files, key=lambda file: file.relative_to(folder).as_posix()):
        with file.open("rb") as content:
            digest.update(f"{file.relative_to(folder).as_posix()}\n".encode())
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()


def _cached(model: str, revision: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(
            snapshot_download(
                model,
                revision=revision,
                allow_patterns=_FILES,
                ignore_patterns=_NOT_OURS,
                local_files_only=True,
            )
        )
    except (LocalEntryNotFoundError, OSError):  # absent, or only partly there
        return None
    return folder if _configured(folder) and _weighted(folder) else None


def _configured(folder: Path) -> bool:
    return (folder / "modules.json").is_file() or (folder / "config.json").is_file()


def _weighted(folder: Path) -> bool:
    return any(folder.rglob("*.safetensors"))


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
