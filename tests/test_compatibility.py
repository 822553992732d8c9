"""Older plugins work with this core, newer ones are refused in one line, and nothing of the API of 0.1 is lost."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from lasca_core import __version__, api
from lasca_core.cli import main
from lasca_core.cli.common import Settings
from lasca_core.contract import hookspecs
from lasca_core.contract.specs import COMPONENT_SPECS
from lasca_core.testing import Site, collect_checks

Lasca = Callable[..., tuple[int, str, str]]

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "1.0"
description = "Built in a test"
readme = {{ text = "Built in a test.", content-type = "text/plain" }}
requires-python = ">=3.11"
license = "MIT"
dependencies = ["lasca{lasca}"]

[project.entry-points.lasca]
{name} = "{package}"

[tool.hatch.build.targets.wheel]
only-include = {files}
"""

OLD_REGISTRATION = """
from lasca_core.api import (
    DatasetSpec, EncoderSpec, ExtractorSpec, LearnerSpec, LexiconSpec, SaliencySpec, hookimpl
)

@hookimpl
def lasca_register_extractors():
    return [ExtractorSpec("old-zcr", "old_parts:Crossings", "Zero crossings", needs=frozenset({"audio"}))]

@hookimpl
def lasca_register_saliency():
    return [SaliencySpec("old-max", "old_parts:Largest", "The largest value")]

@hookimpl
def lasca_register_lexicons():
    return [LexiconSpec("old-words", "old_parts:Words", "Any feature by its name")]

@hookimpl
def lasca_register_encoders():
    return [EncoderSpec("old-letters", "old_parts:Letters", "Counts letters")]

@hookimpl
def lasca_register_learners():
    return [LearnerSpec("old-mean", "old_parts:Mean", "The mean rise")]

@hookimpl
def lasca_register_datasets():
    return [DatasetSpec("old-tones", "old_parts:Tones", "Tones that rise and fall", synthetic=True)]
"""

OLD_PARTS = '''
"""Written for the first API: plain classes with the methods of the protocols and nothing besides.

No base class, hence no prepare(), close() or fingerprint(); no resolution, no languages(), features() or forms, no
targets, feature_sets(), segments or metadata, no knowledge of a problem's knowledge.
"""

import math
import wave

import numpy as np
import torch

from lasca_core.api import Lexicon, Recording, Saliency, Scores, Track, build_trace


class Part:
    def __init__(self, options, runtime):
        self.runtime = runtime


class Crossings(Part):
    names = ("crossings", "level")
    signed = frozenset()

    def stream(self, source):
        for sound in source.audio(16_000, 1.0):
            blocks = sound.values[: len(sound.values) // 1600 * 1600].reshape(-1, 1600)
            crossings = (blocks[:, 1:] * blocks[:, :-1] < 0).float().mean(dim=1)
            values = torch.stack([crossings, blocks.abs().mean(dim=1)], dim=1)
            times = sound.start + torch.arange(len(values), dtype=torch.float64) / 10
            yield Track(self.names, values, times, torch.ones(len(values), dtype=torch.bool), self.signed)


class Largest(Part):
    def select(self, values):
        largest = values.max(dim=1, keepdim=True).values
        return Saliency((values == largest) & (values.min(dim=1, keepdim=True).values < largest), values)


class Words(Part):
    def lexicon_for(self, context):
        return Lexicon("old-words", "1", context.language, "MIT", {name: f"much {name}" for name in context.features})


class Letters(Part):
    dim = 26
    max_tokens = 1000

    def count_tokens(self, texts):
        return [len(text) for text in texts]

    def encode(self, texts):
        rows = [[float(text.lower().count(chr(97 + place))) for place in range(26)] for text in texts]
        return torch.tensor(rows).reshape(-1, 26)


class MeanModel:
    def __init__(self, weight):
        self.weight, self.parameters = weight, len(weight)

    def predict(self, delta):
        return Scores((delta @ self.weight).sigmoid())

    def state(self):
        return {"weight": self.weight.clone()}


class Mean(Part):
    def fit_many(self, problems):
        return [MeanModel((problem.delta * (2 * problem.label - 1)[:, None]).mean(dim=0)) for problem in problems]

    def from_state(self, state):
        return MeanModel(state["weight"])


class Tones(Part):
    def sessions(self):
        folder = self.runtime.cache / "old-tones"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(4):
            path = folder / f"{number}.wav"
            time = np.arange(30 * 16_000) / 16_000
            height = np.sin(time / 3 + number)
            sound = np.sin(2 * math.pi * np.cumsum(300 + 100 * height) / 16_000)
            if not path.exists():
                with wave.open(str(path), "wb") as file:
                    file.setparams((1, 2, 16_000, 0, "NONE", ""))
                    file.writeframes((sound * 20_000).astype("<i2").tobytes())
            trace = build_trace(time[::1600], height[::1600])
            yield Recording(f"tone {number}", f"person {number}", media=path, annotations={"arousal": trace})
'''


