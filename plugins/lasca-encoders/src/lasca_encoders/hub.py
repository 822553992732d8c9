"""Models of the Hugging Face hub as local folders: from the hub's own cache first, then over the network."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lasca_core.api import OptionError, WeightsError

if TYPE_CHECKING:
    from lasca_core.api import Reporter

_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
"""What a sentence-transformers model consists of. Pickled weights (``*.bin``) are neither fetched nor loaded."""
_NOT_OURS = ["onnx/*", "openvino/*", "*/onnx/*", "*/openvino/*"]
_UNREAD = re.compile(r"README.*|\.git.*|\.cache|onnx|openvino")
"""Files and folders of a model that decide nothing here: its description, what git and the hub's client keep beside it,
and copies for other libraries. Anything else counts, because a module may read a file of any name."""
_ROUTERS = frozenset({"Router", "Asym"})
_TRANSFORMERS = frozenset({"Transformer", "CLIPModel"})
_WEIGHTED = _TRANSFORMERS | {
    "CNN",
    "Dense",
    "LSTM",
    "LayerNorm",
    "StaticEmbedding",
    "WeightedLayerPooling",
    "WordEmbeddings",
}
"""The modules of sentence-transformers that have weights; pooling, normalisation and the like have none."""
_ANSWER_SECONDS = 5.0
"""How long the hub may take to answer at all; the download itself, once begun, is not bound by it."""
_COPY = "name a downloaded copy with `--encoder sentence -o encoder.model=FOLDER`"


def snapshot(model: str, revision: str, *, offline: bool, report: Reporter) -> Path:
    """The folder holding ``model`` at ``revision``; downloads it on first use into the hub's own cache.

    A copy in the cache is used as it is, so that a run needs the network only once and a branch that moves on does not
    change results unnoticed; an incomplete one is completed. The folder is named after the commit it holds.

    Raises ``WeightsError`` if there is no copy and none can be had, ``OptionError`` if the hub can have no such id.
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
    gated = f"the model {model} is gated: accept its terms on the Hugging Face hub and run `hf auth login`"
    try:
        # Asked first and briefly: the download itself would wait and try again for minutes where no hub answers.
        HfApi().model_info(model, revision=revision, timeout=_ANSWER_SECONDS)
    except GatedRepoError:
        raise WeightsError(gated) from None
    except RepositoryNotFoundError:
        raise WeightsError(
            f"the model {model} is neither a folder here nor on the Hugging Face hub "
            "(if it is private, run `hf auth login`)"
        ) from None
    except RevisionNotFoundError:
        raise WeightsError(f"the model {model} has no revision {revision!r} on the Hugging Face hub") from None
    except Exception as error:  # transport errors are those of whichever HTTP library the hub's client was built on
        if _denied(error):
            raise WeightsError(gated) from None
        raise WeightsError(
            f"the model {model} is not on this machine and the Hugging Face hub cannot be reached "
            f"({_first_line(error)}); run once with the network on, or {_COPY}"
        ) from None
    report.note(f"fetching {model} from the Hugging Face hub")
    try:
        folder = Path(snapshot_download(model, revision=revision, allow_patterns=_FILES, ignore_patterns=_NOT_OURS))
    except Exception as error:  # as above
        # The description of a gated model is public, so the refusal may come only with its files.
        if _denied(error):
            raise WeightsError(gated) from None
        raise WeightsError(
            f"the download of {model} broke off ({_first_line(error)}); "
            "run the same command again, what has arrived is kept"
        ) from None
    require_model(folder, model)
    return folder


def require_model(folder: Path, model: str) -> None:
    """Raise ``WeightsError`` unless ``folder`` holds a whole model that can be loaded without unpickling."""
    hindrance = _hindrance(folder)
    if hindrance is not None:
        raise WeightsError(f"{model} {hindrance}")


