"""Why a model says what it says of a window: what each feature's change, and each cue's words, add to its logit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lasca_core.contract.lexicon import Lexicon
from lasca_core.contract.types import Block, Saliency
from lasca_core.experiment.model import Head
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.representations import Blocks, Recipe
from lasca_core.steps.attribution import Attribution, attribute, lets_gradients_through, require_captum
from lasca_core.steps.calibration import logit
from lasca_core.steps.fusion import TEXT, differences
from lasca_core.steps.normalize import Normalized

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.experiment.predict import Scene

_ELEMENTS = 2**25
"""Numbers in the rows without one cue that are held at once."""
_VISIBLE = 0.01
"""A residual that is worth a warning."""


@dataclass(frozen=True)
class Contribution:
    """What one feature's change, or one cue's words, add to the logit of a rise."""

    feature: str
    contribution: float
    more: bool | None
    """Whether there is more of the feature than in the window before; None where that says nothing."""
    words: str
    """The lexicon's description for that state."""


@dataclass(frozen=True)
class Explanation:
    """Why a model says that one target rises or falls in one window.

    ``logit = bias + sum(features) + text + residual`` and ``text = sum(cues) + interaction``, by construction.
    """

    target: str
    logit: float
    """Of a rise, calibrated: what the probability comes from."""
    bias: float
    """The logit when nothing changes at all."""
    features: tuple[Contribution, ...]
    """Every feature column, the strongest first (integrated gradients)."""
    text: float
    """The block of words as a whole; 0 where the model has none."""
    cues: tuple[Contribution, ...]
    """Leave-one-cue-out of either window's words, the strongest first."""
    interaction: float
    """``text`` less the sum of ``cues``: what no single cue's words account for."""
    residual: float
    """What integration did not account for (completeness)."""

    @classmethod
    def of(
        cls,
        target: str,
        logit: float,
        bias: float,
        features: Sequence[Contribution],
        text: float = 0.0,
        cues: Sequence[Contribution] = (),
    ) -> Explanation:
        """With what is left over, and the strongest first."""
        return cls(
            target,
            logit,
            bias,
            _strongest_first(features),
            text,
            _strongest_first(cues),
            interaction=text - sum(cue.contribution for cue in cues),
            residual=logit - bias - sum(feature.contribution for feature in features) - text,
        )


def _strongest_first(found: Sequence[Contribution]) -> tuple[Contribution, ...]:
    return tuple(sorted(found, key=lambda one: -abs(one.contribution)))


class Scorer:
    """A saved head at work: its calibrated logits of a rise."""

    def __init__(self, pipeline: Pipeline, head: Head) -> None:
        device = pipeline.runtime.device
        state = {name: value.to(device) for name, value in head.state.items()}
        self.model = pipeline.learner.component.from_state(state)
        self.columns = head.columns.to(device)
        self.temperature = head.temperature

    def logits(self, columns: Tensor) -> Tensor:
        """Of differences as the learner reads them: ``columns`` [P, D] -> [P]."""
        return logit(self.model.predict(columns).probability) / self.temperature

    def of(self, delta: Tensor, layout: Sequence[Block]) -> Tensor:
        """Of differences [P, D] in the given layout -> [P]."""
        return self.logits(self.columns.apply(delta, layout)[0])

    def require(self) -> None:
        """Raise ``OptionError`` if what explains this model is not installed."""
        scale = self.columns.scale
        if lets_gradients_through(self.logits, len(scale), scale.device):
            require_captum()


def explain_pairs(scene: Scene, recipe: Recipe, scorers: Mapping[str, Scorer]) -> dict[str, list[Explanation]]:
    """For each target one explanation a pair of ``scene``.

    What features and words add is found by integrated gradients (``steps.attribution``); what each cue's words add, by
    leaving them out of both windows and predicting again.
    """
    delta, layout = differences(scene.blocks.get(recipe), {}, scene.pairs)
    text = next((block for block in layout if block.name == TEXT), None)
    if not len(delta):
        return {target: [] for target in scorers}
    cues: dict[str, list[list[Contribution]]] = {target: [[] for _ in range(len(delta))] for target in scorers}
    found = {target: _attributed(scorer, delta, layout) for target, scorer in scorers.items()}
    for target, one in found.items():
        if (most := float(one.residual.abs().max())) >= _VISIBLE:
            scene.blocks.pipeline.runtime.report.warn(
                f"{target}: an explanation leaves {most:.2g} of a logit unaccounted for; its residual says so"
            )
    if text is not None:
        for left in _leave_one_out(scene, recipe, delta, text):
            for target, scorer in scorers.items():
                effect = found[target].logit[left.pair] - scorer.of(left.delta, layout)
                for pair, cue, value in zip(left.pair.tolist(), left.cues, effect.tolist(), strict=True):
                    feature, more, words = cue
                    cues[target][pair].append(Contribution(feature, value, more, words))
    return {target: _explanations(scene, target, delta, layout, found[target], cues[target]) for target in scorers}


def _attributed(scorer: Scorer, delta: Tensor, layout: Sequence[Block]) -> Attribution:
    """The parts are the columns of features, or of the mask, and after them the words as a whole.

    Scaling, and turning the words' columns, are linear: the path may as well be walked in the learner's columns."""
    import torch

    columns, turned = scorer.columns.apply(delta, layout)
    numbers: list[int] = []
    for block in turned:
        first, size = (numbers[-1] + 1 if numbers else 0), block.stop - block.start
        numbers += [first] * size if block.name == TEXT else range(first, first + size)
    return attribute(scorer.logits, columns, torch.tensor(numbers, device=columns.device))


