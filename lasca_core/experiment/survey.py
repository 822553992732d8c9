"""What a dataset holds before anything is extracted: sessions, hours, label ranges, and pairs under each setting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lasca_core.contract.errors import MediaError
from lasca_core.contract.types import Recording, Trace, Windows
from lasca_core.steps.labels import window_labels
from lasca_core.steps.media import open_media
from lasca_core.steps.pairs import make_pairs
from lasca_core.steps.windows import concatenate, grid


def survey(recordings: Sequence[Recording], lengths: Sequence[float], thresholds: Sequence[float]) -> dict[str, Any]:
    """Counts over a dataset's recordings, opening each file's header only.

    Pairs are those whose label changes by more than ``tau`` times the session's range, as if every window were valid.
    """
    problems: dict[str, str] = {}
    usable: list[tuple[Recording, float]] = []
    for recording in recordings:
        try:
            usable.append((recording, _duration(recording)))
        except MediaError as error:
            problems[recording.session] = str(error)
    targets = list(dict.fromkeys(target for recording in recordings for target in recording.annotations))
    return {
        "sessions": len(recordings),
        "usable": len(usable),
        "subjects": len({recording.subject for recording in recordings}),
        "hours": sum(duration for _, duration in usable) / 3600,
        "problems": problems,
        "targets": {
            target: _target([r.annotations[target] for r in recordings if target in r.annotations])
            for target in targets
        },
        "pairs": [
            _count(usable, target, length, tau)
            for target in targets
            for length in lengths
            for tau in thresholds
            if usable
        ],
    }


def _duration(recording: Recording) -> float:
    """Seconds of media, or of ready features or annotation where there is no medium or its header does not say."""
    stated = open_media(recording.media, audio=recording.audio, fps=recording.fps).duration if recording.media else 0.0
    if stated > 0:
        return stated
    times = [track.times for track in recording.features.values()]
    times += [trace.times for trace in recording.annotations.values()]
    return max((float(part[-1]) for part in times if len(part)), default=0.0)


def _target(traces: Sequence[Trace]) -> dict[str, float]:
    import torch

    values = torch.cat([trace.values[trace.valid] for trace in traces])
    count = sum(len(trace.valid) for trace in traces)
    return {"lowest": float(values.min()), "highest": float(values.max()), "invalid": 1 - len(values) / count}


def _count(usable: Sequence[tuple[Recording, float]], target: str, length: float, tau: float) -> dict[str, Any]:
    import torch

    parts, values, valid, ranges = [], [], [], []
    scale = (-1.0, 1.0)
    for recording, duration in usable:
        trace = recording.annotations.get(target)
        if trace is None:
            continue
        windows = _empty_windows(recording.session, duration, length)
        mean, known = window_labels(trace, windows, 0.5)
        parts.append(windows)
        values.append(mean)
        valid.append(known)
        ranges.append(float(trace.values[trace.valid].max() - trace.values[trace.valid].min()))
        scale = trace.scale
    windows = concatenate(parts)
    pairs = make_pairs(
        windows,
        torch.cat(values),
        torch.cat(valid),
        tau=tau,
        strategy="range",
        ranges=torch.tensor(ranges),
        scale=scale,
    )
    rising = int(pairs.label.sum())
    return {
        "target": target,
        "window": length,
        "tau": tau,
        "windows": len(windows),
        "pairs": len(pairs),
        "rising": rising,
    }


def _empty_windows(session: str, duration: float, length: float) -> Windows:
    """Windows without features, all valid."""
    import torch

    starts, ends = grid(duration, length, length)
    return Windows(
        names=(),
        values=torch.zeros(len(starts), 0),
        valid=torch.ones(len(starts), dtype=torch.bool),
        starts=starts,
        ends=ends,
        session=torch.zeros(len(starts), dtype=torch.int64),
        sessions=(session,),
    )
