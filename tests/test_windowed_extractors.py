"""Extractors that describe windows as a whole measure exactly the windows of the run, or a recording's own segments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from lasca_datasets.manifest import Manifest
from lasca_datasets.options import ManifestOptions
from torch import Tensor

from lasca_core.api import (
    Component,
    ContractError,
    ExtractorSpec,
    MediaError,
    NoOptions,
    OptionError,
    Recording,
    Source,
    Track,
    Windows,
    open_media,
)
from lasca_core.cli.extract import write_track
from lasca_core.experiment.components import Built
from lasca_core.experiment.config import resolve
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.host.plugins import PluginInfo
from lasca_core.testing import make_registry, make_runtime

CREMA = Path(__file__).parents[2] / "shared/data/crema-d"
CLIP = CREMA / "crema_1001_NEU-HAP-ANG-SAD-FEA-DIS.mp4"
RATE = 16_000


def seconds(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def loudness(samples: np.ndarray) -> float:
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean()))


class Loudness(Component):
    """The root mean square of each window; of windows of two seconds, where nobody asks for others."""

    names = ("loudness",)
    signed: frozenset[str] = frozenset()
    windowed = True

    def stream(self, source: Source) -> Iterator[Track]:
        return self.stream_windows(source, ((start, start + 2.0) for start in range(0, 1000, 2)))

    def stream_windows(self, source: Source, spans: Iterable[tuple[float, float]]) -> Iterator[Track]:
        sound = np.concatenate([part.values.numpy() for part in source.audio(RATE)])
        for start, end in takewhile(lambda span: span[0] * RATE < len(sound), spans):
            first, last = round(start * RATE), round(end * RATE)
            if min(last, len(sound)) - first >= 0.98 * (last - first):
                value = torch.tensor([[loudness(sound[first:last])]])
                yield Track(self.names, value, seconds(start), torch.tensor([True]), spans=seconds(end - start))


class OwnWindows(Loudness):
    """Options may make an extractor choose its windows itself."""

    windowed = False


class Forgetful(Loudness):
    """Its rows do not say how long they are."""

    def stream_windows(self, source: Source, spans: Iterable[tuple[float, float]]) -> Iterator[Track]:
        for part in super().stream_windows(source, spans):
            yield Track(part.names, part.values, part.times, part.valid)


class Peaks(Component):
    """Frames beside the windows: the largest sample of each tenth of a second."""

    names = ("peak",)
    signed: frozenset[str] = frozenset()

    def stream(self, source: Source) -> Iterator[Track]:
        for part in source.audio(RATE, 0.1):
            yield Track(self.names, part.values.max().reshape(1, 1), seconds(part.start), torch.tensor([True]))


def pipeline(tmp_path: Path, *assignments: str, **components: type[Component]) -> Pipeline:
    """A pipeline of the given extractors."""
    runtime = make_runtime(tmp_path / "cache")
    ready = {
        name: Built(
            ExtractorSpec(name=name, target=f"{__name__}:{kind.__name__}", summary="-", needs=frozenset({"audio"})),
            PluginInfo("test", "test", "0", "loaded"),
            NoOptions(),
            kind(NoOptions(), runtime),
        )
        for name, kind in components.items()
    }
    config = resolve(chosen={"extractors": tuple(components)}, assignments=assignments)
    return Pipeline(config, make_registry(installed=False), runtime, ready=ready)


def measured(made: Pipeline, recording: Recording) -> Windows:
    return made.windows(recording, made.tracks(recording))


def counts(made: Pipeline) -> tuple[int, int]:
    """How many tracks were computed, and how many found in the store."""
    stage = made.stages["extract"]
    return stage.computed, stage.stored


@pytest.fixture
def sound() -> np.ndarray:
    """Ten seconds of noise that swells and ebbs, as 16 bits hold it."""
    noise = np.random.default_rng(0).normal(size=10 * RATE) * (0.05 + 0.04 * np.sin(np.arange(10 * RATE) / 9000))
    rounded: np.ndarray = (np.round(noise * 32768) / 32768).astype(np.float32)
    return rounded


@pytest.fixture
def recording(tmp_path: Path, sound: np.ndarray, write_media: Callable[..., Path]) -> Recording:
    return Recording("s", "p", media=write_media(tmp_path / "sound.wav", sound=sound[None]))


def with_segments(recording: Recording, *bounds: float) -> Recording:
    return Recording("s", "p", media=recording.media, segments=seconds(*bounds).reshape(-1, 2))


# --- the windows of the run -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "hop", "count"), [(3.0, 3.0, 3), (2.0, 0.8, 11), (0.7, 0.3, 32), (1 / 3, 0.45, 22), (0.1, 0.1, 100)]
)
def test_every_window_is_described_by_a_row_measured_from_exactly_its_own_samples(
    length: float, hop: float, count: int, tmp_path: Path, recording: Recording, sound: np.ndarray
) -> None:
    made = pipeline(tmp_path, f"windows.length={length}", f"windows.hop={hop}", loud=Loudness)
    found = measured(made, recording)
    firsts = [round(number * hop * RATE) for number in range(count)]
    lasts = [round((number * hop + length) * RATE) for number in range(count)]
    expected = [loudness(sound[first:last]) for first, last in zip(firsts, lasts, strict=True)]
    np.testing.assert_array_equal(found.values[:, 0], np.float32(expected))
    assert found.valid.all()


def test_segments_are_described_by_rows_of_their_own_and_one_that_is_not_in_the_recording_by_none(
    tmp_path: Path, recording: Recording, sound: np.ndarray
) -> None:
    segmented = with_segments(recording, 0.1, 0.35, 0.2, 8.2, 0.5, 0.777, 5.0, 12.0, 9.0, 9.9, 11.0, 12.0)
    found = measured(pipeline(tmp_path, loud=Loudness), segmented)
    bounds = [(0.1, 0.35), (0.2, 8.2), (0.5, 0.777), None, (9.0, 9.9), None]
    assert found.valid.tolist() == [span is not None for span in bounds]
    expected = [loudness(sound[round(s[0] * RATE) : round(s[1] * RATE)]) if s else 0.0 for s in bounds]
    np.testing.assert_array_equal(found.values[:, 0], np.float32(expected))


def test_rows_of_windows_stand_beside_means_of_frames(tmp_path: Path, recording: Recording, sound: np.ndarray) -> None:
    made = pipeline(tmp_path, "windows.length=2", "windows.statistic=mean+std", loud=Loudness, peaks=Peaks)
    found = measured(made, recording)
    assert found.names == ("loudness", "peak", "peak_std")
    peaks = sound.reshape(5, 20, RATE // 10).max(axis=2)
    expected = np.stack([[loudness(part) for part in sound.reshape(5, -1)], peaks.mean(axis=1), peaks.std(axis=1)], 1)
    np.testing.assert_allclose(found.values, expected, rtol=1e-5)


def test_a_recording_without_a_whole_window_is_one_clear_error(tmp_path: Path, recording: Recording) -> None:
    too_long = pipeline(tmp_path, "windows.length=12", loud=Loudness)
    with pytest.raises(
        MediaError, match=r"sound\.wav: is too short for the extractor 'loud': it holds no whole window of"
    ):
        too_long.tracks(recording)
    with pytest.raises(MediaError, match=r"sound\.wav: .*: it holds none of its segments whole"):
        too_long.tracks(with_segments(recording, 9.0, 12.0, 10.5, 11.0))


def test_rows_that_do_not_say_how_long_they_are_break_the_promise(tmp_path: Path, recording: Recording) -> None:
    with pytest.raises(ContractError, match="extractor 'forgetful': the rows of its windows have no spans"):
        pipeline(tmp_path, forgetful=Forgetful).tracks(recording)


# --- the store --------------------------------------------------------------------------------------------------------


def test_rows_are_found_again_for_the_same_windows_only(tmp_path: Path, recording: Recording) -> None:
    def counted(*assignments: str, of: Recording = recording) -> tuple[int, int]:
        made = pipeline(tmp_path, *assignments, loud=Loudness)
        made.tracks(of)
        return counts(made)

    segmented = with_segments(recording, 0.0, 3.0, 3.0, 6.0, 6.0, 9.0)
    assert counted() == (1, 0)
    assert counted("windows.length=3", "windows.hop=3", "windows.min_valid=0.9") == (0, 1)
    assert counted("windows.length=5") == (1, 0)
    assert counted("windows.hop=1") == (1, 0)
    assert counted(of=segmented) == (1, 0)
    assert counted("windows.length=5", of=segmented) == (0, 1), "segments do not depend on the run's windows"


def test_frames_are_found_again_whatever_the_windows(tmp_path: Path, recording: Recording) -> None:
    for assignments, expected in (((), (1, 0)), (("windows.length=5",), (0, 1)), (("windows.hop=1",), (0, 1))):
        made = pipeline(tmp_path, *assignments, peaks=Peaks)
        made.tracks(recording)
        assert counts(made) == expected


# --- windows of the extractor's own choice ----------------------------------------------------------------------------


def test_without_a_run_an_extractor_chooses_its_windows_itself(tmp_path: Path, recording: Recording) -> None:
    made = pipeline(tmp_path, loud=Loudness)
    (track,) = made.tracks(recording, by_window=False)
    assert track.times.tolist() == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert track.spans is not None
    assert track.spans.tolist() == [2.0] * 5
    (asked,) = made.tracks(recording)
    assert asked.times.tolist() == [0.0, 3.0, 6.0]
    assert counts(made) == (2, 0), "the two do not share an entry of the store"


def test_an_extractors_own_windows_serve_a_run_with_the_same_ones_and_no_other(
    tmp_path: Path, recording: Recording, sound: np.ndarray
) -> None:
    found = measured(pipeline(tmp_path, "windows.length=2", own=OwnWindows), recording)
    np.testing.assert_array_equal(found.values[:, 0], np.float32([loudness(part) for part in sound.reshape(5, -1)]))
    with pytest.raises(OptionError, match=r"session s: each row of own describes 2 s, and windows are of 3 s; choose"):
        measured(pipeline(tmp_path, own=OwnWindows), recording)
    segmented = with_segments(recording, 0.0, 1.5, 2.0, 6.0)
    with pytest.raises(OptionError, match=r"each row of own describes 2 s, and windows are of 1\.5 to 4 s"):
        measured(pipeline(tmp_path, own=OwnWindows), segmented)


def sessions_of(folder: Path, *tables: str) -> tuple[list[Recording], list[str]]:
    """The recordings of a manifest that names the feature tables of as many sessions, and the warnings."""
    (folder / "a.csv").write_text("time,valence,arousal\n0.0,0.1,0.3\n0.5,0.2,0.4\n")
    lines = [f"s{number},p{number},a.csv,{table}" for number, table in enumerate(tables)]
    (folder / "m.csv").write_text("\n".join(["session,subject,annotation,features:loud", *lines]))
    runtime = make_runtime(folder / "cache")
    return list(Manifest(ManifestOptions(path=folder / "m.csv"), runtime).sessions()), runtime.report.warnings


def test_a_table_of_features_keeps_the_spans_of_its_rows(tmp_path: Path, recording: Recording) -> None:
    (track,) = pipeline(tmp_path, loud=Loudness).tracks(recording, by_window=False)
    table = write_track(tmp_path / "s.loud.parquet", track)
    assert pq.read_table(table).column_names == ["time", "valid", "span", "loudness"]
    (read,), _ = sessions_of(tmp_path, table.name)
    direct = measured(pipeline(tmp_path, "windows.length=2", loud=Loudness), recording)
    torch.testing.assert_close(
        measured(pipeline(tmp_path, "windows.length=2", loud=Loudness), read).values, direct.values, rtol=0, atol=0
    )
    with pytest.raises(OptionError, match=r"each row of loud describes 2 s, and windows are of 5 s"):
        measured(pipeline(tmp_path, "windows.length=5", loud=Loudness), read)


@pytest.mark.parametrize("cell", ["", "0", "-1", "inf", "long"])
def test_a_table_with_a_span_that_is_no_length_of_time_is_left_out_and_its_row_named(cell: str, tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("time,span,loudness\n0,2,1\n2,2.5,1\n")
    (tmp_path / "bad.csv").write_text(f"time,span,loudness\n0,2,1\n2,{cell},1\n")
    (read,), (warning,) = sessions_of(tmp_path, "good.csv", "bad.csv")
    spans = read.features["loud"].spans
    assert spans is not None
    assert spans.tolist() == [2.0, 2.5]
    assert "bad.csv, row 3: " in warning
    assert "span" in warning


# --- the record -------------------------------------------------------------------------------------------------------


def rows(spans: Tensor | None) -> Track:
    return Track(("a",), torch.ones(2, 1), seconds(0, 1), torch.ones(2, dtype=torch.bool), spans=spans)


@pytest.mark.parametrize("spans", [seconds(1), seconds(1, 0), seconds(1, -1), seconds(1, float("nan"))])
def test_spans_are_one_length_of_time_a_row(spans: Tensor) -> None:
    with pytest.raises(ContractError, match="Track: spans"):
        rows(spans)


def test_parts_of_a_track_keep_their_spans_and_are_all_frames_or_all_windows() -> None:
    later = Track(("a",), torch.ones(1, 1), seconds(2), torch.ones(1, dtype=torch.bool), spans=seconds(5))
    joined = Track.concatenate([rows(seconds(3, 4)), later])
    assert joined.spans is not None
    assert joined.spans.tolist() == [3, 4, 5]
    assert Track.concatenate([rows(None)]).spans is None
    with pytest.raises(ContractError, match="either all parts of one track have spans, or none has"):
        Track.concatenate([rows(None), later])


# --- openSMILE --------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not CLIP.exists(), reason=f"the CREMA-D clips are not at {CREMA}")
@pytest.mark.parametrize("segmented", [False, True])
def test_functionals_of_a_runs_windows_are_opensmiles_of_their_samples(segmented: bool, tmp_path: Path) -> None:
    opensmile = pytest.importorskip("opensmile")
    bounds = [(0.25, 1.7), (0.5, 6.123), (3.0, 3.9), (7.1, 7.8)]
    grid = [(number * 0.8, number * 0.8 + 1.3) for number in range(18)]
    segments = torch.tensor(bounds, dtype=torch.float64) if segmented else None
    config = resolve(
        chosen={"extractors": ("egemaps",)},
        assignments=["windows.length=1.3", "windows.hop=0.8", "egemaps.voiceless=keep", "egemaps.chunk=0.9"],
    )
    made = Pipeline(config, make_registry(), make_runtime(tmp_path / "cache"))
    found = measured(made, Recording("s", "p", media=CLIP, segments=segments))
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    samples = np.concatenate([part.values.numpy() for part in open_media(CLIP).audio(RATE)])
    for row, (start, end) in enumerate(bounds if segmented else grid[: len(found)]):
        expected = smile.process_signal(samples[round(start * RATE) : round(end * RATE)], RATE).to_numpy()
        np.testing.assert_array_equal(found.values[row : row + 1].numpy(), expected)
    assert found.valid.all()
    assert len(found) == (4 if segmented else int((len(samples) / RATE - 1.3 * 0.98) // 0.8) + 1)
