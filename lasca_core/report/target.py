"""The page's section about one affect dimension: how often the direction was right, against what, and where not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lasca_core.experiment.metrics import FEWEST_SUBJECTS, clustered_bootstrap, correct
from lasca_core.report import analysis, charts
from lasca_core.report.analysis import ChangeBin
from lasca_core.report.charts import Curve, Point
from lasca_core.report.cues import salient_cues
from lasca_core.report.markup import Cell, Markup, element, folded, number, table
from lasca_core.report.page import figure, listed, paragraph, section, side_by_side, subsection
from lasca_core.report.scores import TargetResults, headline, language, scores
from lasca_core.report.source import FinishedRun

_RESAMPLES = 1000


def target_section(run: FinishedRun, target: str) -> Markup:
    """Everything about one target of a run."""
    about = TargetResults(run, target)
    return section(
        f"target-{run.targets.index(target)}",
        target,
        paragraph(headline(about), kind="lead"),
        scores(about),
        language(about),
        _distributions(about),
        side_by_side(_calibration(about), _by_change(about)),
        _withheld(about),
        _confusion(about),
        salient_cues(about),
        _abstentions(about),
        _dropped(about),
    )


# --- folds and subjects -----------------------------------------------------------------------------------------------


def _distributions(about: TargetResults) -> Markup:
    folds = [(name, row["accuracy_by_fold"]) for name, row in about.rows.items()]
    subjects = {name: analysis.by_subject(predictions) for name, predictions in about.predictions.items()}
    shares = [(name, [share for _, share in found.values()]) for name, found in subjects.items()]
    return subsection(
        "Folds and subjects",
        side_by_side(
            figure(
                charts.distributions(
                    f"Accuracy by fold for {about.target}", folds, reference=0.5, axis="accuracy in a fold"
                ),
                f"Accuracy in each of {len(folds[0][1])} folds: median, middle half, range.",
                _fold_table(about),
            ),
            figure(
                charts.distributions(
                    f"Accuracy by subject for {about.target}", shares, reference=0.5, axis="accuracy for a subject"
                ),
                f"Accuracy for each of {len(subjects[about.lead])} subjects: median, middle half, range.",
                _subject_table(about, subjects),
            ),
        ),
    )


def _fold_table(about: TargetResults) -> Markup:
    count = len(about.rows[about.lead]["accuracy_by_fold"])
    rows: list[tuple[Cell, ...]] = [
        (str(fold + 1), *(number(row["accuracy_by_fold"][fold]) for row in about.rows.values()))
        for fold in range(count)
    ]
    return folded("Table: accuracy by fold", table("Accuracy by fold", ("fold", *about.rows), rows, sortable=True))


def _subject_table(about: TargetResults, subjects: Mapping[str, Mapping[str, tuple[int, float]]]) -> Markup:
    rows: list[tuple[Cell, ...]] = [
        (name, number(pairs, "d"), *(number(found[name][1]) for found in subjects.values()))
        for name, (pairs, _) in subjects[about.lead].items()
    ]
    head = ("subject", "tested pairs", *about.rows)
    return folded("Table: accuracy by subject", table("Accuracy by subject", head, rows, sortable=True))


# --- calibration ------------------------------------------------------------------------------------------------------


def _calibration(about: TargetResults) -> Markup:
    bins = {name: analysis.calibration(found.rises, found.probability) for name, found in about.predictions.items()}
    drawn = [
        Curve(
            name,
            [
                Point(
                    found.predicted,
                    found.observed,
                    f"of {found.count} pairs given {found.predicted:.2f} on average, {found.observed:.2f} rise",
                )
                for found in bins[name]
            ],
        )
        for name in about.foremost
    ]
    drawing = charts.curves(
        f"Reliability diagram for {about.target}", drawn, x=(0.0, 1.0), y=(0.0, 1.0), height=340.0, diagonal=True,
        x_axis="predicted probability of a rise", y_axis="share that rises",
    )  # fmt: skip
    errors = [
        (
            name,
            number(analysis.calibration_error(bins[name])),
            number(analysis.brier(found.rises, found.probability)),
            number(about.rows[name].get("temperature"), ".2f"),
        )
        for name, found in about.predictions.items()
    ]
    detail = [
        (name, f"{found.low:.1f} to {found.high:.1f}", number(found.count, "d"), number(found.predicted),
         number(found.observed))
        for name in about.rows for found in bins[name]
    ]  # fmt: skip
    said = ", ".join(f"{name} {analysis.calibration_error(bins[name]):.3f}" for name in about.foremost)
    return subsection(
        "Can the probabilities be believed?",
        figure(
            drawing,
            f"Reliability: on the dashed line, what is given a probability comes true as often. Expected calibration "
            f"error (0 is best): {said}.",
            charts.legend(about.foremost),
        ),
        folded(
            "Table: calibration errors and bins",
            table(
                f"Expected calibration error ({analysis.CALIBRATION_BINS} bins of equal width), Brier score, and the "
                f"temperature that the logits were divided by, where they were calibrated (mean over folds)",
                ("variant", "calibration error", "Brier score", "temperature"),
                errors,
                sortable=True,
            ),
            table("Reliability", ("variant", "probability of a rise", "pairs", "mean", "share that rises"), detail),
        ),
    )


# --- the least sure withheld ------------------------------------------------------------------------------------------


def _withheld(about: TargetResults) -> Markup | None:
    """Accuracy where only the surest predictions are told, if the run recorded it."""
    found = {name: rows for name in about.foremost if (rows := about.rows[name].get("coverage"))}
    if not found:
        return None
    drawn = [
        Curve(
            name,
            [
                Point(
                    row["coverage"],
                    row["accuracy"],
                    f"{row['accuracy']:.3f} of the surest {row['coverage']:.0%} of pairs, none less sure than "
                    f"{row['least_confidence']:.2f}",
                )
                for row in rows
            ],
        )
        for name, rows in found.items()
    ]
    drawing = charts.curves(
        f"Accuracy for {about.target} by coverage", drawn, x=(0.0, 1.0),
        y=charts.around([point.y for curve in drawn for point in curve.points], include=0.5), height=340.0,
        x_axis="share of pairs that are told", y_axis="accuracy",
    )  # fmt: skip
    cells: list[tuple[Cell, ...]] = [
        (name, number(row["coverage"], ".1%"), number(row["accuracy"]), number(row["least_confidence"]))
        for name, rows in found.items()
        for row in rows
    ]
    return subsection(
        "Accuracy when the least sure predictions are withheld",
        paragraph(
            "A prediction is as sure as the probability of the direction that it tells. Where being sure means being "
            "right, a curve rises to the left, as more of the unsure ones are withheld."
        ),
        figure(drawing, "Accuracy on the surest share of all tested pairs; at 1 nothing is withheld.",
               charts.legend(list(found))),
        folded(
            "Table: accuracy by coverage",
            table("Accuracy on the surest pairs", ("variant", "share told", "accuracy", "least sure"), cells),
        ),
    )  # fmt: skip


# --- size of change ---------------------------------------------------------------------------------------------------


def _by_change(about: TargetResults) -> Markup:
    found = {name: analysis.by_change(predictions) for name, predictions in about.predictions.items()}
    bins = found[about.lead]
    drawn = [Curve(name, _change_points(about, name, found[name])) for name in about.foremost]
    ends = [
        end for curve in drawn for point in curve.points for end in (point.y, point.low, point.high) if end is not None
    ]
    drawing = charts.curves(
        f"Accuracy for {about.target} by size of change", drawn, x=(-0.5, len(bins) - 0.5),
        y=charts.around(ends, include=0.5), height=340.0,
        x_axis="absolute change of the annotation", y_axis="accuracy",
        labels=[(float(place), change.label) for place, change in enumerate(bins)],
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (change.label, number(change.confusion.count, "d"), *(number(found[name][place].accuracy) for name in found))
        for place, change in enumerate(bins)
    ]
    return subsection(
        "Are large changes told better than small ones?",
        figure(
            drawing,
            f"Accuracy by size of change, in {len(bins)} groups of about equally many pairs, {about.intervals()}.",
            charts.legend(about.foremost),
        ),
        folded(
            "Table: accuracy by size of change",
            table("Accuracy by absolute change of the annotation", ("change", "tested pairs", *found), rows),
        ),
    )


def _change_points(about: TargetResults, name: str, bins: list[ChangeBin]) -> list[Point]:
    predictions = about.predictions[name]
    right = correct(predictions.rises, predictions.probability)
    size = np.abs(predictions.change)
    owner = np.unique(predictions.subject, return_inverse=True)[1]
    points = []
    for place, change in enumerate(bins):
        inside = (size >= change.low) & (size <= change.high)
        interval = clustered_bootstrap(
            right[inside], owner[inside], resamples=_RESAMPLES, confidence=about.confidence, seed=about.seed
        )
        said = f"{change.accuracy:.3f} of {change.confusion.count} pairs that change by {change.label}"
        if interval.subjects < FEWEST_SUBJECTS:
            points.append(Point(place, change.accuracy, said))
        else:
            said += f", interval {interval.low:.3f} to {interval.high:.3f}"
            points.append(Point(place, change.accuracy, said, interval.low, interval.high))
    return points


def _confusion(about: TargetResults) -> Markup:
    head = ("change", "rises, said to rise", "rises, said to fall", "falls, said to fall", "falls, said to rise",
            "undecided", "accuracy")  # fmt: skip
    tables = []
    for name in about.foremost:
        predictions = about.predictions[name]
        whole = analysis.confusion(predictions.rises, predictions.probability)
        rows: list[tuple[Cell, ...]] = [
            (
                label,
                *(number(count, ",d") for count in (said.rising_right, said.rising_wrong, said.falling_right,
                                                    said.falling_wrong, said.undecided)),
                number(share),
            )
            for label, said, share in [
                *((change.label, change.confusion, change.accuracy) for change in analysis.by_change(predictions)),
                ("all", whole, about.rows[name]["accuracy_pooled"]),
            ]
        ]  # fmt: skip
        drawn = table(f"{name}: what was said of rising and falling pairs, by size of change", head, rows)
        tables.append(drawn if name == about.lead else folded(f"Table: the same for {name}", drawn))
    return subsection("Confusion by size of change", *tables)


# --- what was not said, and what was not asked ------------------------------------------------------------------------


def _abstentions(about: TargetResults) -> Markup:
    lines = [
        f"{name} abstains: the words say nothing of {about.target} that can be believed. Its probabilities are then "
        f"1/2, which count as half right."
        for name, row in about.rows.items()
        if row["abstains"]
    ]
    for name, predictions in about.predictions.items():
        undecided = analysis.confusion(predictions.rises, predictions.probability).undecided
        if undecided and not about.rows[name]["abstains"]:
            lines.append(
                f"{name} left {undecided:,} of {len(predictions):,} tested pairs undecided (a probability of exactly "
                f"1/2), which count as half right."
            )
    return subsection(
        "Abstentions", listed(lines) if lines else paragraph("No variant abstained or left a pair undecided.")
    )


def _dropped(about: TargetResults) -> Markup:
    pairs = about.found["pairs"]
    total = pairs["kept"] + sum(pairs["dropped"].values())
    counts = [("kept", pairs["kept"]), *pairs["dropped"].items()]
    drawing = charts.bars(
        f"Pairs for {about.target}", [(name, count, f"{count:,} of {total:,} pairs") for name, count in counts],
        axis="pairs of windows",
    )  # fmt: skip
    rows = [(name, number(count, ",d"), number(count / total, ".1%")) for name, count in counts]
    return subsection(
        "Which pairs were asked about",
        paragraph(
            f"{pairs['kept']:,} of {total:,} pairs of consecutive windows are kept; {pairs['rising']:,} of these rise, "
            f"and {about.tested:,} are tested."
        ),
        side_by_side(
            figure(drawing, "Pairs kept, and dropped by reason."),
            element("div", table("Pairs kept and dropped", ("", "pairs", "share"), rows)),
        ),
    )
