"""Figures and tables of a run for a paper: PDF, SVG and PNG that stay legible in grey, Markdown and LaTeX."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lasca_core.experiment.metrics import FEWEST_SUBJECTS
from lasca_core.experiment.tables import Row, Table, to_latex, to_markdown
from lasca_core.host.store import writing
from lasca_core.report import analysis
from lasca_core.report.records import Comparison
from lasca_core.report.source import FinishedRun, RunFolderError
from lasca_core.report.variants import foremost

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FORMATS: dict[str, dict[str, Any]] = {
    "pdf": {"metadata": {"CreationDate": None}},
    "svg": {"metadata": {"Date": None}},
    "png": {"dpi": 300},
}
_STYLE: dict[Any, Any] = {"svg.hashsalt": "lasca", "pdf.fonttype": 42, "font.size": 8.0, "hatch.linewidth": 0.6}
"""The same run gives the same bytes, letters stay letters, and 8 points are read at a column's width."""
_FILLS = (("#404040", ""), ("#ffffff", "////"), ("#b0b0b0", ""), ("#ffffff", "...."), ("#808080", "\\\\\\\\"))
"""Grey and hatching of the targets' bars, told apart without colour."""
_MARKS = (("o", "-", "#000000"), ("s", "--", "#606060"), ("^", ":", "#909090"))
"""Mark, dashes and grey of the foremost variants' curves."""

_BELOW: dict[str, Any] = {"frameon": False, "fontsize": "small", "loc": "upper center", "bbox_to_anchor": (0.5, -0.2)}
"""Where a panel's legend hides no data."""


def write_figures(run: FinishedRun, folder: Path) -> list[Path]:
    """Write all figures and tables of a run into ``folder`` and return their paths."""
    if importlib.util.find_spec("matplotlib") is None:
        raise RunFolderError("figures are drawn by matplotlib, which is not installed; pip install 'lasca[report]'")
    import matplotlib

    drawings = {"accuracy": _accuracy, "calibration": _calibration, "change": _change}
    tables = [_scores_table(run)]
    if any(run.metrics["targets"][target]["comparisons"] for target in run.targets):
        drawings["differences"] = _differences
        tables.append(_comparisons_table(run))
    files = []
    with matplotlib.rc_context(_STYLE):  # restored afterwards: the settings are the caller's
        for name, draw in drawings.items():
            files += _save(draw(run), folder, name)
    for name, write in (("tables.md", to_markdown), ("tables.tex", to_latex)):
        with writing(folder / name) as temporary:
            temporary.write_text("\n\n".join(write(table) for table in tables) + "\n", encoding="utf-8")
        files.append(folder / name)
    return files


def _save(figure: Figure, folder: Path, name: str) -> list[Path]:
    files = []
    for suffix, options in _FORMATS.items():
        with writing(folder / f"{name}.{suffix}") as temporary:
            figure.savefig(temporary, format=suffix, **options)
        files.append(folder / f"{name}.{suffix}")
    return files


def _panels(run: FinishedRun, count: int, size: tuple[float, float]) -> tuple[Figure, Sequence[Axes]]:
    """A figure of ``count`` panels side by side, each ``size`` inches, without a window system behind it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0] * count, size[1]), layout="constrained")
    FigureCanvasAgg(figure)
    panels: Sequence[Axes] = figure.subplots(1, count, squeeze=False)[0]
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
    if run.record["synthetic"]:
        figure.suptitle("synthetic data", fontsize="small", style="italic")
    return figure, panels


def _accuracy(run: FinishedRun) -> Figure:
    """The paper's bar chart: accuracy of each variant, a bar for each target, with intervals."""
    names = list(dict.fromkeys(name for target in run.targets for name in run.variants(target)))
    figure, (panel,) = _panels(run, 1, (max(3.4, 0.75 * len(names)), 2.6))
    width = 0.8 / len(run.targets)
    for place, target in enumerate(run.targets):
        rows = run.metrics["targets"][target]["variants"]
        middle = (place - (len(run.targets) - 1) / 2) * width
        color, hatch = _FILLS[place % len(_FILLS)]
        heights = [rows[name]["accuracy_pooled"] for name in names]
        panel.bar(
            [at + middle for at in range(len(names))], heights, width, color=color, hatch=hatch, edgecolor="black",
            linewidth=0.6, label=target,
        )  # fmt: skip
        for at, name in enumerate(names):
            if interval := rows[name]["accuracy_interval"]:
                low, high = interval
                panel.vlines(at + middle, low, high, color="white", linewidth=2.6)  # a rim, to be seen on dark bars
                panel.vlines(at + middle, low, high, color="black", linewidth=1.1)
    panel.axhline(0.5, color="black", linewidth=0.7, linestyle="--")
    panel.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
    panel.set_ylim(0, 1)
    panel.set_ylabel("accuracy")
    figure.legend(loc="outside upper right", ncols=len(run.targets), frameon=False)
    return figure


