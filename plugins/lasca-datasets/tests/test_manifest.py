"""The manifest dataset: what it reads, and the one sentence for each thing that can be wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from lasca_datasets.manifest import Manifest
from lasca_datasets.options import ManifestOptions
from pydantic import ValidationError

from lasca_core.api import DatasetError, Recording
from lasca_core.testing import make_runtime

ANNOTATION = "time,valence,arousal\n0.0,0.1,-0.1\n0.5,0.2,-0.2\n1.0,0.3,-0.3\n"
HEADER = "session,subject,media,annotation"


@pytest.fixture
def project(tmp_path):
    """A folder with two videos, two annotations and a manifest that lists them."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.mp4").write_bytes(b"not opened here")
        (tmp_path / f"{name}.csv").write_text(ANNOTATION)
    (tmp_path / "manifest.csv").write_text(f"{HEADER}\na,anna,a.mp4,a.csv\nb,bert,b.mp4,b.csv\n")
    return tmp_path


def read(folder: Path, name: str = "manifest.csv", **options) -> tuple[list[Recording], list[str]]:
    runtime = make_runtime(folder / "cache")
    recordings = list(Manifest(ManifestOptions(path=folder / name, **options), runtime).sessions())
    return recordings, runtime.report.warnings


def read_annotation(folder: Path, text: str | bytes, **options) -> Recording:
    """The only session of a manifest whose annotation file holds ``text``."""
    (folder / "a.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    (folder / "one.csv").write_text(f"{HEADER}\na,anna,a.mp4,a.csv\n")
    return read(folder, "one.csv", **options)[0][0]


def values(recording: Recording, target: str = "valence") -> list[float]:
    trace = recording.annotations[target]
    return [round(value, 5) for value in trace.values[trace.valid].tolist()]


# --- what is read -----------------------------------------------------------------------------------------------------


def test_sessions_come_in_the_manifests_order_with_paths_relative_to_its_folder(project):
    recordings, warnings = read(project)
    assert [(r.session, r.subject, r.media) for r in recordings] == [
        ("a", "anna", project / "a.mp4"),
        ("b", "bert", project / "b.mp4"),
    ]
    assert values(recordings[0]) == [0.1, 0.2, 0.3]
    assert values(recordings[0], "arousal") == [-0.1, -0.2, -0.3]
    assert recordings[0].annotations["valence"].times.tolist() == [0.0, 0.5, 1.0]
    assert warnings == []


def test_optional_columns_are_used_and_further_ones_become_metadata(project):
    (project / "a.wav").write_bytes(b"sound")
    (project / "m.csv").write_text(
        f"{HEADER},audio,fps,split,language,note\na,anna,a.mp4,a.csv,a.wav,25,train,German,\n"
    )
    ((recording,), _) = read(project, "m.csv")
    assert recording.audio == project / "a.wav"
    assert recording.fps == 25
    assert recording.split == "train"
    assert recording.metadata == {"language": "German"}


def test_a_parquet_manifest_reads_like_a_csv_one(project):
    columns = {"session": ["a", "b"], "subject": [1, 2], "media": ["a.mp4", "b.mp4"], "annotation": ["a.csv", "b.csv"]}
    columns["fps"] = [25.0, None]
    pyarrow.parquet.write_table(pyarrow.table(columns), project / "manifest.parquet")
    recordings, _ = read(project, "manifest.parquet")
    assert [(r.session, r.subject, r.fps) for r in recordings] == [("a", "1", 25.0), ("b", "2", None)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_detected_in_manifest_and_annotation(project, delimiter):
    (project / "m.csv").write_text(f"{HEADER}\na,anna,a.mp4,a.csv\n".replace(",", delimiter))
    (project / "a.csv").write_text(ANNOTATION.replace(",", delimiter))
    ((recording,), _) = read(project, "m.csv")
    assert values(recording) == [0.1, 0.2, 0.3]


def test_a_byte_order_mark_blank_lines_spaces_and_other_case_do_no_harm(project):
    text = b"\xef\xbb\xbfTime, Valence, Arousal\r\n\r\n0.0, 0.1, -0.1\r\n0.5, 0.2, -0.2\r\n"
    assert values(read_annotation(project, text)) == [0.1, 0.2]


def test_a_decimal_comma_is_understood_where_semicolons_separate(project):
    assert values(read_annotation(project, "time;valence;arousal\n0,0;0,25;0\n0,5;-0,5;0\n")) == [0.25, -0.5]


def test_a_decimal_comma_is_understood_where_tabs_separate(project):
    assert values(read_annotation(project, "time\tvalence\tarousal\n0,0\t0,25\t0\n0,5\t-0,5\t0\n")) == [0.25, -0.5]


def test_the_manifests_fps_may_have_a_decimal_comma(project):
    (project / "m.csv").write_text(f"{HEADER};fps\na;anna;a.mp4;a.csv;12,5\n".replace(",", ";", 3))
    ((recording,), _) = read(project, "m.csv")
    assert recording.fps == 12.5


@pytest.mark.parametrize("line", ["sep=;\r\n", '"sep=;"\n', "SEP=;\n"])
def test_the_line_in_which_excel_is_told_the_delimiter_is_not_the_header(project, line):
    assert values(read_annotation(project, f"{line}time;valence;arousal\n0;0,25;0\n")) == [0.25]
    assert values(read_annotation(project, "sep=\t\ntime\tvalence\tarousal\n0\t0,25\t0\n")) == [0.25]
    with pytest.raises(DatasetError, match=r"a\.csv: the file is empty"):
        read_annotation(project, line)


@pytest.mark.parametrize("mark", ["\u2028", "\u0085", "\x0b", "\x0c", "\x1e"])
def test_only_line_ends_end_a_row(project, mark):
    (project / "m.csv").write_text(f"{HEADER},note\na,anna,a.mp4,a.csv,one{mark}two\n", encoding="utf-8")
    ((recording,), warnings) = read(project, "m.csv")
    assert recording.metadata == {"note": f"one{mark}two"}
    assert warnings == []


@pytest.mark.parametrize("padding", [",,", ", ,"])
def test_the_delimiters_that_spreadsheets_append_are_no_columns(project, padding):
    (project / "m.csv").write_text(f"{HEADER}{padding}\na,anna,a.mp4,a.csv{padding}\nb,bert,b.mp4,b.csv\n")
    recordings, warnings = read(project, "m.csv")
    assert [(recording.session, recording.metadata) for recording in recordings] == [("a", {}), ("b", {})]
    assert warnings == []


def test_cells_below_no_name_are_not_metadata_and_do_not_hide_a_missing_cell(project):
    (project / "m.csv").write_text(f"{HEADER},,\na,anna,a.mp4,a.csv,,mine\nb,bert,b.mp4,b.csv\n")
    (recording,), (warning,) = read(project, "m.csv")
    assert recording.metadata == {}
    assert "row 3: 4 cells, but the header names 6 columns" in warning


def test_a_home_folder_is_understood_in_the_manifests_path(project, monkeypatch):
    monkeypatch.setenv("HOME", str(project))
    monkeypatch.setenv("USERPROFILE", str(project))
    options = ManifestOptions(path=Path("~/manifest.csv"))
    assert options.path == project / "manifest.csv"
    assert len(list(Manifest(options, make_runtime(project / "cache")).sessions())) == 2


def test_unsorted_rows_are_sorted_by_time(project):
    recording = read_annotation(project, "time,valence,arousal\n1.0,0.3,0\n0.0,0.1,0\n0.5,0.2,0\n")
    assert recording.annotations["valence"].times.tolist() == [0.0, 0.5, 1.0]
    assert values(recording) == [0.1, 0.2, 0.3]


def test_empty_values_and_minus_five_are_not_annotated(project):
    recording = read_annotation(project, "time,valence,arousal\n0,,0.1\n1,-5,0.2\n2,0.5,0.3\n")
    assert recording.annotations["valence"].valid.tolist() == [False, False, True]
    assert recording.annotations["arousal"].valid.tolist() == [True, True, True]


def test_values_outside_the_scale_are_not_annotated_and_counted_for_each_target(project):
    (project / "a.csv").write_text("time,valence,arousal\n0,0.5,0.1\n1,3,0.2\n2,-5,0.3\n3,,0.4\n4,1.0005,0.5\n5,-7,0\n")
    recordings, warnings = read(project)
    assert recordings[0].annotations["valence"].valid.tolist() == [True, False, False, False, True, False]
    assert warnings == [
        f"{project / 'a.csv'}, valence: 2 of 4 values lie outside the scale -1..1 and count as not annotated; "
        "set manifest.scale"
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"scale": (-10, 10)}, [-5, 2]),
        ({"scale": (-5, 5)}, [-5, 2]),
        ({"scale": (-10, 10), "sentinels": (-5,)}, [2]),
        ({"scale": (-3, 3)}, [2]),
    ],
)
def test_minus_five_is_a_value_where_the_scale_holds_it_unless_it_is_named(project, options, expected):
    (project / "a.csv").write_text("time,valence,arousal\n0,-5,0\n1,2,0\n")
    (project / "m.csv").write_text(f"{HEADER}\na,anna,a.mp4,a.csv\n")
    (recording,), warnings = read(project, "m.csv", **options)
    assert values(recording) == expected
    assert warnings == []


