"""OMG-Emotion, generated small: utterances of whole videos as segments, overlaps, faulty rows, official parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from lasca_datasets.corpora.omg import Omg
from lasca_datasets.corpora.options import OmgOptions

from lasca_core.api import DatasetError, Recording
from lasca_core.experiment.config import resolve
from lasca_core.experiment.survey import survey
from lasca_core.testing import make_runtime

HEADER = "link,start,end,video,utterance,arousal,valence,EmotionMaxVote"
Row = tuple[str, float, float, float, float]
TRAIN: list[Row] = [
    ("a1b2c3_1", 0.0, 1.02, 0.80, 0.19),
    ("a1b2c3_1", 0.98, 2.03, 0.75, 0.47),  # the next one begins before this one ends
    ("a1b2c3_1", 2.5, 3.4, 0.74, -0.09),
    ("a1b2c3_2", 0.2, 1.0, 0.10, 0.30),
    ("a1b2c3_2", 1.0, 2.0, 0.20, 0.10),
    ("74de88564", 1.5, 2.5, 0.50, -0.60),
    ("74de88564", 0.5, 1.4, 0.40, -0.50),  # out of order
]
VALIDATION: list[Row] = [("8c49a05d3_1", 0.0, 1.1, 0.3, 0.1), ("8c49a05d3_1", 1.0, 2.0, 0.4, 0.2)]


def table(rows: list[Row], links: bool = True) -> str:
    lines = [
        f"{f'https://www.youtube.com/watch?v={video[:4]}' if links else ''},{start!r},{end!r},{video},"
        f"utterance_{place}.mp4,{arousal!r},{valence!r},4"
        for place, (video, start, end, arousal, valence) in enumerate(rows, start=1)
    ]
    return "\n".join([HEADER, *lines]) + "\n"


def read(folder: Path, **options: object) -> tuple[dict[str, Recording], list[str]]:
    runtime = make_runtime(folder.parent / "cache")
    recordings = list(Omg(OmgOptions(path=folder, **options), runtime).sessions())
    return {recording.session: recording for recording in recordings}, runtime.report.warnings


@pytest.fixture
def corpus(tmp_path: Path, write_video: Callable[..., Path]) -> Path:
    root = tmp_path / "omg"
    root.mkdir()
    (root / "omg_TrainVideos.csv").write_text(table(TRAIN))
    (root / "omg_ValidationVideos.csv").write_text(table(VALIDATION))
    (root / "omg_TestVideos_WithoutLabels.csv").write_text("link,start,end,video,utterance\nx,0,1,y,utterance_1.mp4\n")
    (root / "omg_TrainTranscripts.csv").write_text("link,video,utterance,transcript\n")
    for name in ("a1b2c3_1", "a1b2c3_2", "74de88564"):
        write_video(root / f"train/youtube_videos_temp/{name}.mp4", 100)
    write_video(root / "validation/youtube_videos_temp/8c49a05d3_1.mp4", 60)
    write_video(root / "train/a1b2c3_1/utterance_1.mp4", 25)
    return root


def test_videos_parts_people_segments_and_values_are_the_generators(corpus: Path) -> None:
    found, warnings = read(corpus)
    assert [(item.session, item.split, item.subject) for item in found.values()] == [
        ("a1b2c3_1", "train", "a1b2"),
        ("a1b2c3_2", "train", "a1b2"),
        ("74de88564", "train", "74de"),
        ("8c49a05d3_1", "validation", "8c49"),
    ]
    for name, item in found.items():
        rows = sorted(row[1:] for row in (*TRAIN, *VALIDATION) if row[0] == name)
        assert item.segments is not None
        assert item.segments.tolist() == [[start, end] for start, end, _, _ in rows]
        assert torch.equal(item.annotations["arousal"].times, item.segments[:, 0])
        assert item.annotations["arousal"].values.tolist() == pytest.approx([row[2] for row in rows])
        assert item.annotations["valence"].values.tolist() == pytest.approx([row[3] for row in rows])
        assert item.media is not None
        assert item.media.parent.name == "youtube_videos_temp"
    assert found["74de88564"].annotations["arousal"].scale == (0.0, 1.0)
    assert found["74de88564"].annotations["valence"].scale == (-1.0, 1.0)
    assert warnings == []


def test_without_an_address_every_video_is_of_another_person_and_test_labels_are_the_split_test(
    corpus: Path, write_video: Callable[..., Path]
) -> None:
    (corpus / "omg_TestVideos_WithLabels.csv").write_text(table([("zz_1", 0.0, 1.0, 0.5, 0.5)], links=False))
    write_video(corpus / "test/zz_1.mp4", 30)
    item = read(corpus)[0]["zz_1"]
    assert (item.split, item.subject) == ("test", "zz_1")


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ("x,much,3.5,74de88564,u,0.1,0.1,4", "row 9: start is 'much', which is not a number"),
        ("x,3.5,3.0,74de88564,u,0.1,0.1,4", "row 9: the utterance ends at 3 s and starts at 3.5 s"),
        ("x,3.5,,74de88564,u,0.1,0.1,4", "row 9: the utterance ends at nan s"),
        ("x,3.0,3.5,,u,0.1,0.1,4", "row 9: video is empty"),
        ("x,3.0,3.5", "row 9: 3 cells"),
    ],
)
def test_a_faulty_row_is_named_and_only_its_utterance_is_left_out(corpus: Path, cells: str, sentence: str) -> None:
    (corpus / "omg_TrainVideos.csv").write_text(table(TRAIN) + cells + "\n")
    found, warnings = read(corpus)
    assert {name: len(item.annotations["valence"].times) for name, item in found.items()} == {
        "a1b2c3_1": 3, "a1b2c3_2": 2, "74de88564": 2, "8c49a05d3_1": 2,
    }  # fmt: skip
    assert any(f"omg_TrainVideos.csv, {sentence}" in w and w.endswith("this utterance is left out") for w in warnings)


def test_an_utterance_without_a_value_or_beyond_the_scale_is_not_labelled(corpus: Path) -> None:
    rows = table(TRAIN) + "x,3.0,3.2,74de88564,u,,0.1,4\nx,3.3,3.5,74de88564,u,-0.2,0.1,4\n"
    (corpus / "omg_TrainVideos.csv").write_text(rows)
    found, warnings = read(corpus)
    assert found["74de88564"].annotations["arousal"].valid.tolist() == [True, True, False, False]
    assert bool(found["74de88564"].annotations["valence"].valid.all())
    assert any("74de88564, arousal: 1 of 3 values lie outside the scale 0..1" in warning for warning in warnings)


def test_of_utterances_that_start_together_the_first_counts(corpus: Path) -> None:
    (corpus / "omg_TrainVideos.csv").write_text(table([*TRAIN, ("74de88564", 0.5, 2.0, 0.9, 0.9)]))
    found, warnings = read(corpus)
    assert found["74de88564"].annotations["arousal"].values.tolist() == pytest.approx([0.4, 0.5])
    assert any("row 9: an utterance of 74de88564 starts where that of row 8 does" in warning for warning in warnings)


def test_a_video_in_two_parts_counts_once_and_one_that_is_missing_or_only_cut_is_left_out(corpus: Path) -> None:
    (corpus / "omg_ValidationVideos.csv").write_text(
        table([("74de88564", 0.0, 1.0, 0.1, 0.1), ("gone", 0.0, 1.0, 0.1, 0.1)])
    )
    (corpus / "train/youtube_videos_temp/a1b2c3_1.mp4").unlink()
    found, warnings = read(corpus)
    assert sorted(found) == ["74de88564", "a1b2c3_2"]
    assert any("session '74de88564' is already in" in warning for warning in warnings)
    assert any("the video 'gone' is not there; this session is left out" in warning for warning in warnings)
    assert any("the video 'a1b2c3_1' is there only cut into utterances; the whole one is needed" in w for w in warnings)


def test_a_faulty_table_is_left_out_and_no_table_at_all_is_an_error(corpus: Path) -> None:
    (corpus / "omg_ValidationVideos.csv").write_bytes(b"link,start,end,video\n\xe9,0,1,x\n")
    found, warnings = read(corpus)
    assert len(found) == 3
    assert any("omg_ValidationVideos.csv, row 2: not UTF-8" in w and "'validation' is left out" in w for w in warnings)
    with pytest.raises(DatasetError, match=r"none of omg_TrainVideos\.csv"):
        read(corpus / "train")


def test_the_survey_labels_every_segment_with_its_own_value(corpus: Path) -> None:
    found, _ = read(corpus)
    counted = survey(list(found.values()), resolve(), [3.0], [0.0])
    assert (counted["sessions"], counted["usable"], counted["subjects"], counted["problems"]) == (4, 4, 3, {})
    assert counted["segments"] == 9
    for row in counted["pairs"]:
        place = 3 if row["target"] == "arousal" else 4
        series = {name: [r[place] for r in sorted((*TRAIN, *VALIDATION)) if r[0] == name] for name in found}
        changes = np.concatenate([np.diff(values) for values in series.values()])
        assert (row["windows"], row["pairs"], row["rising"]) == (9, len(changes), int((changes > 0).sum()))
