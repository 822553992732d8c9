"""What a saved model, or the words alone, say about a recording: direction, probability and cues, by window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from lasca_core.contract.errors import MediaError, ModelError, OptionError
from lasca_core.contract.lexicon import Lexicon
from lasca_core.contract.types import Pairs, Problem, Recording, Source, Windows
from lasca_core.experiment.explain import Explanation, Scorer, explain_pairs, features_told
from lasca_core.experiment.model import SavedModel
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.representations import RECIPES, Blocks
from lasca_core.steps.calibration import at_temperature, logit
from lasca_core.steps.fusion import differences, fit_columns
from lasca_core.steps.normalize import Statistics, growth, statistics
from lasca_core.steps.pairs import unlabelled_pairs

if TYPE_CHECKING:
    from torch import Tensor


_T = TypeVar("_T")

_CANCELLED = 1e-3
"""Share of its parts below which a sum says nothing of how they were scaled."""
REASONS = 8
"""Reasons kept for each target of a window."""


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
class Reason:
    """What a feature's change adds to the logit of a rise; whether there is ``more`` of the feature than before, or
    less; and how it is described."""

    feature: str
    contribution: float
    more: bool
    words: str


@dataclass(frozen=True)
class WindowPrediction:
    """One window: ``directions`` maps a target to (rises?, probability of that direction) against the window before;
    ``compared`` says whether there is one to compare with. The cue that grew most comes first. ``reasons`` maps a
    target to what speaks most for or against a rise, the strongest first, where the words alone predict.
    ``explanations`` maps a target to what its logit is made of, where that was asked for or the words alone predict."""

    start: float
    end: float
    valid: bool
    directions: dict[str, tuple[bool, float]]
    cues: tuple[Cue, ...]
    sentence: str
    dropped: int
    compared: bool = False
    reasons: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)
    explanations: Mapping[str, Explanation] = field(default_factory=dict)


@dataclass(frozen=True)
class ZeroShot:
    """What the words alone say: the windows, and why they say nothing of a target, where they do not."""

    windows: list[WindowPrediction]
    abstains: Mapping[str, str]


def extractors_for(source: Source) -> tuple[str, ...]:
    """One extractor for each stream the recording has."""
    return (*(("blendshape",) if source.has_video else ()), *(("mfcc",) if source.has_audio else ()))


def predict(
    model: SavedModel,
    pipeline: Pipeline,
    recording: Recording,
    targets: Sequence[str] = (),
    *,
    explain: bool = False,
) -> list[WindowPrediction]:
    """Predict every window of one recording against the window before it, and ``explain`` each prediction.

    Raises ``MediaError`` if the recording is too short, or no window has enough valid frames; ``OptionError`` for a
    target the model does not know, or an explanation that lacks captum; ``ModelError`` if the features are not those of
    training.
    """
    unknown = [target for target in targets if target not in model.heads]
    if unknown:
        raise OptionError(f"--target {unknown[0]}: the model knows {', '.join(model.heads)}")
    scorers = {target: Scorer(pipeline, model.heads[target]) for target in targets or model.heads} if explain else {}
    for scorer in scorers.values():
        scorer.require()
    windows = _windows(pipeline, recording)
    if windows.names != model.columns:
        raise ModelError(
            "the features of the installed extractors are not those the model was trained with; train again"
        )
    fitted = model.statistics.to(windows.values.device) if model.statistics is not None else None
    scene = _scene(pipeline, windows, model.lexicon, fitted)
    found = {target: _probability(model, pipeline, target, scene) for target in targets or model.heads}
    return rows_of(
        scene, found, explanations=explain_pairs(scene, RECIPES[model.variant], scorers) if explain else None
    )


def predict_zero_shot(
    pipeline: Pipeline, recording: Recording, targets: Sequence[str], about: Mapping[str, str] | None = None
) -> ZeroShot:
    """Predict every window from the words alone: no model, no label. Columns are scaled by this recording's changes.

    ``about`` is what is known of the recording, for the lexicon. A target of which the lexicon does not know is not
    predicted, with the reason. Raises ``MediaError`` as ``predict`` does.
    """

    _ = pipeline.components, pipeline.zero_shot_learner  # a wrong name is an error before any work
    windows = _windows(pipeline, recording)
    scene = _scene(pipeline, windows, pipeline.lexicon_for(windows.names, about), None)
    floor = pipeline.config.normalize.scale_floor()
    recipe = RECIPES["zero-shot"]
    changes = unlabelled_pairs(windows, pipeline.config.windows.stride())
    columns = fit_columns(*differences(scene.blocks.get(recipe), {"features": windows.names}, changes), floor=floor)
    delta, layout = columns.apply(*differences(scene.blocks.get(recipe), {"features": windows.names}, scene.pairs))
    found: dict[str, Tensor] = {}
    explained: dict[str, list[Explanation]] = {}
    abstains: dict[str, str] = {}
    none = delta.new_zeros(0)
    for target in targets:
        knowledge = pipeline.knowledge(scene.lexicon, windows.names, target)
        if knowledge.silent:
            abstains[target] = knowledge.doubt
            continue
        problem = Problem(delta[:0], none, none.long(), layout, pipeline.runtime.seed, knowledge)
        (model,) = pipeline.without_training([problem])
        found[target] = model.predict(delta).probability
        explained[target] = told_of(scene, target, delta * knowledge.weight, found[target])
        pipeline.runtime.report.note(f"{target}: phrasings agree with alpha = {knowledge.reliability:.2f}")
    reasons = {target: [reasons_of(one) for one in explanations] for target, explanations in explained.items()}
    return ZeroShot(rows_of(scene, found, reasons, explained), abstains)


def told_of(scene: Scene, target: str, told: Tensor, probability: Tensor) -> list[Explanation]:
    """For each pair what each feature's change adds, ``told`` [P, F] before scaling: together they are the logit."""
    import torch

    logits = logit(probability)
    total = told.sum(dim=1)
    clear = total.abs() > _CANCELLED * told.abs().sum(dim=1)  # where parts cancel, their sum tells no factor
    factor = logits / torch.where(clear, total, 1.0)
    usual = factor[clear].mean() if bool(clear.any()) else 1.0
    shares = told * torch.where(clear, factor, usual)[:, None]
    sides = torch.where(told != 0, scene.change, 0.0).sign()
    names, lexicon = scene.blocks.windows.names, scene.lexicon
    return [
        Explanation.of(target, value, 0.0, features_told(lexicon, names, row, side))
        for value, row, side in zip(logits.tolist(), shares.tolist(), sides.tolist(), strict=True)
    ]


