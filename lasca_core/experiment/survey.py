"""What a dataset holds before anything is extracted: sessions, hours, label ranges, and pairs under each setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lasca_core.contract.errors import MediaError
from lasca_core.contract.types import Recording, Trace, Track, Windows
from lasca_core.experiment.config import Config
from lasca_core.steps.labels import standardize, window_labels
from lasca_core.steps.media import open_media
from lasca_core.steps.pairs import make_pairs
from lasca_core.steps.windows import concatenate, coverage, cut, grid, stride

if TYPE_CHECKING:
    from torch import Tensor


def survey(
    recordings: Sequence[Recording], config: Config, lengths: Sequence[float], thresholds: Sequence[float]
) -> dict[str, Any]:
    """Counts over a dataset's recordings, opening each file's header only.

    Pairs are counted as a run with ``config`` would keep them, for each of ``lengths`` (seconds) and each threshold:
    where ready features stand in for measured ones they say which windows are valid, elsewhere every window counts as
    valid. Recordings with segments of their own have no length; if all have, the length is None.
    """
    recordings = standardize(recordings, config.pairs.standardize)
    problems: dict[str, str] = {}
    usable: list[tuple[Recording, float]] = []
    for recording in recordings:
        try:
            usable.append((recording, _duration(recording)))
        except MediaError as error:
            problems[recording.session] = str(error)
    segmented = [recording for recording, _ in usable if recording.segments is not None]
    chosen: Sequence[float | None] = [None] if usable and len(segmented) == len(usable) else lengths
    targets = list(dict.fromkeys(target for recording in recordings for target in recording.annotations))
    counts = [row for length in chosen for row in _pairs(usable, targets, config, length, thresholds)] if usable else []
    return {
        "sessions": len(recordings),
        "usable": len(usable),
        "subjects": len({recording.subject for recording in recordings}),
        "hours": sum(duration for _, duration in usable) / 3600,
        "segments": sum(len(recording.segments) for recording in segmented if recording.segments is not None),
        "splits": _splits(recordings),
        "problems": problems,
        "features": _features(recordings),
        "targets": {
            target: _target([r.annotations[target] for r in recordings if target in r.annotations])
            for target in targets
        },
        "pairs": sorted(counts, key=lambda row: targets.index(row["target"])),
    }


def _duration(recording: Recording) -> float:
    """Seconds of media, or of ready features or annotation where there is no medium or its header does not say."""
    stated = open_media(recording.media, audio=recording.audio, fps=recording.fps).duration if recording.media else 0.0
    if stated > 0:
        return stated
    if recording.segments is not None:
        return float((recording.segments[:, 1] - recording.segments[:, 0]).sum())
    times = [track.times for track in recording.features.values()]
    times += [trace.times for trace in recording.annotations.values()]
    return max((float(part[-1] + coverage(part)[-1]) for part in times if len(part)), default=0.0)


def _splits(recordings: Sequence[Recording]) -> dict[str, dict[str, int]]:
    """Sessions and subjects in each of the corpus's own parts."""
    parts = sorted({recording.split for recording in recordings if recording.split is not None})
    inside = {part: [recording for recording in recordings if recording.split == part] for part in parts}
    return {
        part: {"sessions": len(found), "subjects": len({recording.subject for recording in found})}
        for part, found in inside.items()
    }


def _features(recordings: Sequence[Recording]) -> dict[str, dict[str, float]]:
    """Each set of ready features: how many, in how many sessions, and the share of rows that are not valid."""
    found: dict[str, dict[str, float]] = {}
    for name in dict.fromkeys(name for recording in recordings for name in recording.features):
        tracks = [recording.features[name] for recording in recordings if name in recording.features]
        rows = sum(len(track) for track in tracks)
        valid = sum(int(track.valid.sum()) for track in tracks)
        found[name] = {
            "features": len(tracks[0].names),
            "sessions": len(tracks),
            "rows": rows,
            "invalid": 1 - valid / rows if rows else 0.0,
        }
    return found


