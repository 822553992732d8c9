"""From annotation columns to a trace, and from a trace to window labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lasca_core.api import DatasetError, Recording, Trace, Windows, build_trace
from lasca_core.steps.labels import STANDARD_SCALE, standardize, window_labels
from lasca_core.steps.windows import grid

NAN = float("nan")


def trace(times: list[float], values: list[float], **options: object) -> Trace:
    return build_trace(np.array(times), np.array(values), **options)  # type: ignore[arg-type]


def empty_windows(duration: float, length: float) -> Windows:
    starts, ends = grid(duration, length, length)
    count = len(starts)
    return Windows(
        (),
        torch.zeros(count, 0),
        torch.ones(count, dtype=torch.bool),
        starts,
        ends,
        torch.zeros(count, dtype=torch.int64),
        ("s",),
    )


def test_sentinels_nan_and_values_beyond_the_scale_are_not_annotated() -> None:
    found = trace([0, 1, 2, 3, 4, 5], [0.5, -5.0, NAN, 1.2, float("inf"), -0.25])
    assert found.valid.tolist() == [True, False, False, False, False, True]
    assert found.values.tolist() == [0.5, 0.0, 0.0, 0.0, 0.0, -0.25]
    assert found.values.dtype == torch.float32
    assert found.times.dtype == torch.float64


def test_several_sentinels_may_lie_inside_the_scale() -> None:
    found = trace([0, 1, 2], [3.0, 0.0, 9.0], scale=(0.0, 9.0), sentinels=(0.0, 9.0))
    assert found.valid.tolist() == [True, False, False]
    assert found.scale == (0.0, 9.0)


def test_the_ends_of_the_scale_are_annotated_also_when_rounding_has_moved_them() -> None:
    found = trace([0, 1, 2, 3], [-1.0, 1.0, 1.0000001, -1.0000001])
    assert found.valid.all()


def test_rows_are_sorted_by_time_and_the_last_row_of_a_moment_counts() -> None:
    found = trace([2.0, 0.0, 1.0, 0.0, 2.0], [0.2, 0.9, 0.1, 0.0, 0.3])
    assert found.times.tolist() == [0.0, 1.0, 2.0]
    assert found.values.tolist() == pytest.approx([0.0, 0.1, 0.3])


def test_rows_without_a_time_are_left_out() -> None:
    found = trace([0.0, NAN, 1.0], [0.1, 0.2, 0.3])
    assert found.times.tolist() == [0.0, 1.0]
    assert found.values.tolist() == pytest.approx([0.1, 0.3])


def test_the_annotators_lag_is_taken_off_the_times() -> None:
    assert trace([0.0, 2.0, 4.0], [0.1, 0.2, 0.3], lag=2.5).times.tolist() == [-2.5, -0.5, 1.5]


RATERS = np.array([[0.1, 0.3, 0.8], [-5.0, 0.2, 0.6], [NAN, -5.0, 0.4], [-5.0, NAN, 2.0]])


@pytest.mark.parametrize(("fusion", "expected"), [("mean", [0.4, 0.4, 0.4, 0.0]), ("median", [0.3, 0.4, 0.4, 0.0])])
def test_raters_are_fused_over_those_who_annotated_the_moment(fusion: str, expected: list[float]) -> None:
    found = build_trace(np.arange(4.0), RATERS, fusion=fusion)  # type: ignore[arg-type]
    assert found.values.tolist() == pytest.approx(expected)
    assert found.valid.tolist() == [True, True, True, False]


@pytest.mark.parametrize("fusion", ["mean", "median"])
def test_fusion_agrees_with_numpys_masked_arrays(fusion: str) -> None:
    rng = np.random.default_rng(0)
    raters = rng.uniform(-1, 1, (200, 6))
    raters[rng.random((200, 6)) < 0.4] = -5.0
    found = build_trace(np.arange(200.0), raters, fusion=fusion)  # type: ignore[arg-type]
    masked = np.ma.masked_equal(raters, -5.0)
    expected = np.ma.median(masked, axis=1) if fusion == "median" else masked.mean(axis=1)
    np.testing.assert_allclose(found.values.numpy(), expected.filled(0.0), atol=1e-6)
    np.testing.assert_array_equal(found.valid.numpy(), ~np.ma.getmaskarray(expected))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("fusion", ["mean", "median", "ewe"])
def test_a_moment_without_raters_warns_nobody(fusion: str) -> None:
    build_trace(np.arange(4.0), RATERS, fusion=fusion)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("times", "values"),
    [([], []), ([0.0, 1.0], [-5.0, NAN]), ([NAN], [0.5]), ([0.0], [7.0])],
    ids=["empty", "sentinels", "no time", "beyond the scale"],
)
def test_a_trace_without_any_valid_value_is_an_error_that_names_the_file(
    times: list[float], values: list[float]
) -> None:
    with pytest.raises(DatasetError, match=r"video7\.txt: no valid value"):
        trace(times, values, where="video7.txt")


def test_times_and_values_of_different_number_are_an_error_that_names_the_file() -> None:
    with pytest.raises(DatasetError, match=r"video7\.txt: 3 times but 2 values"):
        trace([0, 1, 2], [0.1, 0.2], where="video7.txt")


def test_the_given_arrays_are_left_as_they_were() -> None:
    times, values = np.array([1.0, 0.0]), np.array([0.5, -5.0])
    build_trace(times, values, lag=1.0)
    assert times.tolist() == [1.0, 0.0]
    assert values.tolist() == [0.5, -5.0]


# --- the evaluator weighted estimator ---------------------------------------------------------------------------------


def ewe(raters: np.ndarray, **options: object) -> Trace:
    return build_trace(np.arange(float(len(raters))), raters, fusion="ewe", **options)  # type: ignore[arg-type]


def noisy_raters(count: int = 400) -> np.ndarray:
    """Four raters of one slow feeling: careful, careless, one who rates something else, one upside down."""
    rng = np.random.default_rng(5)
    feeling = 0.6 * np.sin(np.arange(count) / 40)
    noise = rng.normal(0, 1, (count, 4)) * [0.02, 0.2, 0.3, 0.1]
    return np.clip(feeling[:, None] * [1, 1, 0, -0.4] + noise, -1, 1)


def test_the_evaluator_weighted_estimator_is_the_mean_weighted_by_the_correlation_with_all_raters() -> None:
    raters = noisy_raters()
    weights = np.array([np.corrcoef(rater, raters.mean(axis=1))[0, 1] for rater in raters.T])
    assert weights[3] < -0.5  # which counts as 0
    expected = np.average(raters, axis=1, weights=np.clip(weights, 0, None))
    np.testing.assert_allclose(ewe(raters).values.numpy(), expected, atol=1e-6)


def test_the_evaluator_weighted_estimator_comes_nearer_to_the_feeling_than_the_mean() -> None:
    raters = noisy_raters()
    feeling = 0.6 * np.sin(np.arange(400) / 40)
    mean = build_trace(np.arange(400.0), raters).values.numpy()
    assert np.abs(ewe(raters).values.numpy() - feeling).mean() < 0.5 * np.abs(mean - feeling).mean()


def test_raters_who_agree_but_for_their_zero_have_equal_weights() -> None:
    """The example in the documentation of audpsychometric's ``evaluator_weighted_estimator``."""
    found = ewe(np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 1.0]]), scale=(0.0, 2.0))
    assert found.values.tolist() == pytest.approx([2 / 3, 5 / 3])


