"""A live session and its command: threads side by side, rows as they complete, and every way in which it can end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import numpy as np
import pytest
import torch

from lasca_core.api import (
    Component,
    ContractError,
    ExtractorSpec,
    Field,
    MediaError,
    OptionError,
    Options,
    Recording,
    Source,
    Track,
    hookimpl,
    open_media,
)
from lasca_core.cli.asked import Asked
from lasca_core.cli.common import Settings
from lasca_core.cli.live import live
from lasca_core.contract.types import Block, Knowledge, Problem
from lasca_core.experiment import model as models
from lasca_core.experiment.artifacts import resolved_tables
from lasca_core.experiment.config import resolve
from lasca_core.experiment.live import LivePredictor, LiveRow, LiveSession
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.predict import WindowPrediction, predict, predict_zero_shot
from lasca_core.host.channel import Channel
from lasca_core.steps.fusion import fit_columns
from lasca_core.steps.playback import Playback
from lasca_core.testing import make_registry, make_runtime

CLOSED: list[str] = []
"""Extractors whose stream was closed or came to its end."""


class SightOptions(Options):
    """What goes wrong with ``sight``."""

    fails_at: float = Field(1e9, description="second at which it fails")


class Sight(Component):
    """The mean of each colour of each picture."""

    names = ("red", "green", "blue")
    signed = frozenset({"blue"})

    def stream(self, source: Source) -> Iterator[Track]:
        try:
            for frames in source.frames(32):
                if float(frames.times[-1]) > self.options.fails_at:
                    raise ContractError("sight is blinded")
                values = frames.images.float().mean(dim=(1, 2)) / 255
                yield Track(self.names, values, frames.times, torch.ones(len(frames), dtype=torch.bool), self.signed)
        finally:
            CLOSED.append("sight")


class HearingOptions(Options):
    """``reference`` stands for whatever needs the whole recording."""

    reference: str = Field("none", description="none, or loudest")


class Hearing(Component):
    """How loud each window is, as a whole and at its loudest."""

    names = ("loud", "peak")
    signed: frozenset[str] = frozenset()
    windowed = True

    @property
    def live_options(self) -> dict[str, str]:
        return {} if self.options.reference == "none" else {"reference": "none"}

    def stream(self, source: Source) -> Iterator[Track]:
        raise AssertionError("windows are asked for")

    def stream_windows(self, source: Source, spans: Iterable[tuple[float, float]]) -> Iterator[Track]:
        rate, held, asked = 8_000, torch.zeros(0), iter(spans)
        start, end = next(asked)
        for part in source.audio(rate):
            held = torch.cat([held, part.values])
            while len(held) >= round(end * rate):
                window = held[round(start * rate) : round(end * rate)]
                values = torch.stack([window.square().mean().sqrt(), window.abs().max()])[None]
                times, span = (torch.tensor([value], dtype=torch.float64) for value in (start, end - start))
                yield Track(self.names, values, times, torch.tensor([True]), self.signed, span)
                start, end = next(asked)
        CLOSED.append("hearing")


@hookimpl
def lasca_register_extractors() -> Iterator[ExtractorSpec]:
    here = __name__
    yield ExtractorSpec(
        name="sight", target=f"{here}:Sight", options=f"{here}:SightOptions", summary="colours",
        needs=frozenset({"video"}),
    )  # fmt: skip
    yield ExtractorSpec(
        name="hearing", target=f"{here}:Hearing", options=f"{here}:HearingOptions", summary="loudness",
        needs=frozenset({"audio"}),
    )  # fmt: skip


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Any:
    """These extractors and the toy encoder beside the installed plugins."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import toy_plugin

    toy_plugin.ENCODED.clear()
    toy_plugin.FAIL_AFTER.clear()
    CLOSED.clear()
    here = ModuleType("senses")
    here.__dict__["lasca_register_extractors"] = lasca_register_extractors
    return make_registry(toy_plugin, here)


@pytest.fixture(autouse=True)
def everything_speaks_for_valence(monkeypatch: pytest.MonkeyPatch) -> None:
    def known(pipeline: Pipeline, lexicon: object, names: tuple[str, ...], target: str) -> Knowledge:
        return Knowledge(torch.linspace(0.5, 1.5, len(names)), torch.eye(len(names)), 1.0)

    monkeypatch.setattr(Pipeline, "knowledge", known)


