"""Windows: where they lie, the mean and spread of the valid frames in them, and rows that describe them as a whole."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lasca_core.api import ContractError, OptionError, Track, Windows
from lasca_core.steps.windows import concatenate, coverage, cut, every, grid, require_suited, summarise


def track(
    values: Tensor,
    times: Tensor | None = None,
    valid: Tensor | None = None,
    *,
    fps: float = 10.0,
    prefix: str = "f",
    signed: frozenset[str] = frozenset(),
    spans: Tensor | None = None,
) -> Track:
    count, features = values.shape
    return Track(
        tuple(f"{prefix}{index}" for index in range(features)),
        values,
        torch.arange(count, dtype=torch.float64) / fps if times is None else times,
        torch.ones(count, dtype=torch.bool) if valid is None else valid,
        signed,
        spans,
    )


def seconds(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def reference(
    values: np.ndarray, times: np.ndarray, valid: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``summarise`` as one would write it down: a loop over windows, then over frames."""
    steps = np.diff(times)
    usual = sorted(steps)[(len(steps) - 1) // 2] if len(steps) else 0.0
    seconds = [*(min(step, 4 * usual) for step in steps), usual]
    mean, std = (np.zeros((len(starts), values.shape[1])) for _ in range(2))
    share = np.zeros(len(starts))
    for window, (start, end) in enumerate(zip(starts, ends, strict=True)):
        low, high = start - 1e-6, end - 1e-6  # a frame may be stamped a microsecond early
        inside = [frame for frame in range(len(times)) if low <= times[frame] < high and valid[frame]]
        if inside:
            mean[window] = values[inside].astype(np.float64).mean(axis=0)
            std[window] = values[inside].astype(np.float64).std(axis=0)
        share[window] = sum(seconds[frame] for frame in inside) / (end - start)
    return mean, std, share


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    frames=st.integers(0, 60),
    windows=st.integers(0, 8),
    kept=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    offset=st.sampled_from([0.0, -300.0, 1e4]),
)
def test_mean_spread_and_valid_share_are_those_of_a_loop_over_frames(
    seed: int, frames: int, windows: int, kept: float, offset: float
) -> None:
    rng = np.random.default_rng(seed)
    values = (rng.normal(size=(frames, 3)) + offset).astype(np.float32)
    times = np.cumsum(rng.choice([0.04, 0.1, 1.5], size=frames, p=[0.6, 0.3, 0.1])) + rng.uniform(-1, 1)
    valid = rng.random(frames) < kept
    starts = np.sort(rng.uniform(-1, 8, windows))
    ends = starts + rng.uniform(0.1, 4, windows)
    arrays = (values, times, valid, starts, ends)
    mean, std, share = summarise(*(torch.from_numpy(array) for array in arrays))
    expected = reference(*arrays)
    assert mean.shape == std.shape == (windows, 3)
    assert mean.dtype == std.dtype == torch.float32
    scale = 1e-5 * max(1.0, abs(offset))
    np.testing.assert_allclose(mean.numpy(), expected[0], atol=scale)
    np.testing.assert_allclose(std.numpy(), expected[1], atol=1e-5)
    np.testing.assert_allclose(share.numpy(), expected[2], atol=1e-9)


def test_overlapping_windows_of_a_long_recording_are_as_exact_as_single_ones() -> None:
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(40_000, 2)) * 5 + 1000).astype(np.float32)
    times = np.arange(40_000) / 30
    starts = np.arange(0, 1300, 0.7)
    arrays = (values, times, rng.random(40_000) < 0.8, starts, starts + 3)
    mean, std, share = (found.numpy() for found in summarise(*(torch.from_numpy(array) for array in arrays)))
    frames = [(times >= start) & (times < start + 3) & arrays[2] for start in starts]
    np.testing.assert_allclose(mean, [values[row].mean(axis=0, dtype=np.float64) for row in frames], rtol=1e-6)
    np.testing.assert_allclose(std, [values[row].std(axis=0, dtype=np.float64) for row in frames], rtol=1e-5)
    np.testing.assert_allclose(share, [row.sum() / 90 for row in frames], atol=1e-6)


def test_a_feature_that_does_not_move_within_a_window_has_exactly_no_spread() -> None:
    values = torch.rand(500, 1, generator=torch.Generator().manual_seed(0)).repeat_interleave(10, dim=0) * 1000
    found = cut([track(values)], "s", length=1.0, hop=1.0, statistic="mean+std")
    assert (found.values[:, 1] == 0).all()
    torch.testing.assert_close(found.values[:, :1], values[::10], rtol=1e-6, atol=0)


