"""A plugin of encoders that fail, each in its own way, for the tests of sweeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import toy_plugin

from lasca_core.api import EncoderSpec, WeightsError, hookimpl

CURED: list[str] = []
"""Names of faults that no longer occur."""


class SecondEncoder(toy_plugin.HashingEncoder):
    """Another encoder that works: it sees how long a text is and nothing else."""

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        super().encode(texts)
        return torch.tensor([[float(len(text) % (place + 2)) for place in range(self.dim)] for text in texts])


class AbsentEncoder(toy_plugin.HashingEncoder):
    """An encoder whose pretrained files turn out not to be there when they are needed."""

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        if "absent" not in CURED:
            raise WeightsError("the weights of absent are not here; run `lasca weights pull absent`")
        return super().encode(texts)


class NamelessEncoder(toy_plugin.HashingEncoder):
    """An encoder that cannot even say which model it is."""

    def fingerprint(self) -> str:
        raise WeightsError("the model of nameless is not on this machine")


class BrokenEncoder(toy_plugin.HashingEncoder):
    """An encoder with a bug."""

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        raise IndexError("list index out of range")


@hookimpl
def lasca_register_encoders() -> Iterator[EncoderSpec]:
    for name in ("second", "absent", "nameless", "broken"):
        yield EncoderSpec(name=name, target=f"{__name__}:{name.title()}Encoder", summary=f"{name} hashed words")
