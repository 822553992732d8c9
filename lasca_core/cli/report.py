"""`lasca report`: a run, or what is said of a recording, as a page to look at; figures and tables for a paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from lasca_core.cli.asked import Asked, cautions, prediction_options
from lasca_core.cli.common import Settings, common_options
from lasca_core.contract.errors import OptionError

if TYPE_CHECKING:
    from lasca_core.contract.types import Recording, Source
    from lasca_core.experiment.pipeline import Pipeline
    from lasca_core.experiment.predict import WindowPrediction
    from lasca_core.host.runtime import HostRuntime
    from lasca_core.report.media_timeline import Predictor


@click.command(short_help="Show a run, or a recording and what is said of it, as a page.")
@click.argument("shown", metavar="RUN|MEDIA", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The page to write (default: report.html in the run's folder; MEDIA-timeline.html here).",
)
@click.option(
    "--figures",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also write RUN's figures (PDF, SVG, PNG) and tables (Markdown, LaTeX) into this folder; needs lasca[report].",
)
@click.option("--open", "open_page", is_flag=True, help="Show the page in the browser.")
@prediction_options
@click.option(
    "--annotation",
    type=click.Path(path_type=Path),
    help="A CSV table of MEDIA's annotation: time in seconds, and a column for each target.",
)
@click.option(
    "--scale",
    type=float,
    nargs=2,
    metavar="LOW HIGH",
    help="The annotation's lowest and highest value (default: -1 1).",
)
@click.option("--embed", "way", flag_value="embed", help="Put MEDIA into the page, however large it is.")
@click.option("--link", "way", flag_value="link", help="Let the page play MEDIA from where it lies.")
@common_options
@click.pass_obj
def report(
    settings: Settings,
    /,
    shown: Path,
    output: Path | None,
    figures: Path | None,
    open_page: bool,
    annotation: Path | None,
    scale: tuple[float, float] | None,
    way: Any,
    **options: Any,
) -> None:
    """Write one self-contained HTML page about the finished run in the folder RUN, or, with --model or --zero-shot,
    about one recording MEDIA.

    The page needs no network and no other file. That of a run shows accuracies with intervals and controls,
    calibration, results by fold, subject and size of change, what was left out and why, and how to repeat the run. That
    of a recording is a timeline: the video, what is said of each window, and why.

    \b
    lasca report runs/latest --open
    lasca report runs/latest --figures paper/figures
    lasca report talk.mp4 --model runs/latest
    lasca report talk.mp4 --model runs/latest --annotation talk.csv --link
    """
    asked = Asked(**options)
    if asked.model_path is None and asked.zero_shot is None:
        of_recordings = {"annotation": annotation, "scale": scale, "way": way, **options}
        given = next((name for name, value in of_recordings.items() if value not in (None, (), "auto")), None)
        if given is not None or shown.is_file():
            wrong = (
                f"{shown} is not the folder of a run"
                if given is None
                else f"{_option(given, of_recordings[given])} is for a recording"
            )
            raise OptionError(f"{wrong}; to show one say what predicts: --model RUN or --zero-shot valence,arousal")
        page = _report_run(shown, output, figures)
    else:
        if figures is not None:
            raise OptionError("--figures: figures are drawn of a run, not of a recording; leave --figures out")
        page = _report_media(settings, shown, output, asked, _Annotation(annotation, scale), way)
    if open_page:
        click.launch(str(page))


def _option(parameter: str, value: object) -> str:
    """The option as it is typed that gave a parameter of this command its value."""
    found = [one for one in report.params if one.name == parameter]
    chosen = next((one for one in found if getattr(one, "flag_value", None) == value), found[0])
    return max(chosen.opts, key=len)


def _report_run(run: Path, output: Path | None, figures: Path | None) -> Path:
    """Write the page, and the figures, of a run."""
    from lasca_core.host.store import writing
    from lasca_core.report.run_page import run_page
    from lasca_core.report.source import read_run

    found = read_run(run)
    folder = run.parent / found.folder.name if run.is_symlink() else run  # `latest` will soon be another run
    page = output or folder / "report.html"
    with writing(page) as temporary:
        temporary.write_text(run_page(found, folder), encoding="utf-8")
    click.echo(f"report: {page}")
    if figures is not None:
        from lasca_core.report.figures import write_figures

        for path in write_figures(found, figures):
            click.echo(f"figure: {path}")
    return page


# --- a recording ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Annotation:
    """The file of ``--annotation``, if there is one, and the lowest and highest value of its scale."""

    path: Path | None
    scale: tuple[float, float] | None

    def __post_init__(self) -> None:
        if self.scale is not None and self.path is None:
            raise OptionError("--scale is that of an annotation; name its file with --annotation FILE")
        if self.scale is not None and self.scale[0] >= self.scale[1]:
            raise OptionError("--scale: the lowest value comes first, as in --scale -1 1")


@dataclass(frozen=True)
class _Told:
    """What was predicted, by what, and why nothing is told of some targets."""

    windows: list[WindowPrediction]
    abstains: Mapping[str, str]
    predictor: Predictor


def _report_media(
    settings: Settings,
    media: Path,
    output: Path | None,
    asked: Asked,
    annotation: _Annotation,
    way: Literal["embed", "link"] | None,
) -> Path:
    """Predict a recording and write its page."""
    from lasca_core.experiment.artifacts import command_line
    from lasca_core.host.store import writing
    from lasca_core.report.media_annotation import read_annotation
    from lasca_core.report.media_page import media_page
    from lasca_core.report.media_player import player
    from lasca_core.report.media_timeline import Timeline
    from lasca_core.steps.media import open_media

    opened = open_media(media, audio=asked.audio, fps=asked.fps)
    page = output or Path(f"{media.resolve().stem}-timeline.html")
    playing = player(opened, page, way)  # what cannot be played is said before anything is computed
    recording = asked.recording(media)
    runtime = settings.runtime(asked.device)
    ask = _ask_model if asked.model_path is not None else _ask_words
    pipeline, targets, predicted = ask(settings, runtime, asked, opened)
    try:
        annotations = {}
        if annotation.path is not None:
            annotations = read_annotation(annotation.path, targets, annotation.scale or (-1.0, 1.0))
        told = predicted(recording)
        tracks = pipeline.tracks(recording)  # from the store, where predicting left them
        names = tuple(name for track in tracks for name in track.names)
        lexicon = pipeline.lexicon_for(names, asked.about)
    finally:
        pipeline.close()
    about = Timeline(
        path=media,
        length=opened.duration,
        player=playing,
        windows=told.windows,
        targets=[target for target in targets if target not in told.abstains],
        predictor=told.predictor,
        command=command_line(),
        tracks=tracks,
        words=lexicon.entries,
        annotations=annotations,
        annotated_by=annotation.path,
        abstains=told.abstains,
    )
    with writing(page) as temporary:
        temporary.write_text(media_page(about), encoding="utf-8")
    click.echo(f"report: {page}")
    return page


_Asking = tuple["Pipeline", tuple[str, ...], Callable[["Recording"], _Told]]
"""The pipeline in which a recording is predicted, the targets, and what predicts them."""


def _ask_model(settings: Settings, runtime: HostRuntime, asked: Asked, _: Source) -> _Asking:
    """A saved model predicts."""
    from lasca_core.experiment import model as models
    from lasca_core.experiment.predict import predict
    from lasca_core.report.media_timeline import Predictor

    assert asked.model_path is not None
    saved = models.load(asked.model_path)
    pipeline = models.restore(saved, settings.registry, runtime, asked.windows)
    trained, words = dict(saved.training or {}), saved.lexicon
    predictor = Predictor(
        name=f"the model {asked.model_path}, trained on {trained.get('dataset', 'an unknown dataset')}",
        components=saved.components,
        synthetic=str(trained.get("dataset")) if trained.get("synthetic") else None,
        cautions=cautions(trained, saved.config["windows"]["length"], asked.window),
        training={
            "variant": saved.variant,
            "subjects in training": str(trained.get("subjects", "?")),
            **{f"pairs for {target}": f"{count:,}" for target, count in trained.get("pairs", {}).items()},
            "lexicon": f"{words.id} {words.version} ({words.language}, {words.license})",
            "lexicon's checksum": words.checksum,
        },
    )

    def predicted(recording: Recording) -> _Told:
        return _Told(predict(saved, pipeline, recording, asked.targets, explain=True), {}, predictor)

    return pipeline, tuple(dict.fromkeys(asked.targets)) or tuple(saved.heads), predicted


def _ask_words(settings: Settings, runtime: HostRuntime, asked: Asked, opened: Source) -> _Asking:
    """The lexicon's words predict, without a model."""
    from lasca_core.experiment.predict import predict_zero_shot
    from lasca_core.report.media_timeline import Predictor

    wanted, about = asked.wanted, asked.about
    pipeline = asked.pipeline_of_words(settings, runtime, opened)

    def predicted(recording: Recording) -> _Told:
        said = predict_zero_shot(pipeline, recording, wanted, about)
        if set(wanted) <= set(said.abstains):
            raise OptionError("; ".join(f"{target} is not told: {reason}" for target, reason in said.abstains.items()))
        name = (
            f"the words of the lexicon {pipeline.provider.spec.name} alone, with no label and no training (zero-shot)"
        )
        used = [part.describe() for part in pipeline.components if part.spec.kind != "learner"]
        return _Told(said.windows, said.abstains, Predictor(name, used))

    return pipeline, wanted, predicted