def test_weights_come_from_the_moments_that_a_rater_annotated() -> None:
    raters = noisy_raters()
    raters[:150, 0] = -5.0
    raters[300:, 1] = -5.0
    masked = np.ma.masked_equal(raters, -5.0)
    mean = masked.mean(axis=1)
    weights = [max(0.0, float(np.ma.corrcoef(rater, mean)[0, 1])) for rater in masked.T]
    np.testing.assert_allclose(ewe(raters).values.numpy(), np.ma.average(masked, axis=1, weights=weights), atol=1e-6)


def test_a_rater_who_never_moves_has_no_weight_and_a_moment_that_only_such_raters_annotated_is_not_valid() -> None:
    raters = np.array([[0.0, 0.9], [0.2, 0.9], [0.4, 0.9], [NAN, 0.9]])
    found = ewe(raters)
    assert found.values.tolist() == pytest.approx([0.0, 0.2, 0.4, 0.0])
    assert found.valid.tolist() == [True, True, True, False]


def test_raters_of_whom_none_moves_count_alike() -> None:
    assert ewe(np.array([[0.2, 0.6], [0.2, 0.6]])).values.tolist() == pytest.approx([0.4, 0.4])


def test_a_single_rater_is_the_estimate() -> None:
    assert ewe(np.array([0.1, -0.3, 0.2])).values.tolist() == pytest.approx([0.1, -0.3, 0.2])


# --- time axes --------------------------------------------------------------------------------------------------------


def test_raters_with_time_axes_of_their_own_meet_on_the_finest_one() -> None:
    coarse, fine = np.arange(0.0, 2.01, 0.2), np.arange(0.3, 2.5, 0.1)
    found = build_trace([coarse, fine], [0.1 * coarse, 0.3 * fine])
    assert found.times.numpy() == pytest.approx(np.arange(25) * 0.1)
    both = (found.times.numpy() > 0.29) & (found.times.numpy() < 2.01)
    expected = np.where(both, 0.2, np.where(found.times.numpy() < 0.29, 0.1, 0.3)) * found.times.numpy()
    np.testing.assert_allclose(found.values.numpy(), expected, atol=1e-6)
    assert found.valid.all()


