"""Wrong extractors, each beside the right one it is derived from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from wrong_components.faults import caught_by, specs_of

from lasca_core.api import Component, ExtractorSpec, MediaError, NoOptions, Source, Track, hookimpl


class Brightness(Component):
    """Mean of a frame's red, and its change since the frame before: the right extractor."""

    options_model = NoOptions
    names: Any = ("red", "change")
    signed: Any = frozenset({"change"})

    def stream(self, source: Source) -> Iterator[Track]:
        if not source.has_video:
            raise MediaError(source.path, "has no video stream")
        last = None
        for frames in source.frames(8):
            red = frames.images[..., 0].float().mean(dim=(1, 2))
            before = torch.cat([red[:1] if last is None else last, red[:-1]])
            yield self.track(red, red - before, frames.times)
            last = red[-1:]

    def track(self, red: torch.Tensor, change: torch.Tensor, times: torch.Tensor) -> Track:
        values = torch.stack([red, change], dim=1)
        return Track(self.names, values, times, torch.ones(len(times), dtype=torch.bool), self.signed)


@caught_by("check_names_are_known_before_running", "check_track_is_as_announced")
class NamesAsAList(Brightness):
    """Names that anybody may change."""

    names = ["red", "change"]  # noqa: RUF012

    def track(self, red: torch.Tensor, change: torch.Tensor, times: torch.Tensor) -> Track:
        part = super().track(red, change, times)
        return Track(("red", "change"), part.values, part.times, part.valid, part.signed)


@caught_by("check_signed_and_resolution_name_features")
class ResolvesWhatItHasNot(Brightness):
    """States the resolution of a feature that it does not have."""

    resolution = {"redness": 0.1}  # noqa: RUF012


@caught_by("check_track_is_as_announced")
class OtherNamesThanAnnounced(Brightness):
    """Calls its features otherwise when it comes to it."""

    def track(self, red: torch.Tensor, change: torch.Tensor, times: torch.Tensor) -> Track:
        part = super().track(red, change, times)
        return Track(("Red", "Change"), part.values, part.times, part.valid, frozenset({"Change"}))


@caught_by("check_track_is_as_announced")
class WideValues(Brightness):
    """Gives float64."""

    def track(self, red: torch.Tensor, change: torch.Tensor, times: torch.Tensor) -> Track:
        return super().track(red.double(), change.double(), times)


@caught_by("check_times_go_on_from_part_to_part")
class CountsInMilliseconds(Brightness):
    """Gives times in another unit."""

    def track(self, red: torch.Tensor, change: torch.Tensor, times: torch.Tensor) -> Track:
        return super().track(red, change, times * 1000)


@caught_by("check_invalid_frames_are_zero")
class InvalidButMeasured(Brightness):
    """Leaves numbers in frames that it marks invalid."""

    def track(self, red: torch.Tensor, change: torch.Tensor, times: torch.Tensor) -> Track:
        part = super().track(red, change, times)
        return Track(part.names, part.values, part.times, red > red.new_tensor(1e6), part.signed)


@caught_by("check_stream_does_not_depend_on_batches")
class ForgetsTheBatchBefore(Brightness):
    """Takes the first frame of each batch for the first of the recording."""

    def stream(self, source: Source) -> Iterator[Track]:
        if not source.has_video:
            raise MediaError(source.path, "has no video stream")
        for frames in source.frames(8):
            red = frames.images[..., 0].float().mean(dim=(1, 2))
            yield self.track(red, red - torch.cat([red[:1], red[:-1]]), frames.times)


@caught_by("check_stream_begins_anew", "check_stream_does_not_depend_on_batches")
class RemembersTheLastRecording(Brightness):
    """Keeps the last frame on itself, for the next recording too."""

    last: torch.Tensor | None = None

    def stream(self, source: Source) -> Iterator[Track]:
        if not source.has_video:
            raise MediaError(source.path, "has no video stream")
        for frames in source.frames(8):
            red = frames.images[..., 0].float().mean(dim=(1, 2))
            before = torch.cat([red[:1] if self.last is None else self.last, red[:-1]])
            yield self.track(red, red - before, frames.times)
            self.last = red[-1:] + 50


@caught_by("check_missing_stream_is_a_media_error")
class SilentWithoutVideo(Brightness):
    """Gives nothing for a recording without video, as if it were empty."""

    def stream(self, source: Source) -> Iterator[Track]:
        if source.has_video:
            yield from super().stream(source)


@caught_by("check_reads_only_the_streams_it_needs")
class ListensToo(Brightness):
    """Reads the sound, which its spec does not say."""

    def stream(self, source: Source) -> Iterator[Track]:
        if source.has_audio:
            next(iter(source.audio()))
        yield from super().stream(source)


@caught_by("check_memory_is_constant")
class HoldsTheWholeRecording(Brightness):
    """Collects all frames before it begins."""

    def stream(self, source: Source) -> Iterator[Track]:
        if not source.has_video:
            raise MediaError(source.path, "has no video stream")
        parts = list(source.frames(8))
        red = torch.cat([part.images[..., 0].float().mean(dim=(1, 2)) for part in parts])
        yield self.track(red, red.diff(prepend=red[:1]), torch.cat([part.times for part in parts]))


@caught_by("check_short_recordings_are_no_surprise")
class NeedsTwoFrames(Brightness):
    """Cannot read a recording of one frame."""

    def stream(self, source: Source) -> Iterator[Track]:
        parts = super().stream(source)
        first = next(parts)
        if len(first) < 2 and source.duration < 0.06:
            raise IndexError("index 1 is out of bounds")
        yield first
        yield from parts


@hookimpl
def lasca_register_extractors() -> Iterator[ExtractorSpec]:
    """Offer all of them."""
    yield from specs_of(ExtractorSpec, globals(), needs=frozenset({"video"}))
