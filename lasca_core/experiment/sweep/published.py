"""Results that others published, which tables show beside ours, marked as published."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

_OURS = {"affwild2": "Aff-Wild2", "sewa": "SEWA", "avec-sewa": "SEWA"}
"""Datasets of ours that hold recordings of a published one."""


@dataclass(frozen=True)
class Published:
    """One published row. ``condition`` is as ``labels.condition`` says it, empty where it is not known."""

    method: str
    scores: dict[str, float]
    data: str = ""
    modality: str = ""
    condition: str = ""
    variant: str = ""
    ablation: str = ""


@dataclass(frozen=True)
class Literature:
    """What is published, and where."""

    source: str
    results: tuple[Published, ...]
    ablations: tuple[Published, ...]

    def beside(self, dataset: str, modality: str | None) -> list[Published]:
        """The results to show beside ours: those of the same modality, on the same data where it is one of theirs."""
        data = _OURS.get(dataset)
        return [row for row in self.results if row.modality == modality and data in (None, row.data)]


def comparable(dataset: str) -> bool:
    """Whether published results were obtained on recordings of this dataset."""
    return dataset in _OURS


@cache
def literature() -> Literature:
    """The published results that ship with LaScA."""
    file = resources.files("lasca_core") / "experiment" / "published.toml"
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    results = [
        Published(
            row["method"],
            {target: row[target] for target in ("arousal", "valence")},
            data=group["data"],
            modality=group["modality"],
            condition=f"{group['window']:g} s, {100 * group['tau']:g} %",
        )
        for group in content["results"]
        for row in group["rows"]
    ]
    ablations = [
        Published(
            row["method"],
            {target: row[target] for target in ("arousal", "valence")},
            variant=row["variant"],
            ablation=group["of"],
        )
        for group in content["ablations"]
        for row in group["rows"]
    ]
    return Literature(content["source"], tuple(results), tuple(ablations))