def test_raters_with_equal_time_axes_are_not_interpolated() -> None:
    times = np.array([0.0, 0.1, 0.35, 0.4])
    values = np.array([[0.1, 0.3], [0.2, -5.0], [0.5, 0.1], [0.0, 0.4]])
    apart = build_trace([times, times], [values[:, 0], values[:, 1]])
    together = build_trace(times, values)
    assert torch.equal(apart.times, together.times)
    assert torch.equal(apart.values, together.values)


def test_a_rate_makes_irregular_stamps_regular_so_that_moments_of_change_do_not_weigh_more() -> None:
    """A joystick's tool: a row each time the rater moves, two in the first five seconds, many in the last one."""
    times = np.concatenate([[0.0, 5.0], np.linspace(5.02, 6.0, 50)])
    values = np.concatenate([[0.0, 0.0], np.linspace(0.01, 0.5, 50)])
    moved = trace(list(times), list(values))
    even = trace(list(times), list(values), rate=10.0, max_gap=10.0)
    whole = Windows(
        (), torch.zeros(1, 0), torch.ones(1, dtype=torch.bool), torch.zeros(1).double(), torch.full((1,), 6.0).double(),
        torch.zeros(1, dtype=torch.int64), ("s",),
    )  # fmt: skip
    truth = np.interp(np.arange(0, 6, 1e-3), times, values).mean()
    assert float(window_labels(even, whole, 0.5)[0]) == pytest.approx(truth, abs=0.01)
    assert float(window_labels(moved, whole, 0.0)[0]) > 4 * truth
    assert even.times.numpy() == pytest.approx(np.arange(61) / 10)


def test_what_is_not_annotated_stays_so_on_a_new_axis() -> None:
    times, values = np.arange(0.0, 4.0, 0.5), np.array([0.0, 0.2, -5.0, 0.2, 0.0, 0.2, 0.4, 0.6])
    found = build_trace(times, values, rate=4.0)
    known = dict(zip(found.times.tolist(), found.valid.tolist(), strict=True))
    assert [moment for moment, valid in known.items() if not valid] == [0.75, 1.0, 1.25]


@pytest.mark.parametrize(("max_gap", "bridged"), [(1.0, False), (2.5, True)])
def test_only_holes_no_longer_than_asked_for_are_bridged(max_gap: float, bridged: bool) -> None:
    times = np.concatenate([np.arange(0.0, 1.0, 0.1), np.arange(3.0, 4.0, 0.1)])
    found = build_trace(times, np.full(20, 0.3), rate=10.0, max_gap=max_gap)
    inside = (found.times > 0.95) & (found.times < 2.95)
    assert bool(found.valid[inside].all()) is bridged
    assert bool(found.valid[~inside].all())


def test_a_slow_annotation_has_no_holes_only_because_it_is_slow() -> None:
    assert build_trace(np.arange(5) * 10.0, np.zeros(5), rate=1.0).valid.all()


def test_as_many_time_axes_as_raters_are_needed() -> None:
    with pytest.raises(DatasetError, match=r"a\.csv: 2 time axes but 1 raters"):
        build_trace([np.arange(3.0), np.arange(3.0)], [np.zeros(3)], where="a.csv")


# --- standardised traces ----------------------------------------------------------------------------------------------


def recording(session: str, subject: str, values: list[float], target: str = "valence") -> Recording:
    return Recording(session, subject, annotations={target: trace(list(range(len(values))), values)})


def standardized(by: str) -> dict[str, list[float]]:
    recordings = [
        recording("a1", "anna", [0.0, 0.2, -5.0, 0.4]),
        recording("a2", "anna", [0.4, 0.6]),
        recording("b", "bert", [-0.1, -0.3]),
    ]
    found = standardize(recordings, by)  # type: ignore[arg-type]
    assert [item.session for item in found] == ["a1", "a2", "b"]
    return {item.session: item.annotations["valence"].values.tolist() for item in found}


def test_traces_stay_as_they_are_unless_standardisation_is_asked_for() -> None:
    assert standardized("none")["a1"] == pytest.approx([0.0, 0.2, 0.0, 0.4])


def test_a_session_is_standardised_by_its_own_valid_moments() -> None:
    found = standardized("session")
    assert found["a1"] == pytest.approx([-np.sqrt(1.5), 0.0, 0.0, np.sqrt(1.5)], abs=1e-5)
    assert found["a2"] == pytest.approx([-1.0, 1.0], abs=1e-5)
    assert found["b"] == pytest.approx([1.0, -1.0], abs=1e-5)


