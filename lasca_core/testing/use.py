"""Using a component once, in the way of its kind, and comparing what two uses gave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from lasca_core.api import LexiconContext, Track
from lasca_core.testing.bench import Subject
from lasca_core.testing.sources import Lent
from lasca_core.testing.synthetic import TEXTS, describe, make_problem, make_salience

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.api import Recording, Source

Outcome = Mapping[str, Any]
"""What a use gave: named tensors and plain values."""
Lend = Callable[[Any], Any]
"""Sees each value that a component is given, and gives it on."""

ROUNDING = 1e-3
"""Part of a column's largest value by which two results may differ and still be equal: float32 added up in another
order, and the tables of a neural network's library for other batch sizes."""
ANY_FEATURES = ("smile", "pitch_angle", "mfcc_3", "eye_blink_left")
"""Names to ask a lexicon for that says it describes any feature."""


def _as_it_is(value: Any) -> Any:
    return value


def use(subject: Subject, component: Any, source: Source | None = None, lend: Lend = _as_it_is) -> Outcome:
    """What ``component`` makes of the usual small input of its kind.

    An extractor reads ``source``, or the bench's recording. Everything the component is given passes through ``lend``.
    """
    if subject.kind == "extractor":
        track = whole(component, Lent(source or subject.bench.source(subject.needs), lend))
        return {"values": track.values, "times": track.times, "valid": track.valid}
    return _USES[subject.kind](component, lend)


def whole(component: Any, source: Source) -> Track:
    """The concatenation of what an extractor yields for ``source``, on the CPU."""
    track: Track = Track.concatenate(list(component.stream(source))).to("cpu")
    return track


def _select(component: Any, lend: Lend) -> Outcome:
    found = component.select(lend(make_salience().to(component.runtime.device)))
    return {"mask": found.mask, "score": found.score}


def context_of(component: Any) -> LexiconContext:
    """A context that the lexicon says it covers: in its first language, some of the features it lists or any."""
    languages = component.languages() if hasattr(component, "languages") else ("en",)
    language = "en" if "en" in languages else languages[0]
    features = component.features(language)[:8] if hasattr(component, "features") else ANY_FEATURES
    return LexiconContext(features=tuple(features), language=language, metadata={"dataset": "synthetic"})


def _look_up(component: Any, lend: Lend) -> Outcome:
    context = context_of(component)
    lexicon = component.lexicon_for(replace(context, metadata=lend(context.metadata)))
    return {"checksum": lexicon.checksum, "version": lexicon.version}


def _encode(component: Any, lend: Lend) -> Outcome:
    texts = lend(list(TEXTS))
    return {"vectors": component.encode(texts), "tokens": tuple(component.count_tokens(texts))}


def _learn(component: Any, lend: Lend) -> Outcome:
    device = component.runtime.device
    problem = make_problem().to(device)
    lent = replace(problem, delta=lend(problem.delta), label=lend(problem.label), group=lend(problem.group))
    (model,) = component.fit_many([lent])
    return {"probability": model.predict(lend(make_problem(seed=1).delta.to(device))).probability}


def _read(component: Any, _: Lend) -> Outcome:
    return flatten(list(component.sessions()))


_USES: dict[str, Callable[[Any, Lend], Outcome]] = {
    "saliency": _select,
    "lexicon": _look_up,
    "encoder": _encode,
    "learner": _learn,
    "dataset": _read,
}


def flatten(recordings: list[Recording]) -> Outcome:
    """Everything about recordings but what their media hold."""
    flat: dict[str, Any] = {"sessions": tuple(recording.session for recording in recordings)}
    for recording in recordings:
        name = recording.session
        flat[f"{name}: people and files"] = (
            recording.subject, recording.split, str(recording.media), str(recording.audio), recording.fps,
            tuple(sorted(recording.metadata.items())),
        )  # fmt: skip
        if recording.segments is not None:
            flat[f"{name}: segments"] = recording.segments
        for target, trace in recording.annotations.items():
            flat[f"{name}: {target}"] = trace.values
            flat[f"{name}: times of {target}"] = trace.times
        for extractor, track in recording.features.items():
            flat[f"{name}: features {extractor}"] = track.values
    return flat


def differences(one: Outcome, other: Outcome, tolerance: float = ROUNDING) -> str:
    """Where two outcomes differ by more than ``tolerance`` (see ``ROUNDING``), in words; empty if they agree."""
    return "; ".join(_differences(one, other, tolerance))


def _differences(one: Outcome, other: Outcome, tolerance: float) -> Iterator[str]:
    for name in sorted(one.keys() | other.keys()):
        if name not in one or name not in other:
            yield f"{name} is there once and missing once"
            continue
        first, second = one[name], other[name]
        if not isinstance(first, torch.Tensor):
            if first != second:
                yield f"{name} is {describe(first)} once and {describe(second)} once"
        elif first.shape != second.shape:
            yield f"{name} has shape {list(first.shape)} once and {list(second.shape)} once"
        elif first.dtype == torch.bool:
            if differing := int((first.cpu() != second.cpu()).sum()):
                yield f"{differing} of {first.numel()} entries of {name} differ"
        elif first.numel():
            worst = float(_relative(first, second).max())
            if not worst <= tolerance:
                yield f"{name} differ by up to {worst:.2g} of a column's largest value"


def _relative(first: Tensor, second: Tensor) -> Tensor:
    """|first - second| as a part of the column's largest value, which counts as a hundredth of the whole at least."""
    wide, other = first.cpu().double(), second.cpu().double()
    scale = wide.abs().amax(dim=0).clamp(min=max(1e-2 * float(wide.abs().max()), 1e-12))
    return (wide - other).abs() / scale
