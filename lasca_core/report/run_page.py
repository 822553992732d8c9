"""The page of one run: what was run, what it shows for each target, and everything needed to repeat it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from lasca_core.report import charts
from lasca_core.report.markup import Markup, element, folded, number, table
from lasca_core.report.page import (
    code,
    document,
    figure,
    listed,
    navigation,
    paragraph,
    section,
    side_by_side,
    subsection,
)
from lasca_core.report.records import Part, Wording
from lasca_core.report.source import FinishedRun
from lasca_core.report.target import target_section


def run_page(run: FinishedRun, shown_as: Path) -> str:
    """The HTML page of a run, whose folder is called ``shown_as`` in the commands that it gives."""
    anchors = [(f"target-{place}", target) for place, target in enumerate(run.targets)]
    anchors += [("words", "Words"), ("data", "Data"), ("time", "Time"), ("provenance", "Provenance"),
                ("reproduce", "How to reproduce")]  # fmt: skip
    return document(
        f"LaScA report: {run.folder.name}",
        element("header", _title(run), _synthetic(run), _summary(run), navigation(anchors)),
        element(
            "main",
            *(target_section(run, target) for target in run.targets),
            _words(run),
            _data(run),
            _time(run),
            _provenance(run),
            _reproduce(run, shown_as),
        ),
    )


def _title(run: FinishedRun) -> Markup:
    return element("h1", f"Does {' or '.join(run.targets)} rise or fall? {run.protocol['run']['dataset']}")


def _synthetic(run: FinishedRun) -> Markup | None:
    if not run.record["synthetic"]:
        return None
    return paragraph(
        element("strong", "Synthetic data. "),
        f"The recordings of {run.protocol['run']['dataset']} are generated: these numbers say whether the "
        f"software works and nothing about real people.",
        kind="warning",
    )


def _summary(run: FinishedRun) -> Markup:
    data, chosen, tested = run.record["data"], run.protocol["run"], run.protocol["evaluate"]
    protocol = {
        "folds": f"cross-validation in at most {tested['folds']} folds that keep subjects apart",
        "subjects": "one subject left out at a time",
        "official": "the corpus's official parts",
    }[tested["split"]]
    repetitions = f", {tested['seeds']} repetitions" if tested["seeds"] > 1 else ""
    return paragraph(
        f"{data['sessions']:,} sessions of {data['subjects']:,} subjects, windows of {_lengths(run)} s; features: "
        f"{', '.join(chosen['extractors'])}; lexicon: {chosen['lexicon']}; encoder: {chosen['encoder']}; learner: "
        f"{chosen['learner']}; {protocol}{repetitions}. Run {run.folder.name} of {run.record['time']}, LaScA "
        f"{run.record['lasca']}."
    )


def _lengths(run: FinishedRun) -> str:
    """The windows' length, or its range where recordings have segments of their own."""
    found = [predictions.length for predictions in run.predictions.values()]
    shortest, longest = min(part.min() for part in found), max(part.max() for part in found)
    return f"{longest:.3g}" if longest - shortest < 0.01 * longest else f"{shortest:.3g} to {longest:.3g}"


def _words(run: FinishedRun) -> Markup:
    words = run.metrics.get("wording")
    return section(
        "words",
        "Words",
        paragraph(_sentences(words) if words is not None and "distinct_texts" in words else _ONE_BY_ONE),
    )


_ONE_BY_ONE = (
    "The description of each salient feature is embedded by itself and weighted by its saliency, so no sentence met "
    "the encoder's token limit and no cue was left out."
)


def _sentences(words: Wording) -> str:
    """How many texts describe the windows, and what the encoder's token limit cost."""
    said = (
        f"{words['windows']:,} valid windows are described by {words['distinct_texts']:,} distinct texts, with "
        f"{words['salient_cues_mean']:.1f} salient cues a window on average."
    )
    if not words["windows_with_dropped_cues"]:
        return f"{said} Every sentence fits the encoder's limit of {words['max_tokens']} tokens; no cue was left out."
    return (
        f"{said} The encoder reads at most {words['max_tokens']} tokens: in {words['windows_with_dropped_cues']:,} of "
        f"{words['windows']:,} windows {words['dropped_cues']:,} least salient cues were left out to fit."
    )


