"""Learning curves: accuracy by the number of training subjects, as tables and as a figure legible in grey."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lasca_core.experiment.sweep import labels
from lasca_core.experiment.sweep.definition import ALL, CURVE, Definition
from lasca_core.experiment.tables import Row, Table
from lasca_core.host.store import writing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lasca_core.experiment.sweep.tidy import RowDict, Summary


@dataclass
class Curve:
    """The cells that differ in the number of training subjects alone, by the label of that number."""

    name: str
    title: str
    protocol: str
    synthetic: bool
    confidence: float
    points: dict[str, Summary] = field(default_factory=dict)

    @property
    def targets(self) -> list[str]:
        """The targets, in the paper's order."""
        return labels.in_order(target for summary in self.points.values() for target in summary.targets)

    @property
    def bounded(self) -> bool:
        """Whether there are intervals."""
        return any(row["low"] is not None for summary in self.points.values() for row in summary.rows)

    def names(self, target: str, kind: str) -> list[str]:
        """The variants or the comparisons of a target."""
        rows = [row for summary in self.points.values() for row in summary.rows]
        return list(dict.fromkeys(row["name"] for row in rows if (row["target"], row["kind"]) == (target, kind)))

    def along(self, target: str, name: str) -> list[RowDict | None]:
        """The rows of a variant or a comparison, one for each point."""
        return [summary.of(target, name) for summary in self.points.values()]

    def ticks(self, target: str) -> list[str]:
        """The numbers of subjects; for all of them also how many that is in a fold."""
        return [_tick(label, summary, target) for label, summary in self.points.items()]


def _tick(label: str, summary: Summary, target: str) -> str:
    if label != ALL or target not in summary.record["targets"]:
        return label
    folds = next(iter(summary.record["targets"][target]["folds"].values()))
    counts = sorted({fold["train_subjects"] for fold in folds})
    return f"{ALL} ({counts[0]})" if len(counts) == 1 else f"{ALL} ({counts[0]}-{counts[-1]})"


def learning_curves(definition: Definition, summaries: Sequence[Summary]) -> list[Curve]:
    """One curve for each place on the other axes; none if the number of training subjects is no axis."""
    axis = next((axis for axis in definition.axes if axis.name == CURVE), None)
    if axis is None:
        return []
    order = [choice.label for choice in axis.choices]
    curves: dict[tuple[str, ...], Curve] = {}
    for summary in sorted(summaries, key=lambda summary: order.index(summary.cell.point[CURVE].label)):
        cell = summary.cell
        others = [name for name in cell.point if name != CURVE]
        key = tuple(cell.point[name].label for name in others)
        if key not in curves:
            title = ", ".join((labels.data_name(cell), labels.features_name(cell), *labels.labels_on(cell, others)))
            name = re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(("learning-curve", *key)))
            confidence = cell.config.evaluate.confidence
            curves[key] = Curve(name, title, labels.protocol(cell.config), cell.synthetic, confidence)
        curves[key].points[cell.point[CURVE].label] = summary
    return list(curves.values())


def curve_tables(curves: Iterable[Curve]) -> list[Table]:
    """Two tables for each curve and target: the accuracies, and the differences with their intervals."""
    tables = []
    for curve in curves:
        for target in curve.targets:
            by = f"{curve.title}, {target}, by number of training subjects"
            accuracy = f"{by}: accuracy, mean ± s.d. over {curve.protocol}"
            tables.append(_table(curve, target, "variant", accuracy, ()))
            if curve.names(target, "comparison"):
                difference = f"{by}: differences of accuracy, with intervals over test subjects"
                tables.append(_table(curve, target, "comparison", difference, (_STAR,)))
    return tables


_STAR = "*: shown, also after correction for all comparisons of the sweep."


