"""The dataset `table` on files written here exactly as OpenFace, py-feat, openSMILE, MediaPipe and FACET users have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from lasca_datasets.table.dataset import FeatureTable
from lasca_datasets.table.options import TableOptions

from lasca_core.api import DatasetError, ReadyFeatures, Recording
from lasca_core.host.runtime import HostRuntime
from lasca_core.testing import make_runtime

INTENSITIES = tuple(f"AU{unit:02d}_r" for unit in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45))
PRESENCES = tuple(f"AU{unit:02d}_c" for unit in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 28, 45))
PYFEAT = tuple(f"AU{unit:02d}" for unit in (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43))
FACET = tuple(f"AU{unit}" for unit in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 18, 20, 23, 24, 25, 26, 28, 43))


def values(shape: tuple[int, ...], *, low: float, high: float, digits: int, seed: int = 0) -> np.ndarray:
    """Random numbers as a tool prints them, with so many digits."""
    return np.random.default_rng(seed).uniform(low, high, shape).round(digits)


def read(folder: Path, **options) -> tuple[list[Recording], dict[str, ReadyFeatures], HostRuntime]:
    runtime = make_runtime(folder / "cache")
    dataset = FeatureTable(TableOptions(**options), runtime)
    return list(dataset.sessions()), dict(dataset.feature_sets()), runtime


def write(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]], separator: str = ",") -> Path:
    path.write_text("\n".join(separator.join(map(str, row)) for row in (header, *rows)) + "\n")
    return path


def assert_track(recording: Recording, name: str, expected: np.ndarray, valid: np.ndarray) -> None:
    """The track holds ``expected`` where ``valid`` and 0 elsewhere."""
    track = recording.features[name]
    assert track.valid.tolist() == valid.tolist()
    np.testing.assert_array_equal(track.values.numpy(), np.where(valid[:, None], expected, 0).astype(np.float32))


def assert_same(first: Recording, second: Recording, name: str) -> None:
    ours, theirs = first.features[name], second.features[name]
    assert (first.session, first.subject, ours.names) == (second.session, second.subject, theirs.names)
    assert torch.equal(ours.values, theirs.values)
    assert torch.equal(ours.times, theirs.times)
    assert torch.equal(ours.valid, theirs.valid)


# --- OpenFace ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def openface(tmp_path: Path) -> Callable[..., tuple[Path, np.ndarray]]:
    """``openface(name, frames)`` writes what FeatureExtraction writes, labels apart, and returns the intensities."""

    def make(name: str, frames: int = 60, seed: int = 0) -> tuple[Path, np.ndarray]:
        folder = tmp_path / "processed"
        folder.mkdir(exist_ok=True)
        intensities = values((frames, len(INTENSITIES)), low=0, high=5, digits=2, seed=seed)
        header = ["frame", "face_id", "timestamp", "confidence", "success", "gaze_0_x", "gaze_angle_x"]
        header += ["eye_lmk_x_0", "pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz", "x_0", "X_0"]
        header += ["p_scale", "p_0", *INTENSITIES, *PRESENCES]
        rows = []
        for frame, units in enumerate(intensities):
            found = frame % 10 != 3  # no face in every tenth frame, and an unsure one in every twentieth
            sure = 0.98 if frame % 20 != 7 else 0.42
            cells = [frame + 1, 0, f"{frame / 30:.3f}", f"{sure if found else 0:.2f}", int(found), "0.109059", "0.012"]
            cells += ["512.3", "16.7", "43.5", "597.9", "0.298", "-0.064", "-0.019", "277.3", "-62.3", "0.725", "4.783"]
            cells += [f"{unit:.2f}" if found else "0.00" for unit in units] + [f"{frame % 2}.0"] * len(PRESENCES)
            rows.append(cells)
        # OpenFace 2 writes a space after each comma, in the header and below
        return write(folder / f"{name}.csv", header, rows, separator=", "), intensities

    return make


def labels(folder: Path, sessions: Sequence[str], seconds: float = 2.0) -> Path:
    """Annotations of several sessions at 10 Hz in one file."""
    rows = [
        (session, f"{step / 10:.1f}", f"{np.sin(step):.3f}")
        for session in sessions
        for step in range(int(seconds * 10))
    ]
    return write(folder / "labels.csv", ("session", "time", "valence"), rows)


def test_openface_files_are_recognised_and_served_with_their_own_names(openface, tmp_path):
    _, first = openface("P01_a", seed=1)
    _, second = openface("P02_a", seed=2)
    rated = labels(tmp_path, ["P01_a", "P02_a"])
    recordings, sets, runtime = read(
        tmp_path, path=tmp_path / "processed", labels_path=rated, pattern=r"(?P<subject>P\d+)"
    )
    assert [(recording.session, recording.subject) for recording in recordings] == [("P01_a", "P01"), ("P02_a", "P02")]
    assert sets["openface"].names == (*INTENSITIES, "AU28_c")
    frames = np.arange(60)
    valid = (frames % 10 != 3) & (frames % 20 != 7)
    for recording, intensities in zip(recordings, (first, second), strict=True):
        presence = (frames % 2)[:, None]
        assert_track(recording, "openface", np.concatenate([intensities, presence], axis=1), valid)
        assert recording.features["openface"].times.tolist() == [round(frame / 30, 3) for frame in frames]
        assert recording.annotations["valence"].times.tolist() == [step / 10 for step in range(20)]
        np.testing.assert_allclose(
            recording.annotations["valence"].values.numpy(), np.sin(np.arange(20)).round(3), atol=1e-7
        )
    assert any("format openface" in note for note in runtime.report.notes)
    assert runtime.report.warnings == []


def test_an_openface_intensity_is_unsigned_with_a_resolution_and_a_head_angle_signed(openface, tmp_path):
    path, _ = openface("a")
    _, sets, _ = read(tmp_path, path=path, labels_path=labels(tmp_path, ["a"]), features=("AU*_r", "pose_R*", "AU12_c"))
    ready = sets["openface"]
    assert ready.names == ("pose_Rx", "pose_Ry", "pose_Rz", *INTENSITIES, "AU12_c")
    assert ready.signed == {"pose_Rx", "pose_Ry", "pose_Rz"}
    assert (ready.resolution["AU12_r"], ready.resolution["AU12_c"], ready.resolution["pose_Rx"]) == (0.5, 0.2, 0.05)


def test_the_least_confidence_of_openface_is_an_option(openface, tmp_path):
    path, _ = openface("a")
    (recording,), _, _ = read(tmp_path, path=path, labels_path=labels(tmp_path, ["a"]), confidence=0.4)
    assert recording.features["openface"].valid.tolist() == [frame % 10 != 3 for frame in range(60)]


def test_openface_files_without_a_timestamp_need_the_frame_rate(openface, tmp_path):
    path, _ = openface("a")
    path.write_text(path.read_text().replace("timestamp", "clock", 1))
    with pytest.raises(DatasetError, match=r"a\.csv: the frames a second is needed; .* table\.fps"):
        read(tmp_path, path=path, labels_path=labels(tmp_path, ["a"]))
    (recording,), _, _ = read(tmp_path, path=path, labels_path=labels(tmp_path, ["a"]), fps=30)
    assert recording.features["openface"].times.tolist() == [frame / 30 for frame in range(1, 61)]  # counted from 1


# --- py-feat ----------------------------------------------------------------------------------------------------------


def pyfeat(path: Path, units: np.ndarray, video: str, extra: Sequence[str] = ()) -> Path:
    """What ``Detector.detect(...).to_csv`` of py-feat writes: no face is a row of NaN."""
    header = ["", "FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore", "x_0", "y_0", "Pitch"]
    header += ["Roll", "Yaw", *PYFEAT, "anger", "happiness", "neutral", *extra, "input", "frame", "approx_time"]
    rows = []
    for frame, row in enumerate(units):
        measured = not np.isnan(row).any()
        box = [196.9, 141.0, 173.8, 257.6, 0.9996 if frame != 4 else 0.3, 192.9, 247.6, 0.96, -1.9, 4.87]
        cells = [f"{cell}" if measured else "" for cell in box] + [f"{unit}" if measured else "" for unit in row]
        cells += (["0.0003", "0.98", "0.01"] + ["0.5"] * len(extra)) if measured else [""] * (3 + len(extra))
        rows.append([frame, *cells, f"/data/{video}.mp4", frame, f"00:0{frame // 30}"])
    return write(path, header, rows)


def test_pyfeat_tables_are_recognised_and_rows_without_a_face_are_not_valid(tmp_path):
    units = values((8, len(PYFEAT)), low=0, high=1, digits=6)
    units[2] = np.nan
    pyfeat(tmp_path / "clip.csv", units, "clip")
    path = labels(tmp_path, ["clip"], seconds=1)
    (recording,), sets, runtime = read(tmp_path, path=tmp_path / "clip.csv", labels_path=path, fps=10)
    assert sets["pyfeat"].names == PYFEAT
    assert sets["pyfeat"].signed == frozenset()
    assert set(sets["pyfeat"].resolution.values()) == {0.1}
    assert_track(recording, "pyfeat", units, np.array([frame not in (2, 4) for frame in range(8)]))
    assert recording.features["pyfeat"].times.tolist() == [frame / 10 for frame in range(8)]
    assert runtime.report.warnings == []


def test_what_pyfeat_itself_guesses_of_valence_is_no_label_unless_it_is_named(tmp_path):
    units = values((8, len(PYFEAT)), low=0, high=1, digits=6)
    path = pyfeat(tmp_path / "clip.csv", units, "clip", extra=("valence", "arousal"))
    with pytest.raises(DatasetError, match=r"no column of labels; arousal and valence are what the tool guessed"):
        read(tmp_path, path=path, fps=10)
    (recording,), sets, _ = read(tmp_path, path=path, fps=10, labels=("valence",))
    assert sets["pyfeat"].names == PYFEAT
    assert recording.annotations["valence"].values.tolist() == [0.5] * 8


def test_the_videos_of_one_pyfeat_table_are_its_sessions(tmp_path):
    units = values((6, len(PYFEAT)), low=0, high=1, digits=6)
    first = pyfeat(tmp_path / "one.csv", units, "one").read_text().splitlines()
    second = pyfeat(tmp_path / "two.csv", units + 1, "two").read_text().splitlines()
    (tmp_path / "all.csv").write_text("\n".join([*first, *second[1:]]) + "\n")
    recordings, _, _ = read(
        tmp_path, path=tmp_path / "all.csv", labels_path=labels(tmp_path, ["one", "two"], seconds=1), fps=10
    )
    assert [recording.session for recording in recordings] == ["one", "two"]
    assert_track(recordings[1], "pyfeat", units + 1, np.array([frame != 4 for frame in range(6)]))


# --- openSMILE --------------------------------------------------------------------------------------------------------

LLDS = ("Loudness_sma3", "alphaRatio_sma3", "F0semitoneFrom27.5Hz_sma3nz", "mfcc1_sma3")
FUNCTIONALS = ("F0semitoneFrom27.5Hz_sma3nz_amean", "F0semitoneFrom27.5Hz_sma3nz_pctlrange0-2", "loudness_sma3_amean")
FUNCTIONALS += ("slopeV0-500_sma3nz_amean", "VoicedSegmentsPerSec", "equivalentSoundLevel_dBp")


def test_low_level_descriptors_of_smilextract_are_frames(tmp_path):
    numbers = values((300, len(LLDS)), low=-20, high=40, digits=6)
    rows = [["'unknown'", f"{frame / 100:.6f}", *row] for frame, row in enumerate(numbers)]
    path = write(tmp_path / "anna.csv", ("name", "frameTime", *LLDS), rows, separator=";")
    (recording,), sets, _ = read(tmp_path, path=path, labels_path=labels(tmp_path, ["anna"]))
    assert recording.session == "anna"  # the name in the table is openSMILE's default and names no session
    assert sets["opensmile"].names == LLDS
    assert sets["opensmile"].signed == set(LLDS)
    assert sets["opensmile"].resolution == {"alphaRatio_sma3": 3.0, "F0semitoneFrom27.5Hz_sma3nz": 1.0}
    assert_track(recording, "opensmile", numbers, np.ones(300, dtype=bool))
    assert recording.features["opensmile"].times.tolist() == [frame / 100 for frame in range(300)]


def test_functionals_appended_by_smilextract_are_segments(tmp_path):
    numbers = values((6, len(FUNCTIONALS)), low=-20, high=40, digits=6)
    names = ("anna_1", "anna_2", "anna_3", "bert_1", "bert_2", "bert_3")
    rows = [[f"'{name}'", "0.000000", *row] for name, row in zip(names, numbers, strict=True)]
    path = write(tmp_path / "functionals.csv", ("name", "frameTime", *FUNCTIONALS), rows, separator=";")
    rated = [(name.split("_")[0], name.split("_")[1], place / 10) for place, name in enumerate(names)]
    table = "\n".join(path.read_text().splitlines())
    head, *body = table.splitlines()
    merged = [
        f"{head};speaker;turn;arousal",
        *(f"{line};{';'.join(map(str, own))}" for line, own in zip(body, rated, strict=True)),
    ]
    path.write_text("\n".join(merged))
    recordings, sets, _ = read(
        tmp_path, path=path, rows="segments", subject="speaker", session="speaker", index="turn", start="turn"
    )
    assert sets["opensmile"].names == FUNCTIONALS
    assert [(recording.session, recording.subject) for recording in recordings] == [("anna", "anna"), ("bert", "bert")]
    assert_track(recordings[1], "opensmile", numbers[3:], np.ones(3, dtype=bool))
    assert recordings[1].annotations["arousal"].values.tolist() == pytest.approx([0.3, 0.4, 0.5])


def opensmile_index(count: int, step: float) -> tuple[list[str], list[str]]:
    """Starts and ends as pandas writes them."""
    times = [f"0 days 00:{int(place * step) // 60:02d}:{place * step % 60:09.6f}" for place in range(count + 1)]
    times[0] = "0 days 00:00:00"  # pandas drops a fraction of 0
    return times[:-1], times[1:]


def test_the_multi_index_that_the_python_opensmile_writes_gives_files_and_segments(tmp_path):
    numbers = values((80, len(FUNCTIONALS)), low=-20, high=40, digits=6)
    starts, ends = opensmile_index(40, 2.5)
    rows = [
        [f"wav/{name}.wav", starts[place], ends[place], *numbers[40 * number + place], np.cos(place).round(3)]
        for number, name in enumerate(("anna", "bert"))
        for place in range(40)
    ]
    path = write(tmp_path / "smile.csv", ("file", "start", "end", *FUNCTIONALS, "valence"), rows)
    recordings, sets, _ = read(tmp_path, path=path, rows="segments")
    assert [recording.session for recording in recordings] == ["anna", "bert"]
    assert sets["opensmile"].names == FUNCTIONALS
    for number, recording in enumerate(recordings):
        assert_track(recording, "opensmile", numbers[40 * number : 40 * number + 40], np.ones(40, dtype=bool))
        expected = [[2.5 * place, 2.5 * place + 2.5] for place in range(40)]
        np.testing.assert_allclose(recording.segments.numpy(), expected, atol=1e-9)
        assert torch.equal(recording.annotations["valence"].times, recording.segments[:, 0])


def test_the_same_as_parquet_reads_equal(tmp_path):
    numbers = values((40, len(FUNCTIONALS)), low=-20, high=40, digits=6)
    starts, ends = opensmile_index(40, 2.5)
    rows = [["anna.wav", starts[place], ends[place], *numbers[place], 0.5] for place in range(40)]
    text = write(tmp_path / "smile.csv", ("file", "start", "end", *FUNCTIONALS, "valence"), rows)
    columns = {"file": ["anna.wav"] * 40}
    for name, offset in (("start", 0.0), ("end", 2.5)):
        nanoseconds = [int((2.5 * place + offset) * 1e9) for place in range(40)]
        columns[name] = pyarrow.array(nanoseconds, pyarrow.duration("ns"))  # as pandas stores its index
    columns |= dict(zip(FUNCTIONALS, numbers.T, strict=True)) | {"valence": [0.5] * 40}
    (tmp_path / "parquet").mkdir()
    parquet = tmp_path / "parquet" / "smile.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), parquet)
    (ours,), _, _ = read(tmp_path, path=text, rows="segments")
    (theirs,), _, _ = read(tmp_path, path=parquet, rows="segments")
    assert_same(ours, theirs, "opensmile")
    assert torch.equal(ours.segments, theirs.segments)


# --- MediaPipe --------------------------------------------------------------------------------------------------------


def test_blendshape_tables_keep_mediapipes_categories_and_arkits_spelling_is_understood(tmp_path):
    shapes = ["_neutral", "browDownLeft", "browDownRight", "browInnerUp", "cheekPuff", "eyeBlinkLeft", "eyeBlinkRight"]
    shapes += ["jawOpen", "mouthFrownLeft", "mouthSmileLeft", "mouthSmileRight", "noseSneerLeft"]
    numbers = values((50, len(shapes)), low=0, high=1, digits=5)
    rows = [[40 * frame, *row, 0.25, 0.5] for frame, row in enumerate(numbers)]
    header = ["timestamp_ms", *shapes, "pitch", "valence"]
    (ours,), sets, _ = read(tmp_path, path=write(tmp_path / "a.csv", header, rows))
    assert sets["mediapipe"].names == (*shapes, "pitch")
    assert sets["mediapipe"].signed == {"pitch"}
    assert sets["mediapipe"].resolution["mouthSmileLeft"] < 1 < sets["mediapipe"].resolution["pitch"]
    assert_track(ours, "mediapipe", np.column_stack([numbers, np.full(50, 0.25)]), np.ones(50, dtype=bool))
    np.testing.assert_allclose(ours.features["mediapipe"].times.numpy(), np.arange(50) / 25, atol=1e-12)
    capitals = [name[:1].upper() + name[1:] for name in header[:-2]] + ["pitch", "valence"]
    (tmp_path / "arkit").mkdir()
    (theirs,), sets, _ = read(tmp_path, path=write(tmp_path / "arkit" / "a.csv", capitals, rows))
    assert_same(ours, theirs, "mediapipe")


# --- FACET ------------------------------------------------------------------------------------------------------------


def test_an_imotions_export_with_its_preamble_and_the_rows_of_other_sensors(tmp_path):
    numbers = values((20, len(FACET)), low=-2, high=2, digits=6)
    header = ["StudyName", "Name", "Age", "StimulusName", "EventSource", "Timestamp", "MediaTime", "FrameNo"]
    header += ["NoOfFaces", "Joy Evidence", "Joy Intensity", "Positive Evidence"]
    header += [f"{unit} Evidence" for unit in FACET]
    header += ["Yaw Degrees", "Pitch Degrees", "GSR CAL (µSiemens) (Shimmer)"]
    rows: list[list[object]] = []
    for frame, row in enumerate(numbers):
        common = ["films", "anna", 23, "clip.avi"]
        cells = [f"{cell:.6f}" if frame != 5 else "" for cell in row]
        found = int(frame != 5)
        rows.append([*common, "FACET", 100 * frame, 100 * frame, frame, found, 0.3, 0.1, 0.3, *cells, 1.5, -2.5, ""])
        rows.append([*common, "Shimmer", 100 * frame + 17, "", "", "", *[""] * (3 + len(FACET) + 2), 4.2])
    body = "\n".join("\t".join(map(str, row)) for row in (header, *rows))
    path = tmp_path / "anna.txt"
    path.write_text(f"#Version : 6.0\n#StudyName : films\n#Respondent Age : 23\n\n{body}\n", encoding="utf-8")
    rated = labels(tmp_path, ["anna"])
    (recording,), sets, runtime = read(tmp_path, path=path, labels_path=rated)
    assert (recording.session, recording.subject) == ("anna", "anna")
    assert sets["facet"].names == FACET
    assert sets["facet"].signed == frozenset()
    assert_track(recording, "facet", numbers, np.arange(20) != 5)
    np.testing.assert_allclose(recording.features["facet"].times.numpy(), np.arange(20) / 10, atol=1e-12)
    assert runtime.report.warnings == []


@pytest.mark.parametrize("form", ["{}", "{} Evidence", "{}.Evidence"])
def test_summaries_of_facet_are_segments_with_raters_side_by_side(tmp_path, form):
    numbers = values((30, len(FACET)), low=-2, high=2, digits=6)
    ratings = np.random.default_rng(1).integers(1, 8, (30, 3)).astype(float)
    ratings[4, 1] = np.nan
    header = ["subjNum", "clip", *[form.format(unit) for unit in FACET]]
    header += ["rater1_posScore", "rater2_posScore", "rater3_posScore"]
    rows = [
        [f"s{place // 10}", place % 10, *row, *("NA" if np.isnan(one) else int(one) for one in ratings[place])]
        for place, row in enumerate(numbers)
    ]
    recordings, sets, runtime = read(
        tmp_path,
        path=write(tmp_path / "segments.csv", header, rows),
        rows="segments",
        subject="subjNum",
        index="clip",
        labels={"positive": ("rater1_posScore", "rater2_posScore", "rater3_posScore")},
        scale=(1, 7),
    )
    assert sets["facet"].names == FACET
    assert [recording.subject for recording in recordings] == ["s0", "s1", "s2"]
    for place, recording in enumerate(recordings):
        rows = slice(10 * place, 10 * place + 10)
        assert_track(recording, "facet", numbers[rows], np.ones(10, dtype=bool))
        np.testing.assert_allclose(
            recording.annotations["positive"].values.numpy(), np.nanmean(ratings[rows], axis=1), rtol=1e-6
        )
        assert recording.annotations["positive"].scale == (1, 7)
        assert recording.segments.tolist() == [[float(clip), float(clip + 1)] for clip in range(10)]
    assert runtime.report.warnings == []


# --- anything else ----------------------------------------------------------------------------------------------------


def test_an_unknown_table_serves_its_columns_of_numbers_but_never_labels_or_order(tmp_path):
    header = ["Unnamed: 0", "session", "subject", "condition", "frame", "time", "heart_rate", "mfcc_1", "arousal"]
    header += ["valence_r1", "dominance", "valence", "split", "empty"]
    rows = [
        [row, "s", "anna", "calm", row, row / 10, 60 + row, -row, 0.1, 0.2, 0.3, 0.4, "train", ""] for row in range(40)
    ]
    (recording,), sets, runtime = read(tmp_path, path=write(tmp_path / "a.csv", header, rows), signed=("mfcc*",))
    assert sets == {"table": ReadyFeatures(("heart_rate", "mfcc_1"), frozenset({"mfcc_1"}))}
    assert recording.split == "train"
    assert set(recording.annotations) == {"valence", "arousal"}
    assert any("left out, because their columns are empty: empty" in note for note in runtime.report.notes)


def test_the_format_and_the_name_of_the_features_can_be_said(tmp_path):
    units = values((8, 3), low=0, high=1, digits=3)
    rows = [[frame / 10, *row, 0.5] for frame, row in enumerate(units)]
    path = write(tmp_path / "a.csv", ["time", "AU04", "AU06", "AU12", "valence"], rows)
    (_,), sets, _ = read(tmp_path, path=path)
    assert list(sets) == ["pyfeat"]
    (_,), sets, runtime = read(tmp_path, path=path, format="plain", extractor="units", resolution={"AU0*": 0.2})
    assert sets == {"units": ReadyFeatures(("AU04", "AU06", "AU12"), resolution={"AU04": 0.2, "AU06": 0.2})}
    assert not any("format" in note for note in runtime.report.notes)
