"""The only place that knows the order: recording, tracks, windows, saliency, words, embeddings, differences."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
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
    Source,
    StageInfo,
    Track,
    Windows,
    Wording,
)
from lasca_core.experiment.components import Built, build_component
from lasca_core.experiment.config import Config
from lasca_core.host.plugins import Registry
from lasca_core.host.runtime import HostRuntime, torch_threads
from lasca_core.host.store import key_of
from lasca_core.steps import wording
from lasca_core.steps.knowledge import read_knowledge
from lasca_core.steps.media import media_files, open_media
from lasca_core.steps.normalize import Normalized, Statistics, normalize, statistics
from lasca_core.steps.windows import cut, every, require_suited

if TYPE_CHECKING:
    import torch
    from torch import Tensor

RECORDINGS_AT_ONCE = 4
"""Recordings extracted at a time at most, by extractors that can: more would hold memory and bring nothing."""
TEXTS_A_STEP = 64
"""Texts encoded between two updates of the store and the progress bar: what a killed run loses at most."""
TEXTS_A_STEP_OF_A_GPU = 1024
"""The same where texts are encoded in larger batches, in less time."""


@dataclass
class Stage:
    """One stage being timed: counts what was computed and what the store already had."""

    name: str
    seconds: float = 0.0
    computed: int = 0
    stored: int = 0

    def info(self) -> StageInfo:
        """The record observers see."""
        return StageInfo(self.name, self.seconds, self.computed, self.stored)


@dataclass(frozen=True)
class _Grid:
    """Where the windows of a recording lie: start and end of each in seconds, perhaps without end; the same as JSON
    values for a key; and what to say of a recording that holds none of them."""

    spans: Iterable[tuple[float, float]]
    key: object
    lacking: str


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
    _one_at_a_time: dict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))

    def __post_init__(self) -> None:
        self._check_names()

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

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Time a stage; entering it again adds to it."""
        stage = self.stages.setdefault(name, Stage(name))
        begin = time.perf_counter()
        try:
            yield stage
        finally:
            stage.seconds += time.perf_counter() - begin

    # --- recording -> windows -----------------------------------------------------------------------------------------

    def tracks(self, recording: Recording, task: Task | None = None, *, by_window: bool = True) -> list[Track]:
        """One track for each extractor: ready ones as they are, others from the store or extracted now.

        Extractors that describe windows are given those of ``windows``, or choose their own if not ``by_window``.
        Raises ``MediaError`` naming the file if the recording cannot be read.
        """
        with self.stage("extract"):
            return self._tracks(recording, task, by_window)

    def tracks_of(
        self, recordings: Sequence[Recording], task: Task | None = None
    ) -> Iterator[tuple[Recording, list[Track] | MediaError]]:
        """The ``tracks`` of each recording in order, or why it could not be read.

        Where extractors can work on several recordings at a time, the next ones are begun meanwhile, as many as the
        runtime has workers. Whoever stops early leaves none running: each ends with its current part.
        """
        at_once = min(self.runtime.workers, RECORDINGS_AT_ONCE) if any(map(_is_concurrent, self.extractors)) else 1
        if at_once == 1 or len(recordings) < 2:
            for recording in recordings:
                with self.stage("extract"):
                    found = self._tracks_or_error(recording, task)
                yield recording, found
            return
        left = iter(recordings)
        waiting: deque[tuple[Recording, Future[list[Track] | MediaError]]] = deque()
        abandoned = threading.Event()
        pool = ThreadPoolExecutor(at_once, thread_name_prefix="extract")
        try:
            while True:
                while len(waiting) <= at_once and (following := next(left, None)) is not None:
                    waiting.append((following, pool.submit(self._tracks_or_error, following, task, abandoned)))
                if not waiting:
                    return
                recording, future = waiting.popleft()
                with self.stage("extract"):
                    found = future.result()
                yield recording, found
        finally:
            abandoned.set()
            pool.shutdown(cancel_futures=True)

    def _tracks_or_error(
        self, recording: Recording, task: Task | None, abandoned: threading.Event | None = None
    ) -> list[Track] | MediaError:
        try:
            return self._tracks(recording, task, True, abandoned)
        except MediaError as error:
            return error

    def _tracks(
        self, recording: Recording, task: Task | None, by_window: bool, abandoned: threading.Event | None = None
    ) -> list[Track]:
        return [self._track(built, recording, task, by_window, abandoned) for built in self.extractors]

    def _track(
        self, built: Built, recording: Recording, task: Task | None, by_window: bool, abandoned: threading.Event | None
    ) -> Track:
        ready = recording.features.get(built.spec.name)
        if ready is not None:
            return _as_announced(ready, built, recording.session)
        windowed = by_window and getattr(built.component, "windowed", False)
        grid = self._grid(recording) if windowed else None
        track, found = self._extracted(built, recording, task, grid, abandoned)
        stage = self.stages.setdefault("extract", Stage("extract"))
        with _counting:
            stage.stored += found
            stage.computed += not found
        if track.names != built.component.names:
            raise ContractError(f"extractor {built.spec.name!r}: the track's names are not the announced ones")
        return track

    def _turn(self, built: Built) -> AbstractContextManager[object]:
        """Held while an extractor works that cannot work on several recordings at a time."""
        return nullcontext() if _is_concurrent(built) else self._one_at_a_time[built.spec.name]

    def _grid(self, recording: Recording) -> _Grid:
        """Where the windows of ``windows`` lie."""
        if recording.segments is not None:
            segments = recording.segments.tolist()
            return _Grid([(start, end) for start, end in segments], segments, "holds none of its segments whole")
        length = self.config.windows.length
        hop = self.config.windows.hop or length
        lacking = f"holds no whole window of {length:g} s; choose a smaller -o windows.length"
        return _Grid(every(length, hop), {"length": length, "hop": hop}, lacking)

    def _extracted(
        self,
        built: Built,
        recording: Recording,
        task: Task | None,
        grid: _Grid | None,
        abandoned: threading.Event | None,
    ) -> tuple[Track, bool]:
        if recording.media is None:
            raise MediaError(
                recording.session, f"has neither media nor ready features of the extractor {built.spec.name!r}"
            )
        opened = open_media(  # fails on a damaged file before hashing it
            recording.media, audio=recording.audio, fps=recording.fps, runtime=self.runtime
        )
        files = [recording.media] if recording.audio is None else [recording.media, recording.audio]
        digest = self.runtime.store.digest([file for path in files for file in media_files(path)])
        asked = {"windows": grid.key} if grid is not None else {}
        key = key_of(component=built.identity, input=digest, fps=recording.fps, **asked)
        progressed = 0.0

        def compute() -> Track:
            nonlocal progressed
            component, parts, threads = built.component, [], getattr(built.component, "threads", None)
            with nullcontext() if threads is None else torch_threads(threads):
                for part in component.stream(opened) if grid is None else component.stream_windows(opened, grid.spans):
                    if abandoned is not None and abandoned.is_set():
                        raise _Abandoned
                    parts.append(part)
                    if task is not None and opened.duration > 0 and len(part):
                        share = min(1.0, float(part.times[-1]) / opened.duration)
                        task.advance(max(0.0, share - progressed))
                        progressed = max(progressed, share)
            if not parts:
                lacking = "yields no feature" if grid is None else grid.lacking
                raise MediaError(opened.path, f"is too short for the extractor {built.spec.name!r}: it {lacking}")
            track: Track = Track.concatenate(parts).to("cpu")
            parts.clear()  # they are as large as the track, which is now written
            if grid is not None and track.spans is None:
                raise ContractError(f"extractor {built.spec.name!r}: the rows of its windows have no spans")
            if "video" in getattr(built.spec, "needs", ()) and track.spans is None:  # whole windows end before the end
                self._warn_if_cut_off(opened, track)
            return track

        with self._turn(built):
            track, found = self.runtime.store.track(key, compute)
        if task is not None:
            task.advance(1.0 - progressed)
        return track, found

    def _warn_if_cut_off(self, source: Source, track: Track) -> None:
        """A recording whose end is missing decodes without an error; only its header knows how long it should be."""
        end = float(track.times[-1])
        if end < min(0.9 * source.duration, source.duration - 1):
            stated = f"{source.path} ends at {end:.1f} s although its header says {source.duration:.1f} s"
            self.runtime.report.warn(f"{stated}: the file may be cut off; what is there is used")

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

        stated = {
            name: value
            for built in self.extractors
            for name, value in getattr(built.component, "resolution", {}).items()
        }
        values = [stated.get(name, stated.get(name.removesuffix("_std"), 0.0)) for name in windows.names]
        return torch.tensor(values, device=windows.values.device) * self.config.normalize.resolution

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


_counting = threading.Lock()


class _Abandoned(Exception):  # noqa: N818 - no error: nobody hears of it
    """Ends the extraction of a recording for which nobody waits any more."""


def _is_concurrent(built: Built) -> bool:
    return bool(getattr(built.component, "concurrent", False))


def _as_announced(track: Track, built: Built, session: str) -> Track:
    """A ready track with the columns in the extractor's order and with its signed names, which a table cannot state."""
    names: tuple[str, ...] = built.component.names
    if set(track.names) != set(names):
        missing = [name for name in names if name not in track.names]
        more = [name for name in track.names if name not in names]
        wrong = f"lack {', '.join(missing[:3])}" if missing else f"have {', '.join(more[:3])} besides"
        raise MediaError(
            session, f"its ready features are not those of the extractor {built.spec.name!r}: they {wrong}"
        )
    order = [track.names.index(name) for name in names]
    return replace(track, names=names, values=track.values[:, order], signed=frozenset(built.component.signed))