@pytest.fixture(scope="module")
def talk(write_media: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of slowly changing colours at 25 frames a second, with noise that swells."""
    random = np.random.default_rng(0)
    levels = random.uniform(20, 230, (9, 3))
    images = [np.full((48, 64, 3), levels[number // 25], np.uint8) for number in range(200)]
    loudness = np.repeat(random.uniform(0.05, 0.9, 16), 8_000)
    sound = (random.uniform(-1, 1, 128_000) * loudness).astype(np.float32)[None]
    return write_media(tmp_path_factory.mktemp("live") / "talk.mov", images, rate=25, sound=sound)


def pipeline_of(
    registry: Any, folder: Path, *assignments: str, extractors: tuple[str, ...] = ("sight", "hearing")
) -> Pipeline:
    chosen = {"extractors": extractors, "encoder": "hashing", "lexicon": "names"}
    return Pipeline(resolve(chosen=chosen, assignments=assignments), registry, make_runtime(folder / "cache"))


def rise(row: WindowPrediction) -> float:
    up, probability = row.directions["valence"]
    return probability if up else 1 - probability


# --- the session ------------------------------------------------------------------------------------------------------


def test_a_played_file_gives_the_rows_of_offline_as_they_complete(registry: Any, talk: Path, tmp_path: Path) -> None:
    """The scale of the words alone grows with the recording, so that it is the last row that is the same."""
    pipeline = pipeline_of(registry, tmp_path, "windows.length=1")
    offline = predict_zero_shot(pipeline, Recording("talk", "?", media=talk), ("valence",)).windows
    with LiveSession(LivePredictor.of_words(pipeline, ("valence",)), Playback(open_media(talk))) as session:
        rows = [row.prediction for row in session]
    assert [(row.start, row.end) for row in rows] == [(row.start, row.end) for row in offline]
    assert len(rows) == 8
    assert rise(rows[-1]) == pytest.approx(rise(offline[-1]), abs=1e-5)
    assert rows[-1].sentence == offline[-1].sentence
    assert sorted(CLOSED[-2:]) == ["hearing", "sight"]


def test_the_extractor_that_is_ahead_waits_for_the_others(registry: Any, talk: Path, tmp_path: Path) -> None:
    pipeline = pipeline_of(registry, tmp_path, "windows.length=1")
    session = LiveSession(LivePredictor.of_words(pipeline, ("valence",)), Playback(open_media(talk)))
    most = 0
    with session:
        for _ in session:
            most = max(most, *(len(channel._items) for channel in session._parts.values()))
    assert 0 < most <= 8


def test_no_thread_outlives_a_session(registry: Any, talk: Path, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    threads = torch.get_num_threads()
    pipeline = pipeline_of(registry, tmp_path, "windows.length=1")
    with LiveSession(LivePredictor.of_words(pipeline, ("valence",)), Playback(open_media(talk))) as session:
        next(iter(session))  # and the rest is not wanted
    assert {thread for thread in threading.enumerate() if thread.name.startswith(("extract", "predict"))} <= before
    assert torch.get_num_threads() == threads
    assert "sight" in CLOSED


def test_what_an_extractor_raises_comes_after_the_rows_that_were_complete(
    registry: Any, talk: Path, tmp_path: Path
) -> None:
    pipeline = pipeline_of(registry, tmp_path, "windows.length=1", "sight.fails_at=3.5")
    rows: list[LiveRow] = []
    session = LiveSession(LivePredictor.of_words(pipeline, ("valence",)), Playback(open_media(talk)))
    with session, pytest.raises(ContractError, match="sight is blinded"):
        rows.extend(session)
    assert [row.prediction.end for row in rows] == [1.0, 2.0, 3.0]


def test_a_stopped_session_gives_what_is_under_way_and_ends(registry: Any, talk: Path, tmp_path: Path) -> None:
    pipeline = pipeline_of(registry, tmp_path, "windows.length=1", extractors=("sight",))
    with LiveSession(LivePredictor.of_words(pipeline, ("valence",)), Playback(open_media(talk))) as session:
        first = next(iter(session))
        session.stop()
        rest = list(session)
    assert first.prediction.end == 1.0
    ends = [row.prediction.end for row in rest]
    assert ends == [float(number) for number in range(2, len(ends) + 2)]


def test_a_recording_without_the_stream_an_extractor_needs_is_refused(
    registry: Any, talk: Path, tmp_path: Path, write_media: Callable[..., Path]
) -> None:
    silent = write_media(tmp_path / "silent.avi", [np.zeros((48, 64, 3), np.uint8)] * 50)
    pipeline = pipeline_of(registry, tmp_path, "windows.length=1")
    predictor = LivePredictor.of_words(pipeline, ("valence",))
    with pytest.raises(MediaError, match=r"silent\.avi: has no audio, which the extractor hearing needs"):
        LiveSession(predictor, Playback(open_media(silent)))


def test_an_extractor_that_needs_the_whole_recording_is_refused_with_the_option_that_helps(
    registry: Any, talk: Path, tmp_path: Path
) -> None:
    pipeline = pipeline_of(registry, tmp_path, "hearing.reference=loudest", "windows.length=1")
    predictor = LivePredictor.of_words(pipeline, ("valence",))
    with pytest.raises(OptionError, match=r"hearing cannot be used live unless -o hearing\.reference=none is set"):
        LiveSession(predictor, Playback(open_media(talk)))


# --- the channel ------------------------------------------------------------------------------------------------------


def test_a_full_channel_waits_or_drops_the_oldest() -> None:
    lossy: Channel[int] = Channel(3, lossy=True)
    assert all(lossy.put(number) for number in range(10))
    lossy.close()
    assert list(lossy) == [7, 8, 9]
    assert lossy.dropped == 7
    patient: Channel[int] = Channel(2)
    writer = threading.Thread(target=lambda: [patient.put(number) for number in range(50)] and patient.close())
    writer.start()
    assert list(patient) == list(range(50))
    writer.join()
    assert patient.dropped == 0


def test_a_channel_ends_with_its_writers_error_and_frees_a_writer_that_waits() -> None:
    channel: Channel[int] = Channel(1)
    channel.put(1)
    refused: list[bool] = []
    writer = threading.Thread(target=lambda: refused.append(channel.put(2)))
    writer.start()
    channel.close(ValueError("broken"))
    channel.close()
    writer.join()
    assert refused == [False]
    assert next(channel) == 1
    with pytest.raises(ValueError, match="broken"):
        next(channel)


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def call(registry: Any, tmp_path: Path) -> Callable[..., list[WindowPrediction]]:
    """Calls the command with these extractors; returns the rows it showed."""

    def called(source: object, **given: Any) -> list[WindowPrediction]:
        settings = Settings(cache=tmp_path / "cache", offline=True)
        settings.__dict__["registry"] = registry
        shown: list[WindowPrediction] = []
        ways = ("show", "as_dict", "real_time", "explain", "least")
        shape = {"show": shown.append, **{name: given.pop(name) for name in ways if name in given}}
        words = {"zero_shot": "valence", "extractors": ("sight",), "lexicon": "names", "encoder": "hashing"}
        asked = {"window": 1.0, **({} if "model_path" in given else words), **given}
        live(settings, str(source), Asked(**asked), **shape)
        return shown

    return called


def test_rows_are_shown_as_they_complete_and_their_latency_is_summed_up(
    call: Callable[..., Any], talk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = call(talk)
    assert [row.end for row in rows] == [float(number) for number in range(1, 9)]
    err = capsys.readouterr().err
    assert "8 windows, each told" in err
    assert "median; at worst" in err


def test_json_is_one_object_a_line_with_its_latency(
    call: Callable[..., Any], talk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(talk, as_dict=lambda row: {"end": row.end})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["end"] for line in lines] == [float(number) for number in range(1, 9)]
    assert all(line["latency_ms"] >= 0 for line in lines)


def test_ctrl_c_prints_what_is_complete_and_ends_with_130(
    call: Callable[..., Any], talk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[WindowPrediction] = []

    def show(row: WindowPrediction) -> None:
        shown.append(row)
        if len(shown) == 1:
            raise KeyboardInterrupt

    with pytest.raises(click.exceptions.Exit) as ended:
        call(talk, show=show)
    assert ended.value.exit_code == 130
    assert [row.end for row in shown] == [float(number + 1) for number in range(len(shown))]
    assert "told" in capsys.readouterr().err


def test_a_second_ctrl_c_ends_at_once(call: Callable[..., Any], talk: Path) -> None:
    def show(row: WindowPrediction) -> None:
        raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, click.exceptions.Exit)):
        call(talk, show=show)


def test_the_words_alone_get_the_option_that_a_live_recording_needs(
    call: Callable[..., Any], talk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HearingOptions.model_fields["reference"], "default", "loudest")
    HearingOptions.model_rebuild(force=True)
    try:
        assert len(call(talk, extractors=("hearing",))) == 8
        assert "set for a live recording: hearing.reference=none" in capsys.readouterr().err
        with pytest.raises(OptionError, match=r"-o hearing\.reference: with this value .* cannot be used live"):
            call(talk, extractors=("hearing",), assignments=("hearing.reference=loudest",))
    finally:
        monkeypatch.undo()
        HearingOptions.model_rebuild(force=True)


@pytest.fixture
def saved(registry: Any, talk: Path, tmp_path: Path) -> Callable[..., Path]:
    """``saved(assignments)`` saves a model of these extractors that was trained with the options given."""

    def save(*assignments: str) -> Path:
        pipeline = pipeline_of(registry, tmp_path, "run.learner=logistic", "windows.length=1", *assignments)
        layout = (Block("features", 0, 5),)
        delta = torch.randn(40, 5, generator=pipeline.runtime.generator("changes"))
        columns = fit_columns(delta, layout)
        (fitted,) = pipeline.fit([Problem(delta, (delta[:, 0] > 0).float(), torch.arange(40) // 10, layout)])
        names = ("red", "green", "blue", "loud", "peak")
        model = models.SavedModel(
            variant="features",
            columns=names,
            heads={"valence": models.Head(fitted.state(), columns)},
            lexicon=pipeline.lexicon_for(names),
            config=resolved_tables(pipeline.config, pipeline.components),
            components=tuple(built.describe() for built in pipeline.components),
            training={"dataset": "puppet", "synthetic": True},
        )
        models.save(tmp_path / "model", model)
        return tmp_path / "model"

    return save


def test_a_saved_model_says_live_what_it_says_offline(
    call: Callable[..., Any], saved: Callable[..., Path], registry: Any, talk: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = saved()
    given = {"zero_shot": None, "extractors": (), "lexicon": None, "encoder": None, "model_path": folder}
    rows = call(talk, **{**given, "window": None})
    model = models.load(folder)
    pipeline = models.restore(model, registry, make_runtime(tmp_path / "cache"))
    offline = predict(model, pipeline, Recording("talk", "?", media=talk))
    assert len(rows) == len(offline) == 8
    assert rise(rows[-1]) == pytest.approx(rise(offline[-1]), abs=1e-5)
    assert "trained on puppet, which is synthetic" in capsys.readouterr().err
    call(talk, **{**given, "window": 2.0})
    assert "trained on windows of 1 s and is used on windows of 2 s" in capsys.readouterr().err


def test_a_model_trained_on_whole_recordings_says_how_to_train_one_for_live_use(
    call: Callable[..., Any], saved: Callable[..., Path], talk: Path
) -> None:
    folder = saved("hearing.reference=loudest")
    with pytest.raises(OptionError, match=r"extractor hearing needs the whole .* with -o hearing\.reference=none"):
        call(talk, zero_shot=None, model_path=folder, window=None)


def test_a_recording_that_ends_too_early_says_so(call: Callable[..., Any], talk: Path) -> None:
    with pytest.raises(MediaError, match=r"talk\.mov: ended before one window of 60 s was complete"):
        call(talk, window=60.0)


def test_faults_of_the_source_are_said_before_anything_is_loaded(call: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="does not exist"):
        call(tmp_path / "nowhere.mp4")
    for option, given in (("--audio", {"audio": tmp_path}), ("--realtime", {"real_time": True}), ("--fps", {"fps": 5})):
        with pytest.raises(OptionError, match=f"{option} goes with a file; --live camera is a device"):
            call("camera", **given)
    if not any(Path("/dev").glob("video*")):
        with pytest.raises(MediaError, match=r"camera:0: cannot be opened: .*try --live camera:1, or a file"):
            call("camera")
