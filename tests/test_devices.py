"""Every step makes its tensors where its inputs lie, and a GPU gives the results of the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from lasca_saliency.options import OtsuOptions, TopKOptions
from lasca_saliency.otsu import Otsu
from lasca_saliency.topk import TopK
from torch import Tensor

from lasca_core.api import Lexicon, Track, Windows
from lasca_core.steps.fusion import differences, fit_columns
from lasca_core.steps.normalize import normalize, statistics
from lasca_core.steps.pairs import make_pairs
from lasca_core.steps.windows import concatenate, cut, grid, summarise
from lasca_core.steps.wording import write

NAMES = tuple(f"f{index}" for index in range(12))


def made_windows(device: str) -> Windows:
    """Windows of three sessions with holes, on ``device``."""
    parts = []
    for session in range(3):
        generator = torch.Generator().manual_seed(session)
        valid = torch.rand(900, generator=generator) < 0.7
        valid[200:290] = False
        values = torch.rand(900, len(NAMES), generator=generator) * valid[:, None]
        times = torch.arange(900, dtype=torch.float64) / 30
        track = Track(NAMES, values, times, valid, frozenset(NAMES[:3])).to(device)
        parts.append(cut([track], f"s{session}", length=1.0, hop=1.0, statistic="mean"))
    return concatenate(parts)


def steps(windows: Windows) -> Iterator[tuple[str, Any]]:
    """What each step makes of the windows."""
    group = windows.session
    found = normalize(windows, statistics(windows, group), group)
    yield "features", found.features
    yield "salience", found.salience
    for name, method in (
        ("exact", Otsu(OtsuOptions(), None)),  # type: ignore[arg-type]
        ("histogram", Otsu(OtsuOptions(variant="histogram"), None)),  # type: ignore[arg-type]
        ("topk", TopK(TopKOptions(), None)),  # type: ignore[arg-type]
    ):
        chosen = method.select(found.salience)
        yield f"{name} mask", chosen.mask
        yield f"{name} score", chosen.score
    labels = found.features[:, 0]
    for strategy in ("range", "self", "scale", "absolute"):
        pairs = make_pairs(
            windows,
            labels,
            windows.valid,
            tau=0.05,
            strategy=strategy,  # type: ignore[arg-type]
            ranges=labels[:3],
            scale=(0.0, 1.0),
        )
        yield f"{strategy} pairs", pairs.later
        delta, layout = differences({"features": found.features}, {}, pairs)
        yield f"{strategy} differences", delta
        yield f"{strategy} scale", fit_columns(delta, layout).scale


def test_no_step_makes_a_tensor_elsewhere_than_where_its_inputs_lie() -> None:
    windows = made_windows("cpu")
    track = torch.arange(30, dtype=torch.float64)
    starts, ends = grid(30.0, 3.0, 3.0)
    with torch.device("meta"):  # a tensor made without naming a device would now be on none, and meet the others
        assert all(result.device.type == "cpu" for _, result in steps(windows))
        for result in summarise(track[:, None].float(), track, track > 3, starts, ends):
            assert result.device.type == "cpu"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
def test_a_gpu_gives_the_cpus_results() -> None:
    here, there = made_windows("cpu"), made_windows("cuda")
    torch.testing.assert_close(there.values.cpu(), here.values)
    assert torch.equal(there.valid.cpu(), here.valid)
    same: Windows = here.to("cuda")
    for (name, expected), (_, found) in zip(steps(here), steps(same), strict=True):
        assert found.device.type == "cuda", name
        if isinstance(found, Tensor) and found.dtype.is_floating_point:
            torch.testing.assert_close(found.cpu(), expected, msg=name)
        else:
            assert torch.equal(found.cpu(), expected), name


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
def test_the_words_of_windows_on_a_gpu_are_numbered_there() -> None:
    windows = made_windows("cuda")
    chosen = TopK(TopKOptions(k=6), None).select(windows.values)  # type: ignore[arg-type]
    lexicon = Lexicon("test", "1", "en", "Apache-2.0", {name: f"the cue {name}" for name in NAMES})
    found = write(chosen, NAMES, lexicon, lambda texts: [len(text.split()) for text in texts], 12)
    assert found.index.device.type == found.dropped.device.type == "cuda"
    assert int(found.dropped.max()) == 2
