"""SEWA DB, generated small: a folder for each recording, raters in columns or files, metadata, several namings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lasca_datasets.corpora.options import SewaOptions
from lasca_datasets.corpora.sewa import Sewa

from lasca_core.api import DatasetError, Recording
from lasca_core.experiment.config import resolve
from lasca_core.experiment.survey import survey
from lasca_core.testing import make_runtime

PEOPLE = {
    "SEWA_C1_S001_P001_VC": ("1", "1", "British"),
    "SEWA_C1_S001_P002_VC": ("1", "2", "British"),
    "SEWA_C1_S001_P001_AD": ("1", "1", "British"),
    "SEWA_C3_S002_P001_VC": ("2", "1", "Chinese"),
}


def ratings(name: str, target: str, raters: int = 3, rows: int = 100) -> np.ndarray:
    rng = np.random.default_rng(sum(map(ord, name + target)))
    feeling = np.cumsum(rng.normal(0, 0.03, rows))[:, None]
    return np.round(np.clip(feeling + rng.normal(0, 0.05, (rows, raters)), -1, 1), 4)


def write_trace(path: Path, values: np.ndarray, *, step: float = 0.02, header: bool = True, start: float = 0.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ",".join(["Time", *(f"Annotator {number}" for number in range(values.shape[1]))])
    rows = [
        ",".join([f"{start + place * step:.4f}", *(f"{value:.4f}" for value in row)])
        for place, row in enumerate(values)
    ]
    path.write_text("\n".join([names, *rows] if header else rows) + "\n")


def read(folder: Path, **options: object) -> tuple[dict[str, Recording], list[str], list[str]]:
    runtime = make_runtime(folder.parent / "cache")
    recordings = list(Sewa(SewaOptions(path=folder, **options), runtime).sessions())
    return {recording.session: recording for recording in recordings}, runtime.report.warnings, runtime.report.notes


@pytest.fixture
def corpus(tmp_path: Path, write_video: Callable[..., Path], write_sound: Callable[..., Path]) -> Path:
    root = tmp_path / "sewa"
    for name, (session, subject, culture) in PEOPLE.items():
        folder = root / name[:7] / name
        write_video(folder / f"{name}.avi", 50)
        write_sound(folder / f"{name}.wav", 2.0)
        for target in ("Valence", "Arousal", "Liking"):
            write_trace(folder / f"{name}_{target}_AV_Aligned.csv", ratings(name, target))
            write_trace(folder / f"{name}_{target}_A_Aligned.csv", -ratings(name, target))
        (folder / "metadata.ini").write_text(
            f"[General]\nSession Number={session}\nSubject Number = {subject}\n"
            f"[Subject]\nNationality={culture}\nAge=31\n"
        )
    return root


def test_sessions_people_cultures_media_values_and_times_are_the_generators(corpus: Path) -> None:
    found, warnings, _ = read(corpus)
    assert {item.session: item.subject for item in found.values()} == {
        "SEWA_C1_S001_P001_AD": "1-1", "SEWA_C1_S001_P001_VC": "1-1", "SEWA_C1_S001_P002_VC": "1-2",
        "SEWA_C3_S002_P001_VC": "2-1",
    }  # fmt: skip
    for name, item in found.items():
        folder = corpus / name[:7] / name
        assert (item.media, item.audio) == (folder / f"{name}.avi", folder / f"{name}.wav")
        assert item.metadata["culture"] == PEOPLE[name][2]
        assert item.metadata["age"] == "31"
        for target in ("valence", "arousal"):
            trace = item.annotations[target]
            expected = ratings(name, target.capitalize()).mean(axis=1)
            np.testing.assert_allclose(trace.values.numpy(), expected, atol=1e-6)
            np.testing.assert_allclose(trace.times.numpy(), np.arange(100) * 0.02, atol=1e-9)
    assert warnings == []


def test_what_was_rated_by_sound_alone_and_other_dimensions_can_be_chosen(corpus: Path) -> None:
    found, _, _ = read(corpus, traces=("*{target}_A_*.csv",), targets=("liking",))
    name = "SEWA_C3_S002_P001_VC"
    expected = -ratings(name, "Liking").mean(axis=1)
    np.testing.assert_allclose(found[name].annotations["liking"].values.numpy(), expected, atol=1e-6)


def test_raters_may_have_files_and_time_axes_of_their_own(corpus: Path) -> None:
    name = "SEWA_C3_S002_P001_VC"
    folder = corpus / name[:7] / name / "annotations"
    steps = (0.02, 0.05, 0.1)
    for rater, step in enumerate(steps):
        times = np.arange(0, 2, step)
        write_trace(folder / f"{name}_valence_rater{rater}.csv", (0.1 * (rater + 1) * times)[:, None], step=step)
    found, _, notes = read(corpus, traces=("*valence_rater?.csv",), targets=("valence",), fusion="median")
    trace = found[name].annotations["valence"]
    np.testing.assert_allclose(trace.times.numpy(), np.arange(100) * 0.02, atol=1e-6)
    np.testing.assert_allclose(trace.values[:90].numpy(), 0.2 * trace.times[:90].numpy(), atol=1e-4)
    assert any("several files fit the pattern of valence" in note for note in notes)


@pytest.mark.parametrize(("unit", "factor"), [("s", 1.0), ("ms", 1000.0), ("frames", 25.0)])
def test_times_may_be_seconds_milliseconds_or_frames_of_the_video_and_need_no_header(
    corpus: Path, unit: str, factor: float
) -> None:
    for name in PEOPLE:
        for target in ("Valence", "Arousal"):
            path = corpus / name[:7] / name / f"{name}_{target}_AV_Aligned.csv"
            write_trace(path, ratings(name, target), step=0.04 * factor, header=False)
    found, _, _ = read(corpus, unit=unit)
    for item in found.values():
        np.testing.assert_allclose(item.annotations["valence"].times.numpy(), np.arange(100) * 0.04, atol=1e-9)


def test_a_single_column_has_a_row_for_each_frame(corpus: Path) -> None:
    for name in PEOPLE:
        for target in ("Valence", "Arousal"):
            path = corpus / name[:7] / name / f"{name}_{target}_AV_Aligned.csv"
            path.write_text("\n".join(f"{value:.4f}" for value in ratings(name, target)[:50, 0]))
    trace = read(corpus)[0]["SEWA_C1_S001_P002_VC"].annotations["arousal"]
    np.testing.assert_allclose(trace.times.numpy(), np.arange(50) / 25, atol=1e-9)
    np.testing.assert_allclose(trace.values.numpy(), ratings("SEWA_C1_S001_P002_VC", "Arousal")[:50, 0], atol=1e-6)


def test_another_release_is_read_by_its_patterns(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    root = tmp_path / "other"
    write_video(root / "rec1/video/face.mp4", 50)
    write_trace(root / "rec1/labels/V.txt", ratings("rec1", "v"))
    (root / "rec1/done.log").write_text("")
    found, _, _ = read(
        root, recordings=("*/DONE.log",), traces=("labels/{target}.txt",), targets=("v",), videos=("video/*",)
    )
    assert found["rec1"].media == root / "rec1/video/face.mp4"
    assert found["rec1"].annotations["v"].values.numpy() == pytest.approx(ratings("rec1", "v").mean(axis=1), abs=1e-6)


def test_values_on_another_scale_are_read_with_it_and_otherwise_named(corpus: Path) -> None:
    for name in PEOPLE:
        for target in ("Valence", "Arousal"):
            path = corpus / name[:7] / name / f"{name}_{target}_AV_Aligned.csv"
            write_trace(path, 1000 * ratings(name, target))
    found, warnings, _ = read(corpus, scale=(-1000.0, 1000.0), sentinels=())
    assert found["SEWA_C1_S001_P002_VC"].annotations["valence"].scale == (-1000.0, 1000.0)
    assert warnings == []
    _, warnings, _ = read(corpus)
    assert sum("lie outside the scale -1..1 and count as not annotated; set sewa.scale" in w for w in warnings) == 8


def test_without_a_subject_every_recording_counts_as_a_person_and_keys_can_be_named(corpus: Path) -> None:
    for name in PEOPLE:
        (corpus / name[:7] / name / "metadata.ini").write_text(f"Who = {name[-6:-3]}\nTongue = English\nbare\n")
    found, warnings, _ = read(corpus)
    assert {item.subject for item in found.values()} == set(PEOPLE)
    assert any("metadata.ini names no subject for 4 sessions" in warning for warning in warnings)
    found, warnings, _ = read(corpus, subject_key="who", culture_key="Tongue")
    assert {item.subject for item in found.values()} == {"001", "002"}
    assert {item.metadata["culture"] for item in found.values()} == {"English"}
    assert warnings == []


def test_metadata_that_is_no_ini_file_is_reported_and_the_recording_is_kept(corpus: Path) -> None:
    name = "SEWA_C1_S001_P002_VC"
    (corpus / name[:7] / name / "metadata.ini").write_bytes(b"[General]\nName = Zo\xeb\n= nothing\n")
    found, warnings, _ = read(corpus)
    assert any("metadata.ini: not read, it is no ini file" in warning for warning in warnings)
    assert len(found) == 4
    assert found[name].subject == name


def test_a_recording_without_media_is_left_out_and_named(corpus: Path) -> None:
    name = "SEWA_C1_S001_P002_VC"
    for suffix in ("avi", "wav"):
        (corpus / name[:7] / name / f"{name}.{suffix}").unlink()
    found, warnings, _ = read(corpus)
    assert len(found) == 3
    assert any(f"{name}: neither a video nor a sound; set sewa.videos and sewa.sounds" in w for w in warnings)


def test_recordings_without_traces_are_counted_and_it_is_an_error_if_none_has_any(corpus: Path) -> None:
    name = "SEWA_C1_S001_P002_VC"
    (corpus / name[:7] / name / f"{name}_Arousal_AV_Aligned.csv").unlink()
    (corpus / name[:7] / name / f"{name}_Arousal_A_Aligned.csv").unlink()
    found, warnings, _ = read(corpus)
    assert set(found[name].annotations) == {"valence"}
    assert any(f"{name}: there is no trace of arousal" in warning for warning in warnings)
    for file in (corpus / name[:7] / name).glob("*.csv"):
        file.unlink()
    found, _, notes = read(corpus)
    assert len(found) == 3
    assert any(f"without a trace, hence not used: 1 session ({name})" in note for note in notes)
    with pytest.raises(DatasetError, match="none of 4 recordings has a trace of joy"):
        read(corpus, targets=("joy",))


def test_sound_alone_is_enough(corpus: Path) -> None:
    name = "SEWA_C1_S001_P002_VC"
    (corpus / name[:7] / name / f"{name}.avi").unlink()
    item = read(corpus)[0][name]
    assert (item.media, item.audio) == (corpus / name[:7] / name / f"{name}.wav", None)


def test_a_faulty_trace_is_named_with_its_row_and_the_other_dimension_is_kept(corpus: Path) -> None:
    name = "SEWA_C1_S001_P002_VC"
    path = corpus / name[:7] / name / f"{name}_Valence_AV_Aligned.csv"
    path.write_text(path.read_text().replace("\n0.0400,", "\n0.0400,bad", 1))
    found, warnings, _ = read(corpus)
    assert set(found[name].annotations) == {"arousal"}
    assert any(f"{name}_Valence_AV_Aligned.csv, row 4: Annotator 0 is 'bad" in warning for warning in warnings)


def test_no_recording_at_all_is_an_error_that_names_the_pattern(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"no file fits \*metadata\.ini"):
        read(tmp_path / "empty")


def test_the_survey_counts_sessions_people_and_hours(corpus: Path) -> None:
    found, _, _ = read(corpus)
    counted = survey(list(found.values()), resolve(), [0.5], [0.1])
    assert (counted["sessions"], counted["usable"], counted["subjects"], counted["problems"]) == (4, 4, 3, {})
    assert counted["hours"] * 3600 == pytest.approx(8.0, abs=0.2)
