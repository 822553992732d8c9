"""The synthetic dataset `facs`: repeatable, made from published prototypes, harder with noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lasca_datasets.facs.dataset import SECONDS, Facs, FacsOptions
from lasca_datasets.facs.knowledge import PLACES, PROTOTYPES, SPEECH, UNITS

from lasca_core.api import Recording
from lasca_core.testing import make_runtime


def people(folder: Path, **options: Any) -> list[Recording]:
    return list(Facs(FacsOptions(**options), make_runtime(folder)).sessions())


def units(recording: Recording) -> np.ndarray:
    return recording.features["au"].values.numpy()


def test_there_is_one_row_for_each_segment_of_each_person(tmp_path: Path) -> None:
    found = people(tmp_path, people=3, segments=9)
    assert [recording.subject for recording in found] == ["person 001", "person 002", "person 003"]
    for recording in found:
        assert units(recording).shape == (9, 20)
        assert recording.features["au"].names == UNITS
        assert recording.segments is not None
        torch.testing.assert_close(
            recording.segments[:, 1] - recording.segments[:, 0], torch.full((9,), SECONDS).double()
        )
        assert torch.equal(recording.segments[:, 0], recording.features["au"].times)
        assert units(recording).min() >= 0
        assert units(recording).max() <= 1
        for target in ("valence", "arousal"):
            assert recording.annotations[target].values.abs().max() <= 1
        assert recording.metadata["synthetic"] == "true"


def test_a_person_is_the_same_whoever_else_there_is(tmp_path: Path) -> None:
    few, many = people(tmp_path, people=2, segments=5), people(tmp_path, people=6, segments=5)
    for first, second in zip(few, many, strict=False):
        assert np.array_equal(units(first), units(second))
    other = people(tmp_path, people=2, segments=5, seed=1)
    assert not np.array_equal(units(few[0]), units(other[0]))


def test_what_is_published_is_complete_and_within_its_scales() -> None:
    assert len(UNITS) == len(set(UNITS)) == 20
    assert PROTOTYPES.keys() == PLACES.keys()
    for parts in (*PROTOTYPES.values(), SPEECH):
        assert set(parts) <= set(UNITS)
        assert all(0 < part <= 1 for part in parts.values())
    assert all(-1 <= value <= 1 for place in PLACES.values() for value in place)


def test_nothing_of_it_comes_from_a_lexicon() -> None:
    from lasca_datasets import facs

    for file in Path(facs.__file__).parent.glob("*.py"):
        assert "lasca_lexicons" not in file.read_text()


def test_without_noise_and_individuality_the_units_tell_the_valence_and_noise_hides_it(tmp_path: Path) -> None:
    def explained(**options: Any) -> float:
        found = people(tmp_path, people=40, segments=30, **options)
        x = np.concatenate([units(recording) for recording in found])
        y = np.concatenate([recording.annotations["valence"].values.numpy() for recording in found])
        x = np.column_stack([x, np.ones(len(x))])
        rest = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
        return float(1 - rest.var() / y.var())

    clear, usual, loud = explained(noise=0.0, individuality=0.0), explained(), explained(noise=3.0)
    assert clear > 0.9
    assert clear > usual + 0.1 > loud + 0.2


@pytest.mark.parametrize(("unit", "sign"), [("AU12", 1), ("AU06", 1), ("AU04", -1), ("AU09", -1), ("AU15", -1)])
def test_units_go_with_valence_as_in_the_literature(tmp_path: Path, unit: str, sign: int) -> None:
    found = people(tmp_path, people=60, segments=20)
    x = np.concatenate([units(recording)[:, UNITS.index(unit)] for recording in found])
    y = np.concatenate([recording.annotations["valence"].values.numpy() for recording in found])
    assert sign * np.corrcoef(x, y)[0, 1] > 0.1
