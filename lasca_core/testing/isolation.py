"""Watching what code does to the world around it: output, files, network, deprecated names."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_COMPILED = (".py", ".pyc", ".so", ".pyd", ".dll", ".dylib")
_FILE_EVENTS = frozenset({"open", "os.listdir", "os.scandir", "sqlite3.connect"})
_SYSTEM = ("/proc/", "/sys/", "/dev/")

Look = Callable[[str, tuple[Any, ...]], str | None]
"""What to remember of an audit event, or None."""


# --- output -----------------------------------------------------------------------------------------------------------


@dataclass
class Printed:
    """What was printed: on standard output by any code of the process, on standard error by Python code."""

    output: str = ""
    errors: str = ""


@contextlib.contextmanager
def captured_output() -> Iterator[Printed]:
    """Collect what is printed inside this block.

    Standard output is also watched below Python, since a library's line there would break ``--json``. Libraries in C
    that log to standard error cannot be kept from it and are not counted.
    """
    printed = Printed()
    out, err = io.StringIO(), io.StringIO()
    with tempfile.TemporaryFile() as below, contextlib.redirect_stderr(err):
        sys.stdout.flush()
        try:
            kept = os.dup(1)
        except OSError:  # there is no standard output, as under pythonw
            kept = None
        try:
            if kept is not None:
                os.dup2(below.fileno(), 1)
            with contextlib.redirect_stdout(out):
                yield printed
        finally:
            if kept is not None:
                os.dup2(kept, 1)
                os.close(kept)
            below.seek(0)
            printed.output = out.getvalue() + below.read().decode(errors="replace")
            printed.errors = err.getvalue()


# --- files and network ------------------------------------------------------------------------------------------------

_WATCHERS: list[tuple[Look, list[str], bool]] = []


@functools.cache
def _install() -> None:
    """Audit hooks see what no replaced function would miss, but stay for good: this one sleeps between the checks."""
    sys.addaudithook(_heard)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    for look, seen, refuse in _WATCHERS:
        what = look(event, arguments)
        if what is not None:
            seen.append(what)
            if refuse:
                raise ConnectionRefusedError(f"a conformance check refuses the network: {what}")


@contextlib.contextmanager
def _watching(look: Look, *, refuse: bool) -> Iterator[list[str]]:
    _install()
    seen: list[str] = []
    watcher = (look, seen, refuse)
    _WATCHERS.append(watcher)
    try:
        yield seen
    finally:
        _WATCHERS.remove(watcher)


def watched_files() -> contextlib.AbstractContextManager[list[str]]:
    """The files and folders that Python code opens inside the block, but for modules and the system's own files."""

    def look(event: str, arguments: tuple[Any, ...]) -> str | None:
        if event not in _FILE_EVENTS or not isinstance(arguments[0], str | bytes | os.PathLike):
            return None
        path = os.fsdecode(arguments[0])
        return None if path.endswith(_COMPILED) or path.startswith(_SYSTEM) else path

    return _watching(look, refuse=False)


def no_network() -> contextlib.AbstractContextManager[list[str]]:
    """Refuse every use of the network inside the block, and remember it, whatever becomes of the error."""

    def look(event: str, arguments: tuple[Any, ...]) -> str | None:
        if event in ("socket.getaddrinfo", "socket.gethostbyname"):
            return str(arguments[0])
        if event in ("socket.connect", "socket.sendto"):
            address = arguments[1]
            return str(address) if isinstance(address, tuple) else None  # else a socket of this machine, in a file
        return None

    return _watching(look, refuse=True)


@contextlib.contextmanager
def deprecations() -> Iterator[list[str]]:
    """The deprecated parts of LaScA that are used inside the block: warnings whose text begins with ``lasca``."""
    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield found
    found += [
        str(warning.message)
        for warning in caught
        if issubclass(warning.category, DeprecationWarning) and str(warning.message).startswith("lasca")
    ]
