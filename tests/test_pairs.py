"""Pairs of consecutive windows against a plain loop."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lasca_core.api import Pairs, Windows
from lasca_core.steps.pairs import Threshold, make_pairs, unlabelled_pairs

STRATEGIES: tuple[Threshold, ...] = ("range", "self", "scale", "absolute")
SCALE = (-1.0, 1.0)


def windows(session: list[int], valid: list[bool] | None = None) -> Windows:
    count = len(session)
    return Windows(
        (),
        torch.zeros(count, 0),
        torch.ones(count, dtype=torch.bool) if valid is None else torch.tensor(valid, dtype=torch.bool),
        torch.arange(count, dtype=torch.float64),
        torch.arange(count, dtype=torch.float64) + 1,
        torch.tensor(session, dtype=torch.int64),
        tuple(f"s{number}" for number in range(max(session, default=-1) + 1)),
    )


def pairs_of(
    made: Windows,
    labels: list[float],
    labelled: list[bool] | None = None,
    *,
    tau: float = 0.1,
    strategy: Threshold = "absolute",
    ranges: Tensor | None = None,
    scale: tuple[float, float] = SCALE,
    floor: float = 0.05,
) -> Pairs:
    return make_pairs(
        made,
        torch.tensor(labels, dtype=torch.float32),
        torch.tensor([True] * len(labels) if labelled is None else labelled, dtype=torch.bool),
        tau=tau,
        strategy=strategy,
        ranges=torch.ones(len(made.sessions)) if ranges is None else ranges,
        scale=scale,
        floor=floor,
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("tau", [0.0, 0.1, 0.2])
@pytest.mark.parametrize("seed", range(3))
def test_pairs_are_those_of_a_loop_over_consecutive_windows(strategy: Threshold, tau: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    session = torch.randint(0, 6, (200,), generator=generator).sort().values.tolist()
    valid = (torch.rand(200, generator=generator) < 0.8).tolist()
    labelled = (torch.rand(200, generator=generator) < 0.8).tolist()
    labels = (torch.randint(-8, 9, (200,), generator=generator) / 8).tolist()
    ranges = torch.rand(6, generator=generator) * 2
    made = windows(session, valid)
    found = pairs_of(made, labels, labelled, tau=tau, strategy=strategy, ranges=ranges[: len(made.sessions)])

    expected, dropped = [], {"invalid window": 0, "not annotated": 0, "change too small": 0}
    for row in range(199):
        if session[row] != session[row + 1]:
            continue
        change = labels[row + 1] - labels[row]
        threshold = {
            "range": tau * float(ranges[session[row]]),
            "self": tau * max(abs(labels[row]), 0.05 * 2.0),
            "scale": tau * 2.0,
            "absolute": tau,
        }[strategy]
        if not (valid[row] and valid[row + 1]):
            dropped["invalid window"] += 1
        elif not (labelled[row] and labelled[row + 1]):
            dropped["not annotated"] += 1
        elif abs(change) <= threshold:
            dropped["change too small"] += 1
        else:
            expected.append((row, row + 1, float(change > 0), change))
    assert (
        list(
            zip(found.earlier.tolist(), found.later.tolist(), found.label.tolist(), found.change.tolist(), strict=True)
        )
        == expected
    )
    assert dict(found.dropped) == dropped
    same = sum(one == other for one, other in zip(session[1:], session[:-1], strict=True))
    assert len(found) + sum(found.dropped.values()) == same


def test_no_pair_crosses_the_border_between_sessions() -> None:
    found = pairs_of(windows([0, 0, 1, 1]), [0.0, 1.0, -1.0, 0.0])
    assert found.earlier.tolist() == [0, 2]
    assert found.later.tolist() == [1, 3]
    assert sum(found.dropped.values()) == 0


def test_no_pair_reaches_across_an_invalid_window() -> None:
    found = pairs_of(windows([0, 0, 0], [True, False, True]), [0.0, 0.5, 1.0])
    assert len(found) == 0
    assert found.dropped == {"invalid window": 2, "not annotated": 0, "change too small": 0}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_ties_are_dropped_even_where_the_threshold_is_zero(strategy: Threshold) -> None:
    found = pairs_of(windows([0, 0, 0]), [0.5, 0.5, 0.5], tau=0.0, strategy=strategy)
    assert len(found) == 0
    assert found.dropped["change too small"] == 2


def test_a_change_of_just_the_threshold_is_dropped() -> None:
    found = pairs_of(windows([0, 0, 0]), [0.0, 0.25, 0.75], tau=0.25)
    assert found.earlier.tolist() == [1]


def test_a_session_whose_trace_never_moves_gives_no_pair() -> None:
    found = pairs_of(windows([0, 0]), [0.3, 0.3], tau=0.1, strategy="range", ranges=torch.zeros(1))
    assert len(found) == 0


@pytest.mark.parametrize(("scale", "change", "kept"), [((-1.0, 1.0), 0.25, 1), ((0.0, 10.0), 0.25, 0)])
def test_the_width_of_the_scale_counts(scale: tuple[float, float], change: float, kept: int) -> None:
    found = pairs_of(windows([0, 0]), [0.0, change], tau=0.1, strategy="scale", scale=scale)
    assert len(found) == kept


def test_near_zero_a_change_relative_to_the_label_itself_must_still_exceed_the_floor() -> None:
    made = windows([0, 0])
    assert len(pairs_of(made, [0.0, 0.009], tau=0.1, strategy="self", floor=0.05)) == 0
    assert len(pairs_of(made, [0.0, 0.011], tau=0.1, strategy="self", floor=0.05)) == 1


@pytest.mark.parametrize("session", [[], [0]])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_fewer_than_two_windows_give_no_pair(session: list[int], strategy: Threshold) -> None:
    found = pairs_of(windows(session), [0.5] * len(session), strategy=strategy)
    assert len(found) == 0
    assert found.earlier.dtype == found.later.dtype == torch.int64
    assert found.label.dtype == found.change.dtype == torch.float32
    assert found.dropped == {"invalid window": 0, "not annotated": 0, "change too small": 0}


def test_segments_that_overlap_by_more_than_a_fifth_are_no_pair() -> None:
    starts = torch.tensor([0.0, 0.95, 1.5, 4.0], dtype=torch.float64)
    ends = torch.tensor([1.0, 2.0, 4.0, 5.0], dtype=torch.float64)
    windows = Windows(
        names=("f",),
        values=torch.zeros(4, 1),
        valid=torch.ones(4, dtype=torch.bool),
        starts=starts,
        ends=ends,
        session=torch.zeros(4, dtype=torch.int64),
        sessions=("s",),
    )
    labels = torch.tensor([0.0, 1.0, 0.0, 1.0])
    found = make_pairs(
        windows, labels, windows.valid, tau=0.1, strategy="absolute", ranges=torch.ones(1), scale=(-1.0, 1.0)
    )
    assert found.later.tolist() == [1, 3], "0.05 of 1 s is rough cutting; 0.5 of 1.05 s is the same moment twice"
    assert found.dropped["overlap"] == 1
    assert unlabelled_pairs(windows).later.tolist() == [1, 3]
