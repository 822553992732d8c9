"""What a dataset promises: recordings with names of their own, annotations that can be used, people kept apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lasca_core.api import Recording
from lasca_core.testing.bench import Subject
from lasca_core.testing.checks.tags import only_if
from lasca_core.testing.isolation import watched_files
from lasca_core.testing.outcome import require
from lasca_core.testing.use import differences, flatten

_SLACK = 1e-6


def check_sessions_have_names_of_their_own(subject: Subject) -> None:
    """There is a session, and no two have one name."""
    recordings = _sessions(subject.component)
    require(
        bool(recordings), "there is no session", "yield a Recording for each; raise DatasetError where none is found"
    )
    counts = Counter(recording.session for recording in recordings)
    twice = [name for name, count in counts.items() if count > 1]
    require(
        not twice,
        f"{len(twice)} session names occur twice, for instance {twice[:1]}",
        "make the name unique, for instance of subject and take",
    )


def check_sessions_can_be_read_again(subject: Subject) -> None:
    """Asking a second time gives the same recordings in the same order."""
    dataset = subject.build()
    difference = differences(flatten(_sessions(dataset)), flatten(_sessions(dataset)), tolerance=0.0)
    require(
        not difference,
        f"asked a second time, sessions() gives something else ({difference})",
        "read anew at each call, and sort what a folder holds",
    )


def check_media_are_there(subject: Subject) -> None:
    """Every session has ready features, or media that exist."""
    for recording in _sessions(subject.component):
        paths = [path for path in (recording.media, recording.audio) if path is not None]
        absent = [path for path in paths if not path.exists()]
        require(
            not absent,
            f"session {recording.session} names {absent[:1]}, which does not exist",
            "report the session with self.runtime.report.warn() and leave it out",
        )
        require(
            bool(paths or recording.features),
            f"session {recording.session} has neither media nor ready features",
            "give Recording(media=...) or Recording(features={extractor: track})",
        )


def check_media_are_not_opened(subject: Subject) -> None:
    """``sessions()`` reads annotations and leaves media alone: listing a dataset must be quick."""
    dataset = subject.component
    media = {str(path) for recording in _sessions(dataset) for path in (recording.media, recording.audio) if path}
    with watched_files() as opened, _watched_decoder() as decoded:
        _sessions(dataset)
    touched = sorted(media & {*opened, *decoded})
    require(
        not touched,
        f"sessions() opens {len(touched)} media, for instance {touched[:1]}",
        "give their paths only; what a header says is read when the recording is used",
    )


def check_annotations_can_be_used(subject: Subject) -> None:
    """Every session has an annotation with valid samples, and these lie within its scale."""
    for recording in _sessions(subject.component):
        require(
            bool(recording.annotations),
            f"session {recording.session} has no annotation",
            "give Recording(annotations={'valence': Trace(...)}), or report the session and leave it out",
        )
        for target, trace in recording.annotations.items():
            valid = trace.values[trace.valid]
            where = f"session {recording.session}, {target}"
            require(
                len(valid) > 1,
                f"{where}: {len(valid)} of {len(trace.valid)} samples are valid",
                "report such a session with self.runtime.report.warn() and leave it out",
            )
            low, high = trace.scale
            require(
                bool((valid >= low - _SLACK).all() and (valid <= high + _SLACK).all()),
                f"{where}: values run from {float(valid.min()):g} to {float(valid.max()):g} on a scale {trace.scale}",
                "state the annotation's true scale, and mark what lies outside it as invalid",
            )


def check_subjects_stay_in_one_split(subject: Subject) -> None:
    """Nobody is in two splits: a model must be tested on people it has not seen."""
    splits: dict[str, set[str]] = {}
    for recording in _sessions(subject.component):
        if recording.split is not None:
            splits.setdefault(recording.subject, set()).add(recording.split)
    torn = {person: sorted(names) for person, names in splits.items() if len(names) > 1}
    require(
        not torn,
        f"{len(torn)} subjects are in several splits, for instance {dict(list(torn.items())[:1])}",
        "leave Recording.split at None, or keep all sessions of a subject in one split",
    )


@only_if(lambda subject: subject.has("targets"))
def check_targets_are_as_announced(subject: Subject) -> None:
    """A dataset that announces its ``targets`` annotates these and no others."""
    dataset = subject.component
    announced = tuple(dataset.targets)
    found = {target for recording in _sessions(dataset) for target in recording.annotations}
    require(
        found == set(announced),
        f"targets announces {announced}, and annotated are {sorted(found)}",
        "let targets name what sessions() annotates",
    )


@only_if(lambda subject: subject.has("feature_sets"))
def check_ready_features_are_as_announced(subject: Subject) -> None:
    """Features that a dataset announces in ``feature_sets()`` are those that its sessions bring along."""
    dataset = subject.component
    announced = dataset.feature_sets()
    for recording in _sessions(dataset):
        for name, track in recording.features.items():
            if name not in announced:
                continue
            require(
                set(track.names) == set(announced[name].names),
                f"session {recording.session}: the features {name!r} are not those that feature_sets() announces",
                "announce the columns of the table, or report a session with others and leave it out",
            )
    brought = {name for recording in _sessions(dataset) for name in recording.features}
    absent = sorted(announced.keys() - brought)
    require(
        not absent,
        f"feature_sets() announces {', '.join(absent)}, which no session brings along",
        "announce the names under which Recording.features holds them",
    )


def _sessions(dataset: Any) -> list[Recording]:
    return list(dataset.sessions())


@contextmanager
def _watched_decoder() -> Iterator[list[str]]:
    """What PyAV opens, which happens below Python's own ``open``."""
    import av

    original, opened = av.open, []

    def watched(file: Any, *arguments: Any, **settings: Any) -> Any:
        opened.append(str(file).removeprefix("file:"))
        return original(file, *arguments, **settings)

    av.open = watched
    try:
        yield opened
    finally:
        av.open = original


CHECKS = (
    check_sessions_have_names_of_their_own,
    check_sessions_can_be_read_again,
    check_media_are_there,
    check_media_are_not_opened,
    check_annotations_can_be_used,
    check_subjects_stay_in_one_split,
    check_targets_are_as_announced,
    check_ready_features_are_as_announced,
)