# --- where windows lie ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("duration", "length", "hop", "count"),
    [
        (9.0, 3.0, 3.0, 3),
        (8.9, 3.0, 3.0, 2),
        (8.95, 3.0, 3.0, 3),  # 2 % of a window may be missing
        (2.9, 3.0, 3.0, 0),
        (2.95, 3.0, 3.0, 1),
        (0.0, 3.0, 3.0, 0),
        (-1.0, 3.0, 3.0, 0),
        (9.0, 3.0, 1.0, 7),
        (9.0, 3.0, 4.0, 2),
        (0.9, 0.3, 0.1, 7),
        (60.0, 0.1, 0.1, 600),
    ],
)
def test_the_grid_holds_every_whole_window(duration: float, length: float, hop: float, count: int) -> None:
    starts, ends = grid(duration, length, hop)
    assert len(starts) == count
    torch.testing.assert_close(starts, torch.arange(count, dtype=torch.float64) * hop)
    torch.testing.assert_close(ends, starts + length)


@pytest.mark.parametrize(("length", "hop"), [(3.0, 3.0), (0.7, 0.7), (1 / 3, 0.1)])
def test_the_grid_without_end_begins_as_every_other(length: float, hop: float) -> None:
    starts, ends = grid(200.0, length, hop)
    assert list(itertools.islice(every(length, hop), len(starts))) == list(
        zip(starts.tolist(), ends.tolist(), strict=True)
    )


def test_a_frame_stands_for_the_time_until_the_next_one_but_a_gap_for_four_usual_steps() -> None:
    times = torch.tensor([0.0, 0.1, 0.2, 0.5, 0.6, 9.0, 9.1], dtype=torch.float64)
    expected = torch.tensor([0.1, 0.1, 0.3, 0.1, 0.4, 0.1, 0.1], dtype=torch.float64)
    torch.testing.assert_close(coverage(times), expected)


@pytest.mark.parametrize("frames", [0, 1])
def test_without_a_second_frame_no_time_is_covered(frames: int) -> None:
    assert coverage(torch.zeros(frames, dtype=torch.float64)).tolist() == [0.0] * frames


# --- windows of one session -------------------------------------------------------------------------------------------


def test_frames_without_a_face_do_not_count() -> None:
    values = torch.arange(40.0)[:, None]
    valid = torch.arange(40) % 2 == 0
    values[~valid] = 0.0
    found = cut([track(values, valid=valid)], "s", length=2.0, hop=2.0)
    assert found.values[:, 0].tolist() == [9.0, 29.0]
    assert found.valid.tolist() == [True, True]


def test_a_window_is_invalid_and_zero_where_too_few_of_its_frames_are_valid() -> None:
    valid = torch.ones(60, dtype=torch.bool)
    valid[10:16] = False  # 60 % of the second window
    valid[20:25] = False  # half of the third
    found = cut([track(torch.ones(60, 2), valid=valid)], "s", length=1.0, hop=1.0, min_valid=0.5)
    assert found.valid.tolist() == [True, False, True, True, True, True]
    assert found.values[1].tolist() == [0.0, 0.0]


def test_a_window_over_a_hole_in_the_recording_is_invalid() -> None:
    times = torch.cat([torch.arange(30) / 10, 7 + torch.arange(30) / 10]).double()
    found = cut([track(torch.ones(60, 1), times)], "s", length=1.0, hop=1.0)
    assert found.valid.tolist() == [True] * 3 + [False] * 4 + [True] * 3


def test_a_window_without_any_valid_frame_is_invalid_even_if_no_share_is_asked_for() -> None:
    valid = torch.arange(40) < 20
    found = cut([track(torch.ones(40, 1), valid=valid)], "s", length=1.0, hop=1.0, min_valid=0.0)
    assert found.valid.tolist() == [True, True, False, False]


def test_several_tracks_are_joined_and_the_shortest_says_how_far_windows_reach() -> None:
    face = track(torch.full((90, 2), 1.0), fps=30, prefix="face", signed=frozenset({"face1"}))
    valid = torch.arange(500) < 150
    voice = track(torch.full((500, 1), 2.0), valid=valid, fps=100, prefix="voice")
    found = cut([face, voice], "s", length=1.0, hop=1.0)
    assert found.names == ("face0", "face1", "voice0")
    assert found.signed == {"face1"}
    assert found.valid.tolist() == [True, True, False]  # the voice stops at 1.5 s: half of the second window is enough
    assert found.values.tolist() == [[1.0, 1.0, 2.0], [1.0, 1.0, 2.0], [0.0, 0.0, 0.0]]
    assert found.sessions == ("s",)