def _target(traces: Sequence[Trace]) -> dict[str, Any]:
    import torch

    values = torch.cat([trace.values[trace.valid] for trace in traces])
    count = sum(len(trace.valid) for trace in traces)
    return {
        "sessions": len(traces),
        "scale": list(traces[0].scale),
        "lowest": float(values.min()),
        "highest": float(values.max()),
        "invalid": 1 - len(values) / count,
    }


@dataclass(frozen=True)
class _Labelled:
    """The windows of all sessions that one target annotates, with their labels, as ``make_pairs`` takes them."""

    windows: Windows
    values: Tensor
    valid: Tensor
    ranges: Tensor
    scale: tuple[float, float]
    subjects: Sequence[str]
    """Of each session."""


def _pairs(
    usable: Sequence[tuple[Recording, float]],
    targets: Sequence[str],
    config: Config,
    length: float | None,
    thresholds: Sequence[float],
) -> list[dict[str, Any]]:
    """One row for each target and threshold."""
    windows = [_windows(recording, duration, config, length) for recording, duration in usable]
    recordings = [recording for recording, _ in usable]
    return [
        _count(labelled, target, config, length, tau)
        for target in targets
        if (labelled := _labelled(recordings, windows, target, config)) is not None
        for tau in thresholds
    ]


def _labelled(
    recordings: Sequence[Recording], windows: Sequence[Windows], target: str, config: Config
) -> _Labelled | None:
    """None if no session that the target annotates has a window."""
    import torch

    found = [
        (recording, part, recording.annotations[target])
        for recording, part in zip(recordings, windows, strict=True)
        if target in recording.annotations and len(part)
    ]
    if not found:
        return None
    least = config.pairs.min_labelled
    labels = [
        window_labels(trace, part, 0.0 if recording.segments is not None else least) for recording, part, trace in found
    ]
    known = [trace.values[trace.valid] for _, _, trace in found]
    return _Labelled(
        concatenate([part for _, part, _ in found]),
        torch.cat([values for values, _ in labels]),
        torch.cat([valid for _, valid in labels]),
        torch.stack([values.max() - values.min() for values in known]),
        found[0][2].scale,
        [recording.subject for recording, _, _ in found],
    )


def _count(labelled: _Labelled, target: str, config: Config, length: float | None, tau: float) -> dict[str, Any]:
    options = config.pairs
    windows = labelled.windows
    pairs = make_pairs(
        windows,
        labelled.values,
        labelled.valid,
        tau=tau,
        strategy=options.strategy,
        ranges=labelled.ranges,
        scale=labelled.scale,
        floor=options.floor,
        stride=1 if length is None else stride(length, config.windows.hop or length),
    )
    sessions = set(windows.session[pairs.later].tolist())
    return {
        "target": target,
        "window": length,
        "tau": tau,
        "windows": len(windows),
        "pairs": len(pairs),
        "rising": int(pairs.label.sum()),
        "subjects": len({labelled.subjects[session] for session in sessions}),
        "dropped": dict(pairs.dropped),
    }


def _windows(recording: Recording, duration: float, config: Config, length: float | None) -> Windows:
    """The windows of one recording without their features: of a regular grid, or its segments."""
    import torch

    seconds = length if length is not None else config.windows.length
    hop = config.windows.hop or seconds
    tracks = _tracks(recording.features, config)
    if tracks:
        found = cut(
            tracks,
            recording.session,
            length=seconds,
            hop=hop,
            min_valid=config.windows.min_valid,
            segments=recording.segments,
        )
        return replace(found, names=(), values=torch.zeros(len(found), 0), signed=frozenset())
    starts, ends = recording.segments.T.contiguous() if recording.segments is not None else grid(duration, seconds, hop)
    return Windows(
        names=(),
        values=torch.zeros(len(starts), 0),
        valid=torch.ones(len(starts), dtype=torch.bool),
        starts=starts,
        ends=ends,
        session=torch.zeros(len(starts), dtype=torch.int64),
        sessions=(recording.session,),
    )


def _tracks(features: Mapping[str, Track], config: Config) -> list[Track]:
    """The ready features that a run would take: those asked for, or all if none were."""
    named = "extractors" in config.run.model_fields_set
    return [track for name, track in features.items() if not named or name in config.run.extractors]
