"""What ships with LaScA keeps the promises it asks of others."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lasca_core.host.plugins import KINDS, Registered, discover
from lasca_core.host.runtime import default_cache
from lasca_core.testing import make_runtime, write_recording
from lasca_core.testing.bench import Bench, PluginSubject, Subject
from lasca_core.testing.checks import component_checks, plugin_checks
from lasca_core.testing.suite import Check, Result

ROOT = Path(__file__).parents[1]
REGISTRY = discover(allowed=[path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")])
PLUGINS = [info for info in REGISTRY.plugins if info.status != "disabled"]
COMPONENTS = [found for kind in KINDS for found in REGISTRY.all(kind)]
CLIP = ROOT.parent / "shared/data/crema-d/crema_1001_NEU-HAP-ANG-SAD-FEA-DIS.mp4"
SLOW = {"mpnet", "puppet", "compare"}
"""A model of 438 MB, two minutes of video to generate, and 6373 features a window."""
EXCUSES = re.compile(
    r"torch sees no GPU|is required|not on this machine|is not in the cache|are not in the cache|optional"
)


def manifest(folder: Path) -> dict[str, Any]:
    """Two sessions with sound and an annotation."""
    rows = [("session", "subject", "media", "annotation")]
    for person in ("anna", "ben"):
        write_recording(folder / f"{person}.avi", seconds=1, video=False)
        (folder / f"{person}.csv").write_text("time,valence,arousal\n0,0.1,0\n0.5,0.2,-0.5\n1,-0.3,0.5\n")
        rows.append((f"of {person}", person, f"{person}.avi", f"{person}.csv"))
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return {"path": str(folder / "manifest.csv")}


def lexicon_folder(folder: Path) -> dict[str, Any]:
    """The bundled lexicon as if it were the user's own."""
    from lasca_lexicons.stored import BundledLexicon

    from lasca_core.api import NoOptions

    return {"path": str(BundledLexicon(NoOptions(), make_runtime(folder)).folder())}


OPTIONS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "manifest": manifest,
    "folder": lexicon_folder,
    "puppet": lambda _: {"size": "small"},
}
"""Options to check a component with that has no defaults, or costly ones."""


def run(checks: list[Check]) -> list[Result]:
    """The results, none of which is a failure, nor skipped without a good reason."""
    results = [check.run() for check in checks]
    assert [(result.check, result.message) for result in results if result.outcome == "failed"] == []
    excused = [result.message for result in results if result.outcome == "skipped"]
    assert [message for message in excused if not EXCUSES.search(message)] == []
    return results


@pytest.mark.parametrize("info", PLUGINS, ids=lambda info: info.distribution)
def test_the_distribution_keeps_its_promises(info: Any) -> None:
    subject = PluginSubject(info, REGISTRY)
    run([Check(function, subject) for function in plugin_checks()])


def _slow(found: Registered) -> Any:
    marks = (pytest.mark.slow,) if found.spec.name in SLOW else ()
    return pytest.param(found, id=f"{found.spec.kind}-{found.spec.name}", marks=marks)


@pytest.mark.parametrize("found", [_slow(found) for found in COMPONENTS])
def test_the_component_keeps_its_promises(found: Registered, tmp_path: Path) -> None:
    name = found.spec.name
    bench = Bench(cache=tmp_path if found.spec.kind == "dataset" else default_cache())
    subject = Subject(found, REGISTRY, bench, OPTIONS[name](tmp_path) if name in OPTIONS else {})
    run([Check(function, subject) for function in component_checks(subject)])
    bench.close()


@pytest.mark.slow
@pytest.mark.skipif(not CLIP.is_file(), reason="the CREMA-D clip is not beside the checkout")
@pytest.mark.parametrize("found", [found for found in COMPONENTS if found.spec.kind == "extractor"], ids=str)
def test_extractors_keep_their_promises_on_a_real_recording(found: Registered) -> None:
    bench = Bench(media=CLIP)
    subject = Subject(found, REGISTRY, bench)
    results = run([Check(function, subject) for function in component_checks(subject)])
    assert "check_invalid_frames_are_zero" not in {result.check for result in results if result.outcome == "skipped"}
    bench.close()
