"""How often the direction of one affect dimension was right, what language adds, and the controls, in plain words."""

from __future__ import annotations

from lasca_core.experiment.metrics import FEWEST_SUBJECTS
from lasca_core.experiment.results import BASELINE, sentence
from lasca_core.report import charts
from lasca_core.report.charts import Estimate
from lasca_core.report.markup import Markup, Number, folded, number, table
from lasca_core.report.page import figure, listed, paragraph, side_by_side, subsection
from lasca_core.report.records import Comparison
from lasca_core.report.source import FinishedRun, Predictions
from lasca_core.report.variants import MEANING, QUESTION, foremost


class TargetResults:
    """One target's part of a run; ``lead`` is the variant that the page is about, and first of the ``foremost``;
    ``tested`` pairs are of ``subjects`` persons, whom the folds keep ``apart``."""

    def __init__(self, run: FinishedRun, target: str) -> None:
        self.target = target
        self.found = run.metrics["targets"][target]
        self.rows = self.found["variants"]
        self.comparisons = self.found["comparisons"]
        self.predictions: dict[str, Predictions] = {name: run.predictions[target, name] for name in self.rows}
        self.foremost = foremost(run.variants(target))
        self.lead = self.foremost[0]
        self.seed = run.record["seed"]
        self.repetitions = len(set(self.predictions[self.lead].seed.tolist()))
        self.tested = len(self.predictions[self.lead]) // self.repetitions
        compared = next(iter(self.comparisons.values()), None)
        self.subjects = compared["subjects"] if compared else len(set(self.predictions[self.lead].subject))
        self.confidence = run.protocol["evaluate"]["confidence"]
        self.apart = run.protocol["evaluate"]["split"] != "official"

    @property
    def enough(self) -> bool:
        """Whether there are enough subjects for an interval to hold its coverage."""
        return self.subjects >= FEWEST_SUBJECTS

    def intervals(self, *, computed: bool = True) -> str:
        """What a drawing's caption says of intervals, and of why there are none."""
        if not self.enough:
            return f"without intervals, for which {self.subjects} subjects are too few"
        if not computed:
            return "without intervals, which this run did not compute (evaluate.bootstrap = 0)"
        return f"with {self.level} intervals over subjects"

    @property
    def level(self) -> str:
        """The intervals' coverage in words."""
        return f"{self.confidence:.0%}"


def headline(about: TargetResults) -> str:
    """How often the direction was right, in a sentence."""
    row = about.rows[about.lead]
    times = f", in each of {about.repetitions} repetitions" if about.repetitions > 1 else ""
    said = (
        f"Of {about.tested:,} tested pairs of consecutive windows from {about.subjects:,} subjects{times}, "
        f"{about.lead} told the direction of {about.target} right in {row['accuracy_pooled']:.1%}"
    )
    if row["accuracy_interval"]:
        low, high = row["accuracy_interval"]
        said += f" ({about.level} interval over subjects: {low:.1%} to {high:.1%})"
    others = [
        f"{name} in {about.rows[name]['accuracy_pooled']:.1%}"
        for name in (BASELINE, "majority")
        if name in about.rows and name != about.lead
    ]
    return f"{said}; {', '.join(others)}." if others else f"{said}."


def scores(about: TargetResults) -> Markup:
    """The headline table, and a drawing of the accuracies and of the differences."""
    head = ("variant", "accuracy", "s.d.", "all pairs", "interval", "balanced", "AUC", "parameters", "s", "what it is")
    rows = [
        (
            f"{name} (abstains)" if row["abstains"] else name,
            number(row["accuracy"]),
            number(row["accuracy_sd"]),
            number(row["accuracy_pooled"]),
            _interval(row["accuracy_interval"]),
            number(row["balanced_accuracy"]),
            number(row["auc"]),
            number(row["parameters"] or None, ",d"),
            number(row["seconds"], ".1f"),
            MEANING.get(name, ""),
        )
        for name, row in about.rows.items()
    ]
    note = (
        f"Accuracy, balanced accuracy and AUC are means over folds, s.d. is the standard deviation between folds; the "
        f"{about.level} interval is that of the accuracy over all pairs, resampling subjects. All variants see the "
        f"same pairs and folds{', and no subject is in the training and the test part of one' if about.apart else ''}."
    )
    return subsection(
        "How often the direction is right",
        side_by_side(_accuracy_figure(about), *([_difference_figure(about)] if about.comparisons else [])),
        table(f"Results for {about.target}", head, rows, sortable=True),
        paragraph(note, kind="soft"),
    )


