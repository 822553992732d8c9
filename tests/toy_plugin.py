"""A plugin of small components for tests: ready features, an encoder that counts, a dataset with a known rule."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import torch

from lasca_core.api import (
    Component,
    DatasetSpec,
    EncoderSpec,
    ExtractorSpec,
    Field,
    Options,
    Recording,
    Source,
    Trace,
    Track,
    hookimpl,
)

NAMES = ("smile", "frown", "pitch_angle", "noise")
ENCODED: list[str] = []
"""Every text that the encoder was really asked to encode."""
FAIL_AFTER: list[int] = []
"""If not empty: the encoder raises once it has encoded this many texts."""


class ToyFeatures(Component):
    """Stands for features that datasets bring along; extracting is never needed."""

    names = NAMES
    signed = frozenset({"pitch_angle"})

    def stream(self, source: Source) -> Iterator[Track]:
        raise AssertionError(f"{source.path} was extracted although its features are ready")


class HashingEncoder(Component):
    """A text's vector is the sum of its words' hashed signs."""

    dim = 32
    max_tokens = 200

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        if FAIL_AFTER and len(ENCODED) >= FAIL_AFTER[0]:
            raise KeyboardInterrupt
        ENCODED.extend(texts)
        rows = [sum((self._vector(word) for word in text.split()), torch.zeros(self.dim)) for text in texts]
        return torch.stack(rows) if rows else torch.zeros(0, self.dim)

    def _vector(self, word: str) -> torch.Tensor:
        bits = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
        return torch.tensor([1.0 if bits >> place & 1 else -1.0 for place in range(self.dim)])


class ToyOptions(Options):
    """What the toy dataset is like."""

    subjects: int = Field(6, description="persons")
    seconds: int = Field(90, description="length of each session")
    fault: str = Field("", description="which fault to build in")


class ToyDataset(Component):
    """Sessions whose valence is the smile minus the frown; the noise column means nothing."""

    targets = ("valence",)

    def sessions(self) -> Iterator[Recording]:
        for subject in range(self.options.subjects):
            yield self._session(subject)

    def _session(self, subject: int) -> Recording:
        generator = self.runtime.generator("toy", subject)
        count = self.options.seconds * 10
        times = torch.arange(count, dtype=torch.float64) / 10
        slow = torch.randn(count // 30 + 2, 4, generator=generator)
        values = slow.repeat_interleave(30, dim=0)[:count].clone()
        valence = ((values[:, 0] - values[:, 1]) / 6).clamp(-1, 1)
        valid = torch.rand(count, generator=generator) > 0.1
        if self.options.fault == "nan":
            values[3, 1] = torch.nan
        if self.options.fault == "all rise":
            valence = torch.linspace(-1, 1, count)
        if self.options.fault == "no face" and subject == 1:
            valid[:] = False
        values[~valid] = 0
        annotations = self._trace(times, valence)
        if self.options.fault == "flat arousal":
            annotations["arousal"] = Trace(times, torch.zeros(count), torch.ones(count, dtype=torch.bool))
        name = "the only one" if self.options.fault == "one subject" else f"person {subject}"
        if self.options.fault == "no media" and subject == 2:
            return Recording(f"session {subject}", name, annotations=annotations)
        track = Track(NAMES, values, times, valid, frozenset({"pitch_angle"}))
        return Recording(f"session {subject}", name, features={"toy": track}, annotations=annotations)

    def _trace(self, times: torch.Tensor, values: torch.Tensor) -> dict[str, Trace]:
        return {"valence": Trace(times, values, torch.ones(len(times), dtype=torch.bool))}


@hookimpl
def lasca_register_extractors() -> Iterator[ExtractorSpec]:
    yield ExtractorSpec(
        name="toy", target=f"{__name__}:ToyFeatures", summary="ready features", needs=frozenset({"video"})
    )


@hookimpl
def lasca_register_encoders() -> Iterator[EncoderSpec]:
    yield EncoderSpec(name="hashing", target=f"{__name__}:HashingEncoder", summary="hashed words")


@hookimpl
def lasca_register_datasets() -> Iterator[DatasetSpec]:
    yield DatasetSpec(
        name="toyland",
        target=f"{__name__}:ToyDataset",
        options=f"{__name__}:ToyOptions",
        summary="a known rule",
        synthetic=True,
    )
