"""`lasca lexicon seal`: for whoever edits a lexicon by hand."""

from __future__ import annotations

from pathlib import Path

import click

from lasca_lexicons import writing


@click.command("lexicon-seal", short_help="Write a lexicon's checksums.")
@click.argument("folder", type=click.Path(path_type=Path))
def seal(folder: Path) -> None:
    """Write into FOLDER/lexicon.toml the checksums of the files that it names, after they were edited on purpose.

    Comments and order stay. What the files say is judged by: lasca lexicon check FOLDER
    """
    writing.seal(folder)
    click.echo(f"{folder} is sealed")
