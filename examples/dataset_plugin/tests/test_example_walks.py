"""The known rule, and that a seed fixes everything."""

from __future__ import annotations

from pathlib import Path

import torch
from example_walks.options import WalksOptions
from example_walks.walks import Walks

from lasca_core.api import Recording
from lasca_core.testing import Check, make_runtime, parametrize_with_checks


@parametrize_with_checks("example-walks")
def test_conformance(check: Check) -> None:
    check()


def read(tmp_path: Path, seed: int = 0) -> list[Recording]:
    return list(Walks(WalksOptions(), make_runtime(tmp_path, seed=seed)).sessions())


def test_a_smile_follows_valence_a_frown_opposes_it_and_blinks_ignore_it(tmp_path: Path) -> None:
    for recording in read(tmp_path):
        columns = [recording.annotations["valence"].values, *recording.features["face"].values.T]
        smile, frown, blink = torch.corrcoef(torch.stack(columns))[0, 1:]
        assert smile > 0.5
        assert frown < -0.5
        assert abs(blink) < 0.2


def test_another_seed_gives_other_walks(tmp_path: Path) -> None:
    first, other = (read(tmp_path, seed)[0].annotations["valence"].values for seed in (0, 1))
    assert not torch.equal(first, other)
