"""How exactly a CUDA device multiplies float32 numbers, whatever the process allows them to be rounded to."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_lock = threading.RLock()


@contextlib.contextmanager
def float32_products(device: torch.device, *, tensorfloat: bool = False) -> Iterator[None]:
    """Products and convolutions of float32 on a CUDA ``device`` are exact inside this block, or in TensorFloat-32.

    TensorFloat-32 keeps 10 bits of a factor's fraction instead of 23, and torch's convolutions use it unless told
    otherwise. The switches belong to the whole process: they are put back afterwards, and one thread at a time has
    them. On other devices nothing is touched.
    """
    if device.type != "cuda":
        yield
        return
    with _lock:
        switches = _switches(tensorfloat)
        before = [getattr(owner, name) for owner, name, _ in switches]
        try:
            for owner, name, value in switches:
                setattr(owner, name, value)
            yield
        finally:
            for (owner, name, _), value in zip(switches, before, strict=True):
                setattr(owner, name, value)


def _switches(tensorfloat: bool) -> list[tuple[Any, str, object]]:
    """The owner and the name of each switch, and the value it is to have."""
    import torch

    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    if hasattr(cudnn, "conv"):  # torch 2.9 and newer, where reading the older switches may raise
        wanted = "tf32" if tensorfloat else "ieee"
        return [(owner, "fp32_precision", wanted) for owner in (cudnn.conv, products)]
    return [(owner, "allow_tf32", tensorfloat) for owner in (cudnn, products)]
