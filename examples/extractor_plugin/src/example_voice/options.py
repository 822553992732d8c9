"""Options of the extractor `voice`."""

from __future__ import annotations

from lasca_core.api import Field, Options, how


class VoiceOptions(Options):
    """Options of ``voice``."""

    floor: float = Field(-60.0, lt=0, description="frames quieter than this many dB have no centroid and are invalid")
    chunk: float = how(10.0, gt=0, description="seconds of sound that are read and computed at once")
