"""A finished run: its scores as a table, its model, its report."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lasca_core.interface.model import Model, _load
from lasca_core.interface.session import Session
from lasca_core.interface.tables import Tabular, html_table

if TYPE_CHECKING:
    import pyarrow as pa

_SCORES = ("accuracy", "accuracy_sd", "balanced_accuracy", "auc", "parameters", "seconds")
_COMPARISON = {
    "target": "string", "comparison": "string", "difference": "float64", "low": "float64", "high": "float64",
    "confidence": "float64", "resamples": "int64", "subjects": "int64", "p": "float64", "p_corrected": "float64",
    "least_p": "float64", "shown": "bool",
}  # fmt: skip
"""Columns of ``comparisons`` and their Arrow types: the same where there is nothing to compare."""


@dataclass(frozen=True)
class Report:
    """A page about a run. In a notebook it shows itself."""

    path: Path

    def _repr_html_(self) -> str:
        page = escape(self.path.read_text(encoding="utf-8"), quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:42em;border:0" title="report of a run"></iframe>'

    def __fspath__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, eq=False)
class Run(Tabular):
    """What ``Pipeline.evaluate`` or ``lasca run`` found: ``record`` is its run.json, ``metrics`` its metrics.json."""

    folder: Path
    record: dict[str, Any] = field(repr=False)
    metrics: dict[str, Any] = field(repr=False)
    _session: Session = field(default_factory=Session, repr=False)

    @classmethod
    def load(cls, path: str | Path = "runs/latest", *, device: str = "auto", quiet: bool = False) -> Run:
        """A finished run from its folder. Raises ``LascaError`` in one sentence if the folder is not one."""
        from lasca_core.report.source import read_run

        found = read_run(Path(path))  # says what is wrong with a folder that is not one
        record, metrics = (
            json.loads((found.folder / name).read_text("utf-8")) for name in ("run.json", "metrics.json")
        )
        return cls(found.folder, record, metrics, Session(device=device, quiet=quiet))

    def to_arrow(self) -> pa.Table:
        """One row for each target and variant: accuracy with its interval, and the other metrics."""
        import pyarrow as pa

        rows = []
        for target, found in self.metrics["targets"].items():
            for variant, score in found["variants"].items():
                low, high = score["accuracy_interval"] or (None, None)
                rows.append({"target": target, "variant": variant, **{name: score[name] for name in _SCORES},
                             "low": low, "high": high, "pairs": found["pairs"]["kept"],
                             "subjects": found["subjects"]})  # fmt: skip
        return pa.Table.from_pylist(rows)

    @property
    def comparisons(self) -> pa.Table:
        """One row for each comparison of two variants: difference, interval, corrected p-value, and the verdict. No row
        where the run had ``evaluate.bootstrap=0``."""
        import pyarrow as pa

        rows = [
            {"target": target, "comparison": name, **row}
            for target, found in self.metrics["targets"].items()
            for name, row in found["comparisons"].items()
        ]
        schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in _COMPARISON.items()])
        return pa.Table.from_pylist(rows, schema)

    @property
    def predictions(self) -> pa.Table:
        """One row for each target, variant, repetition and tested pair of windows."""
        import pyarrow.parquet as pq

        return pq.read_table(self.folder / "predictions.parquet")

    @cached_property
    def model(self) -> Model:
        """The model it saved, trained on all pairs: one object, which keeps what it has loaded until it is closed, and
        can be used on afterwards."""
        return _load(self.folder, self._session)

    def report(self, path: str | Path | None = None) -> Report:
        """Write the page about this run (``report.html`` in its folder where no ``path`` is given)."""
        from lasca_core.host.store import writing
        from lasca_core.report.run_page import run_page
        from lasca_core.report.source import read_run

        page = Path(path) if path is not None else self.folder / "report.html"
        with writing(page) as temporary:
            temporary.write_text(run_page(read_run(self.folder), self.folder), encoding="utf-8")
        return Report(page)

    def figures(self, folder: str | Path) -> list[Path]:
        """Write figures (PDF, SVG, PNG) and tables for a paper; needs ``lasca[report]``."""
        from lasca_core.report.figures import write_figures
        from lasca_core.report.source import read_run

        return list(write_figures(read_run(self.folder), Path(folder)))

    def __getstate__(self) -> dict[str, Any]:
        """Without the model, which is loaded again: a run can be copied and sent to other processes."""
        return {name: value for name, value in vars(self).items() if name != "model"}

    def _repr_html_(self) -> str:
        from lasca_core.experiment.results import sentence

        parts = []
        for target, found in self.metrics["targets"].items():
            made = " (synthetic data)" if self.record["synthetic"] else ""
            caption = f"{target}{made}: {found['pairs']['kept']} pairs of {found['subjects']} subjects"
            rows = [
                (name, f"{row['accuracy']:.3f} ± {row['accuracy_sd']:.3f}", _interval(row["accuracy_interval"]))
                for name, row in found["variants"].items()
            ]
            parts.append(html_table(caption, ("variant", "accuracy", "interval"), rows))
            verdicts = "<br>".join(escape(sentence(name, row)) for name, row in found["comparisons"].items())
            parts.append(f"<p>{verdicts}</p>")
        return "".join(parts)

    def __repr__(self) -> str:
        dataset = self.record["config"]["run"]["dataset"]
        return f"Run({str(self.folder)!r}: {dataset}, {', '.join(self.metrics['targets'])})"


def _interval(value: tuple[float, float] | None) -> str:
    return "-" if value is None else f"{value[0]:.3f}-{value[1]:.3f}"
