"""What decides the result of a cell, and which part of it each of its intermediate results depends on.

Whatever is not listed here as being without influence counts: an option that is new shares too little, never too much.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lasca_core import __version__
from lasca_core.contract.errors import MediaError
from lasca_core.contract.types import Recording, Trace, Track
from lasca_core.experiment.config import STAGES, Config
from lasca_core.experiment.representations import Recipe
from lasca_core.host.store import Store, key_of
from lasca_core.steps.media import media_files

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.experiment.components import Built

Identity = dict[str, dict[str, Any]]
"""Stage -> its options, and ``kind:NAME`` of each component -> what decides its results."""

_ALL = None
_HEADS: dict[str, Sequence[str] | None] = {
    "run": ("learner", "zero_shot"),
    "pairs": ("tau", "strategy", "floor"),
    "fusion": ("components", "scale"),
    "learner": _ALL,
}
"""What heads alone depend on, besides ``evaluate``."""
_WORDS: dict[str, Sequence[str] | None] = {
    "run": ("lexicon", "encoder"),
    "lexicon": _ALL,
    "fusion": _ALL,
    "encoder": _ALL,
}
_SALIENCY: dict[str, Sequence[str] | None] = {"run": ("saliency",), "saliency": _ALL}


def identity_of(config: Config, components: Sequence[Built]) -> Identity:
    """Everything that decides the result of a cell, apart from the data."""
    found: Identity = {name: getattr(config, name).identity() for name in STAGES}
    for built in components:
        found[f"{built.spec.kind}:{built.spec.name}"] = built.identity
    return found


def cell_key(identity: Identity, data: str) -> str:
    """The address of a cell's result: its resolved configuration, its data, and the version that computed it."""
    return key_of(identity=identity, data=data, lasca=__version__)


def material_key(identity: Identity) -> str:
    """Cells with equal keys have the same windows and labels."""
    rest = _without(identity, _HEADS, _WORDS, _SALIENCY, {"normalize": _ALL, "evaluate": _ALL})
    return key_of(**rest)


def representations_key(identity: Identity) -> str:
    """Cells with equal keys have the same material, salient features, words and embeddings."""
    control = {"control": identity["evaluate"]["control"]}
    return key_of(**_without(identity, _HEADS, {"evaluate": _ALL}), control=control)


def learner_key(identity: Identity) -> str:
    """Cells with equal keys train with the same learner."""
    name = identity["run"]["learner"]
    return key_of(learner=identity[f"learner:{name}"], seed=identity["run"]["seed"])


def outcome_key(identity: Identity, recipe: Recipe, target: str) -> str:
    """Equal for variants, of whichever cells, that predict the same: one without words depends on no encoder."""
    spared: list[Mapping[str, Sequence[str] | None]] = [{"evaluate": ("variants", "bootstrap", "confidence")}]
    if recipe.words is None:
        spared += [_WORDS, {"evaluate": ("variants", "bootstrap", "confidence", "control")}]
        if "mask" not in recipe.blocks:
            spared.append(_SALIENCY)
        if not recipe.blocks:
            spared += [{"run": ("learner", "zero_shot"), "learner": _ALL, "normalize": _ALL}]
    made_of = {"blocks": recipe.blocks, "words": recipe.words, "trained": recipe.trained, "target": target}
    return key_of(recipe=made_of, **_without(identity, *spared))


def _without(identity: Identity, *spared: Mapping[str, Sequence[str] | None]) -> Identity:
    """The identity less the given options of stages, and less all components of a kind that is named entirely."""
    left: Identity = {}
    for name, options in identity.items():
        stage, _, component = name.partition(":")
        kept = dict(options)
        for part in spared:
            if stage in part:
                gone = part[stage]
                if gone is _ALL:
                    kept = {}
                elif not component:
                    kept = {key: value for key, value in kept.items() if key not in gone}
        if kept:
            left[name] = kept
    return left


def data_digest(recordings: Sequence[Recording], store: Store) -> str:
    """sha256 (hex) of what the dataset gives: who was recorded, the media's contents, ready features, annotations."""
    return key_of(recordings=[_recording(recording, store) for recording in recordings])


def _recording(recording: Recording, store: Store) -> dict[str, Any]:
    files = [path for path in (recording.media, recording.audio) if path is not None]
    try:
        media = store.digest([file for path in files for file in media_files(path)]) if files else None
    except MediaError as error:
        media = f"unreadable: {error}"  # such a session is left out of every cell, with a warning
    return {
        "session": recording.session,
        "subject": recording.subject,
        "split": recording.split,
        "about": dict(recording.metadata),
        "fps": recording.fps,
        "media": media,
        "segments": None if recording.segments is None else _digest(recording.segments),
        "features": {name: _track(track) for name, track in recording.features.items()},
        "annotations": {name: _trace(trace) for name, trace in recording.annotations.items()},
    }


def _track(track: Track) -> dict[str, Any]:
    return {
        "names": track.names,
        "signed": sorted(track.signed),
        "content": _digest(track.values, track.times, track.valid),
        "spans": None if track.spans is None else _digest(track.spans),
    }


def _trace(trace: Trace) -> dict[str, Any]:
    return {"scale": trace.scale, "content": _digest(trace.values, trace.times, trace.valid)}


def _digest(*tensors: Tensor) -> str:
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(repr((tuple(tensor.shape), tensor.dtype)).encode())
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
