"""The values that pass between stages: frozen records of torch tensors with names, times and an explicit validity mask.

Shapes use these letters: T frames, W windows, F features, N distinct texts, D embedding dimensions, P pairs. Values are
float32, times are float64 seconds from the start of the recording. A value that is not valid is finite (0) and marked
False in ``valid``: NaN never means "missing", so a NaN inside any record raises ``ContractError``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lasca_core.contract.errors import ContractError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def _check(condition: bool, owner: object, promise: str) -> None:
    if not condition:
        raise ContractError(f"{type(owner).__name__}: {promise}")


def _check_mask(mask: Tensor, owner: object, what: str) -> None:
    import torch

    _check(mask.dtype == torch.bool, owner, f"{what} must be bool, not {mask.dtype}: it selects, and must not index")


def _check_finite(values: Tensor, owner: object, what: str) -> None:
    _check(
        bool(values.sum().isfinite()) or bool(values.isfinite().all()),  # a sum is quicker; finite values may exceed it
        owner,
        f"{what} contain NaN or infinity; mark such entries invalid and set them to 0",
    )


class _Tensors:
    """Moves a record's tensors to a device."""

    def to(self, device: torch.device | str) -> Any:
        """This record with every tensor on ``device``: itself if they lie there, a copy otherwise."""
        import torch

        target = torch.device(device)

        def move(value: Tensor) -> Tensor:
            if target.type == "mps" and value.dtype == torch.float64:  # Metal has no float64
                value = value.float()
            return value.to(target)

        moved = {
            f.name: move(value)
            for f in fields(self)  # type: ignore[arg-type]
            if isinstance(value := getattr(self, f.name), torch.Tensor)
        }
        if all(value is getattr(self, name) for name, value in moved.items()):
            return self
        return replace(self, **moved)  # type: ignore[type-var]


# --- recordings -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Frames(_Tensors):
    """A batch of decoded video frames of one size.

    ``images`` uint8 [N, height, width, 3] RGB, upright (rotation metadata applied); ``times`` float64 [N] seconds.
    """

    images: Tensor
    times: Tensor

    def __post_init__(self) -> None:
        _check(self.images.ndim == 4 and self.images.shape[-1] == 3, self, "images must be [N, height, width, 3]")
        _check(self.times.shape == self.images.shape[:1], self, "times must be [N]")

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True)
class Samples(_Tensors):
    """A stretch of mono sound: ``values`` float32 [S] in [-1, 1] at ``rate`` Hz, beginning at ``start`` seconds."""

    values: Tensor
    rate: int
    start: float

    def __post_init__(self) -> None:
        _check(self.values.ndim == 1, self, "values must be [S]")
        _check(self.rate > 0, self, "rate must be positive")


class Source(Protocol):
    """An opened recording, as an extractor reads it. Every iteration decodes anew, in constant memory.

    A source of another kind has these members, and need not inherit from this class, whose attributes cannot be set.
    """

    @property
    def path(self) -> Path:
        """The file or folder."""
        ...

    @property
    def has_video(self) -> bool:
        """Whether there are pictures."""
        ...

    @property
    def has_audio(self) -> bool:
        """Whether there is sound."""
        ...

    @property
    def duration(self) -> float:
        """Seconds, as the container states it; 0 if it does not."""
        ...

    def frames(self, batch: int = 32, fps: float | None = None) -> Iterator[Frames]:
        """Video in batches of at most ``batch`` frames of one size; with ``fps``, only the frames nearest that rate.

        The images lie on the CPU, or on the runtime's GPU where they were decoded there.
        """
        ...

    def audio(self, rate: int = 16_000, seconds: float = 30.0) -> Iterator[Samples]:
        """Sound as mono at ``rate`` Hz, in consecutive stretches of at most ``seconds``."""
        ...


@dataclass(frozen=True)
class Trace(_Tensors):
    """A continuous annotation of one affect dimension, after rater fusion, lag and sentinels have been dealt with.

    ``times`` float64 [T] ascending seconds of the recording; ``values`` float32 [T]; ``valid`` bool [T]; ``scale`` the
    lowest and highest value the annotation scale allows.
    """

    times: Tensor
    values: Tensor
    valid: Tensor
    scale: tuple[float, float] = (-1.0, 1.0)

    def __post_init__(self) -> None:
        _check(self.times.ndim == 1, self, "times must be [T]")
        _check(self.values.shape == self.times.shape == self.valid.shape, self, "values and valid must be [T]")
        _check_finite(self.times, self, "times")
        _check(bool((self.times.diff() > 0).all()), self, "times must be ascending, without repetition")
        _check_mask(self.valid, self, "valid")
        _check(self.scale[0] < self.scale[1], self, "scale must be (lowest, highest)")
        _check_finite(self.values, self, "values")


