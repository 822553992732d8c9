"""`lasca predict`: what a saved model, or the lexicon's words alone, say about a recording, and why."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import click

from lasca_core.cli.asked import Asked, caution, prediction_options, tell_coverage
from lasca_core.cli.common import Settings, common_options, print_json
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
@prediction_options
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
@common_options
@click.pass_obj
def predict(
    settings: Settings,
    /,
    media: Path | None,
    source: str | None,
    real_time: bool,
    count: int,
    explain: bool,
    least: float,
    as_json: bool,
    as_csv: bool,
    **options: Any,
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
    asked = Asked(**options)
    if asked.model_path is None and asked.zero_shot is None:
        raise OptionError("give --model RUN (lasca run makes one) or --zero-shot valence,arousal, which needs none")
    if (media is None) == (source is None):
        raise OptionError(
            "give a recording, or --live camera" if media is None else f"give either {media} or --live {source}"
        )

    from lasca_core.cli.rows import Style

    style = Style(count, least, explain)
    if source is not None:
        if as_csv:
            raise OptionError("--csv is not for --live; use --json, which prints one object a line")
        from lasca_core.cli.live import live

        live(settings, source, asked, show=style.print, as_dict=style.as_dict if as_json else None,
             real_time=real_time, explain=explain, least=least)  # fmt: skip
        return
    if real_time:
        raise OptionError("--realtime goes with --live FILE")
    assert media is not None

    from lasca_core.experiment import model as models
    from lasca_core.experiment.predict import predict as predict_windows
    from lasca_core.experiment.predict import predict_zero_shot
    from lasca_core.steps.media import open_media

    opened = open_media(media, audio=asked.audio, fps=asked.fps)  # says at once what is wrong with the file
    runtime = settings.runtime(asked.device)
    shown: tuple[str, ...]
    if asked.zero_shot is not None:
        shown = asked.wanted
        with closing(asked.pipeline_of_words(settings, runtime, opened)) as pipeline:
            said = predict_zero_shot(pipeline, asked.recording(media), shown, asked.about)
        for target, reason in said.abstains.items():
            runtime.report.warn(f"{target} is not told: {reason}")
        about: dict[str, Any] = {"zero_shot": list(shown), "abstains": dict(said.abstains)}
        rows = said.windows
    else:
        assert asked.model_path is not None
        saved = models.load(asked.model_path)
        trained = {"variant": saved.variant, **(saved.training or {})}
        shown = asked.targets or tuple(saved.heads)
        with closing(models.restore(saved, settings.registry, runtime, asked.windows)) as pipeline:
            caution(runtime, trained, saved.config["windows"]["length"], asked.window)
            tell_coverage(runtime, trained.get("coverage", {}), shown, least)
            rows = predict_windows(saved, pipeline, asked.recording(media), asked.targets, explain=explain)
        about = {"model": str(asked.model_path), "trained": {key: trained[key] for key in trained if key != "coverage"}}
    if as_json:
        print_json({"media": str(media), **about, "windows": [style.as_dict(row) for row in rows]})
    elif as_csv:
        style.print_csv(rows, shown)
    else:
        for row in rows:
            style.print(row)
        runtime.report.note("+ = salient now, and not in the window it is compared with")