def test_a_given_duration_decides_how_far_windows_reach() -> None:
    found = cut([track(torch.ones(30, 1))], "s", length=1.0, hop=1.0, duration=5.0)
    assert found.valid.tolist() == [True, True, True, False, False]


def test_mean_and_spread_stand_beside_each_other_by_track() -> None:
    values = torch.rand(40, 2, generator=torch.Generator().manual_seed(0))
    found = cut(
        [track(values, prefix="a", signed=frozenset({"a0"})), track(values[:, :1], prefix="b")],
        "s",
        length=2.0,
        hop=2.0,
        statistic="mean+std",
    )
    assert found.names == ("a0", "a1", "a0_std", "a1_std", "b0", "b0_std")
    assert found.signed == {"a0"}
    parts = values.reshape(2, 20, 2)
    expected = torch.cat([parts.mean(1), parts.std(1, correction=0), parts[..., :1].mean(1)], dim=1)
    torch.testing.assert_close(found.values[:, :5], expected, atol=1e-6, rtol=0)


def test_overlapping_windows_begin_every_hop_and_hold_the_frames_of_their_own_time() -> None:
    found = cut([track(torch.arange(50.0)[:, None])], "s", length=2.0, hop=0.5)
    assert found.starts.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert found.values[:, 0].tolist() == [9.5, 14.5, 19.5, 24.5, 29.5, 34.5, 39.5]


def test_a_frame_on_the_bound_of_two_windows_is_in_the_later_one_however_its_time_is_rounded() -> None:
    values = torch.arange(1400.0)[:, None]
    for times in (seconds(*(number / 10 for number in range(1400))), torch.arange(1400, dtype=torch.float64) * 0.1):
        found = cut([track(values, times)], "s", length=0.7, hop=0.7)
        assert found.values[:, 0].tolist() == [7.0 * window + 3 for window in range(200)]
    early = cut([track(values[:6], seconds(0, 1, 2, 2.9999999, 4, 5))], "s", length=3.0, hop=3.0)
    assert early.values[:, 0].tolist() == [1.0, 4.0]


@pytest.mark.parametrize("frames", [0, 1, 5])
def test_a_recording_shorter_than_a_window_has_none(frames: int) -> None:
    found = cut([track(torch.ones(frames, 2))], "s", length=3.0, hop=3.0)
    assert len(found) == 0
    assert found.values.shape == (0, 2)


# --- rows that describe windows as a whole ----------------------------------------------------------------------------


def test_a_row_with_a_span_stands_for_the_window_that_begins_and_ends_with_it_alone() -> None:
    values = torch.tensor([[10.0], [11.0], [12.0], [13.0]])
    rows = track(values, seconds(0, 2.9999999, 6.001, 8), spans=seconds(3, 3.0000001, 2.999, 3))
    found = cut([rows], "s", length=3.0, hop=3.0)
    assert found.starts.tolist() == [0.0, 3.0, 6.0]
    assert found.values[:, 0].tolist() == [10.0, 11.0, 12.0]
    assert found.valid.all()


def test_overlapping_windows_are_described_by_their_own_rows_and_not_by_means_of_rows() -> None:
    rows = track(torch.arange(9.0)[:, None], torch.arange(9) * 0.3, spans=torch.full((9,), 0.7).double())
    found = cut([rows], "s", length=0.7, hop=0.3)
    assert found.values[:, 0].tolist() == list(range(9))
    assert cut([rows], "s", length=0.7, hop=0.6).values[:, 0].tolist() == [0.0, 2.0, 4.0, 6.0, 8.0]


def test_a_window_without_a_valid_row_of_its_own_is_invalid_and_zero() -> None:
    valid = torch.tensor([True, False, True, True])
    rows = track(torch.ones(4, 2), seconds(0, 3, 6, 9.1), valid, spans=seconds(3, 3, 2.5, 3))
    found = cut([rows], "s", length=3.0, hop=3.0, min_valid=0.0)
    assert found.valid.tolist() == [True, False, False, False]
    assert found.values.sum(dim=1).tolist() == [2.0, 0.0, 0.0, 0.0]


