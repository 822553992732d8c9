"""What `lasca predict` and `lasca report` make of the same words of a command line that ask for predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lasca_core.contract.errors import OptionError

if TYPE_CHECKING:
    from lasca_core.contract.types import Source
    from lasca_core.host.runtime import HostRuntime


def wanted_targets(zero_shot: str, targets: tuple[str, ...]) -> tuple[str, ...]:
    """The affect dimensions of ``--zero-shot``, or those of them that ``--target`` names."""
    named = tuple(dict.fromkeys(name.strip() for name in zero_shot.split(",") if name.strip()))
    if not named:
        raise OptionError("--zero-shot names no affect dimension; for instance --zero-shot valence,arousal")
    if unknown := [target for target in targets if target not in named]:
        raise OptionError(f"--target {unknown[0]} is not among --zero-shot {zero_shot}")
    return tuple(dict.fromkeys(targets)) or named


def known_about(about_it: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """What ``--about KEY=VALUE`` says, each (key, value)."""
    for text in about_it:
        key, sign, value = text.partition("=")
        if not (key.strip() and sign and value.strip()):
            raise OptionError(f"--about {text}: write KEY=VALUE, for instance culture=GR")
        yield key.strip(), value.strip()


def extractors_for(source: Source) -> tuple[str, ...]:
    """One for each stream the recording has."""
    return (*(("blendshape",) if source.has_video else ()), *(("mfcc",) if source.has_audio else ()))


def cautions(trained: Mapping[str, Any], length: float, window: float | None) -> list[str]:
    """What a model's answers are not to be trusted for, besides having been trained on synthetic data."""
    found = []
    if trained.get("lexicons", 1) > 1:
        found.append("the words of this model are those for a recording of which nothing is known")
    if window is not None and window != length:
        found.append(f"the model was trained on windows of {length:g} s and is used on windows of {window:g} s")
    return found


def caution(runtime: HostRuntime, trained: Mapping[str, Any], length: float, window: float | None) -> None:
    """Say what a model's answers are not to be trusted for."""
    if trained.get("synthetic"):
        made = f"the model was trained on {trained['dataset']}, which is synthetic"
        runtime.report.note(f"{made}: the cues are measured, its directions on real people are not to be trusted")
    for more in cautions(trained, length, window):
        runtime.report.note(more)


Coverage = Mapping[str, Sequence[Mapping[str, float]] | None]
"""For each target what the model achieved on the surest of its predictions; see ``results.coverage``."""


def tell_coverage(runtime: HostRuntime, coverage: Coverage, targets: Sequence[str], least: float) -> None:
    """Say how often predictions as sure as asked for were right, on people the model was not trained on."""
    if least <= 0.5:
        return
    for target in (target for target in targets if target in coverage):
        found = coverage[target]
        if found is None:
            runtime.report.note(f"{target}: how often predictions as sure as {least:g} are right was not tested")
            continue
        told = [row for row in found if row["least_confidence"] >= least]
        if not told:
            runtime.report.note(f"{target}: when the model was tested, hardly any prediction was as sure as {least:g}")
            continue
        runtime.report.note(
            f"{target}: when the model was tested on people left out, about {told[-1]['coverage']:.0%} of its "
            f"predictions were as sure as {least:g}, and {told[-1]['accuracy']:.0%} of these were right"
        )