def test_minus_five_outside_the_scale_is_counted_where_other_sentinels_are_named(project):
    (project / "a.csv").write_text("time,valence,arousal\n0,-5,0\n1,9,0\n2,0.5,0\n")
    _, (warning,) = read(project, sentinels=(9,))
    assert "valence: 1 of 2 values lie outside the scale -1..1" in warning


def test_frames_and_rows_become_seconds_by_fps(project):
    frames = read_annotation(project, "frame,valence,arousal\n10,0.1,0\n20,0.2,0\n", fps=10.0)
    assert frames.annotations["valence"].times.tolist() == [1.0, 2.0]
    rows = read_annotation(project, "valence,arousal\n0.1,0\n0.2,0\n0.3,0\n", fps=4.0)
    assert rows.annotations["valence"].times.tolist() == [0.0, 0.25, 0.5]


def test_the_manifests_fps_goes_before_the_options(project):
    (project / "a.csv").write_text("valence,arousal\n0.1,0\n0.2,0\n")
    (project / "m.csv").write_text(f"{HEADER},fps\na,anna,a.mp4,a.csv,2\n")
    ((recording,), _) = read(project, "m.csv", fps=50.0)
    assert recording.annotations["valence"].times.tolist() == [0.0, 0.5]


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        (("valence_r1", "valence_r2", "valence_r3"), {}),
        (("valence:FM1", "valence:FF2", "valence:x"), {}),
        (("anna", "bert", "carl"), {"raters": {"valence": ("anna", "bert", "carl")}}),
    ],
    ids=["numbered", "named", "by option"],
)
@pytest.mark.parametrize(("fusion", "expected"), [("mean", 0.3), ("median", 0.2)])
def test_several_raters_are_fused(project, columns, options, fusion, expected):
    text = f"time,{','.join(columns)},arousal\n0,0.1,0.2,0.6,0\n"
    assert values(read_annotation(project, text, fusion=fusion, **options)) == [expected]


