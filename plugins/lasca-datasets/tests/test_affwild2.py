"""Aff-Wild2 in all its distributions, generated small and with its warts: counts, values, splits, people and times."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from lasca_datasets.corpora.affwild2 import AffWild2
from lasca_datasets.corpora.options import AffWild2Options

from lasca_core.api import DatasetError, Recording, open_media
from lasca_core.experiment.config import resolve
from lasca_core.experiment.survey import survey
from lasca_core.testing import make_runtime

SIXTH = "6th ABAW Annotations/VA_Estimation_Challenge"
GENERATIONS = [
    ("annotations/VA_Set", "Training_Set", "Validation_Set"),
    ("VA_Set", "Train_Set", "Val_Set"),
    ("Third ABAW Annotations/VA_Estimation_Challenge", "Train_Set", "Validation_Set"),
    (f"6th_ABAW_Annotations/{SIXTH}", "Train_Set", "Validation_Set"),
    ("va_estimation_challenge", "train_set", "validation_set"),
    ("", "Train_Set", "Validation_Set"),
]


def labels(lines: int, seed: int = 0) -> np.ndarray:
    """Valence and arousal [T, 2] as label files hold them, with three decimals and some lines not annotated."""
    rng = np.random.default_rng(seed)
    values = np.round(rng.uniform(-1, 1, (lines, 2)), 3)
    values[rng.random(lines) < 0.2] = -5.0
    return values


def write_labels(path: Path, values: np.ndarray) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [",".join("-5" if value == -5 else f"{value:.3f}" for value in row) for row in values]
    path.write_text("\n".join(["valence,arousal", *rows]) + "\n")
    return values


def read(folder: Path, **options: object) -> tuple[dict[str, Recording], list[str], list[str]]:
    """Recordings by session, warnings and notes."""
    runtime = make_runtime(folder.parent / "cache")
    recordings = list(AffWild2(AffWild2Options(path=folder, **options), runtime).sessions())
    assert len({recording.session for recording in recordings}) == len(recordings)
    return {recording.session: recording for recording in recordings}, runtime.report.warnings, runtime.report.notes


def assert_annotated(recording: Recording, values: np.ndarray, times: Sequence[float]) -> None:
    """Both traces have these values [T, 2] at these times, and are valid where the value is not -5."""
    for target, column in zip(("valence", "arousal"), values.T, strict=True):
        trace = recording.annotations[target]
        np.testing.assert_allclose(trace.times.numpy(), times, atol=1e-6)
        assert trace.valid.tolist() == (column != -5).tolist()
        np.testing.assert_allclose(trace.values[trace.valid].numpy(), column[column != -5], atol=1e-6)
        assert trace.scale == (-1.0, 1.0)


@pytest.fixture
def corpus(tmp_path: Path, write_video: Callable[..., Path], write_image: Callable[..., Path]) -> Path:
    """The 6th distribution: three batches with their own rates, two people in one video, and images without a video."""
    root = tmp_path / "affwild2"
    write_video(root / "batch1/1-30-64x64.mp4", 60, rate=30, sound=True)
    write_video(root / "batch2/video7.avi", 50, rate=25)
    write_video(root / "new_vids/461.mp4", 30, rate=15)
    train, validation = root / SIXTH / "Train_Set", root / SIXTH / "Validation_Set"
    write_labels(train / "1-30-64x64.txt", labels(60, 1))
    write_labels(train / "video7_left.txt", labels(50, 2))
    write_labels(train / "video7_right.txt", labels(50, 3))
    write_labels(validation / "461.txt", labels(30, 4))
    write_labels(validation / "images.txt", labels(40, 5))
    for number in (3, 4, 5, 9, 40):
        write_image(root / f"cropped_aligned/images/{number:05d}.jpg")
    other = root / "6th ABAW Annotations/EXPR_Recognition_Challenge/Train_Set/1-30-64x64.txt"
    other.parent.mkdir(parents=True)
    other.write_text("Neutral,Anger\n4\n4\n")
    (train / "._1-30-64x64.txt").write_bytes(b"\x00\x05\x16\x07")
    return root


def test_sessions_splits_people_values_and_times_are_the_generators(corpus: Path) -> None:
    found, warnings, _ = read(corpus, faces="images")
    assert [(item.session, item.split, item.subject) for item in found.values()] == [
        ("1-30-64x64", "train", "1-30-64x64"),
        ("video7_left", "train", "video7_left"),
        ("video7_right", "train", "video7_right"),
        ("461", "validation", "461"),
        ("images", "validation", "images"),
    ]
    for session, lines, seed, rate in [
        ("1-30-64x64", 60, 1, 30), ("video7_left", 50, 2, 25), ("video7_right", 50, 3, 25), ("461", 30, 4, 15),
        ("images", 40, 5, 30),
    ]:  # fmt: skip
        assert_annotated(found[session], labels(lines, seed), np.arange(lines) / rate)
    assert found["video7_left"].media == found["video7_right"].media == corpus / "batch2/video7.avi"
    assert found["461"].media == corpus / "new_vids/461.mp4"
    assert found["video7_left"].metadata == {"video": "video7"}
    assert [warning for warning in warnings if "left out" in warning] == []


@pytest.mark.parametrize(("task", "train", "validation"), GENERATIONS)
def test_every_generation_of_annotation_folders_is_found(
    tmp_path: Path, write_video: Callable[..., Path], task: str, train: str, validation: str
) -> None:
    root = tmp_path / "corpus"
    for name, part in (("a", train), ("b", validation)):
        write_video(root / f"batch1/{name}.mp4", 10)
        write_labels(root / task / part / f"{name}.txt", labels(10))
    found, warnings, _ = read(root)
    assert {item.session: item.split for item in found.values()} == {"a": "train", "b": "validation"}
    assert warnings == []


def test_annotations_and_media_may_lie_apart(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    write_video(tmp_path / "disk2/batch1/a.mp4", 10)
    for part, name in (("Train_Set", "b"), ("Validation_Set", "c"), ("Test_Set", "d")):
        write_labels(tmp_path / f"labels/mine/{part}/{name}.txt", labels(10))
        write_video(tmp_path / f"disk2/batch2/{name}.avi", 10)
    (tmp_path / "empty").mkdir()
    found, _, notes = read(tmp_path / "empty", annotations=tmp_path / "labels/mine", media=tmp_path / "disk2")
    assert {item.session: item.split for item in found.values()} == {"b": "train", "c": "validation", "d": "test"}
    assert any("1 videos have no label file" in note for note in notes)


def test_several_generations_are_an_error_that_says_how_to_choose(corpus: Path) -> None:
    write_labels(corpus / "Third ABAW Annotations/VA_Estimation_Challenge/Train_Set/461.txt", labels(30))
    with pytest.raises(DatasetError, match=r"several distributions .*affwild2\.annotations=FOLDER"):
        read(corpus)
    found, _, _ = read(corpus, annotations=corpus / SIXTH)
    assert len(found) == 5


def test_no_annotations_at_all_is_an_error_that_says_what_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"corpus: no such folder"):
        read(tmp_path / "corpus")
    (tmp_path / "corpus").mkdir()
    with pytest.raises(DatasetError, match=r"no label file in a folder VA_Estimation_Challenge or VA_Set"):
        read(tmp_path / "corpus")


def test_a_missing_part_is_reported_and_the_other_is_read(corpus: Path) -> None:
    for file in (corpus / SIXTH / "Validation_Set").iterdir():
        file.unlink()
    found, warnings, _ = read(corpus)
    assert len(found) == 3
    assert any("no label file in Validation_Set" in warning for warning in warnings)


# --- lines and frames -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lines", "frames"), [(63, 60), (57, 60), (40, 60)])
def test_what_lines_and_frames_have_in_common_counts(
    tmp_path: Path, write_video: Callable[..., Path], lines: int, frames: int
) -> None:
    root = tmp_path / "corpus"
    write_video(root / "batch1/a.mp4", frames, rate=15)
    write_labels(root / "VA_Set/Train_Set/a.txt", labels(lines))
    found, warnings, notes = read(root)
    common = min(lines, frames)
    assert_annotated(found["a"], labels(lines)[:common], np.arange(common) / 15)
    assert any(f"most in a ({lines} and {frames})" in note for note in notes)
    own = [warning for warning in warnings if f"{lines} lines of labels, but the video has {frames} frames" in warning]
    assert len(own) == (abs(lines - frames) > 15)  # more than a second is worth a warning


@pytest.mark.parametrize("rate", [25, 30000 / 1001])
@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_the_frame_rate_is_read_from_the_video(
    tmp_path: Path, write_video: Callable[..., Path], suffix: str, rate: float
) -> None:
    root = tmp_path / "corpus"
    write_video(root / f"batch1/a{suffix}", 40, rate=rate)
    write_labels(root / "VA_Set/Train_Set/a.txt", labels(40))
    found, _, notes = read(root)
    np.testing.assert_allclose(found["a"].annotations["valence"].times.numpy(), np.arange(40) / rate, atol=1e-3)
    assert not any("differ in number" in note for note in notes)


def test_labels_lie_at_the_frames_own_times_where_the_rate_varies(
    tmp_path: Path, write_video: Callable[..., Path]
) -> None:
    root = tmp_path / "corpus"
    times = np.concatenate([np.arange(20) / 40, 0.5 + np.arange(20) / 10])
    path = write_video(root / "batch1/a.mp4", 40, times=times.tolist())
    write_labels(root / "VA_Set/Train_Set/a.txt", labels(40))
    found, _, notes = read(root)
    decoded = [time for frames in open_media(path).frames() for time in frames.times.tolist()]
    np.testing.assert_allclose(found["a"].annotations["valence"].times.numpy(), decoded, atol=1e-6)
    assert any("the frame rate varies in 1 session (a)" in note for note in notes)


# --- images -----------------------------------------------------------------------------------------------------------


def test_images_stand_in_for_a_missing_video_with_the_rate_and_the_sound_that_are_there(
    corpus: Path, write_sound: Callable[..., Path]
) -> None:
    sound = write_sound(corpus / "sound/images.wav", 2.0)
    found, warnings, _ = read(corpus, fps=20)
    item = found["images"]
    assert (item.media, item.audio, item.fps) == (corpus / "cropped_aligned/images", sound, 20)
    assert_annotated(item, labels(40, 5), np.arange(40) / 20)
    opened = open_media(item.media, audio=item.audio, fps=item.fps)
    times = [time for frames in opened.frames() for time in frames.times.tolist()]
    np.testing.assert_allclose(times, np.array([2, 3, 4, 8, 39]) / 20)  # line k and image k are one moment
    assert any("20 images a second are assumed" in warning for warning in warnings)


def test_images_may_be_preferred_and_then_have_the_videos_rate_and_sound(
    corpus: Path, write_image: Callable[..., Path]
) -> None:
    write_image(corpus / "cropped_aligned_new_50_vids/1-30-64x64/00001.jpg")
    write_image(corpus / "cropped/1-30-64x64/00001.jpg")
    write_image(corpus / "cropped_aligned/video7_left/00002.jpg")
    found, _, _ = read(corpus, faces="images", fps=12)
    one, left = found["1-30-64x64"], found["video7_left"]
    assert (one.media, one.audio, one.fps) == (
        corpus / "cropped_aligned_new_50_vids/1-30-64x64", corpus / "batch1/1-30-64x64.mp4", 30,
    )  # fmt: skip
    assert (left.media, left.audio, left.fps) == (corpus / "cropped_aligned/video7_left", None, 25)
    assert found["video7_right"].media == corpus / "batch2/video7.avi"
    assert_annotated(left, labels(50, 2), np.arange(50) / 25)
    by_default, warnings, _ = read(corpus)
    assert by_default["1-30-64x64"].media == corpus / "batch1/1-30-64x64.mp4"
    assert any("2 sessions (video7_left, video7_right) the video shows another person too" in w for w in warnings)


def test_a_video_whose_own_name_ends_with_a_side_is_found(corpus: Path, write_video: Callable[..., Path]) -> None:
    path = write_video(corpus / "batch1/stage_left.mp4", 10)
    write_labels(corpus / SIXTH / "Train_Set/stage_left.txt", labels(10))
    assert read(corpus)[0]["stage_left"].media == path


def test_a_folder_of_very_many_images_is_not_read_to_its_end(
    tmp_path: Path, write_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from lasca_datasets.corpora import files

    root = tmp_path / "corpus"
    write_video(root / "batch1/a.mp4", 10)
    write_labels(root / "VA_Set/Train_Set/a.txt", labels(10))
    faces = root / "cropped_aligned/a"
    faces.mkdir(parents=True)
    for number in range(1, 301):
        (faces / f"{number:05d}.jpg").write_bytes(b"")
    seen = 0
    original = files.os.path.splitext

    def counting(name: str) -> tuple[str, str]:
        nonlocal seen
        seen += name.endswith(".jpg")
        return original(name)

    monkeypatch.setattr(files.os.path, "splitext", counting)
    assert list(read(root)[0]) == ["a"]
    assert 0 < seen <= 100


def test_a_folder_that_cannot_be_read_is_reported_and_left_out(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lasca_datasets.corpora import files

    original = files.os.scandir

    def refusing(folder: Path) -> object:
        if folder.name == "batch2":
            raise PermissionError(13, "Permission denied")
        return original(folder)

    monkeypatch.setattr(files.os, "scandir", refusing)
    found, warnings, _ = read(corpus)
    assert sorted(found) == ["1-30-64x64", "461", "images"]
    assert any("batch2: cannot be read: Permission denied; what is in it is left out" in w for w in warnings)


# --- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"valence,arousal\n0.1,0.2\n0.1,x\n", r"bad\.txt, row 3: arousal is 'x', which is not a number"),
        (b"valence,arousal\n0.1,0.2\n0.1\n", r"bad\.txt, row 3: 1 cells instead of 2"),
        (b"valence,arousal\n0.1,0.2\n\xe9,0.2\n", r"bad\.txt, row 3: not UTF-8 text"),
        (b"Neutral,Anger\n0.1,0.2\n", r"bad\.txt: no column 'valence' \(found 'Neutral', 'Anger'\)"),
        (b"0.1,0.2\n0.1,0.2\n", r"bad\.txt: no column 'valence' \(found no names, only numbers\)"),
        (b"valence,arousal\n-5,-5\n-5,-5\n", r"bad\.txt, valence: no valid value in 2 rows"),
        (b"valence,arousal\n", r"bad\.txt: there is no row of numbers"),
        (b"", r"bad\.txt: there is no row of numbers"),
    ],
)
def test_a_faulty_label_file_is_named_and_left_out_and_the_rest_goes_on(
    corpus: Path, write_video: Callable[..., Path], content: bytes, sentence: str
) -> None:
    write_video(corpus / "batch1/bad.mp4", 5)
    (corpus / SIXTH / "Train_Set/bad.txt").write_bytes(content)
    found, warnings, _ = read(corpus)
    assert len(found) == 5
    assert [w for w in warnings if re.search(sentence, w) and w.endswith("; this session is left out")] != []


def test_a_target_without_a_valid_value_is_left_out_and_the_other_is_kept(
    corpus: Path, write_video: Callable[..., Path]
) -> None:
    write_video(corpus / "batch1/half.mp4", 3)
    (corpus / SIXTH / "Train_Set/half.txt").write_text("valence,arousal\n-5,0.1\n-5,0.2\n-5,0.3\n")
    found, warnings, _ = read(corpus)
    assert set(found["half"].annotations) == {"arousal"}
    assert any(
        "half.txt, valence: no valid value" in w and "valence of this session is left out" in w for w in warnings
    )


def test_labels_without_a_video_or_with_a_broken_one_are_left_out(corpus: Path) -> None:
    write_labels(corpus / SIXTH / "Train_Set/gone_right.txt", labels(10))
    write_labels(corpus / SIXTH / "Train_Set/broken.txt", labels(10))
    (corpus / "batch1/broken.mp4").write_bytes(b"no video")
    found, warnings, _ = read(corpus)
    assert len(found) == 5
    assert any("neither a video 'gone' nor a folder 'gone_right' of images; this session" in w for w in warnings)
    assert any("broken.mp4: is not a video, sound or image file" in w and w.endswith("is left out") for w in warnings)


def test_a_session_that_is_in_both_parts_counts_once(corpus: Path) -> None:
    write_labels(corpus / SIXTH / "Validation_Set/1-30-64x64.txt", labels(60, 9))
    found, warnings, _ = read(corpus)
    assert found["1-30-64x64"].split == "train"
    assert_annotated(found["1-30-64x64"], labels(60, 1), np.arange(60) / 30)
    assert any("session '1-30-64x64' is already in" in warning for warning in warnings)


def test_a_video_that_is_there_twice_is_reported(corpus: Path, write_video: Callable[..., Path]) -> None:
    write_video(corpus / "batch2/461.avi", 30, rate=15)
    found, warnings, _ = read(corpus)
    assert found["461"].media == corpus / "batch2/461.avi"
    assert any("the video '461' is there 2 times" in warning for warning in warnings)


def test_values_beyond_the_scale_are_counted(corpus: Path) -> None:
    write_labels(corpus / SIXTH / "Validation_Set/461.txt", np.array([[0.1, 0.2], [1.4, 0.2], [0.3, -5.0]]))
    found, warnings, _ = read(corpus)
    assert found["461"].annotations["valence"].valid.tolist() == [True, False, True]
    assert any("461.txt, valence: 1 of 3 values lie outside the scale -1..1" in warning for warning in warnings)


def test_it_is_an_error_if_no_session_is_left(tmp_path: Path) -> None:
    write_labels(tmp_path / "corpus/VA_Set/Train_Set/a.txt", labels(10))
    with pytest.raises(
        DatasetError, match=r"corpus: no session can be used; the first fault: .*a\.txt: there is neither"
    ):
        read(tmp_path / "corpus")


# --- what the corpus does not say -------------------------------------------------------------------------------------


def test_a_table_says_who_is_who_and_its_oddities_are_reported(corpus: Path, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("session,subject,Gender\n461,anna,f\nvideo7_left,anna,f\n461,bert,m\nnobody,x,m\nshort\n")
    found, warnings, _ = read(corpus, people=people)
    assert found["461"].subject == found["video7_left"].subject == "anna"
    assert found["461"].metadata == {"video": "461", "gender": "f"}
    assert found["461"].split == "validation"
    assert found["video7_right"].subject == "video7_right"
    assert any("people.csv, row 4: session '461' is already in row 2" in warning for warning in warnings)
    assert any("people.csv, row 5: 'nobody' is of no session that was read" in warning for warning in warnings)
    assert any("people.csv, row 6: 1 cells" in warning for warning in warnings)


def test_only_the_targets_asked_for_are_read(corpus: Path) -> None:
    found, _, _ = read(corpus, targets=("arousal",))
    assert {tuple(item.annotations) for item in found.values()} == {("arousal",)}


def test_the_annotators_lag_is_taken_off(corpus: Path) -> None:
    found, _, _ = read(corpus, lag=0.5)
    assert float(found["461"].annotations["valence"].times[0]) == -0.5


def test_the_survey_counts_sessions_people_and_hours(corpus: Path) -> None:
    found, _, _ = read(corpus)
    counted = survey(list(found.values()), resolve(), [0.5], [0.1])
    assert (counted["sessions"], counted["usable"], counted["subjects"], counted["problems"]) == (5, 5, 5, {})
    assert counted["hours"] * 3600 == pytest.approx(2 + 2 + 2 + 2 + 40 / 30, abs=0.1)
    values = np.concatenate([labels(60, 1), labels(50, 2), labels(50, 3), labels(30, 4), labels(40, 5)])[:, 0]
    assert counted["targets"]["valence"]["highest"] == pytest.approx(values.max(), abs=1e-6)
    assert counted["targets"]["valence"]["invalid"] == pytest.approx((values == -5).mean())
    assert {row["target"] for row in counted["pairs"]} == {"valence", "arousal"}
