"""`lasca data check table`: what it says of a generated study, before anything is computed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lasca_core.cli import main as cli
from lasca_core.cli.common import Settings

Lasca = Callable[..., tuple[int, str, str]]
UNITS = ("AU1", "AU2", "AU4", "AU6", "AU12", "AU15")


@pytest.fixture
def lasca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lasca:
    """Call ``lasca`` in this process, in an empty folder: exit code, stdout, stderr."""
    monkeypatch.setenv("LASCA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LASCA_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lasca", *map(str, arguments)])
        code = cli._guarded(Settings())
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def study(tmp_path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A table of 14 people with 30 to 40 rated clips each, in ``au.csv``, and a configuration that reads it. Returns
    each row's person and rating; in one row an action unit is missing, and the last person is never rated."""
    generator = np.random.default_rng(0)
    person = np.repeat(np.arange(14), generator.integers(30, 41, 14))
    rating = generator.integers(1, 8, len(person)).astype(float)
    rating[person == 13] = np.nan
    lines = [",".join(("person", "clip", *UNITS, "rating"))]
    for row, (who, rated) in enumerate(zip(person, rating, strict=True)):
        units = ["" if (row, unit) == (3, 0) else f"{generator.normal():.4f}" for unit in range(len(UNITS))]
        lines.append(",".join((f"p{who}", str(row), *units, "" if np.isnan(rated) else f"{rated:g}")))
    (tmp_path / "au.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "study.toml").write_text(
        '[run]\ndataset = "table"\n[dataset]\npath = "au.csv"\nrows = "segments"\nsubject = "person"\nindex = "clip"\n'
        'labels = {valence = "rating"}\nscale = [1, 7]\n'
    )
    return person, rating


def test_the_counts_of_segments_are_the_generators(lasca, study):
    person, rating = study
    code, out, err = lasca("data", "check", "--config", "study.toml", "--tau", 0.2, "--json")
    assert code == 0, err
    found = json.loads(out)
    rated = ~np.isnan(rating)
    assert (found["sessions"], found["subjects"], found["usable"]) == (13, 13, 13)
    assert found["segments"] == int(rated.sum())
    assert found["features"]["facet"]["rows"] == int(rated.sum())
    assert found["features"]["facet"]["invalid"] == pytest.approx(1 / rated.sum())
    assert found["targets"]["valence"] == {
        "sessions": 13,
        "scale": [1.0, 7.0],
        "lowest": 1.0,
        "highest": 7.0,
        "invalid": 0.0,
    }
    kept = rising = 0
    for number in range(13):
        own = rating[person == number]
        change = np.diff(own)
        sound = np.ones(len(change), dtype=bool)
        if number == 0:
            sound[2:4] = False  # the row with the missing action unit
        kept += int((sound & (np.abs(change) > 0.2 * (own.max() - own.min()))).sum())
        rising += int((sound & (change > 0.2 * (own.max() - own.min()))).sum())
    (row,) = found["pairs"]
    assert (row["window"], row["pairs"], row["rising"], row["subjects"]) == (None, kept, rising, 13)
    assert row["dropped"]["invalid window"] == 2
    (first, second) = found["warnings"]
    assert "au.csv, row 5: empty, NaN or infinite cells; 1 of the file's" in first
    assert "session 'p13': no label is valid; this session is left out" in second
    assert first in err


def test_a_person_reads_one_line_and_three_tables(lasca, study):
    code, out, err = lasca("data", "check", "table", "--config", "study.toml")
    assert code == 0
    assert out.startswith("table: 13 sessions of 13 subjects, ")
    assert "2 warnings while reading" in out
    assert "ready features" in out
    assert "invalid window  not annotated  change too small" in out
    assert out.count("segments  0.") == 2  # one row for each threshold
    assert "format facet" in err


def test_a_table_that_cannot_be_read_is_one_sentence(lasca):
    code, out, err = lasca("data", "check", "table", "-o", "table.path=gone.csv")
    assert (code, out) == (2, "")
    assert "lasca: gone.csv: no such file or folder" in err
