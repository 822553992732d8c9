"""What a dataset turns into before anything is learnt: windows of all sessions, labels, subjects, what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lasca_core.contract.errors import DatasetError, MediaError, OptionError
from lasca_core.contract.types import Pairs, Recording, Trace, Windows
from lasca_core.experiment.config import PairOptions
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.steps.labels import window_labels
from lasca_core.steps.pairs import make_pairs
from lasca_core.steps.windows import concatenate

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Labels:
    """One affect dimension of all windows: ``values`` float32 [W], ``valid`` bool [W], sessions' ranges [S], scale."""

    values: Tensor
    valid: Tensor
    ranges: Tensor
    scale: tuple[float, float]


@dataclass(frozen=True)
class Material:
    """All windows of a dataset with what is known of them.

    ``subject`` int64 [W] numbers each window's person, an index into ``subjects``; ``part`` and ``about`` [S] are each
    session's part of the corpus and what is known of it; ``skipped`` maps a session that could not be used to the
    reason.
    """

    windows: Windows
    labels: dict[str, Labels]
    subject: Tensor
    subjects: tuple[str, ...]
    part: tuple[str | None, ...]
    about: tuple[Mapping[str, str], ...]
    skipped: dict[str, str]

    def pairs(self, target: str, options: PairOptions, stride: int) -> Pairs:
        """The pairs of one target, ``stride`` rows apart, under the threshold of ``options``."""
        labels = self.labels[target]
        return make_pairs(
            self.windows,
            labels.values,
            labels.valid,
            tau=options.tau,
            strategy=options.strategy,
            ranges=labels.ranges,
            scale=labels.scale,
            floor=options.floor,
            stride=stride,
        )

    def group(self, strategy: str) -> Tensor:
        """Which windows are normalised together, int64 [W]."""
        import torch

        if strategy == "subject":
            return self.subject
        if strategy == "global":
            return torch.zeros_like(self.subject)
        return self.windows.session


def gather(pipeline: Pipeline, recordings: Sequence[Recording], targets: Sequence[str]) -> Material:
    """Extract and window every recording. One that cannot be read is reported and left out; if none is left, that is a
    ``DatasetError``."""
    report = pipeline.runtime.report
    kept: list[tuple[Recording, Windows]] = []
    skipped: dict[str, str] = {}
    extractors = ", ".join(pipeline.config.run.extractors)
    if pipeline.config.windows.stride() > 1 and any(recording.segments is not None for recording in recordings):
        raise OptionError("windows.hop: the dataset's recordings have segments of their own in place of windows")
    if "length" in pipeline.config.windows.model_fields_set and all(r.segments is not None for r in recordings):
        report.note("windows.length is not used: the dataset's recordings have segments of their own")
    with report.task(
        f"extract {extractors} from {len(recordings)} recordings", len(recordings) * len(pipeline.extractors)
    ) as task:
        for recording, found in pipeline.tracks_of(recordings, task):
            try:
                if isinstance(found, MediaError):
                    raise found
                windows = pipeline.windows(recording, found)
            except MediaError as error:
                skipped[recording.session] = str(error)
                report.warn(f"session {recording.session} is left out: {error}")
                continue
            reason = _useless(windows, pipeline.config.windows.length)
            if reason:
                skipped[recording.session] = reason
                report.warn(f"session {recording.session} is left out: {reason}")
            else:
                kept.append((recording, windows))
    unused = sorted(
        {name for recording in recordings for name in recording.features} - set(pipeline.config.run.extractors)
    )
    if unused:
        report.note(
            f"ready features of {', '.join(unused)} are in the dataset and not used; --extractor {unused[0]} uses them"
        )
    if not kept:
        first = next(iter(skipped.values()), "there are none")
        raise DatasetError(f"none of the {len(recordings)} sessions can be used; the first reason was: {first}")
    annotated = {target for recording, _ in kept for target in recording.annotations}
    return _assemble(pipeline, kept, [target for target in targets if target in annotated], skipped)


def _useless(windows: Windows, length: float) -> str:
    if not len(windows):
        return f"it is shorter than one window of {length:g} s; choose a smaller -o windows.length"
    if not bool(windows.valid.any()):
        return "no window has enough valid frames (no face found, or no sound)"
    return ""


def check_recordings(recordings: Sequence[Recording], wanted: Sequence[str]) -> tuple[str, ...]:
    """The targets to learn, before anything is extracted.

    Raises ``OptionError`` for a wanted target that no recording annotates and ``DatasetError`` for a single subject.
    """
    annotated = list(dict.fromkeys(target for recording in recordings for target in recording.annotations))
    missing = [target for target in wanted if target not in annotated]
    if missing or not annotated:
        what = ", ".join(missing) or "nothing"
        raise OptionError(
            f"run.targets: {what} is not annotated in this dataset; annotated: {', '.join(annotated) or 'none'}"
        )
    subjects = {recording.subject for recording in recordings}
    if len(subjects) < 2:
        raise DatasetError(
            f"all {len(recordings)} sessions are of 1 subject ({next(iter(subjects))}): folds that keep subjects apart "
            f"need at least 2; check the subject column"
        )
    return tuple(wanted) or tuple(annotated)


def _assemble(
    pipeline: Pipeline, kept: Sequence[tuple[Recording, Windows]], targets: Sequence[str], skipped: dict[str, str]
) -> Material:
    import torch

    min_labelled = pipeline.config.pairs.min_labelled
    windows = concatenate([part for _, part in kept])
    device = windows.values.device
    subjects = tuple(dict.fromkeys(recording.subject for recording, _ in kept))
    number = {subject: index for index, subject in enumerate(subjects)}
    of_session = torch.tensor([number[recording.subject] for recording, _ in kept], device=device)
    labels = {}
    for target in targets:
        traces: list[Trace | None] = [recording.annotations.get(target) for recording, _ in kept]
        pieces = [
            _label(trace, part, 0.0 if recording.segments is not None else min_labelled)
            for trace, (recording, part) in zip(traces, kept, strict=True)
        ]
        labels[target] = Labels(
            values=torch.cat([values for values, _ in pieces]),
            valid=torch.cat([valid for _, valid in pieces]),
            ranges=torch.tensor([_range(trace) for trace in traces], device=device),
            scale=next(trace.scale for trace in traces if trace is not None),
        )
    return Material(
        windows,
        labels,
        of_session[windows.session],
        subjects,
        part=tuple(recording.split for recording, _ in kept),
        about=tuple({**recording.metadata, "subject": recording.subject} for recording, _ in kept),
        skipped=skipped,
    )


def _label(trace: Trace | None, windows: Windows, min_labelled: float) -> tuple[Tensor, Tensor]:
    import torch

    if trace is None:
        return torch.zeros_like(windows.starts, dtype=torch.float32), torch.zeros_like(windows.valid)
    moved: Any = trace.to(windows.values.device)
    return window_labels(moved, windows, min_labelled)


def _range(trace: Trace | None) -> float:
    if trace is None:
        return 0.0
    known = trace.values[trace.valid]
    return float(known.max() - known.min())