def _explanations(
    scene: Scene,
    target: str,
    delta: Tensor,
    layout: Sequence[Block],
    found: Attribution,
    cues: Sequence[Sequence[Contribution]],
) -> list[Explanation]:
    import torch

    count = sum(block.stop - block.start for block in layout if block.name != TEXT)
    sides = torch.where(delta[:, :count] != 0, scene.change[:, :count], 0.0).sign()
    names = scene.blocks.windows.names[:count]
    shares, words, bias = found.parts[:, :count], found.parts[:, count:].sum(dim=1), float(found.bias)
    return [
        Explanation.of(target, value, bias, features_told(scene.lexicon, names, row, side), text, of_cues)
        for value, row, side, text, of_cues in zip(
            found.logit.tolist(), shares.tolist(), sides.tolist(), words.tolist(), cues, strict=True
        )
    ]


def features_told(
    lexicon: Lexicon, names: Sequence[str], shares: Sequence[float], sides: Sequence[float]
) -> list[Contribution]:
    """What the features add, in the lexicon's words for the side (1, -1, or 0) to which each has changed."""
    return [
        Contribution(name, share, side > 0 if side else None, lexicon.describe(name, int(side)))
        for name, share, side in zip(names, shares, sides, strict=True)
    ]


# --- without one cue --------------------------------------------------------------------------------------------------

_Cue = tuple[str, bool | None, str]
"""A cue of one pair: its feature, whether there is more of it than before, and how it is described."""


@dataclass(frozen=True)
class _Left:
    """Rows from whose words one cue is left out: the number of each one's ``pair`` int64 [N], the cue, and the
    difference [N, D] without it."""

    pair: Tensor
    cues: Sequence[_Cue]
    delta: Tensor


def _leave_one_out(scene: Scene, recipe: Recipe, delta: Tensor, text: Block) -> Iterator[_Left]:
    """Every cue of every pair, left out of the words of both windows; ``text`` says where in ``delta`` these are."""
    import torch

    names, device = scene.blocks.windows.names, delta.device
    spoken = _spoken(scene)
    mask = torch.zeros_like(scene.blocks.saliency.mask)
    for window, cues in enumerate(spoken):
        mask[window, list(cues)] = True
    whole, change = scene.blocks.get(recipe)[TEXT], scene.change.cpu()
    at_once = max(1, _ELEMENTS // max(1, 2 * max(map(len, spoken)) * (len(names) + delta.shape[1])))
    for start in range(0, len(delta), at_once):
        pairs = torch.arange(start, min(start + at_once, len(delta)), device=device)
        earlier, later = scene.pairs.earlier[pairs].tolist(), scene.pairs.later[pairs].tolist()
        gaps = [(window, column) for window in sorted({*earlier, *later}) for column in spoken[window]]
        if not gaps:
            continue
        known = torch.cat([whole, _without(scene, recipe, mask, gaps)])
        place = {gap: len(whole) + number for number, gap in enumerate(gaps)}
        owner: list[int] = []
        ends: list[tuple[int, int]] = []
        left: list[_Cue] = []
        for pair, before, after in zip(pairs.tolist(), earlier, later, strict=True):
            for column, words in {**spoken[before], **spoken[after]}.items():
                owner.append(pair)
                ends.append((place.get((before, column), before), place.get((after, column), after)))
                side = float(change[pair, column])
                left.append((names[column], side > 0 if side else None, words))
        pair_of, row_of = torch.tensor(owner, device=device), torch.tensor(ends, device=device)
        rows = delta[pair_of]
        rows[:, text.start : text.stop] = known[row_of[:, 1]] - known[row_of[:, 0]]
        yield _Left(pair_of, left, rows)


def _spoken(scene: Scene) -> list[dict[int, str]]:
    """For each window the columns of the cues that its words are made of, and how each is described there."""
    blocks, lexicon = scene.blocks, scene.lexicon
    names, options = blocks.windows.names, blocks.pipeline.config
    if options.fusion.wording == "weighted":
        sides = blocks.normalized.state.sign() if options.lexicon.direction else blocks.normalized.state * 0
        return [
            {column: lexicon.describe(names[column], side[column]) for column, salient in enumerate(row) if salient}
            for row, side in zip(blocks.saliency.mask.tolist(), sides.tolist(), strict=True)
        ]
    words, place = blocks.wording, {name: column for column, name in enumerate(names)}
    said = [
        {place[name]: lexicon.describe(name, state) for name, state in zip(cues, states, strict=True)}
        for cues, states in zip(words.cues, words.states, strict=True)
    ]
    return [said[text] for text in words.index.tolist()]


def _without(scene: Scene, recipe: Recipe, mask: Tensor, gaps: Sequence[tuple[int, int]]) -> Tensor:
    """The words' vectors [N, D] of windows from whose cues, ``mask`` bool [W, F], one is missing; ``gaps`` are
    (window, column)."""
    import torch

    blocks, windows = scene.blocks, scene.blocks.windows
    rows, columns = torch.tensor(gaps, device=mask.device).unbind(dim=1)
    chosen = replace(
        windows,
        **{part: getattr(windows, part)[rows] for part in ("values", "valid", "starts", "ends", "session")},
    )
    normalized = Normalized(*(getattr(blocks.normalized, part)[rows] for part in ("features", "salience", "state")))
    left = Blocks(blocks.pipeline, chosen, blocks.lexicons, normalized)
    salient = mask[rows]
    salient[torch.arange(len(rows), device=rows.device), columns] = False
    left.saliency = Saliency(salient, blocks.saliency.score[rows])  # as given: nothing is to be chosen anew
    return left.get(recipe)[TEXT]
