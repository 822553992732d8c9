"""The parts of run.json and metrics.json that a report reads, with their types: a file that lacks one is damaged."""

from __future__ import annotations

from typing import (
    Any,
    Literal,
    NotRequired,  # pydantic reads the one of `typing` only from Python 3.12 on
)

from typing_extensions import TypedDict


class Part(TypedDict):
    """A component of the run."""

    kind: str
    name: str
    version: int
    fingerprint: str
    weights: dict[str, Pretrained]
    distribution: str
    distribution_version: str
    note: str


class Pretrained(TypedDict):
    """Pretrained files of a component: the sha256 of each."""

    sha256: dict[str, str]


class Stage(TypedDict):
    """What a stage cost: items computed, and items found in the store."""

    seconds: float
    computed: int
    stored: int


class Preset(TypedDict):
    """The preset that was used."""

    name: str
    sha256: str


class Data(TypedDict):
    """What the dataset held; ``skipped`` maps a session that could not be used to the reason."""

    sessions: int
    subjects: int
    windows: int
    valid_windows: int
    skipped: dict[str, str]


class Record(TypedDict):
    """A finished run's run.json."""

    lasca: str
    time: str
    command: list[str]
    config: dict[str, dict[str, Any]]
    preset: Preset | None
    seed: int
    device: str
    synthetic: bool
    components: list[Part]
    licenses: dict[str, str]
    versions: dict[str, str]
    stages: dict[str, Stage]
    data: Data


class Evaluate(TypedDict):
    """How the run was evaluated."""

    split: Literal["folds", "subjects", "official"]
    folds: int
    seeds: int
    confidence: float


class Chosen(TypedDict):
    """The components that the run chose; its controls are not among them."""

    dataset: str
    extractors: list[str]
    lexicon: str
    encoder: str
    learner: str


class Protocol(TypedDict):
    """The options, of those in the configuration, that a report puts into words."""

    run: Chosen
    evaluate: Evaluate


class Coverage(TypedDict):
    """The ``accuracy`` on the surest share ``coverage`` of all pairs, none of which is less sure than
    ``least_confidence``."""

    coverage: float
    accuracy: float
    least_confidence: float


class Score(TypedDict):
    """The results of one variant; ``temperature`` and ``coverage`` where its probabilities were calibrated."""

    accuracy: float
    accuracy_sd: float
    accuracy_by_fold: list[float]
    accuracy_pooled: float
    accuracy_interval: tuple[float, float] | None
    balanced_accuracy: float | None
    auc: float | None
    temperature: NotRequired[float | None]
    coverage: NotRequired[list[Coverage] | None]
    abstains: bool
    parameters: int
    seconds: float


class Comparison(TypedDict):
    """The difference between two variants."""

    difference: float
    low: float
    high: float
    confidence: float
    subjects: int
    p_corrected: float
    least_p: NotRequired[float]
    shown: bool


class Pairs(TypedDict):
    """How many pairs there are, and how many were dropped for which reason."""

    kept: int
    rising: int
    dropped: dict[str, int]


class CueShares(TypedDict):
    """Of the pairs that rise, and of those that fall, the share in whose later window a feature is salient (None where
    there is no such pair), and the feature's words."""

    rises: float | None
    falls: float | None
    words: str


class Target(TypedDict):
    """The results for one affect dimension; ``cues`` maps features to how often each is salient."""

    pairs: Pairs
    cues: NotRequired[dict[str, CueShares]]
    subjects: int
    variants: dict[str, Score]
    comparisons: dict[str, Comparison]


class Wording(TypedDict):
    """How the windows were put into words and, where they are sentences, what the encoder's limit cost."""

    windows: int
    salient_cues_mean: float
    distinct_texts: NotRequired[int]
    windows_with_dropped_cues: NotRequired[int]
    dropped_cues: NotRequired[int]
    max_tokens: NotRequired[int]


class Metrics(TypedDict):
    """A finished run's metrics.json; it tells of the wording where windows are described by sentences."""

    targets: dict[str, Target]
    wording: NotRequired[Wording]
