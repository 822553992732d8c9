"""What a component must do, by kind. It is built as ``Target(options, runtime)``, and its constructor does no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lasca_core.contract.lexicon import Lexicon, LexiconContext
    from lasca_core.contract.specs import Weights
    from lasca_core.contract.types import Problem, Recording, Saliency, Scores, Source, Track


class Task(Protocol):
    """A progress bar in use."""

    def advance(self, amount: float = 1) -> None:
        """Count ``amount`` more as done."""
        ...

    def __enter__(self) -> Task: ...

    def __exit__(self, *exception: object) -> None: ...


class Reporter(Protocol):
    """Speaks to the person at the terminal (on stderr), or to nobody."""

    def note(self, message: str) -> None:
        """Say something worth knowing, once: repeating the same message says nothing new and prints nothing."""
        ...

    def warn(self, message: str) -> None:
        """Say that something was left out or went another way than asked; also once per message."""
        ...

    def task(self, label: str, total: float | None = None) -> Task:
        """Start a progress bar; use it as a context manager."""
        ...


class Runtime(Protocol):
    """Where and how a component runs. The host passes one to every component; a component reads its settings here and
    touches no global state (seeds, thread counts, environment, warnings, logging)."""

    offline: bool
    cache: Path
    seed: int
    workers: int
    """How many CPU threads a component may use for itself."""
    report: Reporter

    @property
    def device(self) -> torch.device:
        """The device all tensors of the run live on."""
        ...

    def generator(self, *scope: object) -> torch.Generator:
        """A CPU random generator that depends on the run's seed and on ``scope`` alone."""
        ...

    def fetch(self, weights: Weights) -> Path:
        """The local folder holding the verified files of ``weights``; downloads them on first use.

        Raises ``WeightsError`` if they are absent and cannot be had.
        """
        ...


class Component:
    """Base of all components: keeps ``options`` and ``runtime``."""

    def __init__(self, options: Any, runtime: Runtime) -> None:
        self.options = options
        self.runtime = runtime

    def prepare(self) -> None:
        """Load weights and compile, so that the first use is not slow. Optional: first use does it otherwise."""

    def close(self) -> None:
        """Give back what ``prepare`` or use has acquired. May be called more than once."""

    def fingerprint(self) -> str:
        """What decides this component's results besides its spec's version and its options: for instance the checksum
        of a folder it reads. Part of every cache key."""
        return ""


class Extractor(Protocol):
    """Turns a recording into named features over time."""

    names: tuple[str, ...]
    """Feature names, known before anything runs."""
    signed: frozenset[str]
    """Names whose zero or minimum does not mean "absent"; see ``Track.signed``."""
    resolution: Mapping[str, float]
    """Optional. Range over a session, in the feature's unit, below which the feature does not really change (a
    blendshape that varies by a thousandth): normalisation does not blow such a range up to [0, 1]. Features that are
    not named have none."""
    windowed: bool
    """Optional, False where it is not stated. Whether each row describes a stretch of time as a whole and is not to be
    averaged (statistics, such as openSMILE's functionals): a run then calls ``stream_windows`` instead of ``stream``.
    It may depend on the options."""
    threads: int | None
    """Optional, None where it is not stated: how many of torch's CPU threads suit it, where sharing its work among all
    costs more than it gains."""
    live_options: Mapping[str, Any]
    """Optional, empty where it is not stated. Options with which it can be used live, as they are written after -o,
    where those that are set need the whole recording before the first part (a threshold below its loudest moment). It
    may depend on the options."""
    concurrent: bool
    """Optional, False where it is not stated. Whether ``stream`` may run in several threads at a time, each with a
    source of its own, and gains by it: a run then extracts several recordings at once."""

    def stream(self, source: Source) -> Iterator[Track]:
        """Yield consecutive parts of the track in constant memory.

        Concatenated they are the offline result, whatever the batch sizes, so that live and offline agree. Raises
        ``MediaError`` when the recording lacks the stream the extractor needs.
        """
        ...

    def stream_windows(self, source: Source, spans: Iterable[tuple[float, float]]) -> Iterator[Track]:
        """Only where ``windowed``: one row for each of ``spans``, measured in exactly that stretch of the recording.

        ``spans`` are starts and ends in seconds, in order of their starts, each at its own; they may overlap, differ in
        length and go on without end: ask for no more of them than the recording holds. A row's time is its span's start
        and ``Track.spans`` its length; what could not be measured is invalid. A span that the recording does not hold
        (2 % of it may lack, because containers round their durations) has no row. Memory depends on the longest span,
        not on the recording. Raises ``MediaError`` as ``stream`` does.
        """
        ...


class SaliencyMethod(Protocol):
    """Chooses the salient features of each window. Pure: no state, no randomness."""

    def select(self, values: Tensor) -> Saliency:
        """``values`` float32 [W, F] in [0, 1], larger = further from the person's usual -> mask and score [W, F].

        A row whose values are all equal has an empty mask. Each row is judged by itself.
        """
        ...


