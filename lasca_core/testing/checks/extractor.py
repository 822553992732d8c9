"""What an extractor promises: names known beforehand, and a track that is the same however the recording is read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any
from unittest import SkipTest

import torch

from lasca_core.api import LascaError, MediaError, Track
from lasca_core.testing.bench import Subject
from lasca_core.testing.checks.tags import only_if, reads
from lasca_core.testing.outcome import BrokenPromiseError, require
from lasca_core.testing.sources import Excerpt, Rebatched, Recorded, Repeated, Without
from lasca_core.testing.use import differences, use, whole

_REPEATS = 12
_HELD = 5
"""Parts of a recording that may be held at once: the one at work, one before, and a few read ahead by threads."""


def check_names_are_known_before_running(subject: Subject) -> None:
    """``names`` is a tuple of distinct names as soon as the extractor is built."""
    names = getattr(subject.build(), "names", None)
    require(
        isinstance(names, tuple) and bool(names) and all(isinstance(name, str) and name for name in names),
        f"names is {names!r} before anything has run",
        "set it to a tuple of strings in the class or in __init__, without reading a file",
    )
    assert isinstance(names, tuple)
    twice = sorted({name for name in names if names.count(name) > 1})
    require(not twice, f"{', '.join(twice)} is in names twice", "give every feature a name of its own")


def check_signed_and_resolution_name_features(subject: Subject) -> None:
    """``signed`` and ``resolution`` speak of the extractor's own features."""
    component = subject.build()
    signed, resolution = component.signed, getattr(component, "resolution", {})
    for label, given in (("signed", signed), ("resolution", resolution)):
        unknown = sorted(set(given) - set(component.names))
        require(not unknown, f"{label} names {', '.join(unknown)}, which is not in names", "use the names of features")
    require(
        isinstance(signed, frozenset),
        f"signed is a {type(signed).__name__}",
        "write signed = frozenset({...}), empty if the smallest value of each feature means 'absent'",
    )
    odd = {name: value for name, value in resolution.items() if not (value >= 0 and math.isfinite(value))}
    require(not odd, f"resolution holds {odd}", "state a range in the feature's unit, 0 or more, or leave the name out")


def check_track_is_as_announced(subject: Subject) -> None:
    """Every part has the announced names, float32 values and float64 times on the runtime's device."""
    component = subject.component
    device = component.runtime.device
    for part in _parts(subject, component):
        require(
            part.names == component.names,
            f"a part of the track has the names {part.names}, and the extractor announced {component.names}",
            "make every Track with self.names",
        )
        require(
            part.signed == component.signed,
            f"a part of the track has signed = {set(part.signed)}, and the extractor says {set(component.signed)}",
            "make every Track with self.signed",
        )
        kinds = (part.values.dtype, part.times.dtype)
        wanted = (torch.float32, torch.float32 if device.type == "mps" else torch.float64)
        require(kinds == wanted, f"values and times are {kinds}", f"convert them to {wanted}")
        require(
            part.values.device == device,
            f"the track lies on {part.values.device}, and the run on {device}",
            "end with Track(...).to(self.runtime.device)",
        )


def check_times_go_on_from_part_to_part(subject: Subject) -> None:
    """Times ascend over the whole track and lie within the recording."""
    source = subject.bench.source(subject.needs)
    parts = list(_parts(subject, subject.component))
    times = torch.cat([part.times.cpu() for part in parts])
    require(
        bool((times.diff() > 0).all()),
        "times of a later part do not go on from those of the part before",
        "count from the start of the recording: add frames.times or samples.start of each batch",
    )
    require(
        bool((times >= -0.1).all() and (times <= source.duration + 0.1).all()),
        f"times run from {float(times[0]):.2f} to {float(times[-1]):.2f} s in a recording of {source.duration:.2f} s",
        "give the start of each frame in seconds of the recording",
    )


def check_invalid_frames_are_zero(subject: Subject) -> None:
    """Where a frame is invalid its values are 0, and some frame of the recording is valid."""
    track = whole(subject.component, subject.bench.source(subject.needs))
    require(
        bool((track.values[~track.valid] == 0).all()),
        "frames that are marked invalid have values other than 0",
        "set them to 0, so that no later step can take them for a measurement",
    )
    if not bool(track.valid.any()):
        raise SkipTest(
            f"no frame of {_recording(subject)} could be measured, so these checks say little; give a recording "
            f"that suits the extractor with --media (in tests: media=...)"
        )


def _recording(subject: Subject) -> str:
    return subject.bench.source(subject.needs).path.name


