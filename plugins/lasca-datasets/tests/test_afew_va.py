"""AFEW-VA, generated small: folders of images, each with a json file, actors who play in several clips."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lasca_datasets.corpora.afew_va import AfewVa
from lasca_datasets.corpora.options import AfewVaOptions

from lasca_core.api import DatasetError, Recording, open_media
from lasca_core.experiment.config import resolve
from lasca_core.experiment.survey import survey
from lasca_core.testing import make_runtime


def frames(clip: str, count: int) -> dict[str, Any]:
    rng = np.random.default_rng(int(clip))
    return {
        f"{number:05d}": {
            "valence": float(rng.integers(-10, 11)), "arousal": float(rng.integers(-10, 11)), "landmarks": [[1.0, 2.0]],
        }
        for number in range(count)
    }  # fmt: skip


def read(folder: Path, **options: object) -> tuple[dict[str, Recording], list[str]]:
    runtime = make_runtime(folder.parent / "cache")
    recordings = list(AfewVa(AfewVaOptions(path=folder, **options), runtime).sessions())
    return {recording.session: recording for recording in recordings}, runtime.report.warnings


CLIPS = {"01/001": ("anna", 12), "01/002": ("bert", 8), "12/600": ("anna", 5), "12/599": ("", 3)}


@pytest.fixture
def corpus(tmp_path: Path, write_image: Callable[..., Path]) -> Path:
    root = tmp_path / "AFEW-VA"
    for place, (actor, count) in CLIPS.items():
        name = place[-3:]
        for number in range(count):
            write_image(root / place / f"{number:05d}.png")
        content = {"actor": actor, "video_id": name, "frames": frames(name, count)}
        (root / place / f"{name}.json").write_text(json.dumps(content))
    return root


def test_clips_actors_values_and_times_are_the_generators(corpus: Path) -> None:
    found, warnings = read(corpus)
    assert {item.session: item.subject for item in found.values()} == {
        "001": "anna", "002": "bert", "599": "599", "600": "anna",
    }  # fmt: skip
    for place, (_, count) in CLIPS.items():
        item = found[place[-3:]]
        assert (item.media, item.fps) == (corpus / place, 25)
        for target in ("valence", "arousal"):
            trace = item.annotations[target]
            expected = [frame[target] for frame in frames(place[-3:], count).values()]
            assert trace.values.tolist() == expected
            assert trace.scale == (-10.0, 10.0)
            np.testing.assert_allclose(trace.times.numpy(), np.arange(count) / 25)
    assert warnings == []


@pytest.mark.parametrize("first", [0, 1, 4])
def test_labels_lie_at_the_times_of_their_images_whatever_the_first_number_is(
    corpus: Path, write_image: Callable[..., Path], first: int
) -> None:
    folder = corpus / "02/050"
    for number in range(first, first + 4):
        write_image(folder / f"{number:05d}.png")
    content = {"actor": "x", "frames": {f"{n:05d}": {"valence": n, "arousal": 0} for n in range(first, first + 4)}}
    (folder / "050.json").write_text(json.dumps(content))
    item = read(corpus, fps=10)[0]["050"]
    opened = open_media(item.media, fps=item.fps)
    times = [time for part in opened.frames() for time in part.times.tolist()]
    np.testing.assert_allclose(item.annotations["valence"].times.numpy(), times, atol=1e-9)


def test_clips_need_not_lie_in_numbered_folders_and_images_may_lie_apart(tmp_path: Path, corpus: Path) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    for place in CLIPS:
        name = place[-3:]
        (corpus / place / f"{name}.json").rename(labels / f"{name}.json")
    found, _ = read(labels, media=corpus)
    assert {name: item.media for name, item in found.items()} == {place[-3:]: corpus / place for place in CLIPS}


def test_frames_without_a_value_are_not_annotated(corpus: Path) -> None:
    content = {"frames": {"00000": {"valence": None, "arousal": 1}, "00001": {"valence": 3, "arousal": 2}, "00002": {}}}
    (corpus / "01/002/002.json").write_text(json.dumps(content))
    item = read(corpus)[0]["002"]
    assert item.annotations["valence"].valid.tolist() == [False, True, False]
    assert item.annotations["arousal"].valid.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"frames": {\n"00000": {"valence": 1,}}}', r"002\.json, row 2: not JSON"),
        (b'{"actor": "\xe9"}', r"002\.json: not UTF-8 text"),
        ("[1, 2]", r"002\.json: there are no 'frames'"),
        ('{"frames": {"a": {"valence": 1}}}', r"002\.json: the frame 'a' has no number"),
        (
            '{"frames": {"0": {"valence": "much", "arousal": "x"}}}',
            r"002\.json, valence: a frame has a value that is not",
        ),
        ('{"frames": {"0": 5}}', r"002\.json, valence: a frame has a value that is not a number"),
        ('{"frames": {"0": {"valence": 11, "arousal": 99}}}', r"002\.json, valence: no valid value in 1 rows"),
    ],
)
def test_a_faulty_clip_is_named_and_left_out(corpus: Path, content: str | bytes, sentence: str) -> None:
    (corpus / "01/002/002.json").write_bytes(content.encode() if isinstance(content, str) else content)
    found, warnings = read(corpus)
    assert sorted(found) == ["001", "599", "600"]
    assert [w for w in warnings if re.search(sentence, w) and w.endswith("this session is left out")] != []


def test_two_clips_of_one_name_a_clip_without_images_and_no_clip_at_all(corpus: Path, tmp_path: Path) -> None:
    copy = corpus / "13/001"
    copy.mkdir(parents=True)
    (copy / "001.json").write_text((corpus / "01/001/001.json").read_text())
    (copy / "777.json").write_text((corpus / "01/001/001.json").read_text())
    found, warnings = read(corpus)
    assert len(found) == 4
    assert any("13/001/001.json: session '001' is already in" in warning for warning in warnings)
    assert any("777.json: there is no folder '777' of images" in warning for warning in warnings)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="empty: no clip"):
        read(tmp_path / "empty")


def test_the_survey_counts_clips_actors_and_seconds(corpus: Path) -> None:
    found, _ = read(corpus)
    counted = survey(list(found.values()), resolve(), [0.1], [0.1])
    assert (counted["sessions"], counted["usable"], counted["subjects"], counted["problems"]) == (4, 4, 3, {})
    assert counted["hours"] * 3600 == pytest.approx((12 + 8 + 5 + 3) / 25)
    assert counted["targets"]["valence"]["highest"] <= 10
