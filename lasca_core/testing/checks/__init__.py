"""All conformance checks: those of every component, those of each kind, and those of a plugin's distribution."""

from __future__ import annotations

from collections.abc import Callable

from lasca_core.testing.bench import PluginSubject, Subject
from lasca_core.testing.checks import (
    behaviour,
    dataset,
    distribution,
    encoder,
    extractor,
    learner,
    lexicon,
    saliency,
    spec,
)

OF_KIND: dict[str, tuple[Callable[[Subject], None], ...]] = {
    "extractor": extractor.CHECKS,
    "saliency": saliency.CHECKS,
    "lexicon": lexicon.CHECKS,
    "encoder": encoder.CHECKS,
    "learner": learner.CHECKS,
    "dataset": dataset.CHECKS,
}
"""The checks that only one kind of component must pass."""


def component_checks(subject: Subject) -> list[Callable[[Subject], None]]:
    """The checks that ``subject`` must pass, by its kind and by what it needs and promises."""
    functions = (*spec.CHECKS, *OF_KIND[subject.kind], *behaviour.CHECKS)
    return [function for function in functions if getattr(function, "applies", _always)(subject)]


def plugin_checks() -> list[Callable[[PluginSubject], None]]:
    """The checks that every plugin must pass."""
    return list(distribution.CHECKS)


def _always(_: Subject) -> bool:
    return True
