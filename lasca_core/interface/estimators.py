"""Parts of LaScA as scikit-learn estimators: windows to their fused representation, and preference learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from lasca_core.interface.session import Session
from lasca_core.interface.values import assignment, plain

if TYPE_CHECKING:
    from lasca_core.contract.lexicon import Lexicon
    from lasca_core.contract.types import Windows
    from lasca_core.experiment.pipeline import Pipeline

Representation = Literal["fused", "features", "mask", "text"]
_ROWS_AT_ONCE = 65_536
_TABLE = "table"


class SalientWords(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Windows of hand-crafted features to their representation in LaScA: scaled features, and the embedded words of
    those that are salient in each window.

    ``fit`` learns each column's range and median; give it the windows of one person, or of one session, to normalise as
    LaScA does by default. Rows of ``transform`` are then [features | words]: differences between two rows are what
    ``PreferenceClassifier`` learns from.

    Parameters
    ----------
    representation:
        ``fused`` (features and words), ``features``, ``mask`` (which features are salient) or ``text`` (words alone).
    extractor:
        The extractor that measured the columns, by name: it knows which of them are signed, and how small a change is
        none. Without it no column is signed.
    lexicon:
        Where the words come from. None: the lexicon ``llm`` where it has words for all columns, which are named as in
        ``get_feature_names_in_`` (a data frame's columns); otherwise the columns' names themselves.
    encoder, saliency, options, device, offline:
        As in ``Pipeline``.

    Attributes
    ----------
    lexicon_ : the lexicon in use. words_ : what is said of each column.
    """

    def __init__(
        self,
        representation: Representation = "fused",
        *,
        extractor: str | None = None,
        lexicon: str | None = None,
        encoder: str = "minilm",
        saliency: str = "otsu",
        options: Mapping[str, Any] | None = None,
        device: str = "auto",
        offline: bool | None = None,
    ) -> None:
        self.representation = representation
        self.extractor = extractor
        self.lexicon = lexicon
        self.encoder = encoder
        self.saliency = saliency
        self.options = options
        self.device = device
        self.offline = offline

    def fit(self, X: Any, y: Any = None) -> SalientWords:
        """Learn the range and the median of each column of ``X`` [W, F], one row a window, finite numbers."""
        import torch

        from lasca_core.steps.normalize import statistics

        values = validate_data(self, X, dtype=np.float64, ensure_min_samples=1)
        self._names: tuple[str, ...] = tuple(
            str(name) for name in getattr(self, "feature_names_in_", [f"x{place}" for place in range(values.shape[1])])
        )
        self._pipeline = self._make_pipeline()
        windows = self._windows(values)
        self._statistics = statistics(windows, torch.zeros_like(windows.session))
        self.lexicon_ = self._make_lexicon(self._pipeline)
        self.words_ = {name: self.lexicon_.describe(name, 1) for name in self._names}
        self._width = self._transformed(values[:1]).shape[1]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """float32 [W, D]: the representation of each row of ``X`` [W, F]."""
        check_is_fitted(self)
        values = validate_data(self, X, dtype=np.float64, reset=False)
        starts = range(0, len(values), _ROWS_AT_ONCE)
        return np.concatenate([self._transformed(values[start : start + _ROWS_AT_ONCE]) for start in starts])

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """The columns of ``transform``: the features' names, and ``words_0``, ``words_1``, ... for the embedding."""
        check_is_fitted(self)
        own = list(self._names) if self.representation in ("fused", "features", "mask") else []
        words = [f"words_{place}" for place in range(self._width - len(own))]
        return np.array([*own, *words], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _make_pipeline(self) -> Pipeline:
        """The components around a table with these columns."""
        from lasca_core.contract.errors import OptionError
        from lasca_core.contract.types import ReadyFeatures
        from lasca_core.experiment.components import build_component
        from lasca_core.experiment.config import resolve
        from lasca_core.experiment.pipeline import Pipeline
        from lasca_core.experiment.ready import stand_in
        from lasca_core.experiment.representations import RECIPES

        if self.representation not in RECIPES or not RECIPES[self.representation].blocks:
            raise OptionError(f"representation={self.representation!r}: choose fused, features, mask or text")
        chosen = {"saliency": self.saliency, "encoder": self.encoder, "lexicon": self.lexicon, "extractors": (_TABLE,)}
        assignments = [assignment(name, value) for name, value in (self.options or {}).items()]
        config = resolve(preset="best", chosen=chosen, assignments=assignments)
        session = Session(self.device, None, self.offline, quiet=True)
        runtime = session.runtime()
        signed: frozenset[str] = frozenset()
        resolution: dict[str, float] = {}
        if self.extractor is not None:
            of = build_component(session.registry, runtime, "extractor", self.extractor, {}).component
            signed = frozenset(of.signed) & set(self._names)
            resolution = dict(getattr(of, "resolution", {}))
        table = stand_in(_TABLE, ReadyFeatures(self._names, signed, resolution), runtime)
        return Pipeline(config, session.registry, runtime, ready={_TABLE: table})

    def _make_lexicon(self, pipeline: Pipeline) -> Lexicon:
        from lasca_core.contract.errors import LexiconError

        try:
            return pipeline.lexicon_for(self._names)
        except LexiconError:
            if self.lexicon is not None:
                raise
            return pipeline.control_lexicon(self._names)

    def _windows(self, values: np.ndarray) -> Windows:
        import torch

        from lasca_core.contract.types import Windows

        device = self._pipeline.runtime.device
        count = len(values)
        starts = torch.arange(count, dtype=torch.float64, device=device)
        return Windows(
            names=self._names,
            values=torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(device),
            valid=torch.ones(count, dtype=torch.bool, device=device),
            starts=starts,
            ends=starts + 1,
            session=torch.zeros(count, dtype=torch.int64, device=device),
            sessions=(_TABLE,),
            signed=frozenset(self._pipeline.extractors[0].component.signed),
        )

    def _transformed(self, values: np.ndarray) -> np.ndarray:
        import torch

        from lasca_core.experiment.representations import RECIPES, Blocks

        windows = self._windows(values)
        group = torch.zeros_like(windows.session)
        normalized = self._pipeline.normalized(windows, group, found=self._statistics)
        blocks = Blocks(self._pipeline, windows, [self.lexicon_], normalized).get(RECIPES[self.representation])
        return torch.cat(list(blocks.values()), dim=1).cpu().numpy()

    def __getstate__(self) -> dict[str, Any]:
        """Without loaded models, which are found again: an estimator can be copied and sent to other processes."""
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_pipeline"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_names" in state:
            self._pipeline = self._make_pipeline()


class PreferenceClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """One of LaScA's learners as a classifier of differences between windows into two classes.

    The later of ``classes_`` (in sorted order; True, 1, "rises") is the rise. Columns are divided by their root mean
    square in training, as in a run.

    Parameters
    ----------
    learner:
        ``mlp``, ``logistic``, ``prior``, or any installed one.
    options:
        The learner's own: ``{"hidden": [64]}``.
    random_state, device:
        The seed of what is random, and where it is computed.
    """

    def __init__(
        self,
        learner: str = "mlp",
        *,
        options: Mapping[str, Any] | None = None,
        random_state: Any = 0,
        device: str = "auto",
    ) -> None:
        self.learner = learner
        self.options = options
        self.random_state = random_state
        self.device = device

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X: Any, y: Any, groups: Sequence[Any] | np.ndarray | None = None) -> PreferenceClassifier:
        """Learn from differences ``X`` [P, D] and their classes ``y`` [P], two of them. ``groups`` [P] says whose each
        difference is: where a learner holds some out, it holds out whole people; without it each row is by itself."""
        import torch

        from lasca_core.contract.types import Block, Problem
        from lasca_core.experiment.components import build_component
        from lasca_core.host.runtime import torch_threads
        from lasca_core.steps.fusion import fit_columns

        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) > 2:
            kind = type_of_target(y, input_name="y", raise_unknown=True)
            raise ValueError(
                f"Only binary classification is supported. The type of the target is {kind}: y has "
                f"{len(self.classes_)} classes, and a rise or a fall are two."
            )
        if len(self.classes_) < 2:
            raise ValueError(f"PreferenceClassifier can't train when only one class is present: {self.classes_[0]!r}")
        options = {name: plain(name, value) for name, value in (self.options or {}).items()}
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        session = Session(self.device, quiet=True)
        runtime = session.runtime(seed)
        built = build_component(session.registry, runtime, "learner", self.learner, options)
        delta = torch.from_numpy(np.ascontiguousarray(X, dtype=np.float32)).to(runtime.device)
        self._layout = (Block("features", 0, delta.shape[1], tuple(f"x{place}" for place in range(delta.shape[1]))),)
        self._columns = fit_columns(delta, self._layout)
        label = torch.from_numpy((y == self.classes_[1]).astype(np.float32)).to(runtime.device)
        owner = np.arange(len(y)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
        if len(owner) != len(y):
            raise ValueError(f"groups has {len(owner)} entries for {len(y)} differences")
        group = torch.from_numpy(owner.astype(np.int64)).to(runtime.device)
        problem = Problem(self._columns.apply(delta, self._layout)[0], label, group, self._layout, seed)
        with torch_threads(1):
            (self._model,) = built.component.fit_many([problem])
        self._device = runtime.device
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, float64 [P, 2]."""
        import torch

        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        delta = torch.from_numpy(np.ascontiguousarray(X, dtype=np.float32)).to(self._device)
        scores = self._model.predict(self._columns.apply(delta, self._layout)[0])
        rise = scores.probability.double().cpu().numpy()
        return np.stack([1 - rise, rise], axis=1)

    def decision_function(self, X: Any) -> np.ndarray:
        """The logit of a rise, float64 [P]."""
        rise = self.predict_proba(X)[:, 1].clip(1e-12, 1 - 1e-12)
        logit: np.ndarray = np.log(rise) - np.log1p(-rise)
        return logit

    def predict(self, X: Any) -> np.ndarray:
        """The more probable class of each difference."""
        check_is_fitted(self)
        classes: np.ndarray = self.classes_
        chosen: np.ndarray = classes[(self.predict_proba(X)[:, 1] > 0.5).astype(int)]
        return chosen
