"""Which cues are salient when affect rises and when it falls: what the recordings show, before anything is learnt."""

from __future__ import annotations

from lasca_core.report import charts
from lasca_core.report.markup import Cell, Markup, folded, number, table
from lasca_core.report.page import figure, paragraph, subsection
from lasca_core.report.scores import TargetResults

_DRAWN = 12
"""The features that differ most are drawn; the table has all of them."""


def salient_cues(about: TargetResults) -> Markup | None:
    """How much more often each feature is salient in pairs that rise than in pairs that fall, if the run recorded it.

    Nothing is said where all pairs go one way: there is nothing to set a share against."""
    shares = [
        (name, found["rises"], found["falls"], found["words"])
        for name, found in about.found.get("cues", {}).items()
        if found["rises"] is not None and found["falls"] is not None
    ]
    if not shares:
        return None
    rows = sorted(
        ((name, rises, falls, rises - falls, words) for name, rises, falls, words in shares),
        key=lambda row: -abs(row[3]),
    )
    pairs = about.found["pairs"]
    counted = f"{pairs['rising']:,} pairs that rise and {pairs['kept'] - pairs['rising']:,} that fall"
    drawing = charts.differences(
        f"Salience of cues when {about.target} rises and when it falls",
        [
            (name, difference, f"{words}: salient in {rises:.1%} of rising and {falls:.1%} of falling pairs")
            for name, rises, falls, difference, words in rows[:_DRAWN]
        ],
        axis="share of rising less of falling pairs",
    )
    cells: list[tuple[Cell, ...]] = [
        (name, number(rises, ".1%"), number(falls, ".1%"), number(difference, "+.3f"), words)
        for name, rises, falls, difference, words in rows
    ]
    head = ("feature", "rising", "falling", "difference", "words")
    caption = f"Share of pairs in whose later window a feature is salient, of {counted}"
    return subsection(
        "Which cues are salient when affect rises and when it falls",
        paragraph(
            f"Of {counted}: the share in whose later window a feature is salient. To the right, a feature is salient "
            f"more often when {about.target} rises; to the left, when it falls. This is what the recordings show, not "
            f"what a model has learnt, and pairs of one person are not independent of each other."
        ),
        figure(drawing, f"The {min(_DRAWN, len(rows))} features that differ most."),
        table("Their words", head, cells[:_DRAWN]),
        folded(f"Table: all {len(rows)} features", table(caption, head, cells, sortable=True)),
    )
