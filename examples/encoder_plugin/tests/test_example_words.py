"""What hashed words tell apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from example_words.options import WordsOptions
from example_words.words import Words
from torch import Tensor

from lasca_core.testing import Check, make_runtime, parametrize_with_checks


@parametrize_with_checks("example-words")
def test_conformance(check: Check) -> None:
    check()


def encode(tmp_path: Path, *texts: str, pairs: bool = True) -> Tensor:
    return Words(WordsOptions(pairs=pairs), make_runtime(tmp_path)).encode(texts)


def test_texts_are_close_as_far_as_they_share_words(tmp_path: Path) -> None:
    smile, wide_smile, frown = encode(tmp_path, "a warm smile", "a wide warm smile", "angry brows")
    assert smile @ wide_smile > 0.5 > abs(smile @ frown)


def test_the_order_of_words_matters_only_through_pairs(tmp_path: Path) -> None:
    there, back = encode(tmp_path, "brows up mouth down", "mouth up brows down")
    assert not torch.equal(there, back)
    there, back = encode(tmp_path, "brows up mouth down", "mouth up brows down", pairs=False)
    torch.testing.assert_close(there, back)


def test_importing_the_encoder_does_not_import_the_library() -> None:
    code = "import sys, example_words.words; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
