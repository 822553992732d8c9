"""What was said of a recording, as a list of windows, a table, or a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, overload

from lasca_core.interface.tables import Tabular, html_table

if TYPE_CHECKING:
    import pyarrow as pa

    from lasca_core.experiment.predict import WindowPrediction

_SHOWN = 12
"""Windows that a notebook shows at first sight."""
_CUES = 3


@dataclass(frozen=True, eq=False)
class Prediction(Tabular, Sequence["WindowPrediction"]):
    """The windows of one recording with what was predicted of each; ``abstains`` says of which targets nothing was
    told, and why."""

    media: Path
    targets: tuple[str, ...]
    windows: tuple[WindowPrediction, ...]
    abstains: Mapping[str, str] = field(default_factory=dict)

    @overload
    def __getitem__(self, place: int) -> WindowPrediction: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[WindowPrediction]: ...
    def __getitem__(self, place: int | slice) -> WindowPrediction | Sequence[WindowPrediction]:
        return self.windows[place]

    def __len__(self) -> int:
        return len(self.windows)

    def __iter__(self) -> Iterator[WindowPrediction]:
        return iter(self.windows)

    def to_arrow(self) -> pa.Table:
        """One row a window: start, end, valid; for each target its direction and the probability of that direction
        (null where none is told); the salient cues, the one that grew most first; and the sentence."""
        import pyarrow as pa

        columns: dict[str, pa.Array] = {
            "start": pa.array([window.start for window in self], pa.float64()),
            "end": pa.array([window.end for window in self], pa.float64()),
            "valid": pa.array([window.valid for window in self], pa.bool_()),
        }
        for target in self.targets:
            told = [window.directions.get(target) for window in self]
            said = [None if way is None else "rises" if way[0] else "falls" for way in told]
            columns[target] = pa.array(said, pa.string())
            columns[f"{target}_probability"] = pa.array([None if way is None else way[1] for way in told], pa.float32())
        columns["cues"] = pa.array([[cue.feature for cue in window.cues] for window in self], pa.list_(pa.string()))
        columns["sentence"] = pa.array([window.sentence for window in self], pa.string())
        return pa.table(columns)

    def explanations(self) -> pa.Table:
        """One row for each window, target and part of an explanation: what a feature's change or a cue's words add to
        the logit of a rise. Without rows where no explanation was asked for."""
        import pyarrow as pa

        rows = [
            (window.start, window.end, target, kind, part.feature, part.contribution, part.words)
            for window in self
            for target, why in window.explanations.items()
            for kind, parts in (("feature", why.features), ("words", why.cues))
            for part in parts
        ]
        names = ("start", "end", "target", "kind", "feature", "contribution", "words")
        kinds = (pa.float64(), pa.float64(), pa.string(), pa.string(), pa.string(), pa.float32(), pa.string())
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
        return pa.table(
            {name: pa.array(column, kind) for name, column, kind in zip(names, columns, kinds, strict=True)}
        )

    def _repr_html_(self) -> str:
        rows = [
            (
                f"{window.start:.2f}-{window.end:.2f}",
                *(_said(window, target) for target in self.targets),
                ", ".join(cue.feature for cue in window.cues[:_CUES]) if window.valid else "not measured",
            )
            for window in self.windows[:_SHOWN]
        ]
        more = f", the first {_SHOWN} of {len(self)} windows" if len(self) > _SHOWN else ""
        silent = "".join(f"; {target} is not told: {reason}" for target, reason in self.abstains.items())
        return html_table(f"{self.media.name}{more}{silent}", ("seconds", *self.targets, "cues that grew most"), rows)

    def __repr__(self) -> str:
        return f"Prediction({self.media.name!r}, {len(self)} windows, {', '.join(self.targets)})"


def _said(window: WindowPrediction, target: str) -> str:
    if target not in window.directions:
        return "-"
    rises, probability = window.directions[target]
    return f"{'rises' if rises else 'falls'} ({probability:.2f})"
