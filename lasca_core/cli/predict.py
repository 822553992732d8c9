"""`lasca predict`: what a saved model, or the lexicon's words alone, say about a recording, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lasca_core.cli.common import (
    SECONDS,
    Settings,
    common_options,
    device_option,
    fps_option,
    option_option,
    print_json,
)
from lasca_core.contract.errors import OptionError

if TYPE_CHECKING:
    from lasca_core.contract.types import Source
    from lasca_core.experiment.predict import WindowPrediction
    from lasca_core.host.runtime import HostRuntime

SPOKEN_REASONS = 3
"""Reasons printed for each target of a window; --json has more."""


@click.command(short_help="Say window by window whether affect rises or falls, and why.")
@click.argument("media", type=click.Path(path_type=Path))
@click.option(
    "--model",
    "model_path",
    type=click.Path(path_type=Path),
    help="A run's folder (runs/latest) or its model/.",
)
@click.option(
    "--zero-shot",
    metavar="TARGETS",
    help="Affect dimensions to tell from the lexicon's words alone, without a model: valence,arousal.",
)
@click.option(
    "--extractor",
    "extractors",
    multiple=True,
    help="Feature extractor (with --zero-shot; repeatable; default: blendshape for a picture, mfcc for sound).",
)
@click.option("--lexicon", help="Lexicon (with --zero-shot; default: llm).")
@click.option(
    "--about",
    "about_it",
    multiple=True,
    metavar="KEY=VALUE",
    help="What is known of the recording, for the lexicon (with --zero-shot; repeatable): culture=GR.",
)
@click.option("--encoder", help="Sentence encoder (with --zero-shot; default: minilm).")
@option_option
@click.option("--target", "targets", multiple=True, help="Affect dimension (repeatable; default: all the model knows).")
@click.option("--window", type=SECONDS, help="Length of a window in seconds (default: as in training).")
@click.option("--hop", type=SECONDS, help="Seconds from one window to the next (default: --window, or as in training).")
@click.option("--audio", type=click.Path(path_type=Path), help="A separate sound file.")
@fps_option
@click.option(
    "--cues",
    "count",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="Salient cues shown for each window.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print one row a window as CSV.")
@device_option
@common_options
@click.pass_obj
def predict(
    settings: Settings,
    media: Path,
    model_path: Path | None,
    zero_shot: str | None,
    extractors: tuple[str, ...],
    lexicon: str | None,
    about_it: tuple[str, ...],
    encoder: str | None,
    assignments: tuple[str, ...],
    targets: tuple[str, ...],
    window: float | None,
    hop: float | None,
    audio: Path | None,
    fps: float | None,
    count: int,
    as_json: bool,
    as_csv: bool,
    device: str,
) -> None:
    """Say for each window of MEDIA whether affect rose or fell since the window before, how surely, and which cues in
    the face and voice stand out, in words.

    \b
    lasca predict talk.mp4 --model runs/latest
    lasca predict talk.mp4 --model runs/latest --window 2 --json
    lasca predict talk.mp4 --zero-shot valence,arousal
    """
    if as_json and as_csv:
        raise OptionError("--json and --csv: choose one of them")
    if (model_path is None) == (zero_shot is None):
        raise OptionError(
            "give --model RUN (lasca run makes one) or --zero-shot valence,arousal, which needs none"
            + ("; not both" if model_path else "")
        )

    from lasca_core.contract.types import Recording
    from lasca_core.experiment import model as models
    from lasca_core.experiment.config import resolve
    from lasca_core.experiment.pipeline import Pipeline
    from lasca_core.experiment.predict import predict as predict_windows
    from lasca_core.experiment.predict import predict_zero_shot
    from lasca_core.steps.media import open_media

    opened = open_media(media, audio=audio, fps=fps)  # says at once what is wrong with the file
    recording = Recording(session=media.stem or str(media), subject="?", media=media, audio=audio, fps=fps)
    lengths = {"length": window, "hop": hop if hop is not None else window}
    overrides = {key: value for key, value in lengths.items() if value is not None}
    runtime = settings.runtime(device)
    if zero_shot is not None:
        wanted = _wanted(zero_shot, targets)
        chosen = {"extractors": extractors or _extractors(opened), "lexicon": lexicon, "encoder": encoder}
        assigned = (*assignments, *(f"windows.{key}={value}" for key, value in overrides.items()))
        config = resolve(preset="best", chosen=chosen, assignments=assigned)
        pipeline = Pipeline(config, settings.registry, runtime)
        try:
            said = predict_zero_shot(pipeline, recording, wanted, dict(_known(about_it)))
        finally:
            pipeline.close()
        for target, reason in said.abstains.items():
            runtime.report.warn(f"{target} is not told: {reason}")
        about: dict[str, Any] = {"zero_shot": list(wanted), "abstains": dict(said.abstains)}
        rows, shown = said.windows, wanted
    else:
        given = {
            "--extractor": extractors,
            "--lexicon": lexicon,
            "--encoder": encoder,
            "--about": about_it,
            "-o": assignments,
        }
        if wrong := next((name for name, value in given.items() if value), None):
            raise OptionError(f"{wrong} goes with --zero-shot; a model brings its own")
        assert model_path is not None
        saved = models.load(model_path)
        pipeline = models.restore(saved, settings.registry, runtime, overrides)
        trained = {"variant": saved.variant, **(saved.training or {})}
        _caution(runtime, trained, saved.config["windows"]["length"], window)
        try:
            rows = predict_windows(saved, pipeline, recording, targets)
        finally:
            pipeline.close()
        about, shown = {"model": str(model_path), "trained": trained}, targets or tuple(saved.heads)
    if as_json:
        print_json({"media": str(media), **about, "windows": [_as_dict(row) for row in rows]})
    elif as_csv:
        _print_csv(rows, shown, count)
    else:
        _print_rows(rows, count)
        runtime.report.note("+ = salient now, and not in the window it is compared with")


def _wanted(zero_shot: str, targets: tuple[str, ...]) -> tuple[str, ...]:
    named = tuple(dict.fromkeys(name.strip() for name in zero_shot.split(",") if name.strip()))
    if not named:
        raise OptionError("--zero-shot names no affect dimension; for instance --zero-shot valence,arousal")
    if unknown := [target for target in targets if target not in named]:
        raise OptionError(f"--target {unknown[0]} is not among --zero-shot {zero_shot}")
    return tuple(dict.fromkeys(targets)) or named


def _known(about_it: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for text in about_it:
        key, sign, value = text.partition("=")
        if not (key.strip() and sign and value.strip()):
            raise OptionError(f"--about {text}: write KEY=VALUE, for instance culture=GR")
        yield key.strip(), value.strip()


def _extractors(source: Source) -> tuple[str, ...]:
    """One for each stream the recording has."""
    return (*(("blendshape",) if source.has_video else ()), *(("mfcc",) if source.has_audio else ()))


def _caution(runtime: HostRuntime, trained: dict[str, Any], length: float, window: float | None) -> None:
    """Say what a model's answers are not to be trusted for."""
    if trained.get("lexicons", 1) > 1:
        runtime.report.note("the words of this model are those for a recording of which nothing is known")
    if trained.get("synthetic"):
        made = f"the model was trained on {trained['dataset']}, which is synthetic"
        runtime.report.note(f"{made}: the cues are measured, its directions on real people are not to be trusted")
    if window is not None and window != length:
        runtime.report.note(f"the model was trained on windows of {length:g} s and is used on windows of {window:g} s")


