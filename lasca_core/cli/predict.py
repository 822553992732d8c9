"""`lasca predict`: what a saved model, or the lexicon's words alone, say about a recording, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lasca_core.cli.asked import caution, extractors_for, known_about, tell_coverage, wanted_targets
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


@click.command(short_help="Say window by window whether affect rises or falls, and why.")
@click.argument("media", type=click.Path(path_type=Path), required=False)
@click.option(
    "--live",
    "source",
    metavar="SOURCE",
    help="Predict while the recording comes in, in place of MEDIA: camera, camera:1, microphone, camera+microphone, or "
    "a file.",
)
@click.option("--realtime", "real_time", is_flag=True, help="Play the file of --live at its own speed.")
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
@click.option(
    "--explain",
    is_flag=True,
    help="Say what each feature's change and each cue's words add to the prediction; needs lasca[explain].",
)
@click.option(
    "--min-confidence",
    "least",
    type=click.FloatRange(0.5, 1.0),
    default=0.5,
    show_default=True,
    help="Tell a direction only from this probability on.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON (with --live, one object a line).")
@click.option("--csv", "as_csv", is_flag=True, help="Print one row a window as CSV.")
@device_option
@common_options
@click.pass_obj
def predict(
    settings: Settings,
    media: Path | None,
    source: str | None,
    real_time: bool,
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
    explain: bool,
    least: float,
    as_json: bool,
    as_csv: bool,
    device: str,
) -> None:
    """Say for each window of MEDIA whether affect rose or fell since the window before, how surely, and which cues in
    the face and voice stand out, in words.

    \b
    lasca predict talk.mp4 --model runs/latest
    lasca predict talk.mp4 --model runs/latest --explain --min-confidence 0.7
    lasca predict talk.mp4 --zero-shot valence,arousal
    lasca predict --live camera --zero-shot valence,arousal
    """
    if as_json and as_csv:
        raise OptionError("--json and --csv: choose one of them")
    if explain and as_csv:
        raise OptionError("--csv has no room for --explain; use --json")
    if (model_path is None) == (zero_shot is None):
        raise OptionError(
            "give --model RUN (lasca run makes one) or --zero-shot valence,arousal, which needs none"
            + ("; not both" if model_path else "")
        )
    if (media is None) == (source is None):
        raise OptionError(
            "give a recording, or --live camera" if media is None else f"give either {media} or --live {source}"
        )
    given = {"--extractor": extractors, "--lexicon": lexicon, "--encoder": encoder, "--about": about_it,
             "-o": assignments}  # fmt: skip
    if model_path is not None and (wrong := next((name for name, value in given.items() if value), None)):
        raise OptionError(f"{wrong} goes with --zero-shot; a model brings its own")

    from lasca_core.cli.rows import Style

    style = Style(count, least, explain)
    if source is not None:
        if as_csv:
            raise OptionError("--csv is not for --live; use --json, which prints one object a line")
        from lasca_core.cli.live import live

        live(settings, source, show=style.print, as_dict=style.as_dict, as_json=as_json, model_path=model_path,
             zero_shot=zero_shot, extractors=extractors, lexicon=lexicon, about=about_it, encoder=encoder,
             assignments=assignments, targets=targets, window=window, hop=hop, audio=audio, fps=fps,
             real_time=real_time, explain=explain, least=least, device=device)  # fmt: skip
        return
    if real_time:
        raise OptionError("--realtime goes with --live FILE")
    assert media is not None

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
    shown: tuple[str, ...]
    if zero_shot is not None:
        shown = wanted_targets(zero_shot, targets)
        chosen = {"extractors": extractors or extractors_for(opened), "lexicon": lexicon, "encoder": encoder}
        assigned = (*assignments, *(f"windows.{key}={value}" for key, value in overrides.items()))
        pipeline = Pipeline(resolve(preset="best", chosen=chosen, assignments=assigned), settings.registry, runtime)
        try:
            said = predict_zero_shot(pipeline, recording, shown, dict(known_about(about_it)))
        finally:
            pipeline.close()
        for target, reason in said.abstains.items():
            runtime.report.warn(f"{target} is not told: {reason}")
        about: dict[str, Any] = {"zero_shot": list(shown), "abstains": dict(said.abstains)}
        rows = said.windows
    else:
        assert model_path is not None
        saved = models.load(model_path)
        pipeline = models.restore(saved, settings.registry, runtime, overrides)
        trained = {"variant": saved.variant, **(saved.training or {})}
        shown = targets or tuple(saved.heads)
        caution(runtime, trained, saved.config["windows"]["length"], window)
        tell_coverage(runtime, trained.get("coverage", {}), shown, least)
        try:
            rows = predict_windows(saved, pipeline, recording, targets, explain=explain)
        finally:
            pipeline.close()
        about = {"model": str(model_path), "trained": {key: trained[key] for key in trained if key != "coverage"}}
    if as_json:
        print_json({"media": str(media), **about, "windows": [style.as_dict(row) for row in rows]})
    elif as_csv:
        style.print_csv(rows, shown)
    else:
        for row in rows:
            style.print(row)
        runtime.report.note("+ = salient now, and not in the window it is compared with")