@dataclass(frozen=True)
class Track(_Tensors):
    """Named features of one recording over time: what an extractor yields.

    ``values`` float32 [T, F]; ``times`` float64 [T] ascending, the start of each frame; ``valid`` bool [T], False where
    the features could not be measured (no face found), in which case the values are 0 and mean nothing; ``names`` [F];
    ``signed`` the names whose zero or minimum does not mean "absent" (pose angles, MFCC), so that saliency must look at
    the distance from the person's usual value rather than at the size.

    A row is a frame, a moment's measurement, unless there are ``spans`` float64 [T]: then each row describes as a whole
    so many seconds from its time on, and rows may overlap. Frames are averaged over a window; a row with a span stands
    for the window that begins and ends with it, and for no other.
    """

    names: tuple[str, ...]
    values: Tensor
    times: Tensor
    valid: Tensor
    signed: frozenset[str] = frozenset()
    spans: Tensor | None = None

    def __post_init__(self) -> None:
        _check(len(set(self.names)) == len(self.names), self, "names must be distinct")
        _check(self.values.ndim == 2 and self.values.shape[1] == len(self.names), self, "values must be [T, F]")
        _check(self.times.shape == self.valid.shape == self.values.shape[:1], self, "times and valid must be [T]")
        _check_mask(self.valid, self, "valid")
        _check_finite(self.times, self, "times")
        _check(bool((self.times.diff() > 0).all()), self, "times must be ascending, without repetition")
        if self.spans is not None:
            _check(self.spans.shape == self.times.shape, self, "spans must be [T]")
            _check_finite(self.spans, self, "spans")
            _check(bool((self.spans > 0).all()), self, "spans must be longer than 0 seconds")
        _check(self.signed <= set(self.names), self, "signed must be a subset of names")
        _check_finite(self.values, self, "values")

    def __len__(self) -> int:
        return len(self.times)

    @staticmethod
    def concatenate(parts: Sequence[Track]) -> Track:
        """One track from consecutive parts with equal names, all of them of frames or all with spans."""
        import torch

        first = parts[0]
        _check(all(part.names == first.names for part in parts), first, "parts of one track must have equal names")
        spans = [part.spans for part in parts if part.spans is not None]
        _check(len(spans) in (0, len(parts)), first, "either all parts of one track have spans, or none has")
        return Track(
            first.names,
            torch.cat([part.values for part in parts]),
            torch.cat([part.times for part in parts]),
            torch.cat([part.valid for part in parts]),
            first.signed,
            torch.cat(spans) if spans else None,
        )


@dataclass(frozen=True)
class Recording:
    """One session of a dataset: what was recorded, of whom, and how it was annotated.

    ``media`` is a video or audio file or a folder of images; ``audio`` a separate sound file, where sound does not lie
    in ``media``; ``fps`` the rate of a folder of images. ``features`` holds ready tracks by extractor name, used
    instead of extracting. ``annotations`` maps an affect dimension to its trace. ``split`` is the corpus's own part
    (``train``, ``validation``, ``test``). ``segments`` float64 [W, 2], where it is given, are the start and end in
    seconds of this recording's windows, in place of a regular grid: utterances, or rows of a table that each describe a
    whole segment. ``metadata`` is what a lexicon may know of the session (``culture``, ``language``, ...).
    """

    session: str
    subject: str
    media: Path | None = None
    audio: Path | None = None
    fps: float | None = None
    features: Mapping[str, Track] = field(default_factory=dict)
    annotations: Mapping[str, Trace] = field(default_factory=dict)
    split: str | None = None
    segments: Tensor | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(bool(self.session), self, "session must not be empty")
        _check(bool(self.subject), self, "subject must not be empty")
        if self.segments is not None:
            _check(self.segments.ndim == 2 and self.segments.shape[1] == 2, self, "segments must be [W, 2]")
            _check_finite(self.segments, self, "segments")
            starts, ends = self.segments[:, 0], self.segments[:, 1]
            _check(bool((ends > starts).all()), self, "every segment must end after it starts")
            _check(bool((starts.diff() > 0).all()), self, "segments must be in order of their starts, each at its own")


