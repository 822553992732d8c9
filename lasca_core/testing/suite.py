"""Choosing the checks that a plugin must pass, running them, and handing them to pytest."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from unittest import SkipTest

from lasca_core.api import LascaError, OptionError, PluginError
from lasca_core.host.plugins import KINDS, PluginInfo, Registered, Registry, discover
from lasca_core.testing.bench import UNAVAILABLE, Bench, PluginSubject, Subject
from lasca_core.testing.isolation import captured_output
from lasca_core.testing.outcome import BrokenPromiseError

if TYPE_CHECKING:
    import pytest

OptionValues = Mapping[str, Mapping[str, Any]]
"""Component name -> option -> value."""


@dataclass(frozen=True)
class Result:
    """How one check of one subject ended; ``message`` says why, where it did not pass."""

    plugin: str
    subject: str
    check: str
    outcome: Literal["passed", "failed", "skipped"]
    message: str = ""


@dataclass(frozen=True)
class Check:
    """One check of one subject. Called, it returns, or raises ``BrokenPromiseError``, ``unittest.SkipTest`` or the
    component's own error."""

    function: Callable[[Any], None]
    subject: Subject | PluginSubject

    @property
    def name(self) -> str:
        """The check's name, ``check_...``."""
        return self.function.__name__

    def __str__(self) -> str:
        return f"{self.subject} {self.name}".replace(" ", "-")

    def __call__(self) -> None:
        try:
            self.function(self.subject)
        except UNAVAILABLE as error:  # what pytest and unittest call a skip
            raise SkipTest(str(error)) from None

    def run(self) -> Result:
        """The check's result; never raises but for an interruption, and lets nothing be printed."""
        info = self.subject.info if isinstance(self.subject, PluginSubject) else self.subject.registered.plugin

        def ended(outcome: Literal["passed", "failed", "skipped"], message: str = "") -> Result:
            return Result(info.distribution, str(self.subject), self.name, outcome, message)

        try:
            with captured_output():
                self()
        except SkipTest as reason:
            return ended("skipped", str(reason))
        except (BrokenPromiseError, LascaError) as failure:
            return ended("failed", str(failure))
        except Exception as error:
            text = " ".join(str(error).split())[:200]
            return ended(
                "failed", f"{type(error).__name__}: {text}; run this check with pytest to see where it comes from"
            )
        return ended("passed")


def collect_checks(
    registry: Registry,
    names: Sequence[str] = (),
    *,
    options: OptionValues | None = None,
    bench: Bench | None = None,
) -> list[Check]:
    """The checks of the named plugins, distributions or components; without names, of everything in ``registry``.

    A component that is named by itself is checked without its distribution. Raises ``PluginError`` for a name that
    nothing has, and ``OptionError`` for options of a component that is not among those checked.
    """
    from lasca_core.testing.checks import component_checks, plugin_checks

    options = options or {}
    bench = bench or Bench()
    plugins, components = _named(registry, names) if names else (registry.plugins, _components(registry))
    known = {registered.spec.name for registered in components}
    for name in options:
        if name not in known:
            raise OptionError(
                f"options of {name!r}: no such component is checked here, only {', '.join(sorted(known))}"
            )
    checks: list[Check] = []
    for info in plugins:
        plugin = PluginSubject(info, registry)
        checks += [Check(function, plugin) for function in plugin_checks()]
    for registered in components:
        subject = Subject(registered, registry, bench, options.get(registered.spec.name, {}))
        checks += [Check(function, subject) for function in component_checks(subject)]
    return checks


def parametrize_with_checks(
    *names: str,
    options: OptionValues | None = None,
    expected_failures: Mapping[str, Mapping[str, str]] | None = None,
    media: Path | None = None,
    registry: Registry | None = None,
) -> pytest.MarkDecorator:
    """Parametrize a test's argument ``check`` with all checks of a plugin: one test for each promise.

    ``names`` are installed distributions, plugins or components, and ``options`` the options to check a component with,
    by its name. ``expected_failures`` maps a component's name (or a plugin's) to checks that it is known to fail, each
    with the reason: such a test is an expected failure, and fails when the check passes after all. ``media`` is a
    recording to use in place of the synthetic one, and ``registry`` one that holds modules given in a test. ::

        @parametrize_with_checks("lasca-gaze")
        def test_conformance(check):
            check()
    """
    import pytest

    if not names and registry is None:
        raise TypeError("parametrize_with_checks needs the name of your distribution, as in pyproject.toml")
    checks = collect_checks(registry or discover(), names, options=options, bench=Bench(media=media))
    expected = dict(_expected(checks, expected_failures or {}))
    parameters = []
    for check in checks:
        reason = expected.get(check)
        marks = () if reason is None else (pytest.mark.xfail(reason=reason, strict=True),)
        parameters.append(pytest.param(check, id=str(check), marks=marks))
    return pytest.mark.parametrize("check", parameters)


def _expected(checks: Sequence[Check], expected: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[Check, str]]:
    for subject, reasons in expected.items():
        for name, reason in reasons.items():
            found = [check for check in checks if check.name == name and str(check.subject).endswith(f" {subject}")]
            if not found:
                raise PluginError(f"expected_failures names {name} of {subject!r}, which is not checked here")
            if not reason.strip():
                raise PluginError(f"expected_failures names {name} of {subject!r} without a reason")
            yield from ((check, reason) for check in found)


def _components(registry: Registry) -> list[Registered]:
    return [registered for kind in KINDS for registered in registry.all(kind)]


def _named(registry: Registry, names: Sequence[str]) -> tuple[list[PluginInfo], list[Registered]]:
    """Plugins and components that bear one of the names, each once, in the order of the names."""
    from packaging.utils import canonicalize_name

    plugins: dict[int, PluginInfo] = {}
    components: dict[int, Registered] = {}
    for name in names:
        wanted = canonicalize_name(name)
        own = [
            info
            for info in registry.plugins
            if wanted in (canonicalize_name(info.name), canonicalize_name(info.distribution))
        ]
        offered = [
            found for found in _components(registry) if found.plugin in own or (not own and found.spec.name == name)
        ]
        if not own and not offered:
            known = {info.distribution for info in registry.plugins} | {r.spec.name for r in _components(registry)}
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "see lasca plugins list"
            raise PluginError(f"no plugin, distribution or component is named {name!r}; {hint}")
        plugins.update({id(info): info for info in own})
        components.update({id(found): found for found in offered})
    return list(plugins.values()), list(components.values())
