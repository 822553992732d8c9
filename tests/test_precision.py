"""float32 that is float32: the switches of TensorFloat-32, which can be set where there is no GPU too."""

from __future__ import annotations

import threading

import pytest
import torch

from lasca_core.api import float32_products

CUDA = torch.device("cuda")


def switches() -> tuple[object, ...]:
    """All that decides how a CUDA device multiplies float32 numbers."""
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    if hasattr(cudnn, "conv"):
        return cudnn.conv.fp32_precision, products.fp32_precision
    return cudnn.allow_tf32, products.allow_tf32


def meaning(exact: bool) -> tuple[object, ...]:
    if hasattr(torch.backends.cudnn, "conv"):
        return ("ieee" if exact else "tf32",) * 2
    return (not exact,) * 2


@pytest.mark.parametrize("tensorfloat", [False, True])
def test_the_switches_are_set_inside_and_as_before_afterwards(tensorfloat: bool) -> None:
    before = switches()
    with float32_products(CUDA, tensorfloat=tensorfloat):
        assert switches() == meaning(exact=not tensorfloat)
        with float32_products(CUDA):
            assert switches() == meaning(exact=True)
        assert switches() == meaning(exact=not tensorfloat)
    assert switches() == before


def test_an_error_inside_leaves_the_switches_as_they_were() -> None:
    before = switches()
    with pytest.raises(KeyboardInterrupt), float32_products(CUDA, tensorfloat=True):
        raise KeyboardInterrupt
    assert switches() == before


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_on_another_device_nothing_is_touched(device: str) -> None:
    before = switches()
    with float32_products(torch.device(device), tensorfloat=True):
        assert switches() == before


def test_a_second_thread_waits_for_the_switches() -> None:
    order: list[object] = []
    ready = threading.Event()

    def other() -> None:
        ready.set()
        with float32_products(CUDA, tensorfloat=True):
            order.append(switches())

    thread = threading.Thread(target=other)
    with float32_products(CUDA):
        thread.start()
        ready.wait()
        assert switches() == meaning(exact=True)
        order.append("the first is done")
    thread.join()
    assert order == ["the first is done", meaning(exact=False)]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
def test_a_product_on_a_gpu_is_that_of_float32() -> None:
    left, right = torch.rand(256, 256), torch.rand(256, 256)
    expected = left.double() @ right.double()
    with float32_products(CUDA, tensorfloat=True), float32_products(CUDA):
        torch.testing.assert_close((left.cuda() @ right.cuda()).cpu().double(), expected, rtol=1e-5, atol=0)
