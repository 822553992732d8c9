"""The example package in examples/adaptive_lexicon, installed with pip and used by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples/adaptive_lexicon"
pytestmark = pytest.mark.skipif(not EXAMPLE.is_dir(), reason="the example lies in the repository, beside plugins/")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the example, and nothing else."""
    place = tmp_path_factory.mktemp("example")
    command = ["pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    run("-m", *command, "--target", str(place / "site"), str(EXAMPLE), cwd=place)
    return place / "site"


def run(*arguments: str, cwd: Path, site: Path | None = None) -> str:
    """What Python prints, with ``site`` on its path."""
    environment = {name: value for name, value in os.environ.items() if name != "LASCA_PLUGINS"}
    if site is not None:
        environment["PYTHONPATH"] = str(site)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_listed_with_its_package(site: Path, tmp_path: Path) -> None:
    listed = json.loads(run("-m", "lasca_core", "plugins", "list", "--json", cwd=tmp_path, site=site))
    assert [line for line in listed["warnings"] if "example" in line] == []
    (plugin,) = [plugin for plugin in listed["plugins"] if plugin["name"] == "example-adaptive-lexicon"]
    assert (plugin["status"], plugin["version"]) == ("loaded", "0.1.0")
    assert "cultures" in run("-m", "lasca_core", "plugins", "list", cwd=tmp_path, site=site)


def test_it_is_used_by_name_and_says_to_each_culture_its_words(site: Path, tmp_path: Path) -> None:
    code = """
from pathlib import Path
from lasca_core.api import LexiconContext
from lasca_core.experiment.components import build_component
from lasca_core.host.plugins import discover
from lasca_core.testing import make_runtime

built = build_component(discover(), make_runtime(Path("cache")), "lexicon", "cultures", {})
features = ("browOuterUpLeft", "mouthSmileLeft")
for culture in ("DE", "GR", "XX"):
    found = built.component.lexicon_for(LexiconContext(features, "en", {"culture": culture}))
    print(found.id, "|", found.sentence(["mouthSmileLeft"]))
"""
    german, greek, other = run("-c", code, cwd=tmp_path, site=site).splitlines()
    assert german.startswith("llm/cultures#culture=DE|German | ")
    assert "smiling sincerely" in german
    assert greek.startswith("llm/cultures#culture=GR|Greek | ")
    assert other.startswith("llm/cultures | ")
    assert greek.partition(" | ")[2] == other.partition(" | ")[2] != german.partition(" | ")[2]


def test_another_lexicon_can_build_on_it(site: Path, tmp_path: Path) -> None:
    code = """
from lasca_lexicons.options import AdaptiveOptions
from lasca_lexicons.stored import AdaptiveLexicon
print(AdaptiveLexicon(AdaptiveOptions(base="cultures"), None).content.id)
"""
    assert run("-c", code, cwd=tmp_path, site=site).strip() == "llm/cultures"


def test_its_own_tests_pass(site: Path, tmp_path: Path) -> None:
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-c", os.devnull, "--rootdir", str(tmp_path))
    out = run("-m", "pytest", *options, str(EXAMPLE / "tests"), cwd=tmp_path, site=site)
    assert " passed" in out
