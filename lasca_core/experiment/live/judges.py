"""What is said of a new window against the one before it: by a saved model, or by the words alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from lasca_core.contract.errors import ModelError, OptionError
from lasca_core.contract.lexicon import Lexicon
from lasca_core.contract.types import Block, Knowledge, Problem
from lasca_core.experiment.explain import Scorer, explain_pairs
from lasca_core.experiment.model import SavedModel
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.predict import Scene, WindowPrediction, reasons_of, rows_of, told_of
from lasca_core.experiment.representations import RECIPES
from lasca_core.steps.calibration import at_temperature
from lasca_core.steps.fusion import differences, fit_columns
from lasca_core.steps.normalize import Statistics

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.contract.protocols import Model
    from lasca_core.experiment.explain import Explanation


class Judge(Protocol):
    """Says what a window is like against the one before it."""

    lexicon: Lexicon
    """The words; known after ``begin``."""
    statistics: Statistics | None
    """What normalisation uses; None: the statistics of what has been seen so far."""
    reads_words: bool
    """Whether it reads the vectors of windows' words."""

    def begin(self, names: tuple[str, ...]) -> None:
        """Get ready for windows of these features; asked once they are known, and perhaps before, to be fast then.

        Raises what ``predict.predict`` and ``predict.predict_zero_shot`` raise before their first window.
        """
        ...

    def tell(self, scene: Scene, found: Statistics) -> WindowPrediction:
        """What is said of the last window of ``scene``, which was normalised with the statistics ``found``."""
        ...


class ModelJudge:
    """A saved model, with its own lexicon; ``explain`` says of every prediction what it is made of."""

    def __init__(
        self, model: SavedModel, pipeline: Pipeline, targets: Sequence[str] = (), *, explain: bool = False
    ) -> None:
        if unknown := [target for target in targets if target not in model.heads]:
            raise OptionError(f"--target {unknown[0]}: the model knows {', '.join(model.heads)}")
        self.lexicon = model.lexicon
        self.statistics = None if model.statistics is None else model.statistics.to(pipeline.runtime.device)
        self._columns = model.columns
        self._recipe = RECIPES[model.variant]
        self.reads_words = "text" in self._recipe.blocks
        self._explain = explain
        self._scorers = {target: Scorer(pipeline, model.heads[target]) for target in targets or model.heads}
        if explain:
            for scorer in self._scorers.values():
                scorer.require()

    def begin(self, names: tuple[str, ...]) -> None:
        """Check that the features are those of training."""
        if names != self._columns:
            raise ModelError(
                "the features of the installed extractors are not those the model was trained with; train again"
            )

    def tell(self, scene: Scene, found: Statistics) -> WindowPrediction:
        """What the model says."""
        told: dict[str, Tensor] = {}
        explained: dict[str, list[Explanation]] | None = None
        if len(scene.pairs):
            delta, layout = differences(scene.blocks.get(self._recipe), {}, scene.pairs)
            for target, scorer in self._scorers.items():
                probability = scorer.model.predict(scorer.columns.apply(delta, layout)[0]).probability
                told[target] = at_temperature(probability, scorer.temperature)
            explained = explain_pairs(scene, self._recipe, self._scorers) if self._explain else None
        return rows_of(scene, told, explanations=explained, only=[len(scene.before) - 1])[0]


class WordsJudge:
    """The lexicon's words alone: no model, no label. Columns are scaled by the changes seen so far.

    ``about`` is what is known of the recording, for the lexicon; ``abstains`` says, after ``begin``, of which targets
    the lexicon does not know, and why.
    """

    statistics: Statistics | None = None
    reads_words = False

    def __init__(self, pipeline: Pipeline, targets: Sequence[str], about: Mapping[str, str] | None = None) -> None:
        _ = pipeline.components, pipeline.zero_shot_learner  # a wrong name is an error before any work
        self.abstains: dict[str, str] = {}
        self._pipeline = pipeline
        self._targets = targets
        self._about = about
        self._names: tuple[str, ...] = ()
        self._models: dict[str, tuple[Knowledge, Model]] = {}

    def begin(self, names: tuple[str, ...]) -> None:
        """Read what the lexicon's words say of each target."""
        import torch

        if names == self._names:
            return
        pipeline, report = self._pipeline, self._pipeline.runtime.report
        self._names, self._models, self.abstains = names, {}, {}
        self.lexicon = pipeline.lexicon_for(names, self._about)
        self._layout = (Block("features", 0, len(names), names),)
        nothing = torch.zeros((0, len(names)), device=pipeline.runtime.device)
        for target in self._targets:
            knowledge = pipeline.knowledge(self.lexicon, names, target)
            if knowledge.silent:
                self.abstains[target] = knowledge.doubt
                report.warn(f"{target} is not told: {knowledge.doubt}")
                continue
            none = nothing.new_zeros(0)
            problem = Problem(nothing, none, none.long(), self._layout, pipeline.runtime.seed, knowledge)
            (model,) = pipeline.without_training([problem])
            self._models[target] = (knowledge, model)
            report.note(f"{target}: phrasings agree with alpha = {knowledge.reliability:.2f}")
        self._squares = torch.zeros(len(names), dtype=torch.float64)
        self._changes = 0

    def tell(self, scene: Scene, found: Statistics) -> WindowPrediction:
        """What the words say, and why."""
        told: dict[str, Tensor] = {}
        explained: dict[str, list[Explanation]] = {}
        if len(scene.pairs):
            self._squares += scene.change[-1].cpu().double().square()
            self._changes += 1
            floor = self._pipeline.config.normalize.scale_floor()
            columns = fit_columns(self._usual_change(scene, found), self._layout, floor=floor)
            blocks = {"features": scene.blocks.normalized.features}
            delta, _ = columns.apply(*differences(blocks, {"features": self._names}, scene.pairs))
            for target, (knowledge, model) in self._models.items():
                told[target] = model.predict(delta).probability
                explained[target] = told_of(scene, target, delta * knowledge.weight, told[target])
        reasons = {target: [reasons_of(one) for one in several] for target, several in explained.items()}
        return rows_of(scene, told, reasons, explained, only=[len(scene.before) - 1])[0]

    def _usual_change(self, scene: Scene, found: Statistics) -> Tensor:
        """Root mean square of all changes so far, [1, F], on the scale of the normalised features.

        Normalisation shifts and divides each column, and within what was seen clips nothing: so the size of all changes
        is known from that of the changes in the features' own units, whatever the scale was when they were seen.
        """
        import torch

        size = (self._squares / self._changes).sqrt().to(found.low)
        ends = torch.cat([found.low, found.low + size])
        windows = scene.blocks.windows
        rows = {name: getattr(windows, name)[[-1, -1]] for name in ("valid", "starts", "ends", "session")}
        normalized = self._pipeline.normalized(
            replace(windows, values=ends, **rows), torch.zeros_like(rows["session"]), found=found
        )
        return normalized.features.diff(dim=0)