@dataclass(frozen=True)
class ReadyFeatures:
    """What must be known of features that a dataset brings along and no installed extractor measures: their ``names``,
    and ``signed`` and ``resolution`` as an extractor states them."""

    names: tuple[str, ...]
    signed: frozenset[str] = frozenset()
    resolution: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(bool(self.names), self, "names must not be empty")
        _check(len(set(self.names)) == len(self.names), self, "names must be distinct")
        _check(self.signed <= set(self.names), self, "signed must be a subset of names")


# --- windows ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Windows(_Tensors):
    """Features summarised over windows of time, for one or many sessions.

    ``values`` float32 [W, F]; ``valid`` bool [W]; ``starts`` and ``ends`` float64 [W] seconds; ``session`` int64 [W],
    an index into ``sessions``. The windows of one session are consecutive rows in order of time.
    """

    names: tuple[str, ...]
    values: Tensor
    valid: Tensor
    starts: Tensor
    ends: Tensor
    session: Tensor
    sessions: tuple[str, ...]
    signed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        _check(self.values.ndim == 2 and self.values.shape[1] == len(self.names), self, "values must be [W, F]")
        count = self.values.shape[:1]
        for name in ("valid", "starts", "ends", "session"):
            _check(getattr(self, name).shape == count, self, f"{name} must be [W]")
        _check_mask(self.valid, self, "valid")
        _check(len(set(self.names)) == len(self.names), self, "names must be distinct")
        _check(self.signed <= set(self.names), self, "signed must be a subset of names")
        _check(bool((self.ends > self.starts).all()), self, "every window must end after it starts")
        _check(bool((self.session.diff() >= 0).all()), self, "the windows of one session must be consecutive rows")
        _check_finite(self.values, self, "values")

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True)
class Saliency(_Tensors):
    """Which features of each window are salient: ``mask`` bool [W, F], ``score`` float32 [W, F], larger = more so."""

    mask: Tensor
    score: Tensor

    def __post_init__(self) -> None:
        _check(self.mask.ndim == 2 and self.mask.shape == self.score.shape, self, "mask and score must be [W, F]")
        _check_mask(self.mask, self, "mask")
        _check_finite(self.score, self, "scores")


# --- words ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wording(_Tensors):
    """The sentence of every window, each distinct sentence once.

    ``texts`` and ``cues`` [N]: the distinct sentences and the features each speaks of; ``states`` [N]: the state of
    each of those cues, as ``Lexicon.sentence`` takes it, or nothing where states are not said; ``index`` int64 [W]:
    which of them is a window's; ``dropped`` int64 [W]: how many salient cues did not fit into the token limit.
    """

    texts: tuple[str, ...]
    cues: tuple[tuple[str, ...], ...]
    index: Tensor
    dropped: Tensor
    states: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        _check(len(self.texts) == len(self.cues), self, "texts and cues must have equal length")
        _check(len(self.states) in (0, len(self.texts)), self, "states must be given for all texts or for none")
        _check(len(set(self.texts)) == len(self.texts), self, "texts must be distinct")
        _check(self.index.ndim == 1 and self.index.shape == self.dropped.shape, self, "index and dropped must be [W]")


@dataclass(frozen=True)
class Embeddings(_Tensors):
    """Sentence embeddings: ``vectors`` float32 [N, D], one row for each of ``texts``."""

    texts: tuple[str, ...]
    vectors: Tensor

    def __post_init__(self) -> None:
        _check(self.vectors.ndim == 2 and len(self.vectors) == len(self.texts), self, "vectors must be [N, D]")
        _check_finite(self.vectors, self, "vectors")