def test_lag_is_taken_off_the_times(project):
    recording = read_annotation(project, ANNOTATION, lag=0.4)
    assert recording.annotations["valence"].times.tolist() == pytest.approx([-0.4, 0.1, 0.6])


def test_targets_time_column_scale_and_sentinels_are_options(project):
    recording = read_annotation(
        project, "seconds,joy\n0,7\n1,99\n", targets=("joy",), time_column="seconds", scale=(1, 9), sentinels=(99,)
    )
    assert recording.annotations["joy"].scale == (1, 9)
    assert recording.annotations["joy"].valid.tolist() == [True, False]


def test_the_dataset_says_its_targets(project):
    dataset = Manifest(ManifestOptions(path=project / "manifest.csv", targets=("joy",)), make_runtime(project))
    assert dataset.targets == ("joy",)


# --- what is wrong with the manifest ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "the file is empty"),
        (f"{HEADER}\n", "no row below the header"),
        ("session,subject,media\na,anna,a.mp4\n", "manifest.csv: no column 'annotation'"),
        (f"{HEADER},media\na,anna,a.mp4,a.csv,a.mp4\n", "row 1: the column 'media' is there twice"),
        (f"\n\n{HEADER},media\na,anna,a.mp4,a.csv,a.mp4\n", "row 3: the column 'media' is there twice"),
        (f"\n{HEADER},Media\na,anna,a.mp4,a.csv,a.mp4\n", "row 2: the column 'media' is there twice"),
        (",,,\n", "the file is empty"),
        (f"{HEADER}\na,anna,a.mp4\n", "row 2: 3 cells, but the header names 4 columns"),
        (b"\xff\xfes\x00e\x00", "not UTF-8 text"),
    ],
)
def test_a_faulty_manifest_is_one_sentence_that_names_it(project, content, sentence):
    path = project / "manifest.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DatasetError, match=sentence) as fault:
        read(project)
    assert str(path) in str(fault.value)
    assert "\n" not in str(fault.value)


def test_a_manifest_that_is_not_there_says_how_to_name_one(project):
    with pytest.raises(DatasetError, match=r"nowhere\.csv: no such manifest.*-o manifest\.path=FILE"):
        read(project, "nowhere.csv")


