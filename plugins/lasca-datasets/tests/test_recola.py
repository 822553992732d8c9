"""RECOLA and its AVEC form, generated small: six raters, a csv file for each dimension, videos and sounds apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lasca_datasets.corpora.options import RecolaOptions
from lasca_datasets.corpora.recola import Recola

from lasca_core.api import DatasetError, Recording
from lasca_core.experiment.config import resolve
from lasca_core.experiment.survey import survey
from lasca_core.testing import make_runtime

RATERS = ("FM1", "FM2", "FM3", "FF1", "FF2", "FF3")
ANNOTATION = "RECOLA-Annotation/emotional_behaviour"


def ratings(seed: int, rows: int = 50) -> np.ndarray:
    """Six raters [T, 6] of one slow feeling, each with a zero of their own."""
    rng = np.random.default_rng(seed)
    feeling = 0.4 * np.sin(np.arange(rows) / 8 + seed)
    return np.round(feeling[:, None] + rng.normal(0, 0.05, (rows, 6)) + rng.uniform(-0.3, 0.3, 6), 2)


def write_ratings(path: Path, values: np.ndarray, times: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(len(values)) / 25 if times is None else times
    rows = [
        "; ".join([f"{time:.2f}", *(f"{value:.2f}" for value in row)]) for time, row in zip(times, values, strict=True)
    ]
    path.write_text("\n".join([" ; ".join(["time", *RATERS]), *rows]) + "\n")


def read(folder: Path, **options: object) -> tuple[dict[str, Recording], list[str]]:
    runtime = make_runtime(folder.parent / "cache")
    recordings = list(Recola(RecolaOptions(path=folder, **options), runtime).sessions())
    return {recording.session: recording for recording in recordings}, runtime.report.warnings


@pytest.fixture
def corpus(tmp_path: Path, write_video: Callable[..., Path], write_sound: Callable[..., Path]) -> Path:
    root = tmp_path / "recola"
    for seed, name in enumerate(("P16", "P17", "P65")):
        write_ratings(root / ANNOTATION / f"arousal/{name}.csv", ratings(seed))
        write_ratings(root / ANNOTATION / f"valence/{name}.csv", ratings(seed + 10))
        if name != "P65":
            write_video(root / f"RECOLA-Video-recordings/{name}.mp4", 50)
        if name != "P17":
            write_sound(root / f"RECOLA-Audio-recordings/{name}.wav", 2.0)
    gold = root / ANNOTATION / "gold_standard/arousal/P16.csv"
    gold.parent.mkdir(parents=True)
    gold.write_text("time,gold standard\n0,0.1\n")
    return root


def test_sessions_people_media_and_the_fused_raters_are_the_generators(corpus: Path) -> None:
    found, warnings = read(corpus, fusion="mean")
    assert [(item.session, item.subject, item.split) for item in found.values()] == [
        ("P16", "P16", None), ("P17", "P17", None), ("P65", "P65", None),
    ]  # fmt: skip
    videos, sounds = corpus / "RECOLA-Video-recordings", corpus / "RECOLA-Audio-recordings"
    assert [(item.media, item.audio) for item in found.values()] == [
        (videos / "P16.mp4", sounds / "P16.wav"), (videos / "P17.mp4", None), (sounds / "P65.wav", None),
    ]  # fmt: skip
    for seed, item in enumerate(found.values()):
        for target, offset in (("arousal", 0), ("valence", 10)):
            trace = item.annotations[target]
            np.testing.assert_allclose(trace.values.numpy(), ratings(seed + offset).mean(axis=1), atol=1e-6)
            np.testing.assert_allclose(trace.times.numpy(), np.arange(50) / 25, atol=1e-9)
    assert found["P16"].metadata == {"language": "fr"}
    assert warnings == []


def test_raters_are_weighted_by_their_agreement_unless_asked_otherwise(corpus: Path) -> None:
    values = ratings(0)
    weights = [np.corrcoef(rater, values.mean(axis=1))[0, 1] for rater in values.T]
    expected = np.average(values, axis=1, weights=weights)
    np.testing.assert_allclose(read(corpus)[0]["P16"].annotations["arousal"].values.numpy(), expected, atol=1e-6)
    median = read(corpus, fusion="median")[0]["P16"].annotations["arousal"].values.numpy()
    np.testing.assert_allclose(median, np.median(values, axis=1), atol=1e-6)


def test_the_partitions_of_the_challenges_follow_from_the_names(
    tmp_path: Path, write_video: Callable[..., Path]
) -> None:
    root = tmp_path / "avec2016"
    for name in ("train_1", "dev_1", "dev_2"):
        write_video(root / f"recordings_video/{name}.mp4", 50)
        write_ratings(root / f"ratings_individual/arousal/{name}.csv", ratings(1))
        write_ratings(root / f"ratings_individual/valence/{name}.csv", ratings(2))
    found, _ = read(root)
    assert {item.session: item.split for item in found.values()} == {
        "train_1": "train", "dev_1": "validation", "dev_2": "validation",
    }  # fmt: skip


def test_lag_rate_and_a_folder_of_annotations_are_options(corpus: Path, tmp_path: Path) -> None:
    (corpus / ANNOTATION).rename(tmp_path / "mine")
    found, _ = read(corpus, annotations=tmp_path / "mine", lag=1.0, rate=5.0, targets=("arousal",))
    trace = found["P16"].annotations["arousal"]
    np.testing.assert_allclose(trace.times.numpy(), np.arange(10) / 5 - 1.0, atol=1e-9)
    assert set(found["P16"].annotations) == {"arousal"}


def test_a_missing_dimension_is_reported_and_the_other_is_kept(corpus: Path) -> None:
    (corpus / ANNOTATION / "valence/P17.csv").unlink()
    found, warnings = read(corpus)
    assert set(found["P17"].annotations) == {"arousal"}
    assert any("there is no valence of P17" in warning for warning in warnings)


def test_repeated_and_missing_times_are_reported_with_their_row(corpus: Path) -> None:
    times = np.arange(50) / 25
    times[7] = times[6]
    write_ratings(corpus / ANNOTATION / "arousal/P16.csv", ratings(0), times)
    file = corpus / ANNOTATION / "valence/P16.csv"
    file.write_text(file.read_text().replace("0.40; ", "; ", 1))
    found, warnings = read(corpus, fusion="mean")
    trace = found["P16"].annotations["arousal"]
    assert len(trace.times) == 49
    assert float(trace.values[6]) == pytest.approx(ratings(0)[7].mean(), abs=1e-6)
    assert any("arousal/P16.csv, row 9: the time 0.24 is already in row 8; 1 row is left out" in w for w in warnings)
    assert any("valence/P16.csv, row 12: 1 of 50 rows have no time and are left out" in w for w in warnings)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda text: text.replace("time", "t\xefme").encode("latin-1"), "arousal/P17.csv, row 1: not UTF-8 text"),
        (lambda text: text.replace("0.04; ", "0.04; x").encode(), "arousal/P17.csv, row 3: FM1 is 'x"),
        (lambda text: b"time; FM1\n0; 7\n0.04; 9\n", "arousal/P17.csv, arousal: no valid value in 2 rows"),
    ],
)
def test_a_faulty_file_is_named_and_only_its_dimension_is_left_out(
    corpus: Path, damage: Callable[[str], bytes], sentence: str
) -> None:
    file = corpus / ANNOTATION / "arousal/P17.csv"
    file.write_bytes(damage(file.read_text()))
    found, warnings = read(corpus)
    assert set(found["P17"].annotations) == {"valence"}
    assert any(sentence in w and w.endswith("arousal of this session is left out") for w in warnings)


def test_people_without_media_are_left_out_and_a_corpus_that_is_not_there_is_an_error(corpus: Path) -> None:
    write_ratings(corpus / ANNOTATION / "arousal/P99.csv", ratings(3))
    found, warnings = read(corpus)
    assert sorted(found) == ["P16", "P17", "P65"]
    assert any("neither a video nor a sound called 'P99'; this session is left out" in warning for warning in warnings)
    with pytest.raises(DatasetError, match=r"no folder emotional_behaviour .* -o recola\.annotations=FOLDER"):
        read(corpus / "RECOLA-Video-recordings")


def test_the_survey_counts_sessions_people_and_hours(corpus: Path) -> None:
    found, _ = read(corpus)
    counted = survey(list(found.values()), resolve(), [0.5], [0.1])
    assert (counted["sessions"], counted["usable"], counted["subjects"], counted["problems"]) == (3, 3, 3, {})
    assert counted["hours"] * 3600 == pytest.approx(6.0, abs=0.2)
    assert {row["target"] for row in counted["pairs"]} == {"valence", "arousal"}
    assert all(row["windows"] == 12 for row in counted["pairs"])
