"""The README is true: its plugin runs, its commands and options exist, its links point somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest

from lasca_core.cli import main as cli
from lasca_core.cli.common import Settings
from lasca_core.host.plugins import KINDS, discover
from lasca_core.steps.media import open_media
from lasca_core.testing import make_registry, make_runtime

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_plugin_in_the_readme_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_media: Callable[..., Path]
) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in snippet.splitlines() if line.strip() and not line.startswith("#")]) <= 15
    (tmp_path / "lasca_loudness.py").write_text(snippet, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    import lasca_loudness

    registry = make_registry(lasca_loudness, installed=False)
    assert registry.warnings == []
    from lasca_core.experiment.components import build_component

    extractor = build_component(registry, make_runtime(tmp_path), "extractor", "loudness", {}).component
    loud = np.concatenate([np.full(16_000, 0.01), np.full(16_000, 0.5)])[None].astype(np.float32)
    path = write_media(tmp_path / "sound.wav", sound=loud)
    parts = list(extractor.stream(open_media(path)))
    level = parts[0].values[:, 0]
    assert float(level[150] - level[50]) == pytest.approx(20 * np.log10(50), abs=0.1)


def _commands() -> list[list[str]]:
    lines = re.findall(r"^ {4}(lasca .*)$|`(lasca [^`]*)`", README, re.MULTILINE)
    return [shlex.split(re.sub(r"\s+#.*", "", "".join(line))) for line in lines]


def test_every_command_and_option_in_the_readme_exists() -> None:
    found = _commands()
    assert len(found) > 10
    for words in found:
        context = cli.lasca.make_context("lasca", ["doctor"], obj=Settings())
        command: click.Command | None = cli.lasca
        for word in words[1:]:
            if not isinstance(command, click.Group):
                break
            command = command.get_command(context, word.rstrip(","))
            assert command is not None, f"{word} in {' '.join(words)}"
        assert command is not None
        known = {name for parameter in command.params for name in parameter.opts}
        given = {word.split("=")[0] for word in words if word.startswith("-")}
        assert given <= known, f"{given - known} in {' '.join(words)}"


def test_every_component_is_in_the_readme() -> None:
    registry = discover()
    box = README.split("## What is in the box")[1].split("##")[0]
    for kind in KINDS:
        row = next(line for line in box.splitlines() if line.startswith(f"| {kind} "))
        for registered in registry.all(kind):
            if registered.plugin.distribution.startswith("lasca-"):
                assert f"`{registered.spec.name}`" in row, f"{kind} {registered.spec.name}"


def test_every_link_in_the_readme_points_to_a_file() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (ROOT / target).exists(), target


def test_the_outputs_in_the_readme_are_those_of_a_run_and_a_prediction() -> None:
    run, zero_shot, prediction = re.findall(r"<!-- output:[\w-]+ -->\n```\n(.*?)```", README, re.DOTALL)
    for variant in ("majority", "zero-shot", "features", "mask", "text", "fused", "names", "shuffled"):
        assert len(re.findall(rf"^{variant} +0\.\d+", run, re.MULTILINE)) == 2, variant
    assert "synthetic" in run
    for said in (zero_shot, prediction):
        assert re.search(r"valence (rises|falls) \(0\.\d\d\)", said)
    assert re.search(r"valence \+0\.\d\d: more mouthSmile", zero_shot)