class LexiconProvider(Protocol):
    """Provides the lexicon for a context. Deterministic: equal contexts give equal checksums."""

    def lexicon_for(self, context: LexiconContext) -> Lexicon:
        """The entries for ``context.features``. Raises ``LexiconError`` if a feature or the language is not covered."""
        ...


class Encoder(Protocol):
    """A frozen sentence encoder."""

    dim: int
    max_tokens: int
    """Tokens of one text that are read; what is longer would be cut off."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has, special tokens included, before any truncation."""
        ...

    def encode(self, texts: Sequence[str]) -> Tensor:
        """float32 [N, dim] on the runtime's device. The order and the number of texts do not change a text's vector
        beyond rounding."""
        ...


class Model(Protocol):
    """A fitted learner."""

    parameters: int
    """Number of trained parameters."""

    def predict(self, delta: Tensor) -> Scores:
        """Probability of a rise for each difference ``delta`` float32 [P, D], scaled as in training."""
        ...

    def state(self) -> Mapping[str, Tensor]:
        """Everything that prediction needs, as tensors (saved as safetensors, never pickled)."""
        ...


class Learner(Protocol):
    """Learns the direction of change from differences between windows."""

    def fit_many(self, problems: Sequence[Problem]) -> list[Model]:
        """One fitted model for each problem. Fitting again forgets what was learnt before."""
        ...

    def from_state(self, state: Mapping[str, Tensor]) -> Model:
        """The model that ``state()`` described."""
        ...


class Dataset(Protocol):
    """Annotated recordings."""

    def sessions(self) -> Iterable[Recording]:
        """All recordings in a fixed order; media are not opened here, annotations are read.

        Raises ``DatasetError`` naming the file and row at fault when the dataset as a whole cannot be read; a single
        faulty session is reported with ``runtime.report.warn`` and left out.

        A dataset whose recordings bring features that no extractor measures also has a method ``feature_sets()``, which
        maps the names under which ``Recording.features`` holds them to ``ReadyFeatures``.
        """
        ...


@dataclass(frozen=True)
class Agreement:
    """How far two results of a benchmark differ: ``what`` was compared, the ``difference`` found, and the
    ``tolerance`` up to which they count as the same."""

    what: str
    difference: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether the difference is within the tolerance; NaN never is."""
        return self.difference <= self.tolerance


@dataclass(frozen=True)
class HeldOut:
    """A training task, and the pairs left out of it on which a model is judged: ``delta`` float32 [P, D] scaled as in
    training, ``label`` float32 [P]."""

    problem: Problem
    delta: Tensor
    label: Tensor


class BenchmarkData(Protocol):
    """What benchmarks work on. Each part is made when it is first asked for, and raises a ``LascaError`` where that
    cannot be; its origin, in words for the table, stands beside it."""

    quick: bool
    """Whether the person wants to see that benchmarks run rather than what they measure: work should be small."""

    @property
    def media(self) -> Path:
        """A recording of a face and a voice."""
        ...

    @property
    def media_origin(self) -> str:
        """What that recording is; it says so where it is synthetic."""
        ...

    @property
    def salience(self) -> Tensor:
        """float32 [W, F] in [0, 1] on the runtime's device: what saliency methods read of the windows of ``media``."""
        ...

    @property
    def sentences(self) -> Sequence[str]:
        """The sentence of every window of a corpus, in order; windows with the same cues have the same one."""
        ...

    @property
    def overlapping_sentences(self) -> Sequence[str]:
        """The sentence of every window of ``media``, one every tenth of a second."""
        ...

    @property
    def folds(self) -> Sequence[HeldOut]:
        """The heads of one variant and target on that corpus, fold by fold."""
        ...

    @property
    def grid(self) -> Sequence[HeldOut]:
        """The heads of all variants and targets that the published comparison trains, fold by fold."""
        ...

    @property
    def corpus_origin(self) -> str:
        """What that corpus is; it says so where it is synthetic."""
        ...


class Benchmark:
    """Base of benchmarks: one piece of work, done by us and by a reference. Built as ``Target(data, runtime)``.

    The host calls ``prepare``, then each way once outside the clock and ``compare`` on what they gave, then both in
    turn under the clock. A benchmark whose ways do not agree is an error and has no time.
    """

    work: str = ""
    """What is worked on, for the table; set by ``prepare``."""
    units: float = 1.0
    """How many of the spec's units the work is; set by ``prepare``."""

    def __init__(self, data: BenchmarkData, runtime: Runtime) -> None:
        self.data = data
        self.runtime = runtime

    def prepare(self) -> None:
        """Load models and data, so that no clock sees it."""

    def reset(self) -> None:
        """Called before every timed call, outside the clock."""

    def ours(self) -> Any:
        """Do the work our way, as a run does it."""
        raise NotImplementedError

    def reference(self) -> Any:
        """Do the same work as people do it without us."""
        raise NotImplementedError

    def compare(self, ours: Any, reference: Any) -> Agreement:
        """How far the two results differ; ``reference`` is None where the spec names none."""
        raise NotImplementedError

    def close(self) -> None:
        """Give back what ``prepare`` has acquired. May be called more than once."""
