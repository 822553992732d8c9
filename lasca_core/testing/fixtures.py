"""Fixtures for a plugin's own tests: ``pytest_plugins = ["lasca_core.testing.fixtures"]`` in conftest.py adds them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lasca_core.host.runtime import HostRuntime
from lasca_core.testing import make_runtime
from lasca_core.testing.site import Site
from lasca_core.testing.synthetic import write_recording


@pytest.fixture
def lasca_runtime(tmp_path: Path) -> HostRuntime:
    """A runtime of the test's own: CPU, offline, silent; ``report.notes`` and ``.warnings`` hold what was said."""
    return make_runtime(tmp_path / "cache")


@pytest.fixture(scope="session")
def lasca_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic recording of two seconds with picture and sound."""
    return write_recording(tmp_path_factory.mktemp("lasca") / "recording.avi")


@pytest.fixture
def lasca_site(tmp_path: Path) -> Iterator[Site]:
    """An empty folder on the path that made-up distributions can be installed into, and a registry of these alone."""
    folder = tmp_path / "site"
    folder.mkdir()
    with Site(folder).active() as site:
        yield site
