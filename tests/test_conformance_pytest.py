"""The kit as a plugin's author meets it in pytest: one test a promise, expected failures, fixtures."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest

from lasca_core.contract.errors import OptionError, PluginError
from lasca_core.testing import Site, collect_checks, make_registry, parametrize_with_checks
from lasca_core.testing.bench import Subject

pytest_plugins = ["pytester"]

PLUGIN = """
from lasca_core.api import Component, Field, Options, Saliency, SaliencySpec, hookimpl
import torch


class MeanOptions(Options):
    factor: float = Field(1.0, description="times the mean")


class Mean(Component):
    def select(self, values):
        score = values - self.options.factor * values.double().mean(dim=1, keepdim=True).float()
        return Saliency((score > 0) & (values != values[:, :1]).any(dim=1, keepdim=True), score)


@hookimpl
def lasca_register_saliency():
    options = f"{__name__}:MeanOptions"
    yield SaliencySpec(name="mean", target=f"{__name__}:Mean", options=options, summary="Above the mean")
"""
METADATA = "Summary: s\nLicense-Expression: MIT\nRequires-Python: >=3.11\n\nAbout it."
TEST = """
from lasca_core.testing import parametrize_with_checks

@parametrize_with_checks("lasca-mean"{arguments})
def test_conformance(check):
    check()
"""


@pytest.fixture
def site(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A folder that a pytest of its own finds distributions in."""
    folder = pytester.path / "site"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH")))))
    monkeypatch.setenv("COLUMNS", "200")
    return Site(folder)


def install(site: Site, code: str = PLUGIN) -> None:
    site.install("lasca-mean", {"lasca_mean": code}, requires=("lasca>=0.1,<99",), metadata=METADATA)


def run(pytester: pytest.Pytester, arguments: str = "") -> pytest.RunResult:
    pytester.makepyfile(test_mean=TEST.format(arguments=arguments))
    return pytester.runpytest_subprocess("-q", "-rA", "-p", "no:cacheprovider")


def test_every_promise_is_a_test_with_a_name_and_an_expected_failure_fails_when_it_passes(
    pytester: pytest.Pytester, site: Site
) -> None:
    install(site)
    expected = {
        "lasca-mean": {  # its only file imports torch, which adds a warning filter
            "check_registration_imports_nothing_heavy": "a single file",
            "check_registration_touches_no_global_state": "torch does",
        },
        "mean": {"check_prints_nothing": "it prints a line"},  # and does not
    }
    outcomes = run(pytester, f", expected_failures={expected!r}")
    outcomes.stdout.fnmatch_lines(
        [
            "PASSED *[[]saliency-mean-check_rows_are_judged_by_themselves]",
            "XFAIL *[[]plugin-lasca-mean-check_registration_imports_nothing_heavy]*a single file",
            "FAILED *[[]saliency-mean-check_prints_nothing]*it prints a line",
        ]
    )
    assert {"xfailed": 2, "failed": 1}.items() <= outcomes.parseoutcomes().items()


def test_a_failure_says_what_to_do(tmp_path: Path) -> None:
    site = Site(tmp_path)
    install(site, PLUGIN.replace("dim=1, keepdim=True).float()", "dim=0, keepdim=True).float()"))
    with site.active():
        results = [check.run() for check in collect_checks(site.registry(), ["mean"])]
    (message,) = [result.message for result in results if result.check == "check_rows_are_judged_by_themselves"]
    assert message.startswith("a window alone is judged otherwise than among others (")
    assert message.endswith("; compute thresholds along dim=1 (the features of one window), never over all windows")


def test_a_distribution_that_is_not_installed_stops_the_collection_with_a_sentence(
    pytester: pytest.Pytester, site: Site
) -> None:
    outcomes = run(pytester)
    outcomes.stdout.fnmatch_lines(["*PluginError: no plugin, distribution or component is named 'lasca-mean'*"])


def test_the_fixtures_are_there_once_they_are_asked_for(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["lasca_core.testing.fixtures"]')
    pytester.makepyfile(
        textwrap.dedent(
            """
            from lasca_core.api import open_media

            def test_runtime(lasca_runtime):
                assert lasca_runtime.offline and lasca_runtime.device.type == "cpu"

            def test_recording(lasca_recording):
                source = open_media(lasca_recording)
                assert source.has_video and source.has_audio and 1.5 < source.duration < 2.5

            def test_site(lasca_site):
                assert lasca_site.registry().plugins == []
                lasca_site.install("lasca-nothing", {"lasca_nothing": ""})
                (found,) = lasca_site.registry().plugins
                assert (found.distribution, found.status) == ("lasca-nothing", "loaded")
            """
        )
    )
    pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider").assert_outcomes(passed=3)


def test_an_expected_failure_of_a_check_that_is_not_run_is_an_error(tmp_path: Path) -> None:
    site = Site(tmp_path)
    install(site)
    with site.active():
        registry = site.registry()
        with pytest.raises(PluginError, match="names check_nothing of 'mean', which is not checked here"):
            parametrize_with_checks(
                "lasca-mean", registry=registry, expected_failures={"mean": {"check_nothing": "why"}}
            )
        with pytest.raises(PluginError, match="check_prints_nothing of 'mean' without a reason"):
            parametrize_with_checks(
                "lasca-mean", registry=registry, expected_failures={"mean": {"check_prints_nothing": " "}}
            )


def test_a_component_alone_is_checked_without_its_distribution(tmp_path: Path) -> None:
    site = Site(tmp_path)
    install(site)
    with site.active():
        checks = collect_checks(site.registry(), ["mean"])
    assert {str(check.subject) for check in checks} == {"saliency mean"}


def test_an_unknown_name_is_answered_with_the_nearest(tmp_path: Path) -> None:
    site = Site(tmp_path)
    install(site)
    with site.active(), pytest.raises(PluginError, match=r"is named 'lasca-maen'; did you mean lasca-mean"):
        collect_checks(site.registry(), ["lasca-maen"])


def test_options_of_a_component_that_is_not_checked_are_an_error(tmp_path: Path) -> None:
    site = Site(tmp_path)
    install(site)
    with site.active(), pytest.raises(OptionError, match=r"options of 'maen': no such component is checked here"):
        collect_checks(site.registry(), ["lasca-mean"], options={"maen": {"factor": 2}})


def test_options_reach_the_component(tmp_path: Path) -> None:
    site = Site(tmp_path)
    install(site)
    with site.active():
        (subject,) = {
            check.subject for check in collect_checks(site.registry(), ["mean"], options={"mean": {"factor": 1.5}})
        }
        assert isinstance(subject, Subject)
        assert subject.component.options.factor == 1.5


def test_without_a_name_there_is_nothing_to_check() -> None:
    with pytest.raises(TypeError, match="needs the name of your distribution"):
        parametrize_with_checks()


def test_modules_given_in_a_test_are_checked_as_components_of_a_registry(tmp_path: Path) -> None:
    site = Site(tmp_path)
    install(site)
    with site.active():
        import lasca_mean  # type: ignore[import-not-found]

        registry = make_registry(lasca_mean, installed=False)
        results = [check.run() for check in collect_checks(registry)]
    by_name = {result.check: result for result in results}
    assert by_name["check_rows_are_judged_by_themselves"].outcome == "passed"
    assert "is no installed distribution" in by_name["check_metadata_states_a_licence"].message