def test_a_text_file_called_parquet_is_one_sentence(project):
    (project / "m.parquet").write_text(HEADER)
    with pytest.raises(DatasetError, match=r"m\.parquet: not readable as Parquet"):
        read(project, "m.parquet")


def test_the_wrong_delimiter_by_option_says_what_was_found(project):
    with pytest.raises(DatasetError, match=r"no column 'session' .*columns split at every semicolon"):
        read(project, delimiter=";")


# --- what is wrong with one session -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("c,carl,gone.mp4,a.csv", "row 3, media: .*gone.mp4 does not exist"),
        ("c,carl,a.mp4,gone.csv", "row 3, annotation: .*gone.csv does not exist"),
        ("c,,a.mp4,a.csv", "row 3: subject is empty"),
        (",carl,a.mp4,a.csv", "row 3: session is empty"),
        ("a,anna,a.mp4,a.csv", "row 3: session 'a' is already in row 2"),
        ("c,carl,a.mp4", "row 3: 3 cells, but the header names 4 columns"),
        ("c,carl,a.mp4,bad.csv", r"bad.csv, row 3: valence is 'high', which is not a number"),
    ],
)
def test_a_faulty_session_is_reported_and_left_out(project, row, sentence):
    (project / "bad.csv").write_text("time,valence,arousal\n0,0.1,0\n1,high,0\n")
    (project / "manifest.csv").write_text(f"{HEADER}\na,anna,a.mp4,a.csv\n{row}\nb,bert,b.mp4,b.csv\n")
    recordings, (warning,) = read(project)
    assert [recording.session for recording in recordings] == ["a", "b"]
    assert re.search(sentence, warning)
    assert "left out" in warning


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [("fast", "'fast', which is not a number"), ("0", "must be above 0"), ("nan", "must be above 0")],
)
def test_a_frame_rate_that_is_none_is_reported(project, cells, sentence):
    (project / "m.csv").write_text(f"{HEADER},fps\na,anna,a.mp4,a.csv,{cells}\n")
    with pytest.raises(DatasetError, match=f"row 2(, fps:|: fps is) .*{sentence}"):
        read(project, "m.csv")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "a.csv: the file is empty"),
        ("time,valence,arousal\n", "a.csv: there is no row below the header"),
        ("time,valence\n0,1\n", "a.csv: no column 'arousal'"),
        ("time valence arousal\n0 1 1\n", "a.csv: no column 'valence'"),
        ("time,valence,arousal\n0,0,0\n,0,0\n", "a.csv, row 3: time is '', not a number"),
        ("time,valence,arousal\n0,0,0\n1,0,0,7\n", "a.csv, row 3: 4 cells, but the header names 3 columns"),
        ("time,valence,arousal\n0,-5,0\n", "a.csv, valence: no valid value"),
        ("valence,arousal\n0,0\n", "a.csv, row 1: no column 'time', so the frames a second must be known"),
        ("time,valence,arousal\n0,\xe9,0\n".encode("latin-1"), "a.csv, row 2: not UTF-8 text"),
    ],
)
def test_each_fault_of_an_annotation_is_named_and_if_no_session_is_left_it_is_an_error(project, text, sentence):
    with pytest.raises(DatasetError, match="none of its 1 sessions can be used; the first fault: .*" + sentence):
        read_annotation(project, text)


def test_a_time_column_or_rater_that_is_not_there_is_named(project):
    with pytest.raises(DatasetError, match="no column 'seconds'"):
        read_annotation(project, ANNOTATION, time_column="seconds")
    with pytest.raises(DatasetError, match="no column 'dora'"):
        read_annotation(project, ANNOTATION, raters={"valence": ("dora",)})


@pytest.mark.parametrize("wrong", [{"scale": (1, -1)}, {"targets": ()}, {"fps": 0}, {"lag": -1}, {"fusion": "vote"}])
def test_impossible_options_are_refused(tmp_path, wrong):
    with pytest.raises(ValidationError):
        ManifestOptions(path=tmp_path, **wrong)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"raters": {"valance": ("a",)}}, "'valance', which is no target .targets: valence, arousal."),
        ({"targets": ("joy", "joy")}, "each target must be named once"),
        ({"targets": ("joy", "Joy")}, "each target must be named once"),
    ],
)
def test_raters_of_no_target_and_repeated_targets_are_refused_in_one_sentence(tmp_path, wrong, sentence):
    with pytest.raises(ValidationError, match=sentence):
        ManifestOptions(path=tmp_path, **wrong)