def reasons_of(explanation: Explanation) -> tuple[Reason, ...]:
    return tuple(
        Reason(one.feature, one.contribution, bool(one.more), one.words)
        for one in explanation.features[:REASONS]
        if one.contribution
    )


@dataclass(frozen=True)
class Scene:
    """A recording made ready for prediction: its blocks and lexicon, the window each one is compared with, and how much
    more each feature stands out than in that one."""

    blocks: Blocks
    lexicon: Lexicon
    before: Tensor
    pairs: Pairs
    grown: Tensor

    @property
    def change(self) -> Tensor:
        """How each feature changed in each pair [P, F], in the feature's own unit."""
        values = self.blocks.windows.values
        return values[self.pairs.later] - values[self.pairs.earlier]


def _scene(pipeline: Pipeline, windows: Windows, lexicon: Lexicon, fitted: Statistics | None) -> Scene:
    import torch

    group = torch.zeros_like(windows.session)  # one recording is one session, one subject, one group
    normalized = pipeline.normalized(windows, group, found=fitted)
    before = _before(windows, pipeline.config.windows.stride())
    own = statistics(windows, group)
    return Scene(
        Blocks(pipeline, windows, [lexicon] * len(windows.sessions), normalized),
        lexicon,
        before,
        _pairs(windows, before, pipeline.config.windows.stride()),
        growth(windows, own, group, pipeline.resolution(windows), before.to(windows.values.device)).cpu(),
    )


def _windows(pipeline: Pipeline, recording: Recording) -> Windows:
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


def _probability(model: SavedModel, pipeline: Pipeline, target: str, scene: Scene) -> Tensor:
    head = model.heads[target]
    delta, layout = differences(scene.blocks.get(RECIPES[model.variant]), {}, scene.pairs)
    device = delta.device
    learner = pipeline.learner.component.from_state({name: value.to(device) for name, value in head.state.items()})
    probability = learner.predict(head.columns.apply(delta, layout)[0]).probability
    return at_temperature(probability, head.temperature)


def rows_of(
    scene: Scene,
    found: Mapping[str, Tensor],
    reasons: Mapping[str, list[tuple[Reason, ...]]] | None = None,
    explanations: Mapping[str, list[Explanation]] | None = None,
    *,
    only: Sequence[int] | None = None,
) -> list[WindowPrediction]:
    """What is said of each window, or of those in the rows ``only``.

    ``found`` maps a target to the probability of a rise in each of the scene's pairs [P]; ``reasons`` and
    ``explanations`` map it to those of each pair.
    """
    windows, words, lexicon = scene.blocks.windows, scene.blocks.wording, scene.lexicon
    pairs, before = scene.pairs, scene.before.tolist()
    row_of = {window: row for row, window in enumerate(pairs.later.tolist())}
    probabilities = {target: values.tolist() for target, values in found.items()}
    # On the host at once: a device is waited for each time that a value is fetched.
    valids, starts, ends = windows.valid.tolist(), windows.starts.tolist(), windows.ends.tolist()
    texts, dropped = words.index.tolist(), words.dropped.tolist()
    salient = [set(words.cues[text]) for text in texts]
    state_of = [dict(zip(words.cues[text], words.states[text], strict=True)) for text in texts]
    column = {name: place for place, name in enumerate(windows.names)}

    def of_row(window: int, listed: Mapping[str, list[_T]] | None) -> dict[str, _T]:
        return {target: pairs[row_of[window]] for target, pairs in (listed or {}).items() if window in row_of}

    chosen = list(range(len(windows)) if only is None else only)
    scores, grown = scene.blocks.saliency.score[chosen].tolist(), scene.grown[chosen].tolist()
    rows = []
    for row, window in enumerate(chosen):
        valid = valids[window]
        known = salient[before[window]] if before[window] >= 0 else set()
        cues = [
            Cue(
                feature=name,
                score=scores[row][column[name]],
                growth=grown[row][column[name]],
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
                start=starts[window],
                end=ends[window],
                valid=valid,
                directions=directions,
                cues=tuple(sorted(cues, key=lambda cue: (-cue.growth, cue.feature))) if valid else (),
                sentence=words.texts[texts[window]] if valid else "",
                dropped=dropped[window],
                compared=window in row_of,
                reasons=of_row(window, reasons),
                explanations=of_row(window, explanations),
            )
        )
    return rows
