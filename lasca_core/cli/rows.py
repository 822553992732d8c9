"""Predicted windows for a person, as JSON, and as CSV."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from lasca_core.cli.explain import explanation_as_dict, explanation_lines

if TYPE_CHECKING:
    from lasca_core.experiment.predict import WindowPrediction

SPOKEN_REASONS = 3
"""Reasons printed for each target of a window; JSON has more."""
_INDENT = " " * 13


@dataclass(frozen=True)
class Style:
    """What is told of a window: so many ``cues``; directions that are at least so sure (``least``, a probability); and
    whether they are explained in full."""

    cues: int = 5
    least: float = 0.0
    explained: bool = False

    def told(self, probability: float) -> bool:
        """Whether a direction with this probability is told."""
        return probability >= self.least

    def print(self, row: WindowPrediction) -> None:
        """One window, for a person."""
        click.echo("\n".join(self.lines(row)))

    def lines(self, row: WindowPrediction) -> Iterator[str]:
        """One window, for a person."""
        head = f"{row.start:7.2f}-{row.end:.2f} s  "
        if not row.valid:
            yield f"{head}not measured: too few valid frames (no face found, or no sound)"
            return
        said = "   ".join(
            f"{target} {self._way(rises, probability)} ({probability:.2f})"
            for target, (rises, probability) in row.directions.items()
        )
        alone = "no direction is told" if row.compared else "nothing before it to compare with"
        yield f"{head}{said or alone}"
        yield from self._why(row)
        for cue in row.cues[: self.cues]:
            yield f"{_INDENT}{'+' if cue.new else ' '} {cue.feature}: {cue.words}"
        if self.cues and len(row.cues) > self.cues:
            yield f"{_INDENT}  and {len(row.cues) - self.cues} more salient cues"

    def _way(self, rises: bool, probability: float) -> str:
        if not self.told(probability):
            return "is not sure enough"
        return "rises" if rises else "falls"

    def _why(self, row: WindowPrediction) -> Iterator[str]:
        if self.explained:
            for explanation in row.explanations.values():
                for line in explanation_lines(explanation):
                    yield f"{_INDENT}{line}"
            return
        for target, reasons in row.reasons.items():
            for reason in reasons[:SPOKEN_REASONS]:
                more = "more" if reason.more else "less"
                yield f"{_INDENT}{target} {reason.contribution:+.2f}: {more} {reason.feature}: {reason.words}"

    def as_dict(self, row: WindowPrediction) -> dict[str, Any]:
        """One window as JSON values; a direction that is not sure enough is null."""
        content = {
            "start": round(row.start, 3),
            "end": round(row.end, 3),
            "valid": row.valid,
            "directions": {
                target: {
                    "direction": ("rises" if rises else "falls") if self.told(probability) else None,
                    "probability": round(probability, 4),
                }
                for target, (rises, probability) in row.directions.items()
            },
            "reasons": {
                target: [{**asdict(reason), "contribution": round(reason.contribution, 4)} for reason in reasons]
                for target, reasons in row.reasons.items()
            },
            "cues": [
                {
                    "feature": cue.feature,
                    "score": round(cue.score, 4),
                    "growth": round(cue.growth, 4),
                    "words": cue.words,
                    "new": cue.new,
                }
                for cue in row.cues
            ],
            "sentence": row.sentence,
            "dropped_cues": row.dropped,
        }
        if self.explained:
            content["explanations"] = {
                target: explanation_as_dict(explanation) for target, explanation in row.explanations.items()
            }
        return content

    def print_csv(self, rows: Iterable[WindowPrediction], targets: Sequence[str]) -> None:
        """One row a window as CSV; a direction that is not sure enough is empty."""
        import csv

        writer = csv.writer(sys.stdout, lineterminator="\n")
        directions = [f"{target}{part}" for target in targets for part in ("", "_probability")]
        writer.writerow(["start", "end", "valid", *directions, "cues", "sentence"])
        for row in rows:
            cells: list[object] = []
            for target in targets:
                if target in row.directions:
                    rises, probability = row.directions[target]
                    way = "rises" if rises else "falls"
                    cells += [way if self.told(probability) else "", f"{probability:.4f}"]
                else:
                    cells += ["", ""]
            names = " ".join(cue.feature for cue in row.cues[: self.cues])
            writer.writerow([f"{row.start:.3f}", f"{row.end:.3f}", int(row.valid), *cells, names, row.sentence])
