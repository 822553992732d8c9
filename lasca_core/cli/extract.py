"""`lasca extract`: named features with a time index, as Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lasca_core.cli.common import Settings, common_options, device_option, fps_option, option_option
from lasca_core.contract.errors import LascaError, MediaError, OptionError

if TYPE_CHECKING:
    from lasca_core.contract.types import Track


@click.command(short_help="Write the named features of recordings to Parquet.")
@click.argument("media", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--extractor",
    "extractors",
    multiple=True,
    default=("blendshape",),
    show_default=True,
    help="Feature extractor (repeatable).",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("features"),
    show_default=True,
    help="Folder for the Parquet files.",
)
@fps_option
@option_option
@device_option
@common_options
@click.pass_obj
def extract(
    settings: Settings,
    media: tuple[Path, ...],
    extractors: tuple[str, ...],
    output: Path,
    fps: float | None,
    assignments: tuple[str, ...],
    device: str,
) -> None:
    """Write OUTPUT/<name>.<extractor>.parquet for each MEDIA: columns time (seconds), valid, and one for each feature.

    Where valid is false the features could not be measured (no face found) and are null. Features that describe a
    stretch of time as a whole have a column span besides: the seconds from time on that a row describes. A file that
    cannot be read is reported, the others are written, and the exit code is 2.

    \b
    lasca extract talk.mp4 --extractor blendshape --extractor mfcc
    """
    from lasca_core.contract.types import Recording
    from lasca_core.experiment.config import resolve
    from lasca_core.experiment.pipeline import Pipeline

    names = [path.stem if not path.is_dir() else path.name for path in media]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise OptionError(f"two of the recordings are named {twice!r}; extract them to different --output folders")
    runtime = settings.runtime(device)
    config = resolve(chosen={"extractors": extractors}, assignments=assignments)
    pipeline = Pipeline(config, settings.registry, runtime)
    failed: list[LascaError] = []
    try:
        with runtime.report.task(f"extract {', '.join(extractors)}", len(media) * len(extractors)) as task:
            for path, name in zip(media, names, strict=True):
                try:
                    recording = Recording(session=name, subject="?", media=path, fps=fps)
                    tracks = pipeline.tracks(recording, task, by_window=False)
                except MediaError as error:
                    failed.append(error)
                    continue
                for extractor, track in zip(extractors, tracks, strict=True):
                    click.echo(write_track(output / f"{name}.{extractor}.parquet", track))
    finally:
        pipeline.close()
    if failed:
        for failure in failed[:-1]:
            click.echo(f"lasca: {failure}", err=True)
        raise failed[-1]


def write_track(path: Path, track: Track) -> Path:
    """A track as Parquet: time, valid, span where it has spans, and a float32 column for each feature, null where it is
    not valid."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from lasca_core.host.store import writing

    missing = ~track.valid.numpy()
    columns = {"time": track.times.numpy(), "valid": track.valid.numpy()}
    if track.spans is not None:
        columns["span"] = track.spans.numpy()
    columns.update(
        {name: pa.array(track.values[:, place].numpy(), mask=missing) for place, name in enumerate(track.names)}
    )
    with writing(path) as temporary:
        pq.write_table(pa.table(columns), temporary, use_dictionary=False)  # numbers hardly repeat
    return path