def checksum(folder: Path) -> str:
    """sha256 (hex) over the names and contents of the files in ``folder``, but for those no encoder here ever reads."""
    digest = hashlib.sha256()
    names = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    for name in sorted(names):
        if any(_UNREAD.fullmatch(part) for part in name.split("/")):
            continue
        with names[name].open("rb") as content:
            digest.update(f"{name}\n".encode())
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()


class _Module(NamedTuple):
    """One step of a model's pipeline, as its modules.json lists it."""

    folder: Path
    kind: str
    """Name of its class."""


def _cached(model: str, revision: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

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
    except HFValidationError as error:
        raise OptionError(
            f"{model} cannot be the id of a model on the Hugging Face hub ({_first_line(error)})"
        ) from None
    except (LocalEntryNotFoundError, OSError):  # absent, or only partly there
        return None
    # The hub's client takes a folder that an interrupted download left behind for a copy where it kept no file list.
    return folder if _hindrance(folder) is None else None


def _hindrance(folder: Path) -> str | None:
    """Why the model in ``folder`` cannot be loaded, as the rest of a sentence about it; None if nothing is amiss."""
    if not ((folder / "modules.json").is_file() or (folder / "config.json").is_file()):
        return "is not a sentence-transformers model: it has neither modules.json nor config.json"
    try:
        modules = _modules(folder)
        missing = _missing_shard(folder)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return "is damaged: modules.json, a router's list or an index of its weights cannot be read; download it again"
    if missing is not None:
        return f"is incomplete: {missing} is missing; download it again"
    for module in modules:
        pickled = _pickled(module)
        if pickled is not None:
            return (
                f"has no safetensors file beside {pickled.relative_to(folder).as_posix()}, and LaScA does not load "
                "pickled weights; save the model as safetensors"
            )
        if module.kind in _WEIGHTED and not any(module.folder.glob("*.safetensors")):
            where = module.folder.relative_to(folder).as_posix()
            return (
                f"has no *.safetensors file{'' if where == '.' else f' in {where}'}: it is incomplete, or has only "
                "pickled weights, which LaScA does not load"
            )
    return None


def _modules(folder: Path) -> list[_Module]:
    listing = folder / "modules.json"
    if not listing.is_file():
        return [_Module(folder, "Transformer")]
    entries = json.loads(listing.read_text(encoding="utf-8"))
    modules = [_Module(folder / entry["path"], _class_name(entry["type"])) for entry in entries]
    return modules + [inner for module in modules if module.kind in _ROUTERS for inner in _routed(module.folder)]


def _routed(folder: Path) -> list[_Module]:
    """The modules that a router chooses from, which lie in folders of its own."""
    config = folder / "router_config.json"
    config = config if config.is_file() else folder / "config.json"  # as older releases wrote it
    types: dict[str, str] = json.loads(config.read_text(encoding="utf-8"))["types"]
    return [_Module(folder / name, _class_name(kind)) for name, kind in types.items()]


def _class_name(path: str) -> str:
    return path.rpartition(".")[2]


def _missing_shard(folder: Path) -> str | None:
    """The first file that an index of split weights names and that is not there."""
    for index in sorted(folder.rglob("*.safetensors.index.json")):
        weight_map: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        for shard in sorted({index.parent / name for name in weight_map.values()}):
            if not shard.is_file():
                return shard.relative_to(folder).as_posix()
    return None


def _pickled(module: _Module) -> Path | None:
    """A pickled file in the module's folder that sentence-transformers would load for want of a safetensors file."""
    # Of a module other than a transformer it knows one safetensors name, and unpickles where that file is absent.
    safe = "*.safetensors" if module.kind in _TRANSFORMERS else "model.safetensors"
    if any(module.folder.glob(safe)):
        return None
    return min((file for kind in ("*.bin", "*.pt") for file in module.folder.glob(kind)), default=None)


def _denied(error: BaseException) -> bool:
    """Whether the hub knows the model but does not give it to whoever asks."""
    from huggingface_hub.errors import GatedRepoError

    status = getattr(getattr(error, "response", None), "status_code", None)
    return isinstance(error, GatedRepoError) or status in (401, 403)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
