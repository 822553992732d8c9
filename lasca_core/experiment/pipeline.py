"""The only place that knows the order: recording, tracks, windows, saliency, words, embeddings, differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lasca_core.contract.errors import ContractError, MediaError, OptionError
from lasca_core.contract.lexicon import Lexicon, LexiconContext
from lasca_core.contract.protocols import Model, Task
from lasca_core.contract.types import (
    Embeddings,
    Knowledge,
    Problem,
    Recording,
    Saliency,
    Track,
    Windows,
    Wording,
)
from lasca_core.experiment.components import Built, build_component
from lasca_core.experiment.config import Config
from lasca_core.experiment.extraction import Extraction
from lasca_core.experiment.stage import Stage
from lasca_core.host.plugins import Registry
from lasca_core.host.runtime import HostRuntime, torch_threads
from lasca_core.steps import wording
from lasca_core.steps.knowledge import read_knowledge
from lasca_core.steps.normalize import Normalized, Statistics, normalize, statistics
from lasca_core.steps.windows import cut, require_suited

if TYPE_CHECKING:
    import torch
    from torch import Tensor

TEXTS_A_STEP = 64
"""Texts encoded between two updates of the store and the progress bar: what a killed run loses at most."""
TEXTS_A_STEP_OF_A_GPU = 1024
"""The same where texts are encoded in larger batches, in less time."""


@dataclass
class Pipeline:
    """The components of a configuration, in order, on one runtime; each is built when it is first asked for.

    ``fixed_lexicon`` is the lexicon a saved model was trained with: it is used instead of asking the provider.
    ``ready`` are stand-ins for extractors, for features that the dataset brings along.
    """

    config: Config
    registry: Registry
    runtime: HostRuntime
    fixed_lexicon: Lexicon | None = None
    ready: Mapping[str, Built] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict)

    _built: dict[tuple[str, str], Built] = field(default_factory=dict)
    _resolutions: dict[tuple[str, ...], Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_names()
        stage = self.stages.setdefault("extract", Stage("extract"))
        self._extraction = Extraction(self.extractors, self.config.windows, self.runtime, stage)

    def _build(self, kind: str, name: str) -> Built:
        if (kind, name) not in self._built:
            values = self.config.values_for(kind, name)
            self._built[kind, name] = build_component(self.registry, self.runtime, kind, name, values)
        return self._built[kind, name]

    @property
    def extractors(self) -> list[Built]:
        """The extractors, in the order of their features."""
        return [self.ready.get(name) or self._build("extractor", name) for name in self.config.run.extractors]

    @property
    def saliency(self) -> Built:
        """The saliency method."""
        return self._build("saliency", self.config.run.saliency)

    @property
    def provider(self) -> Built:
        """The lexicon provider."""
        return self._build("lexicon", self.config.run.lexicon)

    @property
    def encoder(self) -> Built:
        """The sentence encoder."""
        return self._build("encoder", self.config.run.encoder)

    @property
    def learner(self) -> Built:
        """The preference learner."""
        return self._build("learner", self.config.run.learner)

    def _check_names(self) -> None:
        owners: dict[str, str] = {}
        for built in self.extractors:
            for name in built.component.names:
                if name in owners:
                    raise OptionError(
                        f"extractors {owners[name]} and {built.spec.name} both have a feature {name!r}; use one of them"
                    )
                owners[name] = built.spec.name

    @property
    def components(self) -> list[Built]:
        """All components, built and checked now."""
        provider = [] if self.fixed_lexicon else [self.provider]
        return [*self.extractors, self.saliency, *provider, self.encoder, self.learner]

    @property
    def controls(self) -> list[Built]:
        """The components that only the chosen variants need: the control lexicon, and the learner without training."""
        variants, chosen = self.config.evaluate.variants, []
        if {"names", "zero-shot-names"} & set(variants):
            chosen.append(self._build("lexicon", self.config.evaluate.control))
        if any(variant.startswith("zero-shot") for variant in variants):
            chosen.append(self.zero_shot_learner)
        main = self.components
        return [built for built in chosen if built not in main]

    @property
    def zero_shot_learner(self) -> Built:
        """The learner that needs no training. Raises ``OptionError`` if the one that was named does."""
        built = self._build("learner", self.config.run.zero_shot)
        if not getattr(built.spec, "zero_shot", False):
            raise OptionError(f"run.zero_shot: the learner {built.spec.name!r} cannot do without training; try prior")
        return built

    def close(self) -> None:
        """Give back what the components hold."""
        for built in self._built.values():
            if hasattr(built.component, "close"):
                built.component.close()

    def stage(self, name: str) -> AbstractContextManager[Stage]:
        """Time a stage; entering it again adds to it."""
        return self.stages.setdefault(name, Stage(name)).timed()

    # --- recording -> windows -----------------------------------------------------------------------------------------

    def tracks(self, recording: Recording, task: Task | None = None, *, by_window: bool = True) -> list[Track]:
        """One track for each extractor; see ``Extraction.tracks``."""
        return self._extraction.tracks(recording, task, by_window=by_window)

    def tracks_of(
        self, recordings: Sequence[Recording], task: Task | None = None
    ) -> Iterator[tuple[Recording, list[Track] | MediaError]]:
        """The tracks of each recording in order, or why it could not be read; see ``Extraction.tracks_of``."""
        return self._extraction.tracks_of(recordings, task)

    def windows(self, recording: Recording, tracks: Sequence[Track]) -> Windows:
        """The windows of one recording over the joint features of all extractors, of which ``tracks`` are.

        Raises ``OptionError`` where an extractor's rows describe stretches of time that are never as long as a window.
        """
        options = self.config.windows
        moved: list[Track] = [track.to(self.runtime.device) for track in tracks]
        with self.stage("windows"):
            windows = cut(
                moved,
                recording.session,
                length=options.length,
                hop=options.hop or options.length,
                statistic=options.statistic,
                min_valid=options.min_valid,
                segments=recording.segments,
            )
        for built, track in zip(self.extractors, moved, strict=True):
            require_suited(track, windows, built.spec.name)
        return windows

    # --- windows -> representation ------------------------------------------------------------------------------------

    def lexicon_for(self, names: tuple[str, ...], about: Mapping[str, str] | None = None) -> Lexicon:
        """The lexicon for these features: the one a model brought along, or the provider's, which may depend on what is
        known ``about`` the session."""
        if self.fixed_lexicon is not None:
            self.fixed_lexicon.require(names)
            return self.fixed_lexicon
        known = {"dataset": self.config.run.dataset, **(about or {})}
        return self._ask(self.provider, LexiconContext(names, self.config.lexicon.language, known))

    def control_lexicon(self, names: tuple[str, ...]) -> Lexicon:
        """The control: a lexicon that says no more than the features' names, which are English."""
        control = self._build("lexicon", self.config.evaluate.control)
        return self._ask(control, LexiconContext(names, "en", {"dataset": self.config.run.dataset}))

    def _ask(self, provider: Built, context: LexiconContext) -> Lexicon:
        lexicon: Lexicon = provider.component.lexicon_for(context)
        lexicon.require(context.features)
        return lexicon.restrict(context.features)

    def knowledge(self, lexicon: Lexicon, names: tuple[str, ...], target: str) -> Knowledge:
        """What the lexicon's words say of how the features speak for ``target``."""
        generator = self.runtime.generator("arbitrary axes")
        return read_knowledge(lexicon, names, target, lambda texts: self.embed(texts).vectors, generator)

    def normalized(
        self, windows: Windows, group: Tensor, *, fit: Tensor | None = None, found: Statistics | None = None
    ) -> Normalized:
        """Features on one scale; ``group`` int64 [W] numbers what is normalised together."""
        with self.stage("normalize"):
            found = found if found is not None else statistics(windows, group, fit)
            scale = self.config.normalize.strategy != "none"
            return normalize(windows, found, group, scale=scale, resolution=self.resolution(windows))

    def resolution(self, windows: Windows) -> Tensor:
        """Smallest range of each column that counts as change, float32 [F], as the extractors state it."""
        import torch

        if windows.names not in self._resolutions:
            stated = {
                name: value
                for built in self.extractors
                for name, value in getattr(built.component, "resolution", {}).items()
            }
            values = [stated.get(name, stated.get(name.removesuffix("_std"), 0.0)) for name in windows.names]
            found = torch.tensor(values, device=windows.values.device) * self.config.normalize.resolution
            self._resolutions[windows.names] = found
        return self._resolutions[windows.names]

    def salient(self, windows: Windows, normalized: Normalized) -> Saliency:
        """Saliency of each window, over all features jointly or for each extractor's by themselves."""
        import torch

        with self.stage("saliency"):
            if self.config.saliency.scope == "joint":
                found: Saliency = self.saliency.component.select(normalized.salience)
                return Saliency(found.mask & windows.valid[:, None], found.score)
            scopes = self._modalities(windows.names)
            parts = [self.saliency.component.select(normalized.salience[:, columns]) for columns in scopes]
            place = torch.tensor(
                [column for columns in scopes for column in columns], device=windows.values.device
            ).argsort()
            mask = torch.cat([part.mask for part in parts], dim=1)[:, place]
            score = torch.cat([part.score for part in parts], dim=1)[:, place]
            return Saliency(mask & windows.valid[:, None], score)

    def _modalities(self, names: Sequence[str]) -> list[list[int]]:
        """Column numbers of each extractor's features, spread columns included."""
        return [
            [
                column
                for column, name in enumerate(names)
                if name.removesuffix("_std") in built.component.names or name in built.component.names
            ]
            for built in self.extractors
        ]

    def words(self, names: Sequence[str], saliency: Saliency, lexicon: Lexicon, state: Tensor | None = None) -> Wording:
        """The sentence of each window, none longer than the encoder reads; ``state`` int8 [W, F] is that of each cue,
        left out where only the mask may decide the text."""
        encoder = self.encoder.component
        said = state if self.config.lexicon.direction else None
        with self.stage("wording"):
            return wording.write(saliency, names, lexicon, encoder.count_tokens, encoder.max_tokens, said)

    def text(self, words: Wording) -> Tensor:
        """The embedded sentence of each window, float32 [W, D]."""
        return self.embed(words.texts).vectors[words.index]

    def fit(self, problems: Sequence[Problem]) -> list[Model]:
        """One model for each problem, on one CPU thread: a batch of 200 rows is too little work to share, and on a busy
        machine a second thread made training twenty times slower (240 x 457: 0.09 s against 1.9 s)."""
        with self.stage("train") as stage, torch_threads(1):
            models: list[Model] = self.learner.component.fit_many(problems)
            if len(models) != len(problems):
                raise ContractError(
                    f"learner {self.learner.spec.name!r} gave {len(models)} models for {len(problems)} problems"
                )
            stage.computed += len(models)
            return models

    def without_training(self, problems: Sequence[Problem]) -> list[Model]:
        """One model for each problem without pairs, from the lexicon's knowledge alone."""
        models: list[Model] = self.zero_shot_learner.component.fit_many(problems)
        return models

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """One vector a text; texts encoded before, in any run, come from the store and load no model."""
        import torch

        with self.stage("encode") as stage:
            key = self.encoder.key
            known = self.runtime.store.embeddings(key, texts)
            missing = sorted((text for text in dict.fromkeys(texts) if text not in known), key=len)
            stage.stored += len(known)
            stage.computed += len(missing)
            if missing:
                self._encode_missing(key, missing, known)
            dim = self.encoder.component.dim
            rows = [known[text] for text in texts]
            vectors = torch.stack(rows) if rows else torch.zeros(0, dim)
            return Embeddings(tuple(texts), vectors.to(self.runtime.device))

    def _encode_missing(self, key: str, missing: list[str], known: dict[str, torch.Tensor]) -> None:
        """Encode in order of length, storing every few texts, so that a killed run loses little."""
        encoder = self.encoder
        with self.runtime.report.task(f"encode {len(missing)} texts with {encoder.spec.name}", len(missing)) as task:
            step = TEXTS_A_STEP if self.runtime.device.type == "cpu" else TEXTS_A_STEP_OF_A_GPU
            for start in range(0, len(missing), step):
                part = missing[start : start + step]
                vectors = encoder.component.encode(part).float().cpu()
                if vectors.shape != (len(part), encoder.component.dim) or not bool(vectors.isfinite().all()):
                    raise ContractError(
                        f"encoder {encoder.spec.name!r} gave {tuple(vectors.shape)} or NaN for {len(part)} texts"
                    )
                fresh = dict(zip(part, vectors, strict=True))
                self.runtime.store.add_embeddings(key, fresh)
                known.update(fresh)
                task.advance(len(part))
