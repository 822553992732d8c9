"""`lasca lexicon measure`: do the words of a lexicon matter on a dataset?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lasca_core.cli.common import (
    SECONDS,
    common_options,
    device_option,
    option_option,
    print_json,
    print_table,
)
from lasca_core.cli.lexicon.workbench import FOLDER, Workbench, json_option

USES = ("zero-shot", "fused")


@click.command(short_help="Measure what a lexicon's words are worth on a dataset.")
@click.argument("name", default="llm")
@click.option("--dataset", help="Dataset of annotated recordings (default: puppet, which is synthetic).")
@click.option("--extractor", "extractors", multiple=True, help="Feature extractor (repeatable; default: blendshape).")
@click.option("--encoder", help="Sentence encoder (default: minilm).")
@click.option("--learner", help="Preference learner of the use fused (default: prior).")
@click.option("--target", "targets", multiple=True, help="Affect dimension (repeatable; default: all annotated).")
@click.option("--window", type=SECONDS, help="Length of a window in seconds (default: 3).")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of everything random (default: 0).")
@click.option("--preset", help="A configuration that ships with LaScA.")
@click.option(
    "--use", "uses", type=click.Choice(USES), multiple=True, default=("zero-shot",), show_default=True,
    help="zero-shot: predict from the words alone; fused: train on features and words (repeatable).",
)  # fmt: skip
@click.option(
    "--shuffles", type=click.IntRange(1, 10_000),
    help="Permutations of the descriptions (default: 100 for zero-shot; 5 for fused, which trains on each).",
)  # fmt: skip
@json_option
@option_option
@device_option
@common_options
@click.pass_obj
def measure(
    workbench: Workbench,
    name: str,
    dataset: str | None,
    extractors: tuple[str, ...],
    encoder: str | None,
    learner: str | None,
    targets: tuple[str, ...],
    window: float | None,
    seed: int | None,
    preset: str | None,
    uses: tuple[str, ...],
    shuffles: int | None,
    as_json: bool,
    assignments: tuple[str, ...],
    device: str,
) -> None:
    """Measure lexicon NAME (default: llm), or the one in that folder, against two controls, on the same pairs: the
    features' names as descriptions, and its own descriptions permuted among the features, many times.

    A lexicon whose words matter is better than both. Intervals resample subjects; a difference is shown only if a test
    that is corrected for the number of comparisons finds it, too. Without anchors a lexicon has no opinion of its own:
    it abstains, and its zero-shot accuracy is a half.

    \b
    lasca lexicon measure llm --dataset manifest -o dataset.path=study/manifest.csv
    lasca lexicon measure ./my-lexicon --use zero-shot --use fused --shuffles 20
    """
    from lasca_core.cli.lexicon.worth import MODES, prepare
    from lasca_core.cli.lexicon.worth import measure as measured
    from lasca_core.experiment.config import resolve

    component = name
    if workbench.is_folder(name):
        component, assignments = FOLDER, (*assignments, f"{FOLDER}.path={Path(name)}")
    if window is not None:
        assignments = (*assignments, f"windows.length={window}")
    chosen = {
        "lexicon": component,
        "dataset": dataset,
        "extractors": extractors or None,
        "encoder": encoder,
        "learner": learner,
        "targets": targets or None,
        "seed": seed,
    }
    config = resolve(preset=preset, chosen=chosen, assignments=assignments)
    runtime = workbench.settings.runtime(device, config.run.seed)
    prepared = prepare(config, workbench.settings.registry, runtime)
    try:
        found = {use: measured(prepared, MODES[use], shuffles or MODES[use].shuffles) for use in dict.fromkeys(uses)}
    finally:
        prepared.pipeline.close()
    if as_json:
        head = {"lexicon": name, "dataset": config.run.dataset, "synthetic": prepared.synthetic}
        print_json({**head, "encoder": config.run.encoder, "seed": config.run.seed, "uses": found})
        return
    for use, results in found.items():
        for target, result in results.items():
            synthetic = " (synthetic data)" if prepared.synthetic else ""
            _print(
                f"\n{target}{synthetic}, {use}: {result['pairs']} pairs of {result['subjects']} subjects", name, result
            )


def _print(title: str, name: str, found: dict[str, Any]) -> None:
    from lasca_core.experiment.results import sentence

    rows = [
        (f"{variant} (abstains)" if row["abstains"] else variant, f"{row['accuracy_pooled']:.3f}", _range(row))
        for variant, row in found["variants"].items()
    ]
    shuffled = found["shuffled"]
    accuracies = sorted(shuffled["accuracies"])
    extent = f"{accuracies[0]:.3f}-{accuracies[-1]:.3f}"
    rows.append((f"shuffled, {len(accuracies)} times", f"{shuffled['mean']:.3f}", f"{extent} (lowest to highest)"))
    print_table((name, "accuracy", "interval"), rows, title=title, numeric=1)
    for comparison, row in found["comparisons"].items():
        click.echo(f"  {sentence(comparison, row)}")
    click.echo(f"  {shuffled['as_good']} of {len(accuracies)} shuffled lexicons do as well (p = {shuffled['p']:.3f})")


def _range(row: dict[str, Any]) -> str:
    interval = row["accuracy_interval"]
    return "-" if interval is None else f"{interval[0]:.3f}-{interval[1]:.3f}"
