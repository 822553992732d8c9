"""`lasca predict --live`: what is said of each window, printed as soon as the window is complete."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lasca_core.cli.asked import Asked, caution, tell_coverage
from lasca_core.cli.common import Settings
from lasca_core.contract.errors import MediaError, OptionError

if TYPE_CHECKING:
    from lasca_core.experiment.live import LivePredictor, LiveSession
    from lasca_core.experiment.predict import WindowPrediction
    from lasca_core.host.runtime import HostRuntime
    from lasca_core.steps.feed import LiveSource

INTERRUPTED = 130
"""Exit code after Ctrl-C, which is how a camera's recording ends."""


def live(
    settings: Settings,
    source: str,
    asked: Asked,
    *,
    show: Callable[[WindowPrediction], None],
    as_dict: Callable[[WindowPrediction], dict[str, Any]] | None = None,
    real_time: bool = False,
    explain: bool = False,
    least: float = 0.5,
) -> None:
    """Predict ``source`` while it comes in: ``camera``, ``camera:1``, ``microphone``, ``camera+microphone``, or a file.

    ``show`` prints one row for a person; with ``as_dict`` what this makes of it is printed instead, one JSON object a
    line. Ends when the file ends, or with exit code 130 when interrupted, which is how a camera is switched off.
    """
    from lasca_core.experiment.live import LiveSession

    with closing(_open(source, audio=asked.audio, fps=asked.fps, real_time=real_time)) as opened:
        runtime = settings.runtime(asked.device)
        if asked.zero_shot is not None:
            predictor = _words(settings, runtime, asked, opened)
        else:
            predictor = _model(settings, runtime, asked, explain=explain, least=least)
        with closing(predictor.pipeline), LiveSession(predictor, opened) as session:
            rows, interrupted = _print(session, runtime, show, as_dict)
        if interrupted:
            raise click.exceptions.Exit(INTERRUPTED)
        if not rows:
            length = predictor.pipeline.config.windows.length
            raise MediaError(
                opened.path, f"ended before one window of {length:g} s was complete; try --window with less"
            )


def _open(name: str, *, audio: Path | None, fps: float | None, real_time: bool) -> LiveSource:
    """The source that ``--live`` names."""
    from lasca_core.steps.camera import names_devices, open_devices
    from lasca_core.steps.media import open_media
    from lasca_core.steps.playback import Playback, RealTime

    if names_devices(name):
        given = {"--audio": audio is not None, "--fps": fps is not None, "--realtime": real_time}
        if wrong := next((option for option, is_given in given.items() if is_given), None):
            raise OptionError(f"{wrong} goes with a file; --live {name} is a device")
        return open_devices(name)
    recording = open_media(Path(name), audio=audio, fps=fps)
    return RealTime(recording) if real_time else Playback(recording)


def _model(settings: Settings, runtime: HostRuntime, asked: Asked, *, explain: bool, least: float) -> LivePredictor:
    from lasca_core.experiment import model as models
    from lasca_core.experiment.live import LivePredictor, live_options

    path = asked.model_path
    assert path is not None
    saved = models.load(path)
    pipeline = models.restore(saved, settings.registry, runtime, asked.windows)
    for name, options in live_options(pipeline).items():
        needed = " ".join(f"-o {name}.{key}={value}" for key, value in options.items())
        raise OptionError(
            f"--model {path}: its extractor {name} needs the whole recording and cannot be used live; train a model "
            f"with {needed}"
        )
    trained = {"variant": saved.variant, **(saved.training or {})}
    caution(runtime, trained, saved.config["windows"]["length"], asked.window)
    tell_coverage(runtime, trained.get("coverage", {}), asked.targets or tuple(saved.heads), least)
    return LivePredictor.of_model(saved, pipeline, asked.targets, explain=explain)


def _words(settings: Settings, runtime: HostRuntime, asked: Asked, source: LiveSource) -> LivePredictor:
    """The words alone, with what a live recording needs set, unless it was set otherwise by hand."""
    from lasca_core.experiment.live import LivePredictor, live_options

    wanted = asked.wanted
    pipeline = asked.pipeline_of_words(settings, runtime, source)
    needed = []
    for name, options in live_options(pipeline).items():
        for key, value in options.items():
            if key in pipeline.config.values_for("extractor", name):
                raise OptionError(
                    f"-o {name}.{key}: with this value the extractor {name} needs the whole recording and cannot be "
                    f"used live; leave it out, or write -o {name}.{key}={value}"
                )
            needed.append(f"{name}.{key}={value}")
    if needed:
        runtime.report.note(f"set for a live recording: {', '.join(needed)}")
        pipeline = asked.pipeline_of_words(settings, runtime, source, needed)
    return LivePredictor.of_words(pipeline, wanted, asked.about)


def _print(
    session: LiveSession,
    runtime: HostRuntime,
    show: Callable[[WindowPrediction], None],
    as_dict: Callable[[WindowPrediction], dict[str, Any]] | None,
) -> tuple[int, bool]:
    """Print every row as it comes, and in the end how long they took; how many there were, and whether by Ctrl-C.

    The first Ctrl-C ends the recording: the rows under way follow. The second one ends everything.
    """
    latencies: list[float] = []
    interrupted = False
    try:
        while True:
            try:
                row = next(iter(session), None)
                if row is None:
                    return len(latencies), interrupted
                latencies.append(max(0.0, (time.monotonic() - row.arrived) * 1000))
                if as_dict is None:
                    show(row.prediction)
                else:
                    content = {**as_dict(row.prediction), "latency_ms": round(latencies[-1], 1)}
                    click.echo(json.dumps(content, ensure_ascii=False, default=str))
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
                session.stop()
    finally:
        _sum_up(session.source.dropped, latencies, runtime)


def _sum_up(dropped: int, latencies: list[float], runtime: HostRuntime) -> None:
    if dropped:
        runtime.report.warn(f"{dropped} pictures came faster than the model could look at them, and were left out")
    if latencies:
        counted = "1 window" if len(latencies) == 1 else f"{len(latencies)} windows"
        typical, worst = statistics.median(latencies), max(latencies)
        runtime.report.note(f"{counted}, each told {typical:.0f} ms after it ended (median; at worst {worst:.0f} ms)")
