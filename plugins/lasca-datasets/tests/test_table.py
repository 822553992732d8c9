"""The dataset `table`: rows, sessions and labels as they are read, and each thing that can be wrong there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch
from lasca_datasets.table.dataset import FeatureTable
from lasca_datasets.table.options import TableOptions
from pydantic import ValidationError

from lasca_core.api import DatasetError, Recording
from lasca_core.testing import make_runtime

FRAMES = "session,subject,time,smile,frown,valence\n"
ROWS = "a,anna,0.0,0.25,0.5,0.1\na,anna,0.1,-1.5,2,0.2\nb,bert,0.0,1,2,0.3\nb,bert,0.1,3,4,0.4\n"


def read(path: Path, **options) -> tuple[list[Recording], list[str]]:
    runtime = make_runtime(path.parent / "cache")
    recordings = list(FeatureTable(TableOptions(path=path, **options), runtime).sessions())
    return recordings, runtime.report.warnings


def read_text(folder: Path, text: str | bytes, name: str = "t.csv", **options) -> tuple[list[Recording], list[str]]:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return read(folder / name, **options)


def smiles(recording: Recording) -> list[float]:
    """The first feature in the rows that are valid."""
    (track,) = recording.features.values()
    return [round(value, 6) for value in track.values[track.valid, 0].tolist()]


def times(recording: Recording) -> list[float]:
    (track,) = recording.features.values()
    return track.times.tolist()


def ratings(recording: Recording, target: str = "valence") -> list[float | None]:
    """The trace, None where it is not annotated."""
    trace = recording.annotations[target]
    return [
        round(value, 6) if valid else None
        for value, valid in zip(trace.values.tolist(), trace.valid.tolist(), strict=True)
    ]


# --- what is read -----------------------------------------------------------------------------------------------------


def test_the_sessions_of_one_file_come_in_its_order_with_times_values_and_labels(tmp_path):
    (b, a), warnings = read_text(tmp_path, FRAMES + ROWS[ROWS.index("b,") :] + ROWS[: ROWS.index("b,")])
    assert [(r.session, r.subject) for r in (b, a)] == [("b", "bert"), ("a", "anna")]
    assert a.features["table"].names == ("smile", "frown")
    assert a.features["table"].values.tolist() == [[0.25, 0.5], [-1.5, 2.0]]
    assert (times(a), ratings(a), ratings(b)) == ([0.0, 0.1], [0.1, 0.2], [0.3, 0.4])
    assert (a.segments, a.media, a.split) == (None, None, None)
    assert warnings == []


def test_every_value_mask_and_time_of_a_large_interleaved_table_equals_the_generators(tmp_path):
    generator = np.random.default_rng(7)
    rows, sessions = 30_000, 140
    session = generator.integers(0, sessions, rows)
    frame = np.zeros(rows)
    for number in range(sessions):
        frame[session == number] = np.arange((session == number).sum())
    features = generator.normal(size=(rows, 8)).round(4)
    features[generator.random((rows, 8)) < 0.01] = np.nan
    valence = generator.uniform(-1, 1, rows).round(3)
    columns = {"person": [f"p{number // 2}" for number in session], "clip": session, "frame": frame.astype(int)}
    columns |= {f"f{number}": column for number, column in enumerate(features.T)} | {"V": valence}
    pyarrow.csv.write_csv(pyarrow.table(columns), tmp_path / "t.csv")
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    options = {"session": "clip", "subject": "person", "labels": {"valence": "V"}, "fps": 25}
    for name in ("t.csv", "t.parquet"):
        recordings, (warning,) = read(tmp_path / name, **options)
        holes = np.isnan(features).any(axis=1)
        assert f"{int(holes.sum())} of the file's {rows} rows" in warning
        assert f"row {int(holes.argmax()) + (2 if name == 't.csv' else 1)}:" in warning
        assert len(recordings) == sessions
        for recording in recordings:
            own = session == int(recording.session)
            track = recording.features["table"]
            assert recording.subject == f"p{int(recording.session) // 2}"
            assert times(recording) == (frame[own] / 25).tolist()
            assert track.valid.tolist() == (~holes[own]).tolist()
            expected = np.where(holes[own][:, None], 0, features[own]).astype(np.float32)
            np.testing.assert_array_equal(track.values.numpy(), expected)
            np.testing.assert_array_equal(
                recording.annotations["valence"].values.numpy(), valence[own].astype(np.float32)
            )


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_any_delimiter_a_byte_order_mark_blank_lines_and_spaces_do_no_harm(tmp_path, mark):
    text = ("\n" + FRAMES.replace(",", ", ") + "\n" + ROWS.replace("\n", "\n\n")).replace(",", mark)
    (a, b), warnings = read_text(tmp_path, b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert (smiles(a), smiles(b), warnings) == ([0.25, -1.5], [1.0, 3.0], [])


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_decimal_comma_is_understood_where_no_comma_separates(tmp_path, mark):
    text = (FRAMES + ROWS).replace(",", mark).replace(".", ",")
    (a, _), warnings = read_text(tmp_path, f"sep={mark}\n{text}")
    assert (smiles(a), times(a), ratings(a), warnings) == ([0.25, -1.5], [0.0, 0.1], [0.1, 0.2], [])


def test_a_folder_is_a_session_a_file_in_order_of_names(tmp_path):
    folder = tmp_path / "study"
    for name, first in (("b.csv", 2), ("a.CSV", 1), ("c.tsv", 3)):
        (folder / "deep").mkdir(parents=True, exist_ok=True)
        text = f"time,smile,valence\n0,{first},0.1\n1,{first},0.2\n"
        (folder / name).write_text(text.replace(",", "\t") if name.endswith("tsv") else text)
        (folder / "deep" / name.lower()).write_text(text)
    (folder / "notes.txt").write_text("not a table")
    recordings, (warning,) = read(folder)
    assert [(r.session, smiles(r)[0]) for r in recordings] == [("a", 1.0), ("b", 2.0), ("c", 3.0)]
    assert "no subject is known, so each of the 3 sessions counts as another person" in warning
    recordings, _ = read(folder, files="deep/*.csv")
    assert [r.session for r in recordings] == ["deep/a", "deep/b"]


def test_without_a_session_a_subjects_rows_are_one_and_in_a_folder_one_a_file(tmp_path):
    text = "subject,time,smile,valence\nanna,0,1,0.1\nanna,1,2,0.2\nbert,0,3,0.3\n"
    recordings, warnings = read_text(tmp_path, text)
    assert [(r.session, r.subject) for r in recordings] == [("anna", "anna"), ("bert", "bert")]
    assert warnings == []
    (tmp_path / "study").mkdir()
    for day in ("1", "2"):
        (tmp_path / "study" / f"day{day}.csv").write_text(text)
    recordings, _ = read(tmp_path / "study")
    assert [(r.session, r.subject) for r in recordings] == [
        ("day1/anna", "anna"),
        ("day1/bert", "bert"),
        ("day2/anna", "anna"),
        ("day2/bert", "bert"),
    ]


def test_a_pattern_finds_subject_and_session_in_the_files_names(tmp_path):
    (tmp_path / "study").mkdir()
    for name in ("P01_talk_openface", "P02_talk_openface", "readme"):
        (tmp_path / "study" / f"{name}.csv").write_text("time,smile,valence\n0,1,0.1\n1,2,0.2\n")
    recordings, (warning,) = read(tmp_path / "study", pattern=r"^(?P<session>(?P<subject>P\d+)_[a-z]+)_")
    assert [(r.session, r.subject) for r in recordings] == [("P01_talk", "P01"), ("P02_talk", "P02")]
    assert "readme.csv, row 2: table.pattern does not fit the session's name 'readme'; this session is left" in warning


def test_split_and_metadata_are_told_of_each_session(tmp_path):
    text = "session,subject,time,smile,valence,split,land\na,anna,0,1,0.1,train,DE\na,anna,1,2,0.2,train,DE\n"
    (recording,), _ = read_text(tmp_path, text, metadata=("land",))
    assert (recording.split, recording.metadata) == ("train", {"land": "DE"})


@pytest.mark.parametrize(
    ("column", "seconds"),
    [
        (["0:01", "0:02.5", "1:00:00"], [1.0, 2.5, 3600.0]),
        (["0 days 00:00:01", "0 days 00:00:02.500000", "1 days 00:00:00"], [1.0, 2.5, 86400.0]),
        (["2024-05-01 10:00:01", "2024-05-01 10:00:02.5", "2024-05-01 10:00:04"], [0.0, 1.5, 3.0]),
        (["1714557601.0", "1714557602.5", "1714557604.0"], [0.0, 1.5, 3.0]),
    ],
)
def test_clock_times_lengths_of_time_and_dates_are_times(tmp_path, column, seconds):
    rows = "".join(f"anna,{cell},{number},0.{number}\n" for number, cell in enumerate(column))
    (recording,), _ = read_text(tmp_path, "subject,time,smile,valence\n" + rows)
    assert times(recording) == pytest.approx(seconds)
    assert recording.annotations["valence"].times.tolist() == pytest.approx(seconds)


@pytest.mark.parametrize(
    "kind", [pyarrow.timestamp("ms"), pyarrow.duration("us"), pyarrow.time64("us"), pyarrow.int32()]
)
def test_a_parquet_column_of_time_may_have_any_type_of_time(tmp_path, kind):
    ticks = {"ms": 1000, "us": 1_000_000}.get(getattr(kind, "unit", ""), 1)
    begin = 1_714_557_601 if pyarrow.types.is_timestamp(kind) else 0
    column = pyarrow.array([(begin + second) * ticks for second in range(3)], pyarrow.int64()).cast(kind)
    columns = {"subject": ["a"] * 3, "time": column, "smile": [1, 2, 3], "valence": [0.1, 0.2, 0.3]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    (recording,), warnings = read(tmp_path / "t.parquet")
    assert (times(recording), smiles(recording), warnings) == ([0.0, 1.0, 2.0], [1.0, 2.0, 3.0], [])


def test_a_parquet_column_that_can_be_no_time_or_feature_is_one_sentence(tmp_path):
    columns = {"subject": ["a"], "time": [[0.0]], "smile": [1.0], "valence": [0.1]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    with pytest.raises(DatasetError, match=r"t\.parquet: time holds list<.*>, not numbers"):
        read(tmp_path / "t.parquet")


def test_milliseconds_are_known_by_the_columns_name_or_said(tmp_path):
    rows = "0,1,0.1\n40,2,0.2\n"
    for text, options in (
        (f"time_ms,smile,valence\n{rows}", {}),
        (f"t,smile,valence\n{rows}", {"time": "t", "unit": "ms"}),
    ):
        (recording,), _ = read_text(tmp_path, text, **options)
        assert times(recording) == [0.0, 0.04]


def test_frames_far_apart_are_read_with_a_hint_at_segments_and_milliseconds(tmp_path):
    (tmp_path / "t.csv").write_text("subject,time,smile,valence\na,0,1,0.1\na,40,2,0.2\na,80,3,0.3\n")
    runtime = make_runtime(tmp_path / "cache")
    list(FeatureTable(TableOptions(path=tmp_path / "t.csv"), runtime).sessions())
    (note,) = [note for note in runtime.report.notes if " s apart" in note]
    assert "its rows lie 40 s apart" in note
    assert "table.rows = 'segments'" in note
    assert "table.unit = 'ms'" in note


def test_rows_without_time_or_frame_number_are_counted_with_the_frame_rate(tmp_path):
    (a, b), _ = read_text(tmp_path, "session,smile,valence\na,1,0.1\nb,2,0.2\na,3,0.3\n", fps=10)
    assert (times(a), times(b), smiles(a)) == ([0.0, 0.1], [0.0], [1.0, 3.0])


def test_another_content_or_name_of_a_file_makes_it_another_dataset(tmp_path):
    (tmp_path / "labels.csv").write_text("session,time,valence\na,0,0.1\n")

    def fingerprint(name: str, text: str, **options) -> str:
        (tmp_path / name).write_text(text)
        return FeatureTable(
            TableOptions(path=tmp_path / name, **options), make_runtime(tmp_path / "cache")
        ).fingerprint()

    first = fingerprint("t.csv", FRAMES + ROWS)
    assert fingerprint("t.csv", FRAMES + ROWS) == first
    others = {fingerprint("u.csv", FRAMES + ROWS), fingerprint("t.csv", FRAMES + ROWS.replace("0.25", "0.26"))}
    others.add(fingerprint("t.csv", FRAMES + ROWS, labels_path=tmp_path / "labels.csv"))
    assert len(others - {first}) == 3


# --- labels -----------------------------------------------------------------------------------------------------------


def test_several_raters_become_one_trace_and_sentinels_and_the_scale_are_respected(tmp_path):
    text = "subject,time,smile,r1,r2\na,0,1,0.1,0.3\na,1,1,-5,0.4\na,2,1,,\na,3,1,0.5,1.5\na,4,1,-5,-5\n"
    (recording,), (warning,) = read_text(tmp_path, text, labels={"valence": ("r1", "r2")}, lag=0.5)
    assert ratings(recording) == pytest.approx([0.2, 0.4, 0.5, None])
    assert recording.annotations["valence"].times.tolist() == [-0.5, 0.5, 2.5, 3.5]  # no cell at 2 s: no moment
    assert "t.csv: 1 of 5 values of valence lie outside the scale -1..1 (they reach from 0.1 to 1.5)" in warning


def test_labels_at_a_lower_rate_than_the_frames_leave_no_holes_in_the_trace(tmp_path):
    rows = "".join(f"a,{frame / 100:.2f},1,{frame / 1000 if frame % 10 == 0 else ''}\n" for frame in range(100))
    (recording,), _ = read_text(tmp_path, "subject,time,smile,valence\n" + rows)
    trace = recording.annotations["valence"]
    np.testing.assert_allclose(trace.times.numpy(), np.arange(10) / 10, atol=1e-9)
    assert bool(trace.valid.all())


def test_if_most_labels_lie_outside_the_scale_that_is_an_error_which_says_where_they_lie(tmp_path):
    text = "subject,time,smile,valence\na,0,1,1\na,1,1,7\na,2,1,4\n"
    with pytest.raises(
        DatasetError, match=r"2 of 3 values .* outside the scale -1\.\.1 \(.*from 1 to 7\); set table\.scale"
    ):
        read_text(tmp_path, text)
    (recording,), _ = read_text(tmp_path, text, scale=(1, 7))
    assert recording.annotations["valence"].scale == (1, 7)


def test_labels_of_frames_join_from_another_file_by_session_and_time(tmp_path):
    text = "session,time,smile\na,100000.0,1\na,100000.5,2\nb,0,3\nb,0.5,4\nc,0,5\n"
    (tmp_path / "labels.csv").write_text("Session;subject;time;V\nb;bert;0,0;0,1\na;anna;100000,2;0,3\nd;dora;0;1\n")
    (a, b), warnings = read_text(tmp_path, text, labels={"valence": "V"}, labels_path=tmp_path / "labels.csv")
    assert [(r.session, r.subject, ratings(r)) for r in (a, b)] == [("a", "anna", [0.3]), ("b", "bert", [0.1])]
    assert times(a) == [0.0, 0.5]
    assert a.annotations["valence"].times.tolist() == pytest.approx([0.2])  # both from the session's beginning
    assert any("labels.csv: no labels of 1 sessions (c), which are left out" in warning for warning in warnings)
    assert any("t.csv: no features of 1 sessions (d), which are left out" in warning for warning in warnings)


def test_a_folder_of_label_files_joins_by_the_files_names(tmp_path):
    for folder, text in (("features", "time,smile\n0,1\n1,2\n"), ("labels", "frame,valence\n0,0.1\n5,0.2\n")):
        (tmp_path / folder).mkdir()
        for name in ("a", "b"):
            (tmp_path / folder / f"{name}.csv").write_text(text)
    recordings, _ = read(tmp_path / "features", labels_path=tmp_path / "labels", fps=10)
    assert [r.session for r in recordings] == ["a", "b"]
    assert recordings[0].annotations["valence"].times.tolist() == [0.0, 0.5]


# --- segments ---------------------------------------------------------------------------------------------------------

SEGMENTS = "subject,start,end,smile,valence\nanna,0,2,1,0.1\nanna,2.5,4,2,\nanna,3,9,3,0.3\nbert,1,2,4,0.4\n"


def test_a_row_may_be_a_segment_with_start_and_end(tmp_path):
    (anna, bert), warnings = read_text(tmp_path, SEGMENTS, rows="segments")
    assert anna.segments.tolist() == [[0.0, 2.0], [2.5, 4.0], [3.0, 9.0]]
    assert anna.segments.dtype == torch.float64
    assert (times(anna), smiles(anna)) == ([0.0, 2.5, 3.0], [1.0, 2.0, 3.0])
    assert torch.equal(anna.annotations["valence"].times, anna.segments[:, 0])
    assert ratings(anna) == [0.1, None, 0.3]  # each segment keeps its own value, also if it is none
    assert bert.segments.tolist() == [[1.0, 2.0]]
    assert warnings == []


@pytest.mark.parametrize(
    ("header", "options", "expected"),
    [
        ("begin", {"time": "begin"}, [[0.0, 3.0], [3.0, 9.0], [9.0, 13.5]]),
        ("trial", {"index": "trial"}, [[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]),
    ],
)
def test_segments_without_an_end_last_until_the_next_and_without_a_time_they_only_have_an_order(
    tmp_path, header, options, expected
):
    text = f"subject,{header},smile,valence\na,9,3,0.3\na,0,1,0.1\na,3,2,0.2\n"
    (recording,), (warning,) = read_text(tmp_path, text, rows="segments", **options)
    assert recording.segments.tolist() == expected
    assert (smiles(recording), ratings(recording)) == ([1.0, 2.0, 3.0], [0.1, 0.2, 0.3])
    assert "t.csv, row 3: the rows are not in order of time; they are sorted" in warning


def test_segments_without_time_and_index_are_in_the_files_order(tmp_path):
    (a, b), warnings = read_text(tmp_path, "subject,smile,valence\na,3,0.3\nb,9,0.9\na,1,0.1\n", rows="segments")
    assert (smiles(a), a.segments.tolist(), smiles(b)) == ([3.0, 1.0], [[0.0, 1.0], [1.0, 2.0]], [9.0])
    assert warnings == []


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("subject,trial,valence\na,2,0.2\na,0,0.1\n", [0.1, None, 0.2]),
        ("subject,start,valence\na,1.5,0.2\na,0.0000001,0.1\n", [0.1, 0.2, None]),
        ("subject,valence\na,0.1\na,0.2\na,0.3\n", [0.1, 0.2, 0.3]),
    ],
)
def test_labels_of_segments_join_by_index_else_by_start_else_by_order(tmp_path, labels, expected):
    (tmp_path / "labels.csv").write_text(labels)
    trial = ",trial" if "trial" in labels else ""
    rows = [f"a,{start},{number}{f',{number}' if trial else ''}\n" for number, start in enumerate((0, 1.5, 3))]
    text = f"subject,start,smile{trial}\n" + "".join(rows)
    options = {"index": "trial"} if trial else {}
    (recording,), warnings = read_text(
        tmp_path,
        text,
        rows="segments",
        labels_path=tmp_path / "labels.csv",
        subject="subject",
        session="subject",
        **options,
    )
    assert ratings(recording) == expected
    missing = [warning for warning in warnings if "no row for 1 segments, which count as not annotated" in warning]
    assert len(missing) == expected.count(None)


def test_rows_of_labels_that_nothing_joins_are_an_error_of_that_session(tmp_path):
    (tmp_path / "labels.csv").write_text("session,valence\na,0.1\na,0.2\nb,0.3\n")
    text = "session,smile\na,1\na,2\nb,3\nb,4\n"
    (a,), (first, *_) = read_text(tmp_path, text, rows="segments", labels_path=tmp_path / "labels.csv")
    assert a.session == "a"
    assert "labels.csv, row 4: 1 rows of labels for the 2 segments of session 'b', and neither a time nor an" in first


# --- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["", " ", "NaN", "nan", "NA", "null", "inf", "-inf", "1e39", "#N/A"])
def test_a_row_without_a_finite_number_is_not_valid_and_counted(tmp_path, cell):
    (recording,), (warning,) = read_text(
        tmp_path, f"subject,time,smile,frown,valence\na,0,1,{cell},0\na,1,{cell},{cell},0\na,2,1,1,0\n"
    )
    track = recording.features["table"]
    assert track.valid.tolist() == [False, False, True]
    assert track.values.tolist() == [[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]
    assert "t.csv, row 2: empty, NaN or infinite cells; 2 of the file's 3 rows hold such" in warning


def test_a_cell_that_is_no_number_is_named_with_file_row_and_column(tmp_path):
    text = FRAMES + ROWS.replace("0.25", "High").replace("b,bert,0.1", "b,bert,later").replace("0.4", "?")
    (a, b), warnings = read_text(tmp_path, text)
    assert (smiles(a), times(b), ratings(b)) == ([-1.5], [0.0], [0.3])
    path = tmp_path / "t.csv"
    assert f"{path}, row 2: smile is 'High', which is not a number; such cells count as empty" in warnings
    assert f"{path}, row 5: time is 'later', which is not a number; such cells count as empty" in warnings
    assert f"{path}, row 5: valence is '?', which is not a number; such cells count as empty" in warnings
    assert f"{path}, row 5: the time (or index) is empty, NaN or infinite; it is left out" in warnings


@pytest.mark.parametrize("rows", [40, 400])
def test_a_row_is_named_by_its_place_in_the_file_whatever_lies_above_it(tmp_path, rows):
    lines = [f"anna,{row},1,0.1" for row in range(rows)]
    lines[rows - 3] = f"anna,{rows - 3},high,0.1"
    lines[5] = 'anna,5,1,"0.\n1"'  # one row in two lines
    lines[9] = "anna,9"
    text = "# made by hand\n\nsubject,time,smile,valence\n\n" + "\n".join(lines) + "\n"
    _, warnings = read_text(tmp_path, text)
    path = tmp_path / "t.csv"
    number = text[: text.index("high")].count("\n") + 1
    assert f"{path}, row {number}: smile is 'high', which is not a number; such cells count as empty" in warnings
    assert f"{path}, row 15: not 4 cells, as the header has; it is left out" in warnings


def test_a_file_cut_off_in_its_last_row_loses_only_that_row(tmp_path):
    (a, b), (warning,) = read_text(tmp_path, (FRAMES + ROWS)[:-8])
    assert (len(times(a)), len(times(b))) == (2, 1)
    assert "t.csv, row 5: not 6 cells, as the header has; it is left out" in warning


def test_duplicate_times_and_rows_out_of_order_are_reported_and_mended(tmp_path):
    text = "session,time,smile,valence\na,1,2,0.2\na,0,1,0.1\na,1,9,0.9\nb,0,5,0.5\na,1,9,0.9\n"
    (a, b), warnings = read_text(tmp_path, text)
    assert (times(a), smiles(a), ratings(a), smiles(b)) == ([0.0, 1.0], [1.0, 2.0], [0.1, 0.2], [5.0])
    path = tmp_path / "t.csv"
    assert f"{path}, row 3: the rows are not in order of time; they are sorted" in warnings
    assert f"{path}, row 4: the time 1 is already in row 2; 2 such rows are left out" in warnings


def test_a_table_of_several_sessions_without_their_column_is_told_to_name_it(tmp_path):
    _, warnings = read_text(tmp_path, "clip,time,smile,valence\na,0,1,0.1\na,1,2,0.2\nb,0,3,0.3\nb,1,4,0.4\n")
    assert any(
        "row 4: the time 0 is already in row 2; 2 such rows are left out; if the file holds several sessions, name "
        "table.session" in warning
        for warning in warnings
    )


def test_an_all_invalid_session_and_one_without_labels_are_left_out(tmp_path):
    text = "session,time,smile,valence\na,0,1,0.1\na,1,2,0.2\nb,0,,0.3\nb,1,nan,0.4\nc,0,1,\nc,1,1,-5\n"
    (a,), warnings = read_text(tmp_path, text)
    assert a.session == "a"
    path = tmp_path / "t.csv"
    assert (
        f"{path}, row 4: none of the 2 rows of session 'b' is valid: each has empty, NaN or infinite cells; this "
        "session is left out" in warnings
    )
    assert f"{path}, session 'c': no label is valid; this session is left out" in warnings


def test_a_target_without_a_label_in_a_session_is_absent_there(tmp_path):
    text = "subject,time,smile,valence,arousal\na,0,1,0.1,0.1\nb,0,2,0.2,\n"
    (a, b), (warning,) = read_text(tmp_path, text)
    assert (set(a.annotations), set(b.annotations)) == ({"valence", "arousal"}, {"valence"})
    assert "session 'b', arousal: no valid value" in warning


def test_a_target_without_any_label_is_left_out(tmp_path):
    (recording,), warnings = read_text(tmp_path, "subject,time,smile,valence,arousal\na,0,1,0.1,\na,1,2,0.2,\n")
    assert set(recording.annotations) == {"valence"}
    assert warnings == [f"{tmp_path / 't.csv'}: arousal is not annotated in any row; it is left out"]


def test_two_subjects_in_one_session_are_an_error_of_that_session(tmp_path):
    text = FRAMES + ROWS.replace("a,anna,0.1", "a,dora,0.1")
    (b,), (warning,) = read_text(tmp_path, text)
    assert b.session == "b"
    assert "row 3: subject 'dora' in session 'a', whose subject is 'anna' in row 2; this session is left out" in warning


def test_rows_without_a_session_are_left_out(tmp_path):
    recordings, (warning,) = read_text(tmp_path, FRAMES + ROWS + ",dora,0,1,1,0.5\n  ,dora,1,1,1,0.5\n")
    assert [r.session for r in recordings] == ["a", "b"]
    assert "row 6: no session is named; 2 such rows are left out" in warning


def test_two_files_for_one_session_are_reported_and_the_first_counts(tmp_path):
    (tmp_path / "study").mkdir()
    for number in (1, 2):
        text = FRAMES + ROWS.replace("0.25", str(number))
        (tmp_path / "study" / f"{number}.csv").write_text(text if number == 1 else text.replace("b,bert", "c,carl"))
    recordings, (warning,) = read(tmp_path / "study")
    assert [(r.session, smiles(r)[0]) for r in recordings] == [("a", 1.0), ("b", 1.0), ("c", 1.0)]
    assert re.search(r"2\.csv, row 2: session 'a' is already in .*1\.csv, row 2; what is here is left out", warning)


def test_a_faulty_file_in_a_folder_is_left_out_and_named_with_its_row(tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    good = "time,smile,valence\n0,1,0.1\n1,2,0.2\n"
    faulty = {
        "empty.csv": b"",
        "latin.csv": "time,smile,valence,Gefühl\n0,1,0.1,x\n".encode("latin-1"),
        "other.csv": b"time,grin,valence\n0,1,0.1\n",
        "twice.csv": b"time,smile,smile,valence\n0,1,1,0.1\n",
        "unlabelled.csv": b"time,smile\n0,1\n",
        "broken.parquet": b"no Parquet",
        "header.csv": b"time,smile,valence\n",
        "timeless.csv": b"smile,valence\n1,0.1\n",
    }
    for name, content in faulty.items():
        (study / name).write_bytes(content)
    for name in ("a", "b", "c", "d", "e", "f"):
        (study / f"{name}.csv").write_text(good)
    recordings, warnings = read(study)
    assert [r.session for r in recordings] == ["a", "b", "c", "d", "e", "f"]
    said = "\n".join(warnings)
    for sentence in (
        "empty.csv: the file is empty; its first row must name the columns; this file is left out",
        "latin.csv, row 1: not UTF-8 text; save it as CSV in UTF-8; this file is left out",
        "other.csv: no column 'smile', which most of the 9 files have; this file is left out",
        "twice.csv, row 1: the column 'smile' is there twice; this file is left out",
        "unlabelled.csv: no column of labels; name it with table.labels (found 'time', 'smile'); this file is left out",
        "broken.parquet: not readable as Parquet",
        "timeless.csv: a column of time is needed",
        "header.csv: there is no row below the header; this file is left out",
    ):
        assert sentence in said


def test_text_that_is_not_utf_8_is_named_with_its_row_where_it_is_read(tmp_path):
    text = (FRAMES + ROWS.replace("bert", "jürgen")).encode("latin-1")
    with pytest.raises(DatasetError, match=r"t\.csv, row 4: not UTF-8 text"):
        read_text(tmp_path, text)
    note = FRAMES.replace("\n", ",note\n") + ROWS.replace("\n", ",gefühl\n")
    recordings, warnings = read_text(tmp_path, note.encode("latin-1"))
    assert (len(recordings), warnings) == (2, [])  # nobody needs that column


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"session": "sesion"}, "no column 'sesion', which table.session names (the nearest are 'session')"),
        ({"subject": "person"}, "no column 'person', which table.subject names (found 'session', 'subject', 'time', "),
        ({"time": "tmie"}, "no column 'tmie', which table.time names (the nearest are 'time', 'smile')"),
        ({"index": "count"}, "no column 'count', which table.index names"),
        (
            {"labels": {"valence": "Valance"}},
            "no column 'Valance', which table.labels names (the nearest are 'valence'",
        ),
        ({"features": ("smiel",)}, "no column 'smiel', which table.features names (the nearest are 'smile')"),
        ({"features": ("AU*",)}, "no column 'AU*', which table.features names"),
        ({"split": "part"}, "no column 'part', which table.split names"),
        ({"metadata": ("land",)}, "no column 'land', which table.metadata names"),
        ({"format": "openface"}, "no column is a feature of the format 'openface'"),
        ({"labels_path": Path("gone.csv")}, "gone.csv: no such file or folder"),
    ],
)
def test_a_column_named_in_the_options_that_is_not_there_is_answered_with_the_nearest_names(
    tmp_path, options, sentence
):
    with pytest.raises(DatasetError, match=re.escape(sentence)):
        read_text(tmp_path, FRAMES + ROWS, **options)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "t.csv: the file is empty"),
        ("time,smile,valence\n", "t.csv: there is no row below the header"),
        ("time,smile,valence\n0,,0.1\n", "the columns of its 1 features are empty"),
        ("time,valence\n0,0.1\n", "no column is a feature of the format 'plain' (found 'time', 'valence')"),
    ],
)
def test_a_file_that_is_no_table_is_one_sentence(tmp_path, text, sentence):
    with pytest.raises(DatasetError, match=re.escape(sentence)):
        read_text(tmp_path, text)


def test_a_path_that_is_not_there_or_holds_no_table_is_one_sentence(tmp_path):
    with pytest.raises(DatasetError, match=r"gone: no such file or folder; .* table\.path"):
        read(tmp_path / "gone")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DatasetError, match=r"folder: there is no file that ends in \.csv, \.tsv, .* table\.files"):
        read(tmp_path / "folder")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"pattern": "(P"}, "not a regular expression"),
        ({"pattern": r"P\d+"}, "needs a group"),
        ({"labels": {"valence": ()}}, "every affect dimension needs a column"),
        ({"rows": "segments", "lag": 1.0}, "lag is for rows = 'frames'"),
        ({"start": "begin"}, "start and end are for rows = 'segments'"),
        ({"scale": (1, -1)}, "the lowest value must come first"),
        ({"sesion": "a"}, "Extra inputs are not permitted"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options, sentence):
    with pytest.raises(ValidationError, match=re.escape(sentence)):
        TableOptions(path=Path("t.csv"), **options)


def test_a_record_of_all_options_reads_the_same_table_again(tmp_path: Path) -> None:
    from lasca_datasets.table.options import TableOptions

    options = TableOptions(path=tmp_path / "t.csv")  # type: ignore[call-arg]
    written = {key: value for key, value in options.model_dump(mode="json").items() if value is not None}
    again = TableOptions.model_validate(written)
    assert not options.labels_named
    assert not again.labels_named, "labels that nobody named need not all be there"
    assert TableOptions(path=tmp_path / "t.csv", labels=("valence",)).labels_named  # type: ignore[call-arg]