def _print_rows(rows: list[WindowPrediction], count: int) -> None:
    for row in rows:
        head = f"{row.start:7.2f}-{row.end:.2f} s  "
        if not row.valid:
            click.echo(f"{head}not measured: too few valid frames (no face found, or no sound)")
            continue
        said = "   ".join(
            f"{target} {'rises' if rises else 'falls'} ({probability:.2f})"
            for target, (rises, probability) in row.directions.items()
        )
        alone = "no direction is told" if row.compared else "nothing before it to compare with"
        click.echo(f"{head}{said or alone}")
        for target, reasons in row.reasons.items():
            for reason in reasons[:SPOKEN_REASONS]:
                more = "more" if reason.more else "less"
                click.echo(f"             {target} {reason.contribution:+.2f}: {more} {reason.feature}: {reason.words}")
        for cue in row.cues[:count]:
            click.echo(f"             {'+' if cue.new else ' '} {cue.feature}: {cue.words}")
        if count and len(row.cues) > count:
            click.echo(f"               and {len(row.cues) - count} more salient cues")


def _as_dict(row: WindowPrediction) -> dict[str, Any]:
    return {
        "start": round(row.start, 3),
        "end": round(row.end, 3),
        "valid": row.valid,
        "directions": {
            target: {"direction": "rises" if rises else "falls", "probability": round(probability, 4)}
            for target, (rises, probability) in row.directions.items()
        },
        "reasons": {
            target: [{**asdict(reason), "contribution": round(reason.contribution, 4)} for reason in reasons]
            for target, reasons in row.reasons.items()
        },
        "cues": [
            {
                "feature": cue.feature,
                "score": round(cue.score, 4),
                "growth": round(cue.growth, 4),
                "words": cue.words,
                "new": cue.new,
            }
            for cue in row.cues
        ],
        "sentence": row.sentence,
        "dropped_cues": row.dropped,
    }


def _print_csv(rows: list[WindowPrediction], targets: tuple[str, ...], count: int) -> None:
    import csv
    import sys

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(
        [
            "start",
            "end",
            "valid",
            *(f"{target}{part}" for target in targets for part in ("", "_probability")),
            "cues",
            "sentence",
        ]
    )
    for row in rows:
        cells: list[object] = []
        for target in targets:
            rises, probability = row.directions.get(target, (None, None))
            cells += [
                "" if rises is None else "rises" if rises else "falls",
                "" if probability is None else f"{probability:.4f}",
            ]
        names = " ".join(cue.feature for cue in row.cues[:count])
        writer.writerow([f"{row.start:.3f}", f"{row.end:.3f}", int(row.valid), *cells, names, row.sentence])