def _accuracy_figure(about: TargetResults) -> Markup:
    drawing = charts.estimates(
        f"Accuracy for {about.target} by variant",
        [
            Estimate(name, row["accuracy_pooled"], *(row["accuracy_interval"] or (None, None)))
            for name, row in about.rows.items()
        ],
        reference=0.5,
        axis="accuracy over all pairs",
        strong=about.lead,
    )
    intervals = about.intervals(computed=any(row["accuracy_interval"] for row in about.rows.values()))
    return figure(drawing, f"Accuracy over all pairs, {intervals}; the dashed line is chance, 0.5.")


def _difference_figure(about: TargetResults) -> Markup:
    drawing = charts.estimates(
        f"Differences of accuracy for {about.target}",
        [
            Estimate(name, row["difference"], *((row["low"], row["high"]) if about.enough else (None, None)))
            for name, row in about.comparisons.items()
        ],
        reference=0.0,
        axis="difference of accuracy",
        form="+.3f",
        strong=f"{about.lead} - {BASELINE}",
    )
    return figure(drawing, f"Differences, {about.intervals()}; right of the dashed line the first is better.")


def language(about: TargetResults) -> Markup:
    """What the text block adds, and every comparison with the question it answers."""
    if not about.comparisons:
        return subsection("What language adds, and the controls", paragraph(_nothing_compared(about)))
    head = ("comparison", "difference", "interval", "corrected p", "verdict", "what it asks")
    rows = [
        (
            name,
            number(row["difference"], "+.3f"),
            _interval((row["low"], row["high"]), "+.3f"),
            _chance(row["p_corrected"]),
            _verdict(row),
            QUESTION.get(name, ""),
        )
        for name, row in about.comparisons.items()
    ]
    note = (
        f"Differences of accuracy over all pairs, with {about.level} intervals over {about.subjects} subjects. "
        f"Shown means: at least {FEWEST_SUBJECTS} subjects, an interval without 0, and a test that flips the sign of "
        f"each subject's gain agrees after Holm's correction for all {len(rows)} comparisons. Not shown does not mean "
        f"equal; too few to tell means that no result could have been shown."
    )
    return subsection(
        "What language adds, and the controls",
        paragraph(_gain(about)),
        table(f"Comparisons for {about.target}", head, rows),
        paragraph(note, kind="soft"),
        folded(
            "The comparisons as sentences",
            listed([sentence(name, dict(row)) for name, row in about.comparisons.items()]),
        ),
    )


def _nothing_compared(about: TargetResults) -> str:
    """Why a run has no comparison, and what that means."""
    alone = len(about.rows) == 1
    return (
        f"There is nothing to compare {about.lead} with{': it is the only variant of this run' if alone else ''}. So "
        f"nobody can tell from this page what comes from language, or whether anything was learnt at all. A run "
        f"compares variants where evaluate.bootstrap is above 0 and evaluate.variants names fused or zero-shot and "
        f"another variant."
    )


def _gain(about: TargetResults) -> str:
    """What the comparison of fused and features says about the text block, or why nothing can be said."""
    row = about.comparisons.get(f"fused - {BASELINE}")
    if row is None:
        return "This run did not compare fused with features, so it does not tell what the text block adds."
    numbers = f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
    if row["shown"]:
        return f"The text block {'adds to' if row['difference'] > 0 else 'harms'} the features: {numbers}."
    if _verdict(row) == "not shown":
        return f"That the text block changes what the features alone achieve is not shown: {numbers}."
    return f"What the text block adds to the features, {numbers}, cannot be told from {row['subjects']} subjects."


def _verdict(row: Comparison) -> str:
    """The verdict with which the terminal's sentence ends."""
    return sentence("", dict(row)).rpartition(": ")[2]


def _chance(p: float) -> Number:
    return number(p) if p >= 0.001 else Number(p, "< 0.001")


def _interval(ends: tuple[float, float] | None, form: str = ".3f") -> Number:
    if not ends:
        return number(None)
    return Number(ends[0], f"{ends[0]:{form}} to {ends[1]:{form}}")
