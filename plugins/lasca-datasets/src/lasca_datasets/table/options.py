"""Options of the dataset `table`."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import field_validator, model_validator

from lasca_core.api import Field
from lasca_datasets.options import HomePath, LabelOptions


class TableOptions(LabelOptions):
    """Options of ``table``."""

    path: HomePath = Field(
        description="CSV, TSV or Parquet file of ready features, or a folder with one file a session"
    )
    files: str | None = Field(
        default=None, description="glob pattern of the files in the folder; by default all CSV, TSV and Parquet files"
    )
    format: Literal["auto", "plain", "openface", "pyfeat", "opensmile", "mediapipe", "facet"] = Field(
        default="auto",
        description="the tool that wrote the table, which says what its columns are; auto: by the header",
    )
    rows: Literal["frames", "segments"] = Field(
        default="frames", description="what a row describes: a moment, or a whole segment, which is then one window"
    )
    delimiter: Literal["auto", ",", ";", "\t"] = Field(default="auto", description="between the columns of CSV files")

    session: str | None = Field(
        default=None,
        description="column of the session; by default 'session', else the subject's, else the file's name",
    )
    subject: str | None = Field(
        default=None, description="column of the person; by default 'subject', else every session counts as a person"
    )
    pattern: str | None = Field(
        default=None,
        description="regular expression with a group 'subject', 'session' or both, which finds them in the session's "
        "name: '(?P<subject>P\\d+)_.*'",
    )
    time: str | None = Field(
        default=None, description="column of time; by default time, timestamp, frameTime, start or the like"
    )
    unit: Literal["s", "ms"] | None = Field(
        default=None, description="unit of the columns of time; by default as the format or the column's name says"
    )
    index: str | None = Field(
        default=None, description="column of the frame's number (with fps), or of the segment's place in the order"
    )
    fps: float | None = Field(default=None, gt=0, description="frames a second, for tables without a column of time")
    start: str | None = Field(default=None, description="column of a segment's start; by default 'start'")
    end: str | None = Field(default=None, description="column of a segment's end; by default 'end'")
    split: str | None = Field(default=None, description="column of the corpus's own part; by default 'split'")
    metadata: tuple[str, ...] = Field(
        default=(), description="columns of what else is known of a session, for lexicons: culture, language ..."
    )

    features: tuple[str, ...] = Field(
        default=(),
        description="columns or features to use, as glob patterns (['AU*_r', 'pose_R*']); by default those of the "
        "format, in a plain table all columns of numbers without another role",
    )
    signed: tuple[str, ...] | None = Field(
        default=None,
        description="glob patterns of features whose zero or minimum does not mean that they are absent (angles, "
        "MFCC); by default as the format knows",
    )
    resolution: dict[str, float] = Field(
        default={},
        description="glob pattern -> range, in the feature's unit, below which it does not really change; goes before "
        "what the format knows",
    )
    confidence: float | None = Field(
        default=None,
        description="least confidence of the tool in a row that is used; by default 0.7 for openface, 0.5 for pyfeat",
    )
    extractor: str | None = Field(
        default=None,
        description="name under which the features are offered, as --extractor takes it; by default the format's, or "
        "'table' for a plain one",
    )

    labels: tuple[str, ...] | dict[str, str | tuple[str, ...]] | None = Field(
        default=None,
        description="columns of the labels, or affect dimension -> its column or the columns of its raters: "
        "{valence = 'V', arousal = ['A1', 'A2']}; by default valence and arousal, as far as they are there",
    )
    labels_path: HomePath | None = Field(
        default=None,
        description="file or folder of the labels, where they are not in the table: joined on the session and the "
        "time, frame or segment",
    )

    @field_validator("pattern")
    @classmethod
    def _finds_something(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                groups = set(re.compile(pattern).groupindex)
            except re.error as error:
                raise ValueError(f"not a regular expression ({error})") from None
            if not groups or not groups <= {"subject", "session"}:
                raise ValueError("it needs a group (?P<subject>...), (?P<session>...) or both, and no other by name")
        return pattern

    @field_validator("labels")
    @classmethod
    def _some_labels(
        cls, labels: tuple[str, ...] | dict[str, str | tuple[str, ...]] | None
    ) -> tuple[str, ...] | dict[str, str | tuple[str, ...]] | None:
        if labels is None:
            return None
        if not labels or (isinstance(labels, dict) and not all(labels.values())):
            raise ValueError("every affect dimension needs a column")
        return labels

    @model_validator(mode="after")
    def _rows_that_can_have_it(self) -> Self:
        if self.rows == "segments" and self.lag:
            raise ValueError("lag is for rows = 'frames': a segment's label belongs to that segment")
        if self.rows == "frames" and (self.start or self.end):
            raise ValueError("start and end are for rows = 'segments'; the column of a frame's time is the option time")
        return self

    def label_columns(self) -> dict[str, tuple[str, ...]]:
        """Affect dimension -> the columns of its raters."""
        if self.labels is None or isinstance(self.labels, tuple):
            return {name: (name,) for name in self.labels or ("valence", "arousal")}
        return {name: (one,) if isinstance(one, str) else one for name, one in self.labels.items()}

    @property
    def labels_named(self) -> bool:
        """Whether the person has named the labels, so that each must be there."""
        return self.labels is not None