def _table(curve: Curve, target: str, kind: str, caption: str, notes: tuple[str, ...]) -> Table:
    return Table(
        caption,
        ("method" if kind == "variant" else "difference",),
        tuple((tick,) for tick in curve.ticks(target)),
        tuple(Row((name,), tuple(map(_text, curve.along(target, name)))) for name in curve.names(target, kind)),
        (*notes, labels.SYNTHETIC) if curve.synthetic else notes,
    )


def _text(row: RowDict | None) -> str:
    if row is None:
        return labels.MISSING
    if row["kind"] == "variant":
        return labels.score(row)
    return f"{row['mean']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]{' *' if row['shown'] else ''}"


# --- figure -----------------------------------------------------------------------------------------------------------

_STYLES: dict[str, tuple[str, Any, str]] = {
    "fused": ("#000000", "-", "o"),
    "features": ("#0072b2", "--", "s"),
    "zero-shot": ("#d55e00", "-.", "^"),
    "text": ("#009e73", ":", "D"),
    "mask": ("#56b4e9", (0, (3, 1, 1, 1, 1, 1)), "v"),
    "names": ("#cc79a7", (0, (5, 1)), "P"),
    "shuffled": ("#e69f00", (0, (1, 1)), "X"),
    "majority": ("#999999", "-", ""),
    "zero-shot-names": ("#cc79a7", "-.", "<"),
    "zero-shot-shuffled": ("#e69f00", "-.", ">"),
}
"""Colour (Okabe & Ito's, told apart by the colour-blind), dashes and marker (told apart in grey) of each variant."""
_BANDS = ("fused", "features", "zero-shot")
"""Variants whose intervals are drawn; the tables have all of them."""


def draw(curve: Curve, folder: Path) -> list[Path]:
    """The figure of a curve as SVG and PNG."""
    figure = make_figure(curve)
    paths = []
    for suffix, options in ((".svg", {"metadata": {"Date": None}}), (".png", {"dpi": 200})):
        path = folder / f"{curve.name}{suffix}"
        with writing(path) as temporary:
            figure.savefig(temporary, format=suffix[1:], **options)
        paths.append(path)
    return paths


def make_figure(curve: Curve) -> Figure:
    """The figure of a curve, one panel for each target. Touches no global state of matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    targets = curve.targets
    figure = Figure(figsize=(4.6 * len(targets) + 0.4, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(targets), sharey=True, squeeze=False)[0]
    for panel, target in zip(panels, targets, strict=True):
        _draw_panel(panel, curve, target)
    panels[0].set_ylabel("accuracy of the direction of change")
    figure.suptitle(f"{curve.title}; mean over {curve.protocol}", fontsize="medium")
    handles, names = panels[0].get_legend_handles_labels()
    title = f"bands: {curve.confidence:.0%} intervals over test subjects" if curve.bounded else None
    figure.legend(
        handles, names, loc="outside lower center", ncols=min(6, len(names)), frameon=False,
        title=title, title_fontsize="small", fontsize="small",
    )  # fmt: skip
    return figure


def _draw_panel(panel: Axes, curve: Curve, target: str) -> None:
    for name in curve.names(target, "variant"):
        color, dashes, marker = _STYLES[name]
        known = [(place, row) for place, row in enumerate(curve.along(target, name)) if row is not None]
        places = [place for place, _ in known]
        strong = name in _BANDS
        panel.plot(
            places,
            [row["mean"] for _, row in known],
            color=color,
            linestyle=dashes,
            marker=marker,
            markersize=5 if strong else 4,
            linewidth=1.8 if strong else 1.1,
            label=name,
            zorder=3 if strong else 2,
        )
        bounded = [(place, row["low"], row["high"]) for place, row in known if row["low"] is not None]
        if strong and bounded:
            at, low, high = zip(*bounded, strict=True)
            panel.fill_between(at, low, high, color=color, alpha=0.15, linewidth=0)
    ticks = curve.ticks(target)
    panel.set_xticks(range(len(ticks)), ticks)
    panel.set_xlabel("training subjects")
    panel.set_title(target, fontsize="medium")
    panel.grid(axis="y", color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
