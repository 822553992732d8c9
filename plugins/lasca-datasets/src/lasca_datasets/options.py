"""Options of the datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, field_validator, model_validator

from lasca_core.api import Field, Options, how

_USUAL_SENTINEL = -5.0


def _at_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError("the home folder that ~ stands for is not known; write the whole path") from None


HomePath = Annotated[Path, AfterValidator(_at_home)]
"""A path in which ``~`` is the home folder."""


class PuppetOptions(Options):
    """Options of ``puppet``."""

    size: Literal["small", "default"] = Field(
        default="default", description="small: 4 subjects, 2 minutes of video in all; default: 12 subjects, 18 minutes"
    )
    seed: int = Field(default=0, ge=0, description="another seed gives other people, feelings and recordings")
    difficulty: float = Field(
        default=1.0,
        ge=0,
        le=3,
        description="how strongly faces, voices and heads move for reasons other than affect; 0: only blinks, speech "
        "and camera noise remain",
    )
    annotation_noise: float = Field(
        default=0.25,
        ge=0,
        le=2,
        description="standard deviation of each simulated rater's slow errors, on the scale -1 to 1",
    )
    lag: float = Field(
        default=0.4,
        ge=0,
        le=5,
        description="how late the simulated raters react on average, seconds; only this average is undone when reading",
    )
    workers: int = how(0, ge=0, description="threads that generate; 0: as many as the run may use")


class LabelOptions(Options):
    """What annotated values mean, and how several raters become one trace."""

    fusion: Literal["mean", "median", "ewe"] = Field(
        default="mean",
        description="how several raters become one trace; ewe: mean weighted by each rater's agreement with the others",
    )
    scale: tuple[float, float] = Field(
        default=(-1.0, 1.0),
        description="lowest and highest value of the annotation scale; values outside it count as not "
        "annotated, with a warning",
    )
    sentinels: tuple[float, ...] | None = Field(
        default=None,
        description="values that mean 'not annotated', besides empty cells; by default -5, unless it lies in the scale",
    )
    lag: float = Field(
        default=0.0, ge=0, description="how late the annotators react, seconds; taken off the annotation's times"
    )

    @field_validator("scale")
    @classmethod
    def _ascending(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if scale[0] >= scale[1]:
            raise ValueError("the lowest value must come first, for instance [-1, 1]")
        return scale

    def not_annotated(self) -> tuple[float, ...]:
        """The values that mean "not annotated"; the usual one only where it cannot be a rating."""
        if self.sentinels is not None:
            return self.sentinels
        low, high = self.scale
        return () if low <= _USUAL_SENTINEL <= high else (_USUAL_SENTINEL,)


class AnnotationOptions(LabelOptions):
    """How annotation files are written."""

    targets: tuple[str, ...] = Field(
        default=("valence", "arousal"), min_length=1, description="affect dimensions, named as the value columns"
    )
    raters: dict[str, tuple[str, ...]] = Field(
        default={},
        description="the columns of a target's raters, where they are not called TARGET, TARGET_r1 ... or TARGET:name",
    )
    time_column: str | None = Field(
        default=None,
        description="the annotation's column of seconds; by default 'time', else 'frame' or one row a frame (with fps)",
    )
    fps: float | None = Field(
        default=None,
        gt=0,
        description="frames a second, for annotations by frame; the manifest's column fps goes before",
    )
    delimiter: Literal["auto", ",", ";", "\t"] = Field(
        default="auto", description="between the columns of CSV files: manifest, annotations and features"
    )

    @field_validator("targets")
    @classmethod
    def _distinct(cls, targets: tuple[str, ...]) -> tuple[str, ...]:
        if len({target.casefold() for target in targets}) < len(targets):
            raise ValueError("each target must be named once")
        return targets

    @model_validator(mode="after")
    def _raters_of_targets(self) -> Self:
        if stray := [name for name in self.raters if name not in self.targets]:
            raise ValueError(
                f"raters are given for {stray[0]!r}, which is no target (targets: {', '.join(self.targets)})"
            )
        return self


class ManifestOptions(AnnotationOptions):
    """Options of ``manifest``."""

    path: HomePath = Field(
        description="CSV or Parquet file with columns session, subject, annotation, and media or ready feature tables "
        "(features:EXTRACTOR, for instance features:mfcc) or both; optionally audio, fps, split"
    )