# --- learning ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pairs(_Tensors):
    """Consecutive windows whose label changed by more than the threshold.

    ``earlier`` and ``later`` int64 [P], rows of the windows; ``label`` float32 [P], 1 = rises, 0 = falls; ``change``
    float32 [P], later minus earlier label on the annotation's scale; ``dropped`` counts the candidate pairs left out,
    by reason.
    """

    earlier: Tensor
    later: Tensor
    label: Tensor
    change: Tensor
    dropped: Mapping[str, int]

    def __post_init__(self) -> None:
        count = self.earlier.shape
        _check(self.earlier.ndim == 1, self, "earlier must be [P]")
        _check(
            self.later.shape == self.label.shape == self.change.shape == count, self, "later, label, change must be [P]"
        )

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True)
class Block:
    """Columns ``start:stop`` of a representation that belong together: ``features``, ``mask`` or ``text``."""

    name: str
    start: int
    stop: int
    columns: tuple[str, ...] = ()
    """The columns' names, where they have some (features do, embedding dimensions do not)."""


@dataclass(frozen=True)
class Knowledge(_Tensors):
    """What a lexicon's words say, without any label, of how the columns of the block ``features`` speak for a target.

    ``weight`` float32 [F]: how strongly a rise of the column by its standard deviation speaks for a rise of the target,
    with a root mean square of 1, or all 0 where the lexicon does not know; ``similarity`` float32 [F, F]: cosine
    similarity of the descriptions, positive semidefinite with a diagonal of 1; ``reliability`` in [0, 1]: how far
    different phrasings of the anchors agree on the weights; ``doubt``: why the lexicon does not know, where it does
    not.
    """

    weight: Tensor
    similarity: Tensor
    reliability: float
    doubt: str = ""

    def __post_init__(self) -> None:
        _check(self.weight.ndim == 1, self, "weight must be [F]")
        _check(self.similarity.shape == (len(self.weight),) * 2, self, "similarity must be [F, F]")
        _check_finite(self.weight, self, "weight")
        _check_finite(self.similarity, self, "similarity")

    @property
    def silent(self) -> bool:
        """Whether the lexicon does not know."""
        return not bool(self.weight.any())


@dataclass(frozen=True)
class Problem(_Tensors):
    """One training task for a learner.

    ``delta`` float32 [P, D]: later minus earlier representation, scaled column by column or block by block (see
    ``steps.fusion``) so that its mean square over these very pairs is about 1; ``label`` float32 [P] in {0, 1};
    ``group`` int64 [P]: the subject, for splits inside the training set; ``blocks`` says what the columns are; ``seed``
    makes the fit repeatable; ``knowledge`` is what the lexicon says of the block ``features``, for variants that are
    given language. Only a learner that can do without labels (``LearnerSpec.zero_shot``) is ever given a problem of 0
    pairs, and then with knowledge.
    """

    delta: Tensor
    label: Tensor
    group: Tensor
    blocks: tuple[Block, ...]
    seed: int = 0
    knowledge: Knowledge | None = None

    def __post_init__(self) -> None:
        _check(self.delta.ndim == 2, self, "delta must be [P, D]")
        _check(self.label.shape == self.group.shape == self.delta.shape[:1], self, "label and group must be [P]")
        _check(bool(((self.label == 0) | (self.label == 1)).all()), self, "label must be 0 or 1")
        _check(
            self.blocks[-1].stop == self.delta.shape[1] if self.blocks else True, self, "blocks must cover all columns"
        )
        _check_finite(self.delta, self, "delta")

    def to(self, device: torch.device | str) -> Problem:
        """A copy with every tensor, the knowledge's too, on ``device``."""
        moved: Problem = super().to(device)
        return moved if self.knowledge is None else replace(moved, knowledge=self.knowledge.to(device))


@dataclass(frozen=True)
class Scores(_Tensors):
    """What a learner predicts for pairs: ``probability`` float32 [P] that the later window is the higher one."""

    probability: Tensor

    def __post_init__(self) -> None:
        _check(self.probability.ndim == 1, self, "probability must be [P]")
        _check(bool(((self.probability >= 0) & (self.probability <= 1)).all()), self, "probability must lie in [0, 1]")

    @property
    def rises(self) -> Tensor:
        """bool [P]: the more probable direction."""
        return self.probability > 0.5


# --- what observers see -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunInfo:
    """A run, as observers see it: its folder, the components it uses by kind, and every resolved option."""

    folder: Path
    components: Mapping[str, tuple[str, ...]]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class StageInfo:
    """One finished stage of a run: how long it took, and how many items were computed or found in the store."""

    name: str
    seconds: float
    computed: int = 0
    stored: int = 0
