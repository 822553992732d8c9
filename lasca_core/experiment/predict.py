"""What a saved model says about a recording: direction, probability and salient cues in words, by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lasca_core.contract.errors import MediaError, ModelError, OptionError
from lasca_core.contract.types import Pairs, Recording, Windows
from lasca_core.experiment.model import SavedModel
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.representations import RECIPES, Blocks
from lasca_core.steps.fusion import differences
from lasca_core.steps.normalize import growth, statistics

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Cue:
    """A salient feature of a window, with its words.

    ``score`` is the saliency method's; ``growth`` how much more the feature stands out than in the window before, in
    units of what visibly or audibly changes; ``new`` whether it was not salient then.
    """

    feature: str
    score: float
    growth: float
    words: str
    new: bool


@dataclass(frozen=True)
class WindowPrediction:
    """One window: ``directions`` maps a target to (rises?, probability of that direction) against the window before,
    and is empty where there is none to compare with. The cue that grew most
    comes first."""

    start: float
    end: float
    valid: bool
    directions: dict[str, tuple[bool, float]]
    cues: tuple[Cue, ...]
    sentence: str
    dropped: int


def predict(
    model: SavedModel, pipeline: Pipeline, recording: Recording, targets: Sequence[str] = ()
) -> list[WindowPrediction]:
    """Predict every window of one recording against the window before it.

    Raises ``MediaError`` if the recording is too short, or no window has enough valid frames; ``OptionError`` for a
    target the model does not know; ``ModelError`` if the features are not those of training.
    """
    import torch

    unknown = [target for target in targets if target not in model.heads]
    if unknown:
        raise OptionError(f"--target {unknown[0]}: the model knows {', '.join(model.heads)}")
    windows = _windows(model, pipeline, recording)
    group = torch.zeros_like(windows.session)  # one recording is one session, one subject, one group
    fitted = model.statistics.to(windows.values.device) if model.statistics is not None else None
    normalized = pipeline.normalized(windows, group, found=fitted)
    blocks = Blocks(pipeline, windows, [model.lexicon] * len(windows.sessions), normalized)
    before = _before(windows, pipeline.config.windows.stride())
    own = statistics(windows, group)
    grown = growth(windows, own, group, pipeline.resolution(windows), before.to(windows.values.device)).cpu()
    pairs = _pairs(windows, before, pipeline.config.windows.stride())
    found = {target: _probability(model, pipeline, target, blocks, pairs) for target in targets or model.heads}
    return _rows(blocks, grown, before.tolist(), pairs, found)


def _windows(model: SavedModel, pipeline: Pipeline, recording: Recording) -> Windows:
    path = recording.media or recording.session
    label = f"extract {', '.join(pipeline.config.run.extractors)}"
    with pipeline.runtime.report.task(label, len(pipeline.extractors)) as task:
        tracks = pipeline.tracks(recording, task)
    for built, track in zip(pipeline.extractors, tracks, strict=True):
        if not bool(track.valid.any()):
            seen = "video" in getattr(built.spec, "needs", ())
            what = "no face was found in" if seen else "nothing could be measured in"
            raise MediaError(path, f"{what} any of its {len(track)} frames (extractor {built.spec.name})")
    windows = pipeline.windows(recording, tracks)
    length = pipeline.config.windows.length
    if len(windows) <= pipeline.config.windows.stride():
        raise MediaError(
            path, f"is too short: two windows of {length:g} s are needed to say what changes; try --window with less"
        )
    if not bool(windows.valid.any()):
        raise MediaError(
            path,
            f"no window of {length:g} s has enough valid frames (less than {pipeline.config.windows.min_valid:.0%})",
        )
    if windows.names != model.columns:
        raise ModelError(
            "the features of the installed extractors are not those the model was trained with; train again"
        )
    return windows


def _before(windows: Windows, stride: int) -> Tensor:
    """For each window the row it is compared with, int64 [W] on the CPU: the last valid one that does not overlap it,
    or -1."""
    import torch

    valid = windows.valid.cpu()
    rows = torch.arange(len(valid))
    last = torch.where(valid, rows, -1).cummax(dim=0).values
    return torch.cat([torch.full((min(stride, len(rows)),), -1), last[:-stride]])


def _pairs(windows: Windows, before: Tensor, stride: int) -> Pairs:
    """The windows a direction is given for: valid, and the window ``stride`` rows before valid too."""
    import torch

    rows = torch.arange(len(windows))
    later = (windows.valid.cpu() & (before == rows - stride) & (before >= 0)).nonzero()[:, 0].to(windows.values.device)
    nothing = torch.zeros(len(later), device=windows.values.device)
    return Pairs(earlier=later - stride, later=later, label=nothing, change=nothing, dropped={})


def _probability(model: SavedModel, pipeline: Pipeline, target: str, blocks: Blocks, pairs: Pairs) -> Tensor:
    head = model.heads[target]
    delta, layout = differences(blocks.get(RECIPES[model.variant]), {}, pairs)
    device = delta.device
    learner = pipeline.learner.component.from_state({name: value.to(device) for name, value in head.state.items()})
    probability: Tensor = learner.predict(head.columns.apply(delta, layout)[0]).probability
    return probability


def _rows(
    blocks: Blocks, grown: Tensor, before: list[int], pairs: Pairs, found: dict[str, Tensor]
) -> list[WindowPrediction]:
    windows, words = blocks.windows, blocks.wording
    row_of = {window: row for row, window in enumerate(pairs.later.tolist())}
    probabilities = {target: values.tolist() for target, values in found.items()}
    lexicon = blocks.lexicons[0]
    salient = [set(words.cues[text]) for text in words.index.tolist()]
    state_of = [dict(zip(words.cues[text], words.states[text], strict=True)) for text in words.index.tolist()]
    scores = blocks.saliency.score.cpu()
    column = {name: place for place, name in enumerate(windows.names)}
    rows = []
    for window in range(len(windows)):
        valid = bool(windows.valid[window])
        known = salient[before[window]] if before[window] >= 0 else set()
        cues = [
            Cue(
                feature=name,
                score=float(scores[window, column[name]]),
                growth=float(grown[window, column[name]]),
                words=lexicon.describe(name, state_of[window].get(name, 0)),
                new=name not in known,
            )
            for name in salient[window]
        ]
        directions = {}
        if window in row_of:
            for target, values in probabilities.items():
                rise = values[row_of[window]]
                directions[target] = (rise > 0.5, max(rise, 1 - rise))
        rows.append(
            WindowPrediction(
                start=float(windows.starts[window]),
                end=float(windows.ends[window]),
                valid=valid,
                directions=directions,
                cues=tuple(sorted(cues, key=lambda cue: (-cue.growth, cue.feature))) if valid else (),
                sentence=words.texts[int(words.index[window])] if valid else "",
                dropped=int(words.dropped[window]),
            )
        )
    return rows