def test_segments_of_very_different_lengths_are_described_by_their_own_rows() -> None:
    segments = seconds(0, 90, 1, 1.5, 2, 2.25, 95, 155).reshape(4, 2)
    rows = track(torch.arange(1.0, 4.0)[:, None], seconds(0, 1, 95), spans=seconds(90, 0.5, 60))
    found = cut([rows], "s", length=3.0, hop=3.0, segments=segments)
    assert found.values[:, 0].tolist() == [1.0, 2.0, 0.0, 3.0]
    assert found.valid.tolist() == [True, True, False, True]
    none = track(torch.ones(0, 1), spans=seconds())
    assert not cut([none], "s", length=3.0, hop=3.0, segments=segments).valid.any()


def test_ready_features_without_spans_may_have_one_row_a_segment_at_its_start() -> None:
    segments = seconds(0, 0.3, 0.3, 90, 90.5, 91).reshape(3, 2)
    rows = track(torch.arange(1.0, 4.0)[:, None], seconds(0, 0.1 + 0.2, 90.5))
    found = cut([rows], "s", length=3.0, hop=3.0, segments=segments)
    assert found.values[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert found.valid.all()


def test_rows_say_how_far_windows_reach_also_where_there_is_a_single_one() -> None:
    single = track(torch.full((1, 1), 7.0), seconds(0), spans=seconds(3))
    assert cut([single], "s", length=3.0, hop=3.0).values.tolist() == [[7.0]]
    assert len(cut([single], "s", length=5.0, hop=5.0)) == 0
    face = track(torch.ones(70, 1), prefix="face")
    voice = track(torch.ones(3, 1), seconds(0, 3, 6), spans=seconds(3, 3, 3), prefix="voice")
    assert len(cut([face, voice], "s", length=3.0, hop=3.0)) == 2


def test_rows_with_spans_have_no_spread_beside_them() -> None:
    frames = track(torch.arange(60.0)[:, None], prefix="frame")
    rows = track(torch.ones(2, 1), seconds(0, 3), spans=seconds(3, 3), prefix="row", signed=frozenset({"row0"}))
    found = cut([rows, frames], "s", length=3.0, hop=3.0, statistic="mean+std")
    assert found.names == ("row0", "frame0", "frame0_std")
    assert found.signed == {"row0"}
    assert found.values[:, :2].tolist() == [[1.0, 14.5], [1.0, 44.5]]


def test_rows_suit_windows_if_any_is_as_long_as_one_of_them() -> None:
    windows = cut([track(torch.ones(60, 1))], "s", length=3.0, hop=3.0)
    segments = seconds(0, 90, 1, 1.5).reshape(2, 2)
    varied = cut([track(torch.ones(60, 1))], "s", length=3.0, hop=3.0, segments=segments)
    require_suited(track(torch.ones(2, 1), seconds(0, 3), spans=seconds(5, 2.999)), windows, "x")
    require_suited(track(torch.ones(1, 1), spans=seconds(0.5)), varied, "x")
    require_suited(track(torch.ones(2, 1)), windows, "x")  # frames suit any
    require_suited(track(torch.ones(0, 1), spans=seconds()), windows, "x")  # says nothing
    for spans, of, message in (
        (seconds(5, 2.9), windows, "each row of x describes 2.9 to 5 s, and windows are of 3 s"),
        (seconds(0.1, 90), windows, "each row of x describes 0.1 to 90 s, and windows are of 3 s"),
        (seconds(3, 3), varied, "each row of x describes 3 s, and windows are of 0.5 to 90 s"),
    ):
        with pytest.raises(OptionError, match=message):
            require_suited(track(torch.ones(2, 1), seconds(0, 3), spans=spans), of, "x")


# --- windows of several sessions --------------------------------------------------------------------------------------


def windows(count: int, session: str, names: tuple[str, ...] = ("f0",)) -> Windows:
    return Windows(
        names,
        torch.full((count, len(names)), float(count)),
        torch.ones(count, dtype=torch.bool),
        torch.arange(count, dtype=torch.float64),
        torch.arange(count, dtype=torch.float64) + 1,
        torch.zeros(count, dtype=torch.int64),
        (session,),
    )


def test_windows_of_several_sessions_are_numbered_by_session_also_where_one_has_none() -> None:
    found = concatenate([windows(2, "a"), windows(0, "b"), windows(3, "c"), concatenate([windows(1, "d")])])
    assert found.sessions == ("a", "b", "c", "d")
    assert found.session.tolist() == [0, 0, 2, 2, 2, 3]
    assert found.values[:, 0].tolist() == [2, 2, 3, 3, 3, 1]


def test_sessions_with_other_features_do_not_join() -> None:
    with pytest.raises(ContractError, match="'b' has other features than session 'a'"):
        concatenate([windows(1, "a"), windows(1, "b", ("g0",))])
