"""`lasca run`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lasca_core.cli.common import (
    SECONDS,
    Settings,
    common_options,
    device_option,
    option_option,
    print_json,
    print_table,
)


@click.command(short_help="Extract, describe, encode, train and evaluate: the main job.")
@click.option("--dataset", help="Dataset of annotated recordings (default: puppet, which is synthetic).")
@click.option("--extractor", "extractors", multiple=True, help="Feature extractor (repeatable; default: blendshape).")
@click.option("--saliency", help="Saliency method (default: otsu).")
@click.option("--lexicon", help="Lexicon (default: llm).")
@click.option("--encoder", help="Sentence encoder (default: minilm).")
@click.option("--learner", help="Preference learner (default: prior).")
@click.option(
    "--target", "targets", multiple=True, help="Affect dimension (repeatable; default: all that are annotated)."
)
@click.option("--window", type=SECONDS, help="Length of a window in seconds (default: 3).")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of everything random (default: 0).")
@click.option(
    "--preset", help="A configuration that ships with LaScA: best or paper (default: best, unless --config is given)."
)
@click.option("--config", "file", type=click.Path(path_type=Path), help="TOML file, or the run.json of an earlier run.")
@option_option
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder in which the run's folder is made.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@device_option
@common_options
@click.pass_obj
def run(
    settings: Settings,
    dataset: str | None,
    extractors: tuple[str, ...],
    saliency: str | None,
    lexicon: str | None,
    encoder: str | None,
    learner: str | None,
    targets: tuple[str, ...],
    window: float | None,
    preset: str | None,
    file: Path | None,
    assignments: tuple[str, ...],
    output: Path,
    as_json: bool,
    device: str,
    seed: int | None,
) -> None:
    """Extract features, describe and encode the salient ones, train, evaluate, and save the model.

    Ends with a table of all variants on identical pairs and folds, and the path of the run's folder. What was computed
    before, by any run, is found in the cache.

    \b
    lasca run --extractor blendshape --extractor mfcc --encoder minilm
    lasca run --dataset manifest -o dataset.path=study/manifest.csv --window 5
    """
    chosen = {
        "dataset": dataset,
        "extractors": extractors or None,
        "saliency": saliency,
        "lexicon": lexicon,
        "encoder": encoder,
        "learner": learner,
        "targets": targets or None,
        "seed": seed,
    }
    registry = settings.registry
    if window is not None:
        assignments = (*assignments, f"windows.length={window}")

    from lasca_core.experiment import run as experiment
    from lasca_core.experiment.artifacts import command_line
    from lasca_core.experiment.config import resolve

    config = resolve(preset=preset or (None if file else "best"), file=file, chosen=chosen, assignments=assignments)
    runtime = settings.runtime(device, config.run.seed)
    if dataset is None and config.run.dataset == "puppet":
        runtime.report.note("no --dataset given: using the built-in puppet")
    finished = experiment.run(config, registry, runtime, output, command_line())
    if as_json:
        print_json({"folder": str(finished.folder), "run": finished.record, "metrics": finished.metrics})
    else:
        _show(finished.record, finished.metrics)
        click.echo(f"\nrun: {finished.folder}")


def _show(record: dict[str, Any], metrics: dict[str, Any]) -> None:
    for target, found in metrics["targets"].items():
        _show_target(target, found, synthetic=record["synthetic"])
    words = metrics["wording"]
    if "distinct_texts" not in words:
        click.echo(f"words: {words['salient_cues_mean']:.1f} salient cues in each of {words['windows']} windows")
    else:
        click.echo(
            f"words: {words['distinct_texts']} distinct texts for {words['windows']} windows, "
            f"{words['salient_cues_mean']:.1f} salient cues a window; in {words['windows_with_dropped_cues']} windows "
            f"{words['dropped_cues']} least salient cues were left out (limit: {words['max_tokens']} tokens)"
        )
    skipped = record["data"]["skipped"]
    if skipped:
        click.echo(f"left out: {len(skipped)} sessions ({', '.join(skipped)}); the reasons are in run.json")
    stages = [
        f"{name} {stage['seconds']:.1f} s" + (f" ({stage['stored']} from the store)" if stage["stored"] else "")
        for name, stage in record["stages"].items()
    ]
    click.echo(f"time: {', '.join(stages)}")


def _show_target(target: str, found: dict[str, Any], *, synthetic: bool) -> None:
    """The table of one target: means over folds and their standard deviation, then what fused adds."""
    pairs = found["pairs"]
    dropped = ", ".join(f"{count} {reason}" for reason, count in pairs["dropped"].items() if count)
    title = (
        f"\n{target}{' (synthetic data)' if synthetic else ''}: {pairs['kept']} pairs of {found['subjects']} subjects, "
        f"{pairs['rising']} rising{f'; dropped: {dropped}' if dropped else ''}"
    )
    rows = [
        (
            f"{name} (abstains)" if row["abstains"] else name,
            f"{row['accuracy']:.3f} ± {row['accuracy_sd']:.3f}",
            _interval(row["accuracy_interval"]),
            _number(row["balanced_accuracy"]),
            _number(row["auc"]),
            f"{row['parameters']:,}" if row["parameters"] else "-",
            f"{row['seconds']:.1f}",
        )
        for name, row in found["variants"].items()
    ]
    print_table(
        ("variant", "accuracy", "interval", "balanced", "AUC", "parameters", "seconds"), rows, title=title, numeric=1
    )
    from lasca_core.experiment.results import sentence

    for name, row in found["comparisons"].items():
        click.echo(f"  {sentence(name, row)}")
    if found["comparisons"]:
        click.echo(
            f"  (over all pairs; {row['confidence']:.0%} intervals over {row['subjects']} subjects; shown = also by a "
            f"test corrected for {len(found['comparisons'])} comparisons)"
        )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(value: list[float] | None) -> str:
    return "-" if value is None else f"{value[0]:.3f}-{value[1]:.3f}"
