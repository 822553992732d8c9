"""What `lasca data check` counts, against counts made window by window in plain Python."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from lasca_core.contract.types import Recording, Trace, Track
from lasca_core.experiment.config import resolve
from lasca_core.experiment.survey import survey


def trace(values: np.ndarray, rate: float = 10.0, scale: tuple[float, float] = (-1.0, 1.0)) -> Trace:
    """A trace at ``rate`` Hz; NaN is not annotated."""
    known = np.isfinite(values)
    return Trace(
        torch.arange(len(values), dtype=torch.float64) / rate,
        torch.from_numpy(np.where(known, values, 0).astype(np.float32)),
        torch.from_numpy(known),
        scale,
    )


def track(valid: np.ndarray, rate: float = 10.0) -> Track:
    return Track(
        ("smile", "frown"),
        torch.ones(len(valid), 2) * torch.from_numpy(valid)[:, None],
        torch.arange(len(valid), dtype=torch.float64) / rate,
        torch.from_numpy(valid),
    )


def wander(seed: int) -> np.ndarray:
    """A slow random trace in [-1, 1], 60 s at 10 Hz."""
    steps = np.random.default_rng(seed).normal(size=600)
    return np.tanh(np.convolve(steps, np.ones(50) / 15, mode="same")).astype(np.float32)


def counted(values: np.ndarray, valid: np.ndarray, length: int, threshold: float) -> tuple[int, int]:
    """Pairs and rising ones of one session: windows of ``length`` rows, of which at least half must be valid."""
    means = [
        float(values[start : start + length].mean()) if valid[start : start + length].mean() >= 0.5 else math.nan
        for start in range(0, len(values) - length + 1, length)
    ]
    changes = [later - earlier for earlier, later in itertools.pairwise(means)]
    return sum(abs(change) > threshold for change in changes), sum(change > threshold for change in changes)


@pytest.mark.parametrize("length", [3.0, 5.0])
@pytest.mark.parametrize("tau", [0.1, 0.3])
def test_pairs_of_ready_features_are_those_a_count_by_hand_finds(length, tau):
    recordings, expected, rising = [], 0, 0
    for number in range(6):
        values = wander(number)
        valid = np.ones(600, dtype=bool)
        valid[70 * number : 70 * number + 90] = False
        recordings.append(
            Recording(
                f"s{number}", f"p{number // 2}", features={"toy": track(valid)}, annotations={"valence": trace(values)}
            )
        )
        found = counted(values, valid, int(10 * length), tau * float(values.max() - values.min()))
        expected, rising = expected + found[0], rising + found[1]
    (row,) = survey(recordings, resolve(), [length], [tau])["pairs"]
    assert (row["target"], row["window"], row["tau"]) == ("valence", length, tau)
    assert (row["windows"], row["pairs"], row["rising"]) == (6 * int(60 / length), expected, rising)
    assert row["pairs"] + sum(row["dropped"].values()) == 6 * (int(60 / length) - 1)
    assert row["subjects"] == 3


def test_pairs_are_counted_under_the_runs_own_options():
    values = wander(1)
    recordings = [Recording("s", "p", annotations={"valence": trace(values)})]
    config = resolve(assignments=["pairs.strategy=absolute", "windows.hop=1"])
    (row,) = survey(recordings, config, [2.0], [0.25])["pairs"]
    means = [float(values[10 * second : 10 * second + 20].mean()) for second in range(59)]
    changes = [later - earlier for earlier, later in zip(means, means[2:], strict=False)]  # two hops: no overlap
    assert row["windows"] == 59
    assert row["pairs"] == sum(abs(change) > 0.25 for change in changes)


def test_segments_have_one_row_of_counts_whatever_the_lengths():
    starts = torch.tensor([0.0, 1.5, 4.0, 9.0], dtype=torch.float64)
    values = np.array([0.1, 0.5, np.nan, 0.2])
    known = np.isfinite(values)
    label = Trace(
        starts, torch.from_numpy(np.where(known, values, 0).astype(np.float32)), torch.from_numpy(known), (0.0, 1.0)
    )
    recording = Recording(
        "s", "p", annotations={"valence": label}, segments=torch.stack([starts, starts + 1], dim=1), split="train"
    )
    found = survey([recording], resolve(), [3.0, 5.0], [0.1, 2.0])
    assert found["segments"] == 4
    assert found["hours"] == pytest.approx(4 / 3600)
    first, second = found["pairs"]
    assert (first["window"], first["windows"], first["pairs"], first["rising"]) == (None, 4, 1, 1)
    assert first["dropped"] == {"invalid window": 0, "not annotated": 2, "change too small": 0}
    assert (second["tau"], second["pairs"]) == (2.0, 0)


def test_subjects_parts_labels_and_what_is_not_valid_are_told():
    valid = np.ones(100, dtype=bool)
    valid[:25] = False
    values = np.linspace(1, 5, 100)
    values[90:] = np.nan
    recordings = [
        Recording(
            name,
            person,
            features={"toy": track(valid)},
            annotations={"valence": trace(values, scale=(1, 7))},
            split=part,
        )
        for name, person, part in (("a", "x", "train"), ("b", "x", "train"), ("c", "y", "validation"))
    ]
    found = survey(recordings, resolve(), [3.0], [0.1])
    assert (found["sessions"], found["usable"], found["subjects"]) == (3, 3, 2)
    assert found["hours"] == pytest.approx(3 * 10 / 3600)
    assert found["splits"] == {
        "train": {"sessions": 2, "subjects": 1},
        "validation": {"sessions": 1, "subjects": 1},
    }
    assert found["features"] == {"toy": {"features": 2, "sessions": 3, "rows": 300, "invalid": 0.25}}
    told = found["targets"]["valence"]
    assert (told["sessions"], told["scale"], told["lowest"]) == (3, [1, 7], 1.0)
    assert told["highest"] == pytest.approx(values[89], abs=1e-6)
    assert told["invalid"] == pytest.approx(0.1)


def test_a_medium_that_cannot_be_opened_is_a_problem_of_its_session(tmp_path: Path):
    (tmp_path / "broken.mp4").write_text("not a video")
    recordings = [
        Recording("good", "x", annotations={"valence": trace(wander(0))}),
        Recording("bad", "y", media=tmp_path / "broken.mp4", annotations={"valence": trace(wander(1))}),
    ]
    found = survey(recordings, resolve(), [3.0], [0.1])
    assert (found["sessions"], found["usable"]) == (2, 1)
    assert "broken.mp4" in found["problems"]["bad"]
    assert found["pairs"][0]["windows"] == 20


def test_a_dataset_without_a_usable_session_has_no_pairs(tmp_path: Path):
    (tmp_path / "broken.mp4").write_text("not a video")
    bad = Recording("bad", "y", media=tmp_path / "broken.mp4", annotations={"valence": trace(wander(1))})
    assert survey([bad], resolve(), [3.0], [0.1])["pairs"] == []
    short = Recording("short", "y", annotations={"valence": trace(np.linspace(0, 1, 20))})
    assert survey([short], resolve(), [3.0], [0.1])["pairs"] == []