def _differences(run: FinishedRun) -> Figure:
    """Every comparison with its interval; filled where a difference is shown."""
    count = max(len(run.metrics["targets"][target]["comparisons"]) for target in run.targets)
    figure, panels = _panels(run, len(run.targets), (3.5, 0.8 + 0.24 * count))
    for panel, target in zip(panels, run.targets, strict=True):
        comparisons = run.metrics["targets"][target]["comparisons"]
        for place, row in enumerate(comparisons.values()):
            if row["subjects"] >= FEWEST_SUBJECTS:
                panel.hlines(place, row["low"], row["high"], color="#606060", linewidth=1.6)
            panel.plot(
                row["difference"], place, "o", color="black", markersize=4.5,
                markerfacecolor="black" if row["shown"] else "white",
            )  # fmt: skip
        panel.axvline(0, color="black", linewidth=0.7, linestyle="--")
        panel.set_yticks(range(len(comparisons)), list(comparisons))
        panel.set_ylim(len(comparisons) - 0.5, -0.5)
        panel.set_title(target, fontsize="medium")
        panel.set_xlabel("difference (filled: shown)")
    return figure


def _calibration(run: FinishedRun) -> Figure:
    """Reliability diagrams of the foremost variants."""
    figure, panels = _panels(run, len(run.targets), (3.0, 3.8))
    for panel, target in zip(panels, run.targets, strict=True):
        panel.plot([0, 1], [0, 1], color="black", linewidth=0.7, linestyle="--")
        for name, (marker, dashes, color) in zip(foremost(run.variants(target)), _MARKS, strict=False):
            found = run.predictions[target, name]
            bins = analysis.calibration(found.rises, found.probability)
            panel.plot(
                [part.predicted for part in bins], [part.observed for part in bins], marker=marker, linestyle=dashes,
                color=color, markersize=4, linewidth=1.1, label=f"{name} (ECE {analysis.calibration_error(bins):.3f})",
            )  # fmt: skip
        panel.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="predicted probability of a rise")
        panel.set_title(target, fontsize="medium")
        panel.legend(**_BELOW)
    panels[0].set_ylabel("share that rises")
    return figure


def _change(run: FinishedRun) -> Figure:
    """Accuracy of the foremost variants by size of change."""
    figure, panels = _panels(run, len(run.targets), (3.2, 3.2))
    for panel, target in zip(panels, run.targets, strict=True):
        labels: list[str] = []
        for name, (marker, dashes, color) in zip(foremost(run.variants(target)), _MARKS, strict=False):
            bins = analysis.by_change(run.predictions[target, name])
            labels = [change.label for change in bins]
            panel.plot(
                range(len(bins)), [change.accuracy for change in bins], marker=marker, linestyle=dashes, color=color,
                markersize=4, linewidth=1.1, label=name,
            )  # fmt: skip
        panel.axhline(0.5, color="black", linewidth=0.7, linestyle="--")
        panel.set_xticks(range(len(labels)), labels, fontsize="small")
        panel.set_xlabel("absolute change of the annotation")
        panel.set_title(target, fontsize="medium")
        panel.set_ylim(top=1)
        panel.legend(**_BELOW)
    panels[0].set_ylabel("accuracy")
    return figure


# --- tables -----------------------------------------------------------------------------------------------------------


def _notes(run: FinishedRun) -> tuple[str, ...]:
    return (
        ("The recordings are synthetic: these numbers say nothing about real people.",)
        if run.record["synthetic"]
        else ()
    )


def _scores_table(run: FinishedRun) -> Table:
    """Variants by targets: mean and standard deviation over folds."""
    names = list(dict.fromkeys(name for target in run.targets for name in run.variants(target)))
    rows = {target: run.metrics["targets"][target]["variants"] for target in run.targets}
    return Table(
        "Accuracy, mean ± s.d. over folds",
        ("variant",),
        tuple((target,) for target in run.targets),
        tuple(
            Row((name,), tuple(f"{rows[target][name]['accuracy']:.3f} ± {rows[target][name]['accuracy_sd']:.3f}"
                               for target in run.targets))
            for name in names
        ),
        _notes(run),
    )  # fmt: skip


def _comparisons_table(run: FinishedRun) -> Table:
    """Comparisons by targets: the difference with its interval, and whether it is shown."""
    found = {target: run.metrics["targets"][target]["comparisons"] for target in run.targets}
    row = next(iter(found[run.targets[0]].values()))
    return Table(
        f"Differences of accuracy over all pairs with {row['confidence']:.0%} intervals over subjects",
        ("comparison",),
        tuple((target,) for target in run.targets),
        tuple(
            Row((name,), tuple(_difference(found[target][name]) for target in run.targets))
            for name in found[run.targets[0]]
        ),
        ("*: shown also by a test corrected for the number of comparisons of its target.", *_notes(run)),
    )


def _difference(row: Comparison) -> str:
    return f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]{' *' if row['shown'] else ''}"
