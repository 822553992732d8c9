"""Ready features in a manifest: tables that `lasca extract` or others wrote, and each thing that can be wrong there."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import torch
from lasca_datasets.manifest import Manifest
from lasca_datasets.options import ManifestOptions

from lasca_core.api import DatasetError, Recording, Track
from lasca_core.cli.extract import write_track
from lasca_core.testing import make_runtime

HEADER = "session,subject,annotation,features:toy"
TABLE = "time,valid,smile,frown\n0.0,1,0.25,0.5\n0.1,0,,\n0.2,1,-1.5,2\n"


@pytest.fixture
def project(tmp_path):
    """A folder with an annotation, a feature table and a manifest without media."""
    (tmp_path / "a.csv").write_text("time,valence,arousal\n0.0,0.1,-0.1\n0.5,0.2,-0.2\n")
    (tmp_path / "toy.csv").write_text(TABLE)
    (tmp_path / "manifest.csv").write_text(f"{HEADER}\na,anna,a.csv,toy.csv\n")
    return tmp_path


def read(folder: Path, **options) -> tuple[list[Recording], list[str]]:
    runtime = make_runtime(folder / "cache")
    recordings = list(Manifest(ManifestOptions(path=folder / "manifest.csv", **options), runtime).sessions())
    return recordings, runtime.report.warnings


def read_table(folder: Path, text: str | bytes, **options) -> tuple[Track, list[str]]:
    """The track of a session whose feature table holds ``text``, and the warnings."""
    (folder / "toy.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    (recording,), warnings = read(folder, **options)
    return recording.features["toy"], warnings


def read_parquet(folder: Path, columns: dict[str, object]) -> tuple[Track, list[str]]:
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "toy.parquet")
    (folder / "manifest.csv").write_text(f"{HEADER}\na,anna,a.csv,toy.parquet\n")
    (recording,), warnings = read(folder)
    return recording.features["toy"], warnings


# --- what is read -----------------------------------------------------------------------------------------------------


def test_what_lasca_extract_writes_reads_back_equal_and_without_a_warning(project):
    generator = torch.Generator().manual_seed(3)
    valid = torch.rand(200, generator=generator) > 0.3
    track = Track(
        names=("mfcc_0", "mfcc_1", "delta"),
        values=torch.randn(200, 3, generator=generator) * valid[:, None],
        times=torch.arange(200, dtype=torch.float64) / 30.0,
        valid=valid,
    )
    write_track(project / "a.toy.parquet", track)
    (project / "manifest.csv").write_text(f"{HEADER}\na,anna,a.csv,a.toy.parquet\n")
    (recording,), warnings = read(project)
    found = recording.features["toy"]
    assert found.names == track.names
    assert torch.equal(found.values, track.values)
    assert torch.equal(found.times, track.times)
    assert torch.equal(found.valid, track.valid)
    assert warnings == []


def test_a_manifest_needs_no_media_if_there_are_features(project):
    (recording,), warnings = read(project)
    assert recording.media is None
    assert set(recording.features) == {"toy"}
    assert set(recording.annotations) == {"valence", "arousal"}
    assert recording.metadata == {}
    assert warnings == []


def test_sessions_may_have_media_or_features_or_both_and_only_one_with_neither_is_left_out(project):
    (project / "a.mp4").write_bytes(b"not opened here")
    (project / "manifest.csv").write_text(
        "session,subject,media,annotation,Features: TOY,features:mfcc\n"
        "media,anna,a.mp4,a.csv,,\nboth,bert,a.mp4,a.csv,toy.csv,toy.csv\none,carl,,a.csv,,toy.csv\nnone,dora,,a.csv,,\n"
    )
    recordings, (warning,) = read(project)
    assert [(r.session, r.media is not None, sorted(r.features)) for r in recordings] == [
        ("media", True, []),
        ("both", True, ["mfcc", "toy"]),
        ("one", False, ["mfcc"]),
    ]
    assert "row 5: media is empty, and so is features:toy and features:mfcc; this session is left out" in warning


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_table_reads_with_any_delimiter(project, delimiter):
    track, warnings = read_table(project, TABLE.replace(",", delimiter))
    assert track.names == ("smile", "frown")
    assert track.values.tolist() == [[0.25, 0.5], [0.0, 0.0], [-1.5, 2.0]]
    assert track.values.dtype == torch.float32
    assert track.times.tolist() == [0.0, 0.1, 0.2]
    assert track.valid.tolist() == [True, False, True]
    assert warnings == []


def test_spreadsheets_and_pandas_may_write_the_table(project):
    spreadsheet = b"\xef\xbb\xbfTime;Valid;smile\r\n0,5;True;0,25\r\n\r\n1,5;FALSE;9\r\n"
    track, _ = read_table(project, spreadsheet)
    assert (track.times.tolist(), track.valid.tolist(), track.values.tolist()) == (
        [0.5, 1.5],
        [True, False],
        [[0.25], [0.0]],
    )
    track, _ = read_table(project, ",time,smile\n0,0.0,1\n1,0.1,2\n")
    assert track.names == ("smile",)
    track, _ = read_parquet(project, {"smile": [1, 2], "time": [0, 1], "__index_level_0__": [5, 7]})
    assert track.names == ("smile",)
    assert track.values.tolist() == [[1.0], [2.0]]


def test_unsorted_rows_are_sorted_with_their_values(project):
    track, _ = read_table(project, "time,valid,smile\n2,1,0.2\n0,1,0\n1,0,0.1\n")
    assert track.times.tolist() == [0.0, 1.0, 2.0]
    assert track.valid.tolist() == [True, False, True]
    assert track.values[:, 0].tolist() == pytest.approx([0.0, 0.0, 0.2])


@pytest.mark.parametrize("cell", ["", "NaN", "null", "inf", "-inf", "1e39"])
def test_a_row_without_a_finite_number_is_not_valid_and_counted_once_a_file(project, cell):
    track, (warning,) = read_table(project, f"time,smile,frown\n0,1,{cell}\n1,{cell},{cell}\n2,1,1\n")
    assert track.valid.tolist() == [False, False, True]
    assert track.values.tolist() == [[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]
    assert warning.startswith(f"{project / 'toy.csv'}: 2 of 3 rows hold empty, NaN or infinite cells")


def test_rows_already_marked_as_not_valid_are_not_counted(project):
    columns = {
        "time": [0.0, 1.0, 2.0, 3.0],
        "valid": [False, True, None, True],
        "smile": [None, float("nan"), 1.0, 1.0],
    }
    track, (warning,) = read_parquet(project, columns)
    assert track.valid.tolist() == [False, False, False, True]
    assert "toy.parquet: 2 of 4 rows" in warning


def test_a_parquet_column_without_any_value_makes_every_row_invalid_whatever_its_type(project):
    for kind in ("string", "float64"):
        columns = {"time": [0.0, 1.0], "smile": pyarrow.array([None, None], kind), "frown": [1.0, 1.0]}
        track, (warning,) = read_parquet(project, columns)
        assert track.valid.tolist() == [False, False]
        assert "toy.parquet: 2 of 2 rows" in warning


# --- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "toy.csv: the file is empty"),
        ("time,valid,smile\n", "toy.csv: there is no row below the header"),
        (
            "seconds,smile\n0,1\n",
            r"toy.csv: no column 'time' \(found 'seconds', 'smile'; columns split at every comma\)",
        ),
        ("time valid smile\n0 1 1\n", r"toy.csv: no column 'time' \(found 'time valid smile'"),
        ("time,valid\n0,1\n", "toy.csv: no feature column, only 'time', 'valid'"),
        ("time,smile\n0,1\n1,high\n", "toy.csv, row 3: smile is 'high', which is not a number"),
        ("time,smile\n0,1\nlater,1\n", "toy.csv, row 3: time is 'later', which is not a number"),
        ("time,smile\n0,1\n,1\n", "toy.csv, row 3: the time is empty, NaN or infinite"),
        ("time,smile\n1,1\n0,1\n1,2\n", "toy.csv, row 4: the time 1.0 is already in row 2"),
        ("time,valid,smile\n0,1,1\n1,0.5,1\n", "toy.csv, row 3: valid must be true or false, 1 or 0"),
        ("time,valid,smile\n0,1,1\n1,yes,1\n", "toy.csv, row 3: valid is 'yes', which is not a number"),
        ("time,smile\n0,1\n1,1,2\n", "toy.csv, row 3: not 2 cells, as the header has"),
        ("time,smile,smile\n0,1,1\n", "toy.csv, row 1: the column 'smile' is there twice"),
        ("time,s\xe9\n0,1\n".encode("latin-1"), "toy.csv, row 1: not UTF-8 text"),
    ],
)
def test_a_faulty_table_is_named_with_its_row_and_its_session_left_out(project, text, sentence):
    (project / "good.csv").write_text(TABLE)
    (project / "bad").mkdir()
    (project / "bad" / "toy.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    (project / "manifest.csv").write_text(f"{HEADER}\na,anna,a.csv,bad/toy.csv\nb,bert,a.csv,good.csv\n")
    (recording,), (warning,) = read(project)
    assert recording.session == "b"
    assert re.search(sentence, warning)
    assert warning.endswith("; this session is left out")
    assert "\n" not in warning


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"time": [0.0], "smile": ["high"]}, r"row 1: smile is 'high', which is not a number"),
        ({"time": [None, "0:01"], "smile": [1.0, 1.0]}, r"row 2: time is '0:01', which is not a number"),
        ({"time": [0.0, None], "smile": [1.0, 1.0]}, "row 2: the time is empty, NaN or infinite"),
        ({"time": [0.5, 0.5], "smile": [1.0, 1.0]}, "row 2: the time 0.5 is already in row 1"),
        ({"time": [0.0], "valid": [2], "smile": [1.0]}, "row 1: valid must be true or false, 1 or 0"),
        ({"t": [0.0], **{f"f{n}": [0.0] for n in range(52)}}, r"no column 'time' \(found 't', .* and 45 more\)"),
        ({"time": [0.0]}, "no feature column, only 'time'"),
        (
            {"time": pyarrow.array([], "float64"), "smile": pyarrow.array([], "string")},
            "there is no row below the header",
        ),
    ],
)
def test_a_faulty_parquet_table_is_named_with_its_row(project, columns, sentence):
    with pytest.raises(DatasetError, match=rf"toy\.parquet(, |: ){sentence}"):
        read_parquet(project, columns)


def test_a_table_that_is_no_parquet_a_folder_or_not_there_is_one_sentence(project):
    (project / "text.parquet").write_text(TABLE)
    (project / "folder").mkdir()
    (project / "manifest.csv").write_text(
        f"{HEADER}\na,anna,a.csv,text.parquet\nb,bert,a.csv,gone.csv\nc,carl,a.csv,folder\nd,dora,a.csv,toy.csv\n"
    )
    (recording,), warnings = read(project)
    assert recording.session == "d"
    assert ["text.parquet: not readable as Parquet" in warnings[0], "folder: cannot be read" in warnings[2]] == [
        True
    ] * 2
    assert "row 3, features:toy: " in warnings[1]
    assert "gone.csv does not exist" in warnings[1]


def test_the_delimiter_option_holds_for_tables_too(project):
    (project / "manifest.csv").write_text(f"{HEADER}\na,anna,a.csv,toy.csv\n".replace(",", ";"))
    (project / "a.csv").write_text("time;valence;arousal\n0;0;0\n")
    with pytest.raises(DatasetError, match=r"no column 'time' .*columns split at every semicolon"):
        read(project, delimiter=";")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            "session,subject,annotation,features:\na,anna,a.csv,toy.csv\n",
            "row 1: the column 'features:' names no extractor",
        ),
        (f"{HEADER},Features:Toy\na,anna,a.csv,toy.csv,toy.csv\n", "row 1: the column 'features:toy' is there twice"),
        ("session,subject,annotation\na,anna,a.csv\n", "no column 'media'"),
        (f"{HEADER},audio\na,anna,a.csv,toy.csv,toy.csv\n", "row 2: audio without media"),
    ],
)
def test_a_faulty_manifest_of_features_is_one_sentence(project, content, sentence):
    (project / "manifest.csv").write_text(content)
    with pytest.raises(DatasetError, match=sentence):
        read(project)