def build(folder: Path, name: str, lasca: str, modules: dict[str, str]) -> Path:
    """A source distribution's folder with ``modules``, the first of which registers."""
    folder.mkdir()
    for module, code in modules.items():
        (folder / f"{module}.py").write_text(code)
    files = [f"{module}.py" for module in modules]
    (folder / "pyproject.toml").write_text(
        PROJECT.format(name=name, lasca=lasca, package=next(iter(modules)), files=files)
    )
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A plugin written for an older API and one for a newer, built and installed by pip into a folder on the path."""
    pytest.importorskip("hatchling", reason="building needs hatchling, which the extra dev brings")
    folder = tmp_path_factory.mktemp("compatibility")
    newer = "raise AssertionError('a plugin for another lasca was imported')\n"
    projects = [
        build(folder / "old", "old-plugin", ">=0.0.1,<1", {"old_plugin": OLD_REGISTRATION, "old_parts": OLD_PARTS}),
        build(folder / "new", "newer-plugin", ">=99.1", {"newer_plugin": newer}),
    ]
    target = folder / "site"
    pip = ["pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(target)]
    command = [sys.executable, "-m", *pip, *map(str, projects)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with Site(target).active() as active:
        yield active


@pytest.fixture
def lasca(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lasca:
    """Call ``lasca`` in this process with these two plugins only: exit code, stdout, stderr."""
    monkeypatch.setenv("LASCA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LASCA_PLUGINS", "old-plugin,newer-plugin")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lasca", *arguments])
        code = main._guarded(Settings())
        return code, *capsys.readouterr()

    return call


# --- older ------------------------------------------------------------------------------------------------------------


def test_an_older_plugin_runs_from_media_to_a_saved_model_and_a_prediction(lasca: Lasca, tmp_path: Path) -> None:
    names = {
        "dataset": "tones", "extractor": "zcr", "saliency": "max", "lexicon": "words", "encoder": "letters",
        "learner": "mean",
    }  # fmt: skip
    chosen = [part for kind, name in names.items() for part in (f"--{kind}", f"old-{name}")]
    variants = "evaluate.variants=['majority', 'features', 'mask', 'text', 'fused', 'shuffled']"
    small = ("-o", "evaluate.folds=2", "-o", "evaluate.bootstrap=50", "-o", variants)
    code, out, err = lasca("-q", "run", *chosen, *small)
    assert code == 0, err
    assert "arousal (synthetic data)" in out
    features = next(line for line in out.splitlines() if line.startswith("features "))
    assert float(features.split()[1]) > 0.9  # a higher tone crosses zero more often
    code, out, err = lasca("-q", "predict", str(tmp_path / "cache/old-tones/1.wav"), "--model", "runs/latest")
    assert code == 0, err
    assert re.search(r"arousal (rises|falls)", out)


def test_an_older_plugin_passes_all_checks_but_those_of_promises_it_never_made(site: Site) -> None:
    results = [check.run() for check in collect_checks(site.registry(), ["old-plugin"])]
    failed = {f"{result.subject} {result.check}" for result in results if result.outcome == "failed"}
    # It describes any feature in any language, and learns from no pair at all; both were noticed later.
    assert failed == {
        "lexicon old-words check_unknown_language_is_a_lexicon_error",
        "learner old-mean check_hopeless_problems_are_explained",
    }


# --- newer ------------------------------------------------------------------------------------------------------------


def test_a_plugin_that_needs_a_newer_lasca_is_one_warning_line(lasca: Lasca) -> None:
    code, out, err = lasca("plugins", "list")
    assert code == 0
    problem = f"it needs lasca >=99.1, and this is lasca {__version__}"
    expected = f"plugin 'newer-plugin' (newer-plugin 1.0) is incompatible: {problem}"
    assert err.splitlines() == [f"lasca: warning: {expected}"]
    assert expected in out
    assert "old-zcr" in out


def test_a_plugin_that_is_newer_than_it_says_is_broken_in_one_line(tmp_path: Path) -> None:
    site = Site(tmp_path)
    code = (
        "from lasca_core.api import SaliencySpec, hookimpl\n@hookimpl\ndef lasca_register_saliency():\n"
        "    yield SaliencySpec('later', 'later:Later', 'summary', colour='red')\n"
    )
    site.install("later-plugin", {"later_plugin": code}, requires=("lasca>=0.1",))
    with site.active():
        (warning,) = site.registry().warnings
    assert "plugin 'later-plugin' (later-plugin 1.0) is broken: TypeError" in warning
    assert "'colour'" in warning


# --- nothing is lost --------------------------------------------------------------------------------------------------

NAMES_OF_0_1 = frozenset({
    "Block", "CommandSpec", "Component", "ComponentSpec", "ContractError", "Dataset", "DatasetError", "DatasetSpec",
    "DeviceError", "Embeddings", "Encoder", "EncoderSpec", "Extractor", "ExtractorSpec", "Field", "Frames",
    "LascaError", "Learner", "LearnerSpec", "Lexicon", "LexiconContext", "LexiconError", "LexiconProvider",
    "LexiconSpec", "MediaError", "Model", "ModelError", "NoOptions", "OptionError", "Options", "PackageSource",
    "Pairs", "PluginError", "Problem", "Recording", "Reporter", "RunInfo", "Runtime", "Saliency", "SaliencyMethod",
    "SaliencySpec", "Samples", "Scores", "Source", "StageInfo", "StoreError", "Trace", "Track", "Weights",
    "WeightsError", "Windows", "Wording", "build_trace", "hookimpl", "how", "open_media",
})  # fmt: skip
HOOKS_OF_0_1 = frozenset({
    "lasca_register_extractors", "lasca_register_saliency", "lasca_register_lexicons", "lasca_register_encoders",
    "lasca_register_learners", "lasca_register_datasets", "lasca_register_commands", "lasca_run_started",
    "lasca_stage_finished", "lasca_run_finished",
})  # fmt: skip
SPEC_FIELDS_OF_0_1 = ["name", "target", "summary", "options", "version", "license", "weights", "citation", "note"]
"""In their order: a spec may be written with positional arguments."""


def test_every_name_of_the_first_api_is_still_there() -> None:
    assert set(api.__all__) >= NAMES_OF_0_1
    assert all(hasattr(api, name) for name in NAMES_OF_0_1)


def test_every_hook_of_the_first_api_is_still_there() -> None:
    assert set(vars(hookspecs.Hooks)) >= HOOKS_OF_0_1


@pytest.mark.parametrize("spec", COMPONENT_SPECS, ids=lambda spec: spec.kind)
def test_a_spec_can_be_written_as_for_the_first_api(spec: type) -> None:
    assert [field.name for field in fields(spec)][: len(SPEC_FIELDS_OF_0_1)] == SPEC_FIELDS_OF_0_1
