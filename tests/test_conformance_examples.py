"""The examples install, pass their own tests and work together, as a reader would try them."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lasca_core.cli import main
from lasca_core.cli.common import Settings
from lasca_core.host.plugins import KINDS
from lasca_core.testing import Site, collect_checks, write_recording

ROOT = Path(__file__).parents[1]
MINIMAL = ROOT / "examples/minimal_plugin"
WORKED = {kind: ROOT / f"examples/{kind}_plugin" for kind in KINDS}


def distribution(folder: Path) -> str:
    """The name in pyproject.toml."""
    name: str = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["name"]
    return name


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """All examples, built and installed into a folder of their own, which is on the path."""
    pytest.importorskip("hatchling", reason="building needs hatchling, which the extra dev brings")
    folder = tmp_path_factory.mktemp("site")
    pip = ["pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(folder)]
    command = [sys.executable, "-m", *pip, *map(str, (MINIMAL, *WORKED.values()))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with Site(folder).active() as site:
        yield site


def test_the_smallest_plugin_is_one_file_beside_its_project(installed: Site) -> None:
    assert sorted(path.name for path in MINIMAL.iterdir() if path.name != "__pycache__") == [
        "lasca_loudness.py",
        "pyproject.toml",
    ]
    assert installed.registry().find("extractor", "loudness").plugin.distribution == "lasca-loudness"


@pytest.mark.parametrize("folder", [MINIMAL, *WORKED.values()], ids=lambda folder: folder.name)
def test_every_example_keeps_all_promises(installed: Site, folder: Path) -> None:
    results = [check.run() for check in collect_checks(installed.registry(), [distribution(folder)])]
    assert [(result.check, result.message) for result in results if result.outcome == "failed"] == []
    skipped = {result.message for result in results if result.outcome == "skipped"}
    assert all(message.startswith("torch sees no GPU on this machine, and there is no stand-in") for message in skipped)
    assert {result.subject.split()[0] for result in results} >= {"plugin", folder.name.removesuffix("_plugin")} - {
        "minimal"
    }


def test_the_examples_work_together_in_one_run(
    installed: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ["--saliency", "quantile", "--encoder", "words", "--learner", "ranksvm", "--lexicon", "names"]
    small = ["-o", "evaluate.folds=2", "-o", "evaluate.bootstrap=50"]
    monkeypatch.setattr(sys, "argv", ["lasca", "-q", "run", "--dataset", "walks", *chosen, *small])
    monkeypatch.setenv("LASCA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    code = main._guarded(Settings())
    out, err = capsys.readouterr()
    assert code == 0, err
    assert "valence (synthetic data)" in out
    assert (tmp_path / "runs/latest/model/model.json").is_file()


def test_the_extractors_measure_a_recording(
    installed: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    media = write_recording(tmp_path / "talk.avi", video=False)
    arguments = ["extract", str(media), "--extractor", "voice", "--extractor", "loudness", "--output", "features"]
    monkeypatch.setattr(sys, "argv", ["lasca", "-q", *arguments])
    monkeypatch.setenv("LASCA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert main._guarded(Settings()) == 0, capsys.readouterr().err
    import pyarrow.parquet as pq

    voice = pq.read_table(tmp_path / "features/talk.voice.parquet")
    assert voice.column_names == ["time", "valid", "level", "centroid"]
    assert all(voice["valid"].to_pylist())
    assert pq.read_table(tmp_path / "features/talk.loudness.parquet").num_rows == 200


def test_every_example_passes_its_own_tests(installed: Site, tmp_path: Path) -> None:
    folders = [str(folder / "tests") for folder in WORKED.values()]
    tests = ["pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir", str(tmp_path), "-n", "0"]
    tests += ["-k", "not conformance"]  # the same checks as above
    done = subprocess.run(
        [sys.executable, "-m", *tests, *folders],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed.folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
