"""The paper's grid as a user runs it: real media and a real encoder, killed half-way and started again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lasca_core.contract.errors import WeightsError
from lasca_core.host.plugins import discover
from lasca_core.host.runtime import HostRuntime, default_cache

CONFIG = Path(__file__).parents[1] / "examples/configs/paper.toml"
SMALL = (
    *("-o", "puppet.size=small", "-o", "run.encoder=minilm", "-o", "windows.length=3", "-o", "evaluate.folds=2"),
    *("-o", "evaluate.bootstrap=100", "-o", "evaluate.variants=['majority', 'features', 'text', 'fused', 'names']"),
)


@pytest.fixture
def command(tmp_path: Path) -> tuple[list[str], dict[str, str]]:
    """The command and an environment whose cache shares nothing with the user's but the pretrained files."""
    users = HostRuntime(cache=default_cache())
    try:
        for kind, name in (("extractor", "blendshape"), ("encoder", "minilm")):
            for weights in discover().spec(kind, name).weights:
                users.fetch(weights)
    except WeightsError as error:
        pytest.skip(f"the pretrained files cannot be had: {error}")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "weights").symlink_to(users.cache / "weights")
    environment = {**os.environ, "LASCA_CACHE": str(tmp_path / "cache"), "LASCA_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return [sys.executable, "-m", "lasca_core", "sweep", str(CONFIG), *SMALL], environment


@pytest.mark.slow
def test_the_papers_grid_on_puppet_survives_being_killed(
    tmp_path: Path, command: tuple[list[str], dict[str, str]]
) -> None:
    arguments, environment = command
    with subprocess.Popen(arguments, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        seen = []
        for line in process.stderr:
            seen.append(line)
            if line.startswith("[3/6"):
                process.kill()
                break
    assert process.returncode == -9, "".join(seen)

    done = subprocess.run([*arguments, "--json"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["finished"], found["failed"]) == (6, [])
    assert found["computed"] <= 3

    again = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "cells: 0 computed, 6 stored before, 0 failed" in again.stdout
    for modality in ("visual (blendshape)", "audio (mfcc)", "audio+visual (blendshape+mfcc)"):
        assert f"**puppet (synthetic data), {modality}: accuracy" in again.stdout
    assert "encode" not in again.stderr
    assert "| HiCMAE" in again.stdout
