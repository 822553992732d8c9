"""Options of the corpora."""

from __future__ import annotations

from typing import Literal

from lasca_core.api import Field, Options
from lasca_datasets.options import HomePath, LabelOptions

_LAG = "how late the annotators react, seconds; taken off the annotation's times"


class CorpusOptions(Options):
    """What all corpora have in common."""

    path: HomePath = Field(description="folder of the corpus")
    people: HomePath | None = Field(
        default=None,
        description="CSV file of what the corpus does not say: a column session, and of subject, split and others, "
        "which become metadata, those that you know",
    )
    targets: tuple[str, ...] = Field(
        default=("valence", "arousal"), min_length=1, description="affect dimensions to read"
    )


class MediaOptions(CorpusOptions):
    """A corpus whose media and annotations lie in folders of their own."""

    media: HomePath | None = Field(
        default=None, description="folder of the videos, images and sounds, if they are not below path"
    )


class RaterOptions(LabelOptions):
    """How several raters' traces become one."""

    rate: float | None = Field(
        default=None,
        gt=0,
        description="moments a second of a regular time axis to bring the annotation onto; by default the raters' own, "
        "or the finest of theirs where they differ",
    )
    max_gap: float = Field(
        default=1.0,
        ge=0,
        description="longest hole in a rater's trace, seconds, that is bridged on a new time axis; for a tool that "
        "writes a row only when the rater moves, as long as raters keep still",
    )


class AffWild2Options(MediaOptions):
    """Options of ``affwild2``."""

    annotations: HomePath | None = Field(
        default=None,
        description="folder that holds Train_Set and Validation_Set; by default VA_Estimation_Challenge or VA_Set, "
        "wherever it lies below path",
    )
    faces: Literal["video", "images"] = Field(
        default="video",
        description="what faces are read from where there are both: the video, or the cropped images, which alone tell "
        "two people in one video apart",
    )
    fps: float = Field(
        default=30.0, gt=0, description="images a second where there are cropped images and no video that tells"
    )
    lag: float = Field(default=0.0, ge=0, description=_LAG)


class SewaOptions(RaterOptions, CorpusOptions):
    """Options of ``sewa``. Patterns are matched with paths within the corpus or the recording's folder, whatever their
    case; ``*`` also stands for several folders, and of several patterns the first that any file fits counts."""

    recordings: tuple[str, ...] = Field(
        default=("*metadata.ini",), min_length=1, description="patterns of the files that mark a recording's folder"
    )
    traces: tuple[str, ...] = Field(
        default=("*{target}_AV_*.csv", "*{target}_AV.csv", "*{target}*.csv"),
        min_length=1,
        description="patterns of a target's trace in the recording's folder: one file, or one for each rater. AV: "
        "annotated with picture and sound (A: sound alone, V: picture alone)",
    )
    videos: tuple[str, ...] = Field(default=("*.avi", "*.mp4"), description="patterns of the video")
    sounds: tuple[str, ...] = Field(default=("*.wav",), description="patterns of the sound")
    unit: Literal["s", "ms", "frames"] = Field(
        default="s", description="unit of the traces' time column, which is the first"
    )
    subject_key: str | None = Field(
        default=None, description="key of metadata.ini that names the person; by default subject number, id or the like"
    )
    culture_key: str | None = Field(
        default=None, description="key of metadata.ini that names the culture; by default culture, nationality, country"
    )


class AvecSewaOptions(MediaOptions):
    """Options of ``avec-sewa``."""

    lag: float = Field(default=2.0, ge=0, description=f"{_LAG}; 2 s is what the challenge's baseline shifts by")
    features: tuple[str, ...] = Field(
        default=(), description="folders of ready features to serve; by default all that lie beside the labels"
    )


class RecolaOptions(RaterOptions, MediaOptions):
    """Options of ``recola``."""

    fusion: Literal["mean", "median", "ewe"] = Field(
        default="ewe",
        description="how the six raters become one trace; ewe: mean weighted by each rater's agreement with the others",
    )
    annotations: HomePath | None = Field(
        default=None,
        description="folder that holds a folder for each target; by default emotional_behaviour, wherever it lies",
    )


class AfewVaOptions(MediaOptions):
    """Options of ``afew-va``."""

    fps: float = Field(
        default=25.0, gt=0, description="images a second; the corpus does not state it, films have 24 or 25"
    )
    lag: float = Field(default=0.0, ge=0, description=_LAG)


class OmgOptions(MediaOptions):
    """Options of ``omg``."""
