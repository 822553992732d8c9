"""Several recordings extracted at a time, by extractors that can."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from lasca_core.api import MediaError, Recording, Track
from lasca_core.experiment.components import Built
from lasca_core.experiment.config import resolve
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.testing import make_registry, make_runtime, write_recording


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import toy_plugin

    return toy_plugin


class Meeting:
    """An extractor whose recordings wait for each other: with fewer than ``guests`` at a time it would never end."""

    names = ("presence",)
    signed: frozenset[str] = frozenset()

    def __init__(self, guests: int, concurrent: bool) -> None:
        self.concurrent = concurrent
        self.barrier = threading.Barrier(guests)
        self.inside = self.most = 0
        self.lock = threading.Lock()
        self.begun = threading.Event()

    def stream(self, source: Any) -> Iterator[Track]:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        try:
            if "broken" in source.path.name:
                raise MediaError(source.path, "is broken")
            if "fails" in source.path.name:
                self.begun.wait(timeout=20)
                raise ZeroDivisionError
            self.barrier.wait(timeout=20)
            number = float(source.path.stem.split("-")[-1])
            part = Track(self.names, torch.full((1, 1), number), torch.zeros(1, dtype=torch.float64), torch.ones(1) > 0)
            yield part
            while "endless" in source.path.name:
                self.begun.set()
                yield part
        finally:
            with self.lock:
                self.inside -= 1


def made(folder: Path, toy: ModuleType, extractor: Meeting, workers: int = 3) -> Pipeline:
    chosen = {"dataset": "toyland", "extractors": ("toy",), "encoder": "hashing", "lexicon": "names"}
    runtime = make_runtime(folder / "cache", seed=0)
    runtime.workers = workers
    pipeline = Pipeline(resolve(chosen=chosen), make_registry(toy), runtime)
    (built,) = pipeline.extractors
    pipeline._extraction.extractors = [Built(built.spec, built.plugin, built.options, extractor)]
    return pipeline


def recordings(folder: Path, *names: str) -> list[Recording]:
    found = []
    for number, name in enumerate(names):
        path = write_recording(folder / f"{name}-{number}.mkv", seconds=0.5 + 0.1 * number, video=False)
        found.append(Recording(session=path.stem, subject="p", media=path))
    return found


def test_recordings_are_extracted_at_the_same_time_and_come_in_order(tmp_path: Path, toy: ModuleType) -> None:
    extractor = Meeting(guests=3, concurrent=True)
    given = recordings(tmp_path, *["talk"] * 6)
    found = list(made(tmp_path, toy, extractor).tracks_of(given))
    assert [recording for recording, _ in found] == given
    assert [float(tracks[0].values) for _, tracks in found if isinstance(tracks, list)] == [0, 1, 2, 3, 4, 5]
    assert extractor.most == 3


def test_no_more_recordings_at_a_time_than_the_runtime_has_workers(tmp_path: Path, toy: ModuleType) -> None:
    extractor = Meeting(guests=2, concurrent=True)
    list(made(tmp_path, toy, extractor, workers=2).tracks_of(recordings(tmp_path, *["talk"] * 6)))
    assert extractor.most == 2


def test_an_extractor_that_does_not_say_so_has_one_recording_at_a_time(tmp_path: Path, toy: ModuleType) -> None:
    extractor = Meeting(guests=1, concurrent=False)
    list(made(tmp_path, toy, extractor).tracks_of(recordings(tmp_path, *["talk"] * 4)))
    assert extractor.most == 1


def test_a_recording_that_cannot_be_read_is_told_in_its_place(tmp_path: Path, toy: ModuleType) -> None:
    given = recordings(tmp_path, "talk", "broken", "talk", "talk")
    found = [told for _, told in made(tmp_path, toy, Meeting(guests=3, concurrent=True)).tracks_of(given)]
    assert [isinstance(told, MediaError) for told in found] == [False, True, False, False]
    assert "is broken" in str(found[1])


def test_whoever_stops_early_leaves_nothing_running(tmp_path: Path, toy: ModuleType) -> None:
    extractor = Meeting(guests=1, concurrent=True)
    pipeline = made(tmp_path, toy, extractor)
    walk = pipeline.tracks_of(recordings(tmp_path, "talk", "endless", "endless", "endless"))
    next(walk)
    assert extractor.begun.wait(timeout=20)
    walk.close()
    assert extractor.inside == 0
    again = recordings(tmp_path, "speech")[0]
    assert len(pipeline.tracks(again)) == 1, "and the pipeline can be used on"


def test_an_error_in_one_recording_ends_the_others(tmp_path: Path, toy: ModuleType) -> None:
    extractor = Meeting(guests=1, concurrent=True)
    with pytest.raises(ZeroDivisionError):
        list(made(tmp_path, toy, extractor).tracks_of(recordings(tmp_path, "fails", "endless", "endless")))
    assert extractor.inside == 0


def test_every_track_is_counted(tmp_path: Path, toy: ModuleType) -> None:
    pipeline = made(tmp_path, toy, Meeting(guests=3, concurrent=True))
    given = recordings(tmp_path, *["talk"] * 6)
    list(pipeline.tracks_of(given))
    list(pipeline.tracks_of(given))
    assert (pipeline.stages["extract"].computed, pipeline.stages["extract"].stored) == (6, 6)


def test_one_walk_that_is_left_does_not_end_another(tmp_path: Path, toy: ModuleType) -> None:
    pipeline = made(tmp_path, toy, Meeting(guests=1, concurrent=True))
    given = recordings(tmp_path, *["talk"] * 4)
    first, second = pipeline.tracks_of(given), pipeline.tracks_of(given)
    next(first), next(second)
    first.close()
    assert len(list(second)) == 3


def test_sessions_that_share_a_file_extract_it_once_and_wait_for_no_other_process(
    tmp_path: Path, toy: ModuleType
) -> None:
    pipeline = made(tmp_path, toy, Meeting(guests=1, concurrent=True))
    (recording,) = recordings(tmp_path, "talk")
    found = list(pipeline.tracks_of([recording] * 3))
    assert [isinstance(tracks, list) for _, tracks in found] == [True] * 3
    assert (pipeline.stages["extract"].computed, pipeline.stages["extract"].stored) == (1, 2)
    assert pipeline.runtime.report.notes == []  # type: ignore[attr-defined]