def test_a_subject_is_standardised_over_all_sessions_so_that_differences_between_them_stay() -> None:
    found = standardized("subject")
    together = np.array([0.0, 0.2, 0.4, 0.4, 0.6])
    expected = (together - together.mean()) / together.std()
    assert [found["a1"][0], found["a1"][1], found["a1"][3], *found["a2"]] == pytest.approx(expected.tolist(), abs=1e-5)
    assert found["b"] == standardized("session")["b"]


def test_targets_are_standardised_apart_and_invalid_moments_stay_invalid() -> None:
    both = Recording(
        "s", "p", annotations={"valence": trace([0, 1, 2], [0.1, -5.0, 0.3]), "arousal": trace([0, 1], [0.5, 0.5])}
    )
    (found,) = standardize([both], "subject")
    assert found.annotations["valence"].values.tolist() == pytest.approx([-1.0, 0.0, 1.0], abs=1e-5)
    assert found.annotations["valence"].valid.tolist() == [True, False, True]
    assert found.annotations["arousal"].values.tolist() == [0.0, 0.0]  # it never changes
    assert {item.scale for item in found.annotations.values()} == {STANDARD_SCALE}


def test_the_direction_of_change_and_its_share_of_the_range_do_not_depend_on_standardisation() -> None:
    rng = np.random.default_rng(2)
    before = recording("s", "p", rng.uniform(-1, 1, 50).tolist())
    (after,) = standardize([before], "session")
    changes = [item.annotations["valence"].values.diff() for item in (before, after)]
    ranges = [
        item.annotations["valence"].values.max() - item.annotations["valence"].values.min() for item in (before, after)
    ]
    torch.testing.assert_close(changes[0] / ranges[0], changes[1] / ranges[1], atol=1e-5, rtol=0)


# --- window labels ----------------------------------------------------------------------------------------------------


def test_a_windows_label_is_the_mean_of_its_valid_moments() -> None:
    rng = np.random.default_rng(1)
    times, values = np.arange(300) / 25, rng.uniform(-1, 1, 300)
    values[rng.random(300) < 0.2] = -5.0
    labels, valid = window_labels(build_trace(times, values), empty_windows(12.0, 3.0), 0.5)
    for window in range(4):
        inside = (times >= 3 * window) & (times < 3 * window + 3) & (values != -5.0)
        assert float(labels[window]) == pytest.approx(values[inside].mean(), abs=1e-6)
    assert valid.tolist() == [True] * 4
    assert labels.dtype == torch.float32


def test_a_window_annotated_for_half_of_its_time_is_labelled_and_one_annotated_for_less_is_not() -> None:
    values = np.full(300, 0.5)
    values[100:150] = -5.0  # 5 of 10 s
    values[200:251] = -5.0  # 5.1 of 10 s
    _, valid = window_labels(build_trace(np.arange(300) / 10, values), empty_windows(30.0, 10.0), 0.5)
    assert valid.tolist() == [True, True, False]


def test_windows_before_after_and_between_annotations_are_not_labelled() -> None:
    times = np.concatenate([np.arange(3.0, 6.0, 0.1), np.arange(12.0, 15.0, 0.1)])
    _, valid = window_labels(build_trace(times, np.zeros(len(times))), empty_windows(18.0, 3.0), 0.5)
    assert valid.tolist() == [False, True, False, False, True, False]


def test_a_window_without_annotation_is_not_labelled_even_if_no_share_is_asked_for() -> None:
    _, valid = window_labels(trace([0.0, 1.0], [0.1, 0.1]), empty_windows(9.0, 3.0), 0.0)
    assert valid.tolist() == [True, False, False]


def test_an_annotation_slower_than_the_windows_labels_those_it_falls_into() -> None:
    labels, valid = window_labels(trace([0.0, 6.0, 12.0], [0.1, 0.2, 0.3]), empty_windows(15.0, 3.0), 0.5)
    assert valid.tolist() == [True, False, True, False, True]
    assert labels[valid].tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_segments_have_the_value_given_at_their_start_also_where_the_next_one_begins_before_their_end() -> None:
    starts, ends = torch.tensor([0.0, 9.8, 19.8]).double(), torch.tensor([10.2, 20.3, 30.5]).double()
    segments = Windows(
        (), torch.zeros(3, 0), torch.ones(3, dtype=torch.bool), starts, ends, torch.zeros(3, dtype=torch.int64), ("s",)
    )
    labels, valid = window_labels(build_trace(starts.numpy(), np.array([0.1, -5.0, 0.7])), segments, 0.5)
    assert labels.tolist() == pytest.approx([0.1, 0.0, 0.7])
    assert valid.tolist() == [True, False, True]