@only_if(reads("video"))
def check_stream_does_not_depend_on_batches(subject: Subject) -> None:
    """The track is the same whether frames come in batches, in other batches or one at a time."""
    source = subject.bench.source(subject.needs)
    reference = use(subject, subject.component, source)
    for limit in (1, 5):
        difference = differences(reference, use(subject, subject.component, Rebatched(source, limit)))
        require(
            not difference,
            f"with batches of at most {limit} frames the track is another one ({difference})",
            "keep what the next batch needs (the last frame, a filter's state) in local variables of stream()",
        )


def check_stream_begins_anew(subject: Subject) -> None:
    """A recording's track does not depend on what was read before, nor on a reading that was broken off."""
    source = subject.bench.source(subject.needs)
    fresh = use(subject, subject.build(), source)
    subject.close()
    component = subject.component
    broken_off = iter(component.stream(Excerpt(source, source.duration / 2)))
    next(broken_off, None)
    del broken_off
    whole(component, Excerpt(source, source.duration / 2))
    difference = differences(fresh, use(subject, component, source))
    require(
        not difference,
        f"after another recording the same one gives another track ({difference})",
        "keep state in local variables of stream(), not on the extractor",
    )


def check_missing_stream_is_a_media_error(subject: Subject) -> None:
    """A recording without the stream that the extractor needs raises ``MediaError``."""
    for stream in sorted(subject.needs):
        source = Without(subject.bench.source(subject.needs), stream)
        try:
            parts = list(subject.component.stream(source))
        except MediaError:
            continue
        except Exception as error:
            raise BrokenPromiseError(
                f"a recording without {stream} raises {type(error).__name__}: {error}; raise MediaError(source.path, "
                f"'has no {stream} stream') if not source.has_{stream}"
            ) from error
        require(
            False,
            f"a recording without {stream} gives {len(parts)} parts",
            f"raise MediaError(source.path, 'has no {stream} stream') if not source.has_{stream}",
        )


def check_reads_only_the_streams_it_needs(subject: Subject) -> None:
    """The extractor reads the streams its spec names, and no other: other recordings may lack them."""
    source = Recorded(subject.bench.source(frozenset({"video", "audio"})))
    whole(subject.component, source)
    require(
        source.read == subject.needs,
        f"it reads {_and(source.read)}, and its spec says needs = {set(subject.needs)}",
        f"write needs=frozenset({set(source.read)!r}) in the spec, or read only those",
    )


def check_memory_is_constant(subject: Subject) -> None:
    """A long recording is not held in memory: parts are let go while the recording is read."""
    source = Repeated(Excerpt(subject.bench.source(subject.needs), 0.5), _REPEATS)
    for _ in subject.component.stream(source):
        pass
    require(
        source.longest_stretch <= 600,
        f"it asks for {source.longest_stretch:g} s of sound at once",
        "ask source.audio() for stretches of some seconds and keep what the next one needs",
    )
    alive = source.alive
    require(
        alive.most <= max(_HELD, alive.parts // 3),
        f"it holds {alive.most} of {alive.parts} parts of a recording at the same time",
        "work on each batch as it comes and yield its track, instead of collecting the batches in a list",
    )


def check_short_recordings_are_no_surprise(subject: Subject) -> None:
    """A recording of a single frame, or of a few samples, gives a short track, or ``MediaError``."""
    for seconds in (0.001, 0.05):
        source = Excerpt(subject.bench.source(subject.needs), seconds)
        try:
            list(subject.component.stream(source))
        except LascaError as error:
            require(
                isinstance(error, MediaError),
                f"a recording of {seconds:g} s raises {type(error).__name__}: {error}",
                "yield what there is, or nothing, or raise MediaError",
            )
        except Exception as error:
            raise BrokenPromiseError(
                f"a recording of {seconds:g} s raises {type(error).__name__}: {error}; yield what there is, or "
                f"nothing, or raise MediaError"
            ) from error


def _parts(subject: Subject, component: Any) -> Iterator[Track]:
    parts = list(component.stream(subject.bench.source(subject.needs)))
    require(bool(parts), "stream() yields nothing", "yield a Track for each batch that is read")
    yield from parts


def _and(streams: set[str]) -> str:
    return " and ".join(sorted(streams)) or "nothing"


CHECKS = (
    check_names_are_known_before_running,
    check_signed_and_resolution_name_features,
    check_track_is_as_announced,
    check_times_go_on_from_part_to_part,
    check_invalid_frames_are_zero,
    check_stream_does_not_depend_on_batches,
    check_stream_begins_anew,
    check_missing_stream_is_a_media_error,
    check_reads_only_the_streams_it_needs,
    check_memory_is_constant,
    check_short_recordings_are_no_surprise,
)
