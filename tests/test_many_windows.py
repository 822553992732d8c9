"""However many windows there are, the steps between the plugins issue the same operations and ask the device as often.

Counted are the operations torch carries out, and what is read from a tensor into Python: a loop over windows, or a
matrix fetched from the device, would grow with the windows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lasca_saliency import otsu
from lasca_saliency.options import OtsuOptions, TopKOptions
from lasca_saliency.topk import TopK
from torch.utils._python_dispatch import TorchDispatchMode

from lasca_core.api import Block, Lexicon, Saliency, Track, Windows
from lasca_core.steps import fusion, wording
from lasca_core.steps.fusion import differences, fit_columns, weighted_words
from lasca_core.steps.normalize import growth, normalize, statistics
from lasca_core.steps.pairs import make_pairs, unlabelled_pairs
from lasca_core.steps.windows import cut
from lasca_core.steps.wording import write

NAMES = tuple(f"f{index}" for index in range(8))
LEXICON = Lexicon("test", "1", "en", "Apache-2.0", {name: f"cue {name}" for name in NAMES}, template="We see {cues}.")


class Count(TorchDispatchMode):
    """Operations, and numbers read into Python."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.operations = 0
        self.read = 0
        plain = torch.Tensor.tolist

        def tolist(tensor: torch.Tensor) -> Any:
            self.read += tensor.numel()
            return plain(tensor)

        monkeypatch.setattr(torch.Tensor, "tolist", tolist)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations += 1
        self.read += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def made(count: int) -> Windows:
    generator = torch.Generator().manual_seed(0)
    starts = torch.arange(count, dtype=torch.float64)
    session = (torch.arange(count) * 10 // count).long()
    valid = torch.rand(count, generator=generator) < 0.9
    values = torch.rand(count, len(NAMES), generator=generator) * valid[:, None]
    return Windows(NAMES, values, valid, starts, starts + 1, session, tuple("abcdefghij"), frozenset(NAMES[:3]))


def patterns(count: int) -> Saliency:
    """The same twelve masks and rankings over and over, in the same order."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.arange(count) % 12
    score = torch.rand(12, len(NAMES), generator=generator)
    return Saliency((torch.rand(12, len(NAMES), generator=generator) < 0.7)[rows], score[rows])


def words(texts: Any) -> list[int]:
    return [len(text.split()) for text in texts]


def all_normalized(windows: Windows) -> None:
    found = statistics(windows, windows.session)
    normalize(windows, found, windows.session)
    growth(windows, found, windows.session, torch.ones(len(NAMES)), torch.arange(len(windows)) - 1)


def all_salient(windows: Windows) -> None:
    for method in (otsu.Otsu(OtsuOptions(), None), TopK(TopKOptions(), None)):  # type: ignore[arg-type]
        method.select(windows.values)
    otsu.Otsu(OtsuOptions(variant="histogram"), None).select(windows.values)  # type: ignore[arg-type]


def all_written(windows: Windows) -> None:
    state = torch.where(windows.values[:12, :] > 0.5, 2, -1)[torch.arange(len(windows)) % 12].to(torch.int8)
    for limit in (100, 7):  # the second is too small for most sentences
        write(patterns(len(windows)), NAMES, LEXICON, words, limit, state)


def all_paired(windows: Windows) -> None:
    pairs = make_pairs(
        windows, windows.values[:, 0], windows.valid, tau=0.1, strategy="scale", ranges=torch.ones(10), scale=(0.0, 1.0)
    )
    unlabelled_pairs(windows)
    delta, layout = differences({"features": windows.values, "text": windows.values}, {}, pairs)
    fit_columns(delta, layout, components=3)
    weighted_words(patterns(len(windows)), torch.rand(8, 4), torch.rand(8, 4), torch.ones(len(windows), 8))


def all_cut(windows: Windows) -> None:
    times = torch.arange(3 * len(windows), dtype=torch.float64) / 3
    track = Track(("a",), torch.rand(len(times), 1), times, torch.ones(len(times), dtype=torch.bool))
    cut([track], "s", length=1.0, hop=1.0, statistic="mean+std")


@pytest.mark.parametrize("step", [all_cut, all_normalized, all_salient, all_written, all_paired])
def test_a_hundred_thousand_windows_take_as_many_operations_as_a_thousand(
    step: Callable[[Windows], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otsu, "_ROWS", {})  # a thousand rows at a time suit a CPU's cache, and 65,536 any memory
    monkeypatch.setitem(fusion._ROWS, "cpu", 200_000)
    monkeypatch.setattr(wording, "_ROWS", 200_000)
    counted = []
    for count in (1_200, 120_000):
        windows = made(count)
        with monkeypatch.context() as patch, Count(patch) as counter:
            step(windows)
        counted.append((counter.operations, counter.read))
    assert counted[0] == counted[1]
    assert counted[0][1] < 1_200


def test_the_principal_components_do_not_depend_on_how_many_rows_are_summed_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    delta = torch.rand(1_000, 12, generator=torch.Generator().manual_seed(0)) - 0.4
    layout = (Block("text", 0, 12),)
    expected = fit_columns(delta, layout, components=4).rotation
    monkeypatch.setitem(fusion._ROWS, "cpu", 70)
    torch.testing.assert_close(fit_columns(delta, layout, components=4).rotation, expected, rtol=1e-6, atol=1e-6)
