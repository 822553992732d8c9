"""For whom a check is: a condition on the component's kind, on what it needs and on what it promises."""

from __future__ import annotations

from collections.abc import Callable

from lasca_core.testing.bench import Subject

CheckFunction = Callable[[Subject], None]


def only_if(condition: Callable[[Subject], bool]) -> Callable[[CheckFunction], CheckFunction]:
    """Choose the decorated check only for components that meet ``condition``."""

    def mark(function: CheckFunction) -> CheckFunction:
        function.applies = condition  # type: ignore[attr-defined]
        return function

    return mark


def reads(stream: str) -> Callable[[Subject], bool]:
    """Extractors that read ``stream``."""
    return lambda subject: stream in subject.needs


def promises(promise: str) -> Callable[[Subject], bool]:
    """Components whose attribute ``promises`` names ``promise``."""
    return lambda subject: promise in subject.promises
