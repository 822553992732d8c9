"""The distributions as a stranger gets them: built wheels in a clean environment, run from another folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DISTRIBUTIONS = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]


def call(*command: object, cwd: Path, **environment: str) -> str:
    """Output of a command that must succeed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.mark.slow
def test_the_built_wheels_work_in_a_clean_environment_and_another_folder(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    for distribution in DISTRIBUTIONS:
        call(sys.executable, "-m", "build", "--wheel", "--outdir", wheels, distribution, cwd=tmp_path)
    built = sorted(wheels.glob("*.whl"))
    assert len(built) == len(DISTRIBUTIONS)
    call(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv/bin/python"
    pinned = next(line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("torch=="))
    call(python, "-m", "pip", "install", "--quiet", pinned, *built, cwd=tmp_path)
    work = tmp_path / "elsewhere"
    work.mkdir()
    lasca = tmp_path / "venv/bin/lasca"
    listed = json.loads(call(lasca, "plugins", "list", "--json", cwd=work))
    assert {plugin["status"] for plugin in listed["plugins"]} == {"loaded"}
    assert listed["warnings"] == []
    assert len(listed["plugins"]) == len(DISTRIBUTIONS) - 1
    call(lasca, "lexicon", "check", cwd=work)
    job = ("run", "--extractor", "blendshape", "--extractor", "mfcc", "--encoder", "minilm")
    small = ("-o", "puppet.size=small", "-o", "evaluate.folds=2", "-o", "evaluate.bootstrap=100")
    out = call(lasca, *job, *small, cwd=work)
    assert "fused - features" in out
    assert (work / "runs/latest/model/model.json").is_file()
