"""Frames of any sizes, one after the other in one buffer on the device: what one call of the networks looks at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Images(NamedTuple):
    """B frames, each of its own size.

    ``pixels`` uint8 [P, 3] holds all frames, row by row; frame b begins at ``first[b]`` and has ``height[b]`` rows of
    ``width[b]`` pixels, each int32 [B]. ``sizes`` are the distinct (height, width), known to the host, and ``kind``
    int32 [B] says which of them a frame has.
    """

    pixels: Tensor
    first: Tensor
    height: Tensor
    width: Tensor
    kind: Tensor
    sizes: tuple[tuple[int, int], ...]


def pack(parts: Sequence[Tensor], device: torch.device) -> Images:
    """The frames of all ``parts``, each uint8 [B, height, width, 3] on the host or on ``device``, in their order."""
    sizes = tuple(dict.fromkeys((part.shape[1], part.shape[2]) for part in parts))
    rows, first = [], 0
    for part in parts:
        count, height, width = part.shape[:3]
        kind = sizes.index((height, width))
        rows += [(first + index * height * width, height, width, kind) for index in range(count)]
        first += part.numel() // 3
    starts, heights, widths, kinds = to_device(torch.tensor(rows, dtype=torch.int32).T.contiguous(), device).unbind()
    return Images(_joined(parts, device), starts, heights, widths, kinds, sizes)


def _joined(parts: Sequence[Tensor], device: torch.device) -> Tensor:
    flat = [part.reshape(-1, 3) for part in parts]
    if device.type == "cuda" and all(part.device.type == "cpu" for part in flat):
        # Only from pinned memory does a copy run while the host goes on, so they are joined there.
        staging = torch.empty((sum(map(len, flat)), 3), dtype=torch.uint8, pin_memory=True)
        return torch.cat(flat, out=staging).to(device, non_blocking=True)
    return flat[0].to(device) if len(flat) == 1 else torch.cat([part.to(device) for part in flat])


def cut(parts: Sequence[Tensor], first: int, last: int) -> list[Tensor]:
    """The frames from ``first`` to before ``last`` of all ``parts``, none of which is empty."""
    kept, begin = [], 0
    for part in parts:
        inside = part[max(0, first - begin) : max(0, last - begin)]
        begin += len(part)
        if len(inside):
            kept.append(inside)
    return kept


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """A copy of ``values``, which lie on the host; it does not wait for what else a CUDA device has to do."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


class OnItsWay:
    """Values that travel to the host while the host goes on; ``get`` waits for them, and for nothing queued later."""

    def __init__(self, values: Tensor) -> None:
        self._arrived: torch.cuda.Event | None = None
        if values.device.type == "cuda":
            self._values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._values.copy_(values, non_blocking=True)
            self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._arrived.record(torch.cuda.current_stream(values.device))
        else:
            self._values = values.cpu()

    def get(self) -> Tensor:
        """The values, on the host."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return self._values
