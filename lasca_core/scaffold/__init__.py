"""Writes a new plugin: a complete distribution with one working component, from the templates beside this file."""

from __future__ import annotations

import datetime
import importlib.util
import json
import keyword
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from lasca_core import __version__
from lasca_core.contract.errors import OptionError, StoreError
from lasca_core.host.plugins import KINDS, KNOWN_PACKAGES, Registry

LICENCES = ("Apache-2.0", "MIT", "BSD-3-Clause")
"""The licences to choose from, as SPDX identifiers; each has its text in the folder ``licences``."""

_DISTRIBUTION = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_RESERVED = frozenset({"plugin", "options", "conformance"})
"""Names of modules and tests that every new plugin has."""
_SUFFIX = ".tmpl"
_SUMMARIES = {
    "extractor": "Brightness and motion of video frames",
    "saliency": "Features k standard deviations above their window's mean",
    "lexicon": "A few entries by hand, other features by name",
    "encoder": "Hashed pieces of words",
    "learner": "The mean rise as direction",
    "dataset": "A folder for each person",
}
"""What the templates of each kind do."""


@dataclass(frozen=True)
class Names:
    """What a new plugin and its parts are called: ``lasca-eye-gaze``, ``lasca_eye_gaze``, ``eye-gaze``, ``EyeGaze``."""

    distribution: str

    @property
    def package(self) -> str:
        """The import package."""
        return self.distribution.replace("-", "_")

    @property
    def component(self) -> str:
        """The component, as it is named on the command line: the distribution without ``lasca-``."""
        return self.distribution.removeprefix("lasca-")

    @property
    def module(self) -> str:
        """The component's module."""
        return self.component.replace("-", "_")

    @property
    def class_name(self) -> str:
        """The component's class."""
        return "".join(part.capitalize() for part in self.component.split("-"))


def write_plugin(
    kind: str, name: str, output: Path, *, licence: str = LICENCES[0], author: str | None = None, registry: Registry
) -> Path:
    """Write the distribution ``name`` with one component of ``kind`` into the folder ``output / name``, and return it.

    Nothing is overwritten, and nothing is left behind if writing fails. ``author`` holds the copyright. Raises
    ``OptionError`` for a name that cannot be used, is taken, or whose folder exists, and ``StoreError`` if the folder
    cannot be written.
    """
    names = Names(name)
    _check(kind, names, registry)
    folder = output / name
    if folder.exists() or folder.is_symlink():
        raise OptionError(f"{folder} exists already and is not overwritten; choose another NAME or --output")
    owner = author or f"The {name} authors"
    values = {
        "distribution": names.distribution,
        "package": names.package,
        "component": names.component,
        "module": names.module,
        "class_name": names.class_name,
        "kind": kind,
        "licence": licence,
        "author": owner,
        "author_quoted": json.dumps(owner, ensure_ascii=False)[1:-1],  # the same in TOML and Python
        "summary": _SUMMARIES[kind],
        "year": str(datetime.datetime.now(tz=datetime.UTC).year),
        "lasca": _compatible(__version__),
    }
    staging = output / f".{name}.{os.getpid()}.part"
    try:
        for path, text in _rendered(kind, licence, values):
            target = staging / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        staging.rename(folder)
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def _check(kind: str, names: Names, registry: Registry) -> None:
    """Raise ``OptionError`` unless a plugin can be called so."""
    name = names.distribution
    if kind not in KINDS:
        raise OptionError(f"there is no kind {kind!r}; known: {', '.join(KINDS)}")
    if not _DISTRIBUTION.fullmatch(name):
        raise OptionError(
            f"NAME {name!r}: a plugin's name is lower-case words joined by hyphens, for instance lasca-{_suggest(name)}"
        )
    taken = {"lasca", "lasca-core", *KNOWN_PACKAGES.values()}
    if name in taken:
        raise OptionError(f"NAME {name!r} is the name of a distribution of LaScA itself; choose another")
    for part in (names.package, names.module):
        if keyword.iskeyword(part) or part in sys.stdlib_module_names or part in _RESERVED:
            raise OptionError(f"NAME {name!r} would give a module called {part!r}, which is taken; choose another")
    if importlib.util.find_spec(names.package) is not None:
        raise OptionError(f"NAME {name!r}: a package {names.package!r} is installed already; choose another")
    from lasca_core.experiment.config import STAGES

    if names.component in {*STAGES, *KINDS}:
        raise OptionError(
            f"NAME {name!r}: the component would be called {names.component!r}, like a stage of a run; choose another"
        )
    for registered in registry.all(kind):
        if registered.spec.name == names.component:
            raise OptionError(
                f"NAME {name!r}: {registered} has that name, and two of one name cannot be used; choose another"
            )


def _suggest(name: str) -> str:
    words = re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower())
    return "-".join(word for word in words if word != "lasca").lstrip("0123456789-") or "gaze"


def _compatible(version: str) -> str:
    """The versions of LaScA that a plugin written now works with: ``>=0.1,<0.2``, from 1.0 on ``>=1.2,<2``."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return f">={major}.{minor},<0.{minor + 1}" if major == 0 else f">={major}.{minor},<{major + 1}"


def _rendered(kind: str, licence: str, values: dict[str, str]) -> Iterator[tuple[Path, str]]:
    """(path in the distribution, text) of every file."""
    templates = files("lasca_core.scaffold") / "templates"
    for folder in (templates / "common", templates / kind):
        for path, source in _walk(folder, Path()):
            text = source.read_text(encoding="utf-8")
            place = path.as_posix().removesuffix(_SUFFIX)
            for part in ("package", "module"):
                place = place.replace(f"__{part}__", values[part])
            yield Path(place), Template(text).substitute(values)
    text = (templates / "licences" / f"{licence}.txt").read_text(encoding="utf-8")
    yield Path("LICENSE"), text.replace("<year>", values["year"]).replace("<author>", values["author"])


def _walk(folder: Traversable, below: Path) -> Iterator[tuple[Path, Traversable]]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            yield from _walk(item, below / item.name)
        elif item.name.endswith(_SUFFIX):
            yield below / item.name, item
