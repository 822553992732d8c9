"""`lasca report`: a run as a page to look at, and as figures and tables for a paper."""

from __future__ import annotations

from pathlib import Path

import click

from lasca_core.cli.common import Settings, common_options


@click.command(short_help="Show a finished run as a page, and as figures for a paper.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The page to write (default: report.html in the run's folder).",
)
@click.option(
    "--figures",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also write figures (PDF, SVG, PNG) and tables (Markdown, LaTeX) into this folder; needs lasca[report].",
)
@click.option("--open", "open_page", is_flag=True, help="Show the page in the browser.")
@common_options
@click.pass_obj
def report(settings: Settings, run: Path, output: Path | None, figures: Path | None, open_page: bool) -> None:
    """Write one self-contained HTML page about the finished run in the folder RUN.

    The page needs no network and no other file. It shows accuracies with intervals and controls, calibration, results
    by fold, subject and size of change, what was left out and why, and how to repeat the run.

    \b
    lasca report runs/latest --open
    lasca report runs/latest --figures paper/figures
    """
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
    if open_page:
        click.launch(str(page))
