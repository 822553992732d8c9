"""`lasca plugins check`: the conformance checks as a table, as JSON, and as an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lasca_core.cli import main
from lasca_core.cli.common import Settings
from lasca_core.testing import Site

Lasca = Callable[..., tuple[int, str, str]]

RIGHT = """
from lasca_core.api import SaliencySpec, hookimpl

@hookimpl
def lasca_register_saliency():
    yield SaliencySpec(name="mean", target="lasca_mean_method:Mean", summary="Above the mean", license="MIT")
"""
METHOD = """
from lasca_core.api import Component, Saliency

class Mean(Component):
    def select(self, values):
        score = values - values.double().mean(dim=1, keepdim=True).float()
        return Saliency((score > 0) & (values != values[:, :1]).any(dim=1, keepdim=True), score)
"""
WRONG = METHOD.replace("return", "print(len(values)); return")
METADATA = "Summary: s\nLicense-Expression: MIT\nRequires-Python: >=3.11\n\nAbout it."


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A folder that distributions can be installed into, on the path of this process."""
    (tmp_path / "site").mkdir()
    with Site(tmp_path / "site").active() as active:
        yield active


@pytest.fixture
def lasca(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Lasca:
    """Call ``lasca`` in this process with no other plugin than `lasca-mean`: exit code, stdout, stderr."""
    monkeypatch.setenv("LASCA_PLUGINS", "lasca-mean")

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lasca", *arguments])
        code = main._guarded(Settings())
        return code, *capfd.readouterr()

    return call


def install(site: Site, method: str, registration: str = RIGHT) -> None:
    modules = {"lasca_mean": registration, "lasca_mean_method": method}
    site.install("lasca-mean", modules, requires=("lasca>=0.1,<99",), metadata=METADATA)


def test_a_right_plugin_passes_and_every_promise_is_a_line(site: Site, lasca: Lasca) -> None:
    install(site, METHOD)
    code, out, err = lasca("plugins", "check", "lasca-mean")
    assert code == 0, err
    lines = out.splitlines()
    assert "plugin lasca-mean (lasca-mean)" in lines
    assert "saliency mean (lasca-mean)" in lines
    assert "check_rows_are_judged_by_themselves" in out
    assert lines[-1].endswith(" passed, 1 skipped, 0 failed") or lines[-1].endswith(" passed, 0 skipped, 0 failed")


def test_a_wrong_plugin_fails_by_name_with_exit_code_2_and_says_what_to_do(site: Site, lasca: Lasca) -> None:
    install(site, WRONG)
    code, out, err = lasca("plugins", "check")
    assert code == 2
    assert "FAILED: using it prints '40'; say what is worth saying with self.runtime.report.note()" in out
    assert err.splitlines()[-1].endswith("checks failed: saliency mean check_prints_nothing")


def test_json_holds_one_record_a_check_and_nothing_else_is_printed(site: Site, lasca: Lasca) -> None:
    install(site, WRONG)
    code, out, _ = lasca("plugins", "check", "mean", "--json")
    assert code == 2
    records = json.loads(out)
    assert {record["subject"] for record in records} == {"saliency mean"}
    failed = [record for record in records if record["outcome"] == "failed"]
    assert [record["check"] for record in failed] == ["check_prints_nothing"]
    assert set(records[0]) == {"plugin", "subject", "check", "outcome", "message"}


def test_a_plugin_that_does_not_load_fails_by_name(site: Site, lasca: Lasca) -> None:
    install(site, METHOD, registration="import no_such_library\n")
    code, out, err = lasca("plugins", "check")
    assert code == 2
    assert "plugin lasca-mean check_plugin_loads" in err
    assert "is broken: ModuleNotFoundError: No module named 'no_such_library'" in out


def test_an_unknown_name_is_an_error_with_the_nearest(site: Site, lasca: Lasca) -> None:
    install(site, METHOD)
    code, _, err = lasca("plugins", "check", "lasca-maen")
    assert code == 2
    assert "no plugin, distribution or component is named 'lasca-maen'; did you mean lasca-mean" in err


def test_a_component_without_the_options_it_needs_is_skipped_for_one_reason_in_one_line(
    site: Site, lasca: Lasca
) -> None:
    options = """
from pathlib import Path
from lasca_core.api import Field, Options

class Needy(Options):
    path: Path = Field(description="a folder")
"""
    install(
        site, METHOD + options, registration=RIGHT.replace("summary=", 'options="lasca_mean_method:Needy", summary=')
    )
    code, out, err = lasca("plugins", "check", "mean")
    assert code == 0, err
    (line,) = [line for line in out.splitlines() if "option path is required (a folder)" in line]
    assert line.split("  ")[0].endswith(" checks")
    assert "set it with -o mean.path=..." in line
    code, out, err = lasca("plugins", "check", "mean", "-o", f"mean.path={site.folder}")
    assert code == 0, err
    assert "is required" not in out


def test_a_device_that_is_not_there_is_an_error_before_any_check(site: Site, lasca: Lasca) -> None:
    install(site, METHOD)
    code, out, err = lasca("plugins", "check", "--device", "cuda:9")
    assert code == 2
    assert "--device cuda:9" in err
    assert out == ""
