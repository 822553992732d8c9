"""Every step makes its tensors where its inputs lie, a GPU gives the results of the CPU, and the host seldom waits.

Where there is no GPU the stand-in for one shows what can be shown without its kernels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from lasca_saliency.options import OtsuOptions, TopKOptions
from lasca_saliency.otsu import Otsu
from lasca_saliency.topk import TopK
from torch import Tensor

from lasca_core.api import Lexicon, Track, Windows, Wording
from lasca_core.steps.fusion import differences, fit_columns
from lasca_core.steps.normalize import normalize, statistics
from lasca_core.steps.pairs import make_pairs
from lasca_core.steps.windows import concatenate, cut, grid, summarise
from lasca_core.steps.wording import write
from lasca_core.testing.standin import StandIn, standin_device

NAMES = tuple(f"f{index}" for index in range(12))


RULE: dict[str, Any] = {"tau": 0.05, "strategy": "scale", "ranges": torch.empty(0), "scale": (0.0, 1.0)}


def made_track(session: int, seconds: int = 30) -> Track:
    """Frames with holes."""
    generator = torch.Generator().manual_seed(session)
    valid = torch.rand(30 * seconds, generator=generator) < 0.7
    valid[200:290] = False
    values = torch.rand(30 * seconds, len(NAMES), generator=generator) * valid[:, None]
    times = torch.arange(30 * seconds, dtype=torch.float64) / 30
    return Track(NAMES, values, times, valid, frozenset(NAMES[:3]))


def made_windows(device: torch.device | str, seconds: int = 30) -> Windows:
    """Windows of three sessions with holes, on ``device``."""
    tracks = [made_track(session, seconds).to(device) for session in range(3)]
    return concatenate([cut([track], f"s{number}", length=1.0, hop=1.0) for number, track in enumerate(tracks)])


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


@pytest.fixture(
    params=[
        pytest.param(
            "cuda",
            marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")],
        ),
        "standin",
    ]
)
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    """A GPU, and the stand-in for one."""
    if request.param == "cuda":
        yield torch.device("cuda", 0)
        return
    with standin_device() as standin:
        yield standin.device


def test_a_gpu_gives_the_cpus_results(device: torch.device) -> None:
    here, there = made_windows("cpu"), made_windows(device)
    torch.testing.assert_close(there.values.cpu(), here.values)
    assert torch.equal(there.valid.cpu(), here.valid)
    same: Windows = here.to(device)
    for (name, expected), (_, found) in zip(steps(here), steps(same), strict=True):
        assert found.device == device, name
        if isinstance(found, Tensor) and found.dtype.is_floating_point:
            torch.testing.assert_close(found.cpu(), expected, msg=name)
        else:
            assert torch.equal(found.cpu(), expected), name


def worded(windows: Windows) -> Wording:
    """Sentences of at most twelve words of one space each."""
    chosen = TopK(TopKOptions(k=6), None).select(windows.values)  # type: ignore[arg-type]
    lexicon = Lexicon("test", "1", "en", "Apache-2.0", {name: f"the cue {name}" for name in NAMES})
    return write(chosen, NAMES, lexicon, lambda texts: [len(text.split()) for text in texts], 12)


def test_the_words_of_windows_on_a_gpu_are_numbered_there(device: torch.device) -> None:
    found = worded(made_windows(device))
    assert found.index.device == found.dropped.device == device
    assert int(found.dropped.max()) == 2
    expected = worded(made_windows("cpu"))
    assert found.texts == expected.texts
    assert torch.equal(found.index.cpu(), expected.index)


# --- how often the host waits -----------------------------------------------------------------------------------------


@pytest.fixture
def standin() -> Iterator[StandIn]:
    with standin_device() as found:
        yield found


@pytest.mark.parametrize("seconds", [30, 300])
def test_the_host_waits_a_few_times_a_step_however_many_windows_there_are(standin: StandIn, seconds: int) -> None:
    windows = made_windows(standin.device, seconds)
    known = statistics(windows, windows.session)
    ready = normalize(windows, known, windows.session)
    pairs = make_pairs(windows, ready.features[:, 0], windows.valid, **RULE)
    blocks = {"features": ready.features}
    delta, layout = differences(blocks, {}, pairs)
    track = made_track(0, seconds).to(standin.device)
    otsu = Otsu(OtsuOptions(), None)  # type: ignore[arg-type]
    waits = {
        # the record's promises (values are finite, sessions in order, windows end after they begin), where the track
        # ends, which says how many windows there are
        "windows": (lambda: cut([track], "s", length=1.0, hop=1.0), 4),
        # how many groups there are; which windows are valid
        "statistics": (lambda: statistics(windows, windows.session), 2),
        "normalisation": (lambda: normalize(windows, known, windows.session), 0),
        "saliency": (lambda: otsu.select(ready.salience), 1),  # the record's promise: scores are finite
        # which windows follow one another; how many pairs fall away, and why; which are left
        "pairs": (lambda: make_pairs(windows, ready.features[:, 0], windows.valid, **RULE), 3),
        "differences": (lambda: differences(blocks, {}, pairs), 0),
        "their scale": (lambda: fit_columns(delta, layout).apply(delta, layout), 0),
    }
    for step, (work, expected) in waits.items():
        standin.forget()
        work()
        assert len(standin.waits) == expected, f"{step}: {', '.join(map(str, standin.waits))}"


def test_the_host_waits_as_often_for_the_words_of_many_windows_as_for_those_of_few(standin: StandIn) -> None:
    counts = []
    for seconds in (30, 300):
        windows = made_windows(standin.device, seconds)
        standin.forget()
        found = worded(windows)
        counts.append(len(standin.waits))
        assert int(found.dropped.max()) > 0, "some are shortened, which takes the longer way"
    assert counts[0] == counts[1] < 20
