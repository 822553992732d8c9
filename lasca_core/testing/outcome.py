"""How a check ends: quietly, with a failure that says what to do, or skipped for a reason."""

from __future__ import annotations


class BrokenPromiseError(AssertionError):
    """A plugin breaks a promise. The message says which one, and what to do about it."""


def require(condition: bool, problem: str, advice: str) -> None:
    """Raise ``BrokenPromiseError`` unless ``condition`` holds: ``problem`` is what was seen, ``advice`` what to do."""
    if not condition:
        raise BrokenPromiseError(f"{problem}; {advice}")
