"""Wrong datasets, each beside the right one it is derived from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from wrong_components.faults import caught_by, specs_of

from lasca_core.api import Component, DatasetSpec, NoOptions, ReadyFeatures, Recording, Trace, hookimpl, open_media
from lasca_core.testing import make_session, write_recording

PEOPLE = ("anna", "ben")


class Two(Component):
    """Two people with ready features: the right dataset."""

    options_model = NoOptions
    targets: tuple[str, ...] = ("valence", "arousal")

    def sessions(self) -> Iterable[Recording]:
        return [make_session(f"of {person}", person, seconds=6) for person in PEOPLE]


@caught_by("check_sessions_have_names_of_their_own")
class TwoOfOneName(Two):
    """Calls both sessions alike."""

    def sessions(self) -> Iterable[Recording]:
        return [replace(recording, session="take") for recording in super().sessions()]


@caught_by("check_sessions_can_be_read_again", "check_targets_are_as_announced")
class ReadOnce(Two):
    """A generator that is used up."""

    def __init__(self, options: object, runtime: object) -> None:
        super().__init__(options, runtime)  # type: ignore[arg-type]
        self.once = iter(Two.sessions(self))

    def sessions(self) -> Iterable[Recording]:
        return self.once


@caught_by("check_sessions_can_be_read_again")
class InAnyOrder(Two):
    """Gives the sessions in another order each time."""

    turn = False

    def sessions(self) -> Iterable[Recording]:
        self.turn = not self.turn
        found = list(super().sessions())
        return found if self.turn else found[::-1]


@caught_by("check_media_are_there")
class MediaGone(Two):
    """Names files that do not exist."""

    def sessions(self) -> Iterable[Recording]:
        return [replace(recording, media=Path("no-such-file.mp4")) for recording in super().sessions()]


@caught_by("check_media_are_not_opened")
class OpensEveryFile(Two):
    """Looks into each recording for its length."""

    def sessions(self) -> Iterable[Recording]:
        path = self.runtime.cache / "wrong-dataset.avi"
        if not path.exists():
            write_recording(path, seconds=0.2, video=False)
        for recording in super().sessions():
            open_media(path)
            yield replace(recording, media=path)


@caught_by("check_annotations_can_be_used")
class BeyondTheScale(Two):
    """Values that its scale does not have."""

    def sessions(self) -> Iterable[Recording]:
        for recording in super().sessions():
            wide = {
                name: Trace(trace.times, trace.values * 5, trace.valid) for name, trace in recording.annotations.items()
            }
            yield replace(recording, annotations=wide)


@caught_by("check_annotations_can_be_used", "check_targets_are_as_announced")
class WithoutAnnotations(Two):
    """Recordings that nobody has annotated."""

    def sessions(self) -> Iterable[Recording]:
        return [replace(recording, annotations={}) for recording in super().sessions()]


@caught_by("check_subjects_stay_in_one_split")
class TearsPeopleApart(Two):
    """Has one person in training and in test."""

    def sessions(self) -> Iterable[Recording]:
        names = ("train", "test")
        return [
            replace(recording, subject="anna", split=split)
            for recording, split in zip(super().sessions(), names, strict=True)
        ]


@caught_by("check_targets_are_as_announced")
class AnnouncesMore(Two):
    """Announces a dimension that it does not annotate."""

    targets = ("valence", "arousal", "dominance")


@caught_by("check_ready_features_are_as_announced")
class AnnouncesOtherFeatures(Two):
    """Announces a column that its sessions lack."""

    def feature_sets(self) -> dict[str, ReadyFeatures]:
        return {"ready": ReadyFeatures(("smile", "frown", "gaze"))}


@hookimpl
def lasca_register_datasets() -> Iterable[DatasetSpec]:
    """Offer all of them."""
    yield from specs_of(DatasetSpec, globals(), synthetic=True)
