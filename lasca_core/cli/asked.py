"""What a command line of `lasca predict` or `lasca report` asks to be predicted: of which recording, and by what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lasca_core.cli.common import SECONDS, Settings, device_option, fps_option, option_option
from lasca_core.contract.errors import OptionError

if TYPE_CHECKING:
    from lasca_core.contract.types import Recording, Source
    from lasca_core.experiment.pipeline import Pipeline
    from lasca_core.host.runtime import HostRuntime

FuncT = TypeVar("FuncT", bound=Callable[..., Any])

_OPTIONS = [
    click.option(
        "--model", "model_path", type=click.Path(path_type=Path),
        help="What predicts: a run's folder (runs/latest) or its model/.",
    ),
    click.option(
        "--zero-shot", metavar="TARGETS",
        help="Affect dimensions to tell from the lexicon's words alone, without a model: valence,arousal.",
    ),
    click.option("--target", "targets", multiple=True, help="Affect dimension (repeatable; default: all known)."),
    click.option("--window", type=SECONDS, help="Length of a window in seconds (default: as in training)."),
    click.option(
        "--hop", type=SECONDS, help="Seconds from one window to the next (default: --window, or as in training)."
    ),
    click.option("--audio", type=click.Path(path_type=Path), help="A separate sound file."),
    fps_option,
    click.option(
        "--extractor", "extractors", multiple=True,
        help="Feature extractor (with --zero-shot; repeatable; default: blendshape for a picture, mfcc for sound).",
    ),
    click.option("--lexicon", help="Lexicon (with --zero-shot; default: llm)."),
    click.option(
        "--about", "about_it", multiple=True, metavar="KEY=VALUE",
        help="What is known of the recording, for the lexicon (with --zero-shot; repeatable): culture=GR.",
    ),
    click.option("--encoder", help="Sentence encoder (with --zero-shot; default: minilm)."),
    option_option,
    device_option,
]  # fmt: skip


def prediction_options(function: FuncT) -> FuncT:
    """The options whose values ``Asked`` holds."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@dataclass(frozen=True)
class Asked:
    """The values of ``prediction_options``. Raises ``OptionError`` for those that do not go together."""

    model_path: Path | None = None
    zero_shot: str | None = None
    targets: tuple[str, ...] = ()
    window: float | None = None
    hop: float | None = None
    audio: Path | None = None
    fps: float | None = None
    extractors: tuple[str, ...] = ()
    lexicon: str | None = None
    about_it: tuple[str, ...] = ()
    encoder: str | None = None
    assignments: tuple[str, ...] = ()
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.model_path is not None and self.zero_shot is not None:
            raise OptionError("--model and --zero-shot: choose one of them")
        words = {"--extractor": self.extractors, "--lexicon": self.lexicon, "--encoder": self.encoder,
                 "--about": self.about_it, "-o": self.assignments}  # fmt: skip
        if self.model_path is not None and (wrong := next((name for name, value in words.items() if value), None)):
            raise OptionError(f"{wrong} goes with --zero-shot; a model brings its own")

    @property
    def windows(self) -> dict[str, float]:
        """The options of windows that differ from those of training."""
        lengths = {"length": self.window, "hop": self.hop if self.hop is not None else self.window}
        return {key: value for key, value in lengths.items() if value is not None}

    @cached_property
    def wanted(self) -> tuple[str, ...]:
        """The affect dimensions of ``--zero-shot``, or those of them that ``--target`` names."""
        assert self.zero_shot is not None
        named = tuple(dict.fromkeys(name.strip() for name in self.zero_shot.split(",") if name.strip()))
        if not named:
            raise OptionError("--zero-shot names no affect dimension; for instance --zero-shot valence,arousal")
        if unknown := [target for target in self.targets if target not in named]:
            raise OptionError(f"--target {unknown[0]} is not among --zero-shot {self.zero_shot}")
        return tuple(dict.fromkeys(self.targets)) or named

    @cached_property
    def about(self) -> dict[str, str]:
        """What ``--about KEY=VALUE`` says of the recording."""
        known = {}
        for text in self.about_it:
            key, sign, value = text.partition("=")
            if not (key.strip() and sign and value.strip()):
                raise OptionError(f"--about {text}: write KEY=VALUE, for instance culture=GR")
            known[key.strip()] = value.strip()
        return known

    def recording(self, media: Path) -> Recording:
        """``media`` as a session of its own."""
        from lasca_core.contract.types import Recording

        return Recording(session=media.stem or str(media), subject="?", media=media, audio=self.audio, fps=self.fps)

    def pipeline_of_words(
        self, settings: Settings, runtime: HostRuntime, source: Source, needed: Sequence[str] = ()
    ) -> Pipeline:
        """What predicts without a model; ``needed`` are further assignments, as with ``-o``."""
        from lasca_core.experiment.config import resolve
        from lasca_core.experiment.pipeline import Pipeline
        from lasca_core.experiment.predict import extractors_for

        extractors = self.extractors or extractors_for(source)
        chosen = {"extractors": extractors, "lexicon": self.lexicon, "encoder": self.encoder}
        assigned = (*self.assignments, *(f"windows.{key}={value}" for key, value in self.windows.items()), *needed)
        return Pipeline(resolve(preset="best", chosen=chosen, assignments=assigned), settings.registry, runtime)


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
