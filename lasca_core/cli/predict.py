"""`lasca predict`: what a saved model says about a recording, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lasca_core.cli.common import SECONDS, Settings, common_options, device_option, fps_option, print_json
from lasca_core.contract.errors import OptionError

if TYPE_CHECKING:
    from lasca_core.experiment.predict import WindowPrediction


@click.command(short_help="Say window by window whether affect rises or falls, and why.")
@click.argument("media", type=click.Path(path_type=Path))
@click.option(
    "--model",
    "model_path",
    required=True,
    type=click.Path(path_type=Path),
    help="A run's folder (runs/latest) or its model/.",
)
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
    model_path: Path,
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
    """
    if as_json and as_csv:
        raise OptionError("--json and --csv: choose one of them")

    from lasca_core.contract.types import Recording
    from lasca_core.experiment import model as models
    from lasca_core.experiment.predict import predict as predict_windows
    from lasca_core.steps.media import open_media

    open_media(media, audio=audio, fps=fps)  # says at once what is wrong with the file
    saved = models.load(model_path)
    runtime = settings.runtime(device)
    overrides = {"length": window, "hop": hop if hop is not None else window}
    pipeline = models.restore(
        saved, settings.registry, runtime, {key: value for key, value in overrides.items() if value is not None}
    )
    about = {"variant": saved.variant, **(saved.training or {})}
    if about.get("synthetic"):
        made = f"the model was trained on {about['dataset']}, which is synthetic"
        runtime.report.note(f"{made}: the cues are measured, its directions on real people are not to be trusted")
    trained = saved.config["windows"]["length"]
    if window is not None and window != trained:
        runtime.report.note(f"the model was trained on windows of {trained:g} s and is used on windows of {window:g} s")
    try:
        recording = Recording(session=media.stem or str(media), subject="?", media=media, audio=audio, fps=fps)
        rows = predict_windows(saved, pipeline, recording, targets)
    finally:
        pipeline.close()
    if as_json:
        windows = [_as_dict(row) for row in rows]
        print_json({"media": str(media), "model": str(model_path), "trained": about, "windows": windows})
    elif as_csv:
        _print_csv(rows, targets or tuple(saved.heads), count)
    else:
        _print_rows(rows, count)
        runtime.report.note("+ = salient now, and not in the window it is compared with")


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
        click.echo(f"{head}{said or 'nothing before it to compare with'}")
        for cue in row.cues[:count]:
            click.echo(f"             {'+' if cue.new else ' '} {cue.feature}: {cue.words}")
        if len(row.cues) > count:
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
