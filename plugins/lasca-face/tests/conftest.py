"""What the tests of the facial extractor share: the pinned model, a real clip and sources made of arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from lasca_face.blendshape import Blendshape
from lasca_face.options import BlendshapeOptions
from lasca_face.pins import FACE_LANDMARKER

from lasca_core.api import Frames, Samples, WeightsError, open_media
from lasca_core.host.runtime import HostRuntime, default_cache, default_offline
from lasca_core.testing import make_runtime

CREMA = Path(__file__).parents[3].parent / "shared/data/crema-d"
CLIP = CREMA / "crema_1001_NEU-HAP-ANG-SAD-FEA-DIS.mp4"


@dataclass
class ArraySource:
    """A recording made of images: ``images`` [T][height, width, 3] uint8, at ``rate`` frames a second."""

    images: Sequence[np.ndarray]
    rate: float = 25.0
    has_video: bool = True
    has_audio: bool = False
    path: Path = Path("made-up.mp4")

    @property
    def duration(self) -> float:
        return len(self.images) / self.rate

    def frames(self, batch: int = 32, fps: float | None = None) -> Iterator[Frames]:
        step = 1 if fps is None else round(self.rate / fps)
        kept = range(0, len(self.images), step)
        for first in range(0, len(kept), batch):
            indices = kept[first : first + batch]
            images = torch.from_numpy(np.stack([self.images[index] for index in indices]))
            yield Frames(images, torch.tensor([index / self.rate for index in indices], dtype=torch.float64))

    def audio(self, rate: int = 16_000, seconds: float = 30.0) -> Iterator[Samples]:
        raise NotImplementedError


@pytest.fixture(scope="session")
def runtime() -> HostRuntime:
    """A runtime on the user's own cache, which holds the pinned model (or receives it, once)."""
    runtime = make_runtime(default_cache(), offline=default_offline())
    try:
        runtime.fetch(FACE_LANDMARKER)
    except WeightsError as error:
        pytest.skip(f"the face landmarker cannot be had here: {error}")
    return runtime


@pytest.fixture(scope="session")
def make(runtime: HostRuntime) -> Callable[..., Blendshape]:
    """``make(mode="video", ...)``: an extractor with these options."""
    return lambda **options: Blendshape(BlendshapeOptions(**options), runtime)


@pytest.fixture(scope="session")
def array_source() -> type[ArraySource]:
    """The class of sources made of arrays."""
    return ArraySource


@pytest.fixture(scope="session")
def clip() -> Path:
    """A real clip: one actor, six acted emotions, 480x360, 12.9 s."""
    if not CLIP.is_file():
        pytest.skip(f"{CLIP} is absent")
    return CLIP


@pytest.fixture(scope="session")
def clip_images(clip: Path) -> list[np.ndarray]:
    """Its frames, every fifth (78)."""
    source = open_media(clip)
    images = [image for frames in source.frames() for image in frames.images.numpy()]
    return images[::5]
