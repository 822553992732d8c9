"""How exactly the networks compute: in float32 throughout, unless an option asks for less."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import torch

_switches_lock = threading.Lock()


@contextlib.contextmanager
def float32_products(device: torch.device, *, tensorfloat: bool = False) -> Iterator[None]:
    """Convolutions and products of float32 on a CUDA device are exact inside this block, or in TensorFloat-32.

    TensorFloat-32 changes blendshapes by 5e-3, and torch's convolutions use it unless told otherwise. The switches
    belong to the whole process, so they are put back afterwards, and one thread at a time has them.
    """
    if device.type != "cuda":
        yield
        return
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    switches: list[tuple[Any, str, object]]
    if hasattr(cudnn, "conv"):  # torch 2.9 and newer, where the older switches may not be readable
        wanted = "tf32" if tensorfloat else "ieee"
        switches = [(owner, "fp32_precision", wanted) for owner in (cudnn.conv, products)]
    else:
        switches = [(owner, "allow_tf32", tensorfloat) for owner in (cudnn, products)]
    with _switches_lock:
        before = [getattr(owner, name) for owner, name, _ in switches]
        try:
            for owner, name, value in switches:
                setattr(owner, name, value)
            yield
        finally:
            for (owner, name, _), value in zip(switches, before, strict=True):
                setattr(owner, name, value)
