"""What a sweep shows, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lasca_core.experiment.results import sentence
from lasca_core.experiment.sweep.labels import data_name

if TYPE_CHECKING:
    from lasca_core.experiment.sweep.tidy import RowDict, Summary


def rules(summaries: Sequence[Summary]) -> str:
    """How many comparisons there are, and what it takes to show a difference; empty if there is none."""
    rows = [row for _, row in _comparisons(summaries)]
    if not rows:
        return ""
    count, level = len(rows), 1 - rows[0]["confidence"]
    said = (
        f"{count} comparisons. A difference is shown where its {1 - level:.0%} interval, which resamples test "
        f"subjects, excludes 0 and the exact test that flips the sign of each subject's gain agrees after Holm's "
        f"correction for all {count}."
    )
    if min(row["least_p"] for row in rows) > level:
        subjects = max(row["subjects"] for row in rows)
        said += (
            f" With {subjects} subjects no p-value is below {2.0 ** (1 - subjects):.2g}, so that no difference can be "
            f"shown in so many comparisons: what the intervals say by themselves is a hint. Compare less, or more "
            f"subjects."
        )
    return said


def verdicts(summaries: Sequence[Summary]) -> Iterator[str]:
    """One sentence for each comparison and target: in how many cells it shows a difference."""
    rows = [row for _, row in _comparisons(summaries)]
    for name in dict.fromkeys(row["name"] for row in rows):
        for target in dict.fromkeys(row["target"] for row in rows):
            found = [row for row in rows if (row["name"], row["target"]) == (name, target)]
            if found:
                yield f"{target}, {name}: {_count(found)}"


def _count(rows: Sequence[RowDict]) -> str:
    kinds = [_kind(row) for row in rows]
    words = ("shown to be better", "shown to be worse", "better by its interval alone", "worse by its interval alone")
    counts = [f"{word} in {kinds.count(word)}" for word in words if word in kinds]
    if "" in kinds:
        counts.append(f"not shown in {kinds.count('')}")
    low, high = min(row["mean"] for row in rows), max(row["mean"] for row in rows)
    span = f"{low:+.3f}" if len(rows) == 1 else f"{low:+.3f} to {high:+.3f}"
    return f"{', '.join(counts)} of {len(rows)} cells ({span})"


def _kind(row: RowDict) -> str:
    if row["low"] <= 0 <= row["high"]:
        return ""
    way = "better" if row["mean"] > 0 else "worse"
    return f"shown to be {way}" if row["shown"] else f"{way} by its interval alone"


def statements(summaries: Sequence[Summary]) -> Iterator[str]:
    """One sentence for each comparison in each cell."""
    for summary, row in _comparisons(summaries):
        said = sentence(row["name"], {**row, "difference": row["mean"]})
        yield f"{data_name(summary.cell)}, {summary.cell}, {row['target']}: {said} (corrected p = {row['p_holm']:.3g})"


def _comparisons(summaries: Sequence[Summary]) -> list[tuple[Summary, RowDict]]:
    return [(summary, row) for summary in summaries for row in summary.rows if row["kind"] == "comparison"]
