"""From annotation columns to a trace, and from a trace to window labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lasca_core.api import DatasetError, Trace, Windows, build_trace
from lasca_core.steps.labels import window_labels
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
@pytest.mark.parametrize("fusion", ["mean", "median"])
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