def _data(run: FinishedRun) -> Markup:
    data = run.record["data"]
    skipped = data["skipped"]
    invalid = data["windows"] - data["valid_windows"]
    left_out = (
        table("Why each one could not be used", ("session", "reason"), list(skipped.items()))
        if skipped
        else paragraph("No session was left out.")
    )
    return section(
        "data",
        "Data",
        paragraph(
            f"{data['sessions']:,} sessions of {data['subjects']:,} subjects gave {data['windows']:,} windows, of "
            f"which {invalid:,} are invalid because too few of their frames are."
        ),
        subsection("Sessions left out", left_out),
    )


def _time(run: FinishedRun) -> Markup:
    stages = run.record["stages"]
    rows = [
        (name, number(stage["seconds"], ".2f"), number(stage["computed"], ",d"), number(stage["stored"], ",d"))
        for name, stage in stages.items()
    ]
    drawing = charts.bars(
        "Seconds by stage", [(name, stage["seconds"], f"{stage['seconds']:.2f} s") for name, stage in stages.items()],
        axis="seconds",
    )  # fmt: skip
    total = sum(stage["seconds"] for stage in stages.values())
    return section(
        "time",
        "Time",
        paragraph(
            f"{total:.1f} s in all stages, on {run.record['device']}. What is stored was computed by another run."
        ),
        side_by_side(
            figure(drawing, "Seconds by stage."),
            element("div", table("Stages", ("stage", "seconds", "computed", "from the store"), rows, sortable=True)),
        ),
    )


def _provenance(run: FinishedRun) -> Markup:
    record = run.record
    components = [
        (part["name"], part["kind"], str(part["version"]), f"{part['distribution']} {part['distribution_version']}",
         part["fingerprint"][:12], part["note"])
        for part in record["components"]
    ]  # fmt: skip
    head = ("component", "kind", "version", "from", "fingerprint", "note")
    preset = record["preset"]
    return section(
        "provenance",
        "Provenance",
        paragraph(
            f"Preset: {preset['name']} (sha256 {preset['sha256'][:12]}…)." if preset else "No preset was used.",
            f" Seed {record['seed']}, {record['device']}.",
        ),
        table("Components", head, components),
        subsection("Licences", table("Licence of each part", ("part", "licence"), list(record["licenses"].items()))),
        folded("Versions", table("Python and libraries", ("", "version"), list(record["versions"].items()))),
        folded("Every option", _options(record["config"])),
        *(_weights(part) for part in record["components"] if part["weights"]),
    )


def _options(config: dict[str, dict[str, Any]]) -> Markup:
    rows = [
        (f"{name}.{key}", json.dumps(value, ensure_ascii=False))
        for name, values in config.items()
        for key, value in values.items()
    ]
    return table("Every option of this run, with its value", ("option", "value"), rows)


def _weights(part: Part) -> Markup:
    rows = [
        (f"{name}: {file}", digest)
        for name, weights in part["weights"].items()
        for file, digest in weights["sha256"].items()
    ]
    return folded(f"Pretrained files of {part['name']}", table("Pretrained files", ("file", "sha256"), rows))


def _reproduce(run: FinishedRun, shown_as: Path) -> Markup:
    record = run.record
    return section(
        "reproduce",
        "How to reproduce",
        paragraph("The run's own record is a configuration that holds every option:"),
        code(f"lasca run --config {shlex.quote(str(shown_as / 'run.json'))}"),
        listed(
            [
                "Run it where the first run was started, if the configuration names files by relative paths.",
                f"It computes what the store does not hold; with other versions or another device than "
                f"{record['device']} numbers can differ slightly.",
            ]
        ),
        paragraph("The run was started with:"),
        code(shlex.join(record["command"])),
        folded("run.json, to be saved where the folder is gone", code(run.text)),
    )
