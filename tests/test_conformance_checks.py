"""Every conformance check catches what is wrong in its way, says what to do, and lets the right ones pass."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lasca_core.testing import make_registry
from lasca_core.testing.bench import Bench, Subject
from lasca_core.testing.checks import OF_KIND, behaviour, component_checks, plugin_checks, spec
from lasca_core.testing.site import Site
from lasca_core.testing.suite import Check, Result, collect_checks

TESTS = Path(__file__).parent
MODULES = ("anything", "extractors", "saliency_methods", "lexicons", "encoders", "learners", "datasets")
COMPONENT_CHECKS: list[Callable[[Subject], None]] = [
    *spec.CHECKS,
    *behaviour.CHECKS,
    *(check for checks in OF_KIND.values() for check in checks),
]

pytestmark = [
    pytest.mark.filterwarnings("ignore:lasca_core:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:std:UserWarning"),
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One recording and one folder for all of them."""
    made = Bench(cache=tmp_path_factory.mktemp("cache"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def subjects(bench: Bench) -> Iterator[list[Subject]]:
    """Every component of ``wrong_components``, the right ones too.

    Where there is no GPU, the CPU under another name stands for one, so that the comparison itself is tested.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TESTS))
        if behaviour.gpu() is None:
            patch.setattr(behaviour, "gpu", lambda: "cpu:0")
        found = []
        for name in MODULES:
            registry = make_registry(importlib.import_module(f"wrong_components.{name}"), installed=False)
            assert registry.warnings == []
            found += [Subject(one, registry, bench) for kind in OF_KIND for one in registry.all(kind)]
        yield found


def fault(subject: Subject) -> str | None:
    """The check that must catch the component; None for a right one."""
    marked: str | None = vars(subject.target).get("caught_by")
    return marked


@pytest.mark.parametrize("check", COMPONENT_CHECKS, ids=lambda check: check.__name__)
def test_a_component_that_breaks_the_promise_is_caught_and_told_what_to_do(
    check: Callable[[Subject], None], subjects: list[Subject]
) -> None:
    wrong = [subject for subject in subjects if fault(subject) == check.__name__]
    assert wrong, f"no component in tests/wrong_components is caught by {check.__name__}: write one"
    for subject in wrong:
        assert check in component_checks(subject), f"{check.__name__} is not chosen for {subject}"
        result = Check(check, subject).run()
        assert result.outcome == "failed", f"{subject} passes {check.__name__}"
        assert len(result.message) > 40


def test_every_wrong_component_names_a_check_that_there_is(subjects: list[Subject]) -> None:
    names = {check.__name__ for check in COMPONENT_CHECKS}
    for subject in subjects:
        if fault(subject) is not None:
            assert {fault(subject), *subject.target.also} <= names, subject


def test_right_components_pass_and_wrong_ones_fail_nothing_but_what_they_break(subjects: list[Subject]) -> None:
    right = 0
    for subject in subjects:
        results = [Check(check, subject).run() for check in component_checks(subject)]
        failed = {result.check: result.message for result in results if result.outcome == "failed"}
        if fault(subject) is None:
            right += 1
            assert failed == {}, subject
        else:
            assert fault(subject) in failed, subject
            assert failed.keys() <= {fault(subject), *subject.target.also}, subject
    assert right >= len(MODULES)


def test_a_component_that_cannot_be_built_is_one_failure_and_not_one_a_check(subjects: list[Subject]) -> None:
    (unbuildable,) = [subject for subject in subjects if subject.spec.name == "takes-no-runtime"]
    results = [Check(check, unbuildable).run() for check in component_checks(unbuildable)]
    assert [result.check for result in results if result.outcome == "failed"] == ["check_target_can_be_built"]
    assert {result.message for result in results if result.outcome == "skipped"} == {
        "it cannot be built, see check_target_can_be_built"
    }


# --- distributions ----------------------------------------------------------------------------------------------------


def plugin_results(folder: Path, code: str, settings: dict[str, Any]) -> dict[str, Result]:
    """The results of a plugin's own checks for a distribution written into ``folder``."""
    from wrong_components.distributions import PLUGIN

    folder.mkdir()
    site = Site(folder)
    site.install("wrong-one", {"wrong_one": code + PLUGIN.format(name="wrong", module="wrong_one")}, **settings)
    with site.active():
        checks = collect_checks(site.registry(), ["wrong-one"])
        return {check.name: check.run() for check in checks if check.function in plugin_checks()}


@pytest.fixture
def distributions(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of wrong distributions."""
    monkeypatch.syspath_prepend(str(TESTS))
    return importlib.import_module("wrong_components.distributions")


def failed(results: dict[str, Result]) -> list[str]:
    """Names of the checks that failed."""
    return [name for name, result in results.items() if result.outcome == "failed"]


def test_a_right_distribution_passes(tmp_path: Path, distributions: Any) -> None:
    results = plugin_results(tmp_path / "site", "", distributions.RIGHT)
    assert {result.outcome for result in results.values()} == {"passed"}


def test_every_check_of_a_distribution_has_a_wrong_one_that_it_catches(tmp_path: Path, distributions: Any) -> None:
    names = {check.__name__ for check in plugin_checks()}
    assert names == distributions.WRONG_METADATA.keys() | distributions.WRONG_CODE.keys()


@pytest.mark.parametrize("check", [check.__name__ for check in plugin_checks()])
def test_a_distribution_that_breaks_the_promise_is_caught_and_told_what_to_do(
    tmp_path: Path, check: str, distributions: Any
) -> None:
    cases = [("", settings) for settings in distributions.WRONG_METADATA.get(check, ())]
    cases += [(code, distributions.RIGHT) for code in distributions.WRONG_CODE.get(check, ())]
    for number, (code, settings) in enumerate(cases):
        results = plugin_results(tmp_path / str(number), code, settings)
        also = {"check_registration_touches_no_global_state"} if "heavy" in check else set()  # numpy's own filters
        assert check in failed(results), (code, settings)
        assert set(failed(results)) <= {check} | also, (code, settings)
        assert len(results[check].message) > 40
