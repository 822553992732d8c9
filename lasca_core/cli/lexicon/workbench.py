"""What the lexicon commands need of the host: lexicons by name or folder, the features of extractors, an encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lasca_core.cli.common import Settings
from lasca_core.contract.errors import LexiconError, OptionError

if TYPE_CHECKING:
    from lasca_core.contract.lexicon import Lexicon
    from lasca_core.contract.protocols import Reporter
    from lasca_core.experiment.components import Built
    from lasca_core.experiment.pipeline import Pipeline
    from lasca_core.host.plugins import Registered
    from lasca_core.host.runtime import HostRuntime

FuncT = TypeVar("FuncT", bound=Callable[..., Any])

FOLDER = "folder"
"""The component that reads a lexicon from a folder, given by its option ``path``."""
ENGLISH = "en"
"""The language of a lexicon that does not say which it has."""


@dataclass(frozen=True)
class FeatureSet:
    """The features of one extractor; ``signed`` as in ``Track.signed``."""

    name: str
    features: tuple[str, ...]
    signed: frozenset[str]


@dataclass(frozen=True)
class OpenLexicon:
    """A lexicon component in use, by the name that the person gave it."""

    name: str
    built: Built

    def languages(self) -> tuple[str, ...]:
        """The languages it has; English for a component that does not say."""
        stated = getattr(self.built.component, "languages", None)
        found: tuple[str, ...] = tuple(stated()) if stated is not None else (ENGLISH,)
        return found

    @property
    def by_rule(self) -> bool:
        """Whether it has no list of features and describes whatever it is asked for."""
        return not hasattr(self.built.component, "features")

    def features(self, language: str) -> tuple[str, ...]:
        """The features it has entries of its own for, in its order; none for one that describes by rule."""
        return () if self.by_rule else tuple(self.built.component.features(language))

    def lexicon(self, features: Sequence[str], language: str) -> Lexicon:
        """Its entries for ``features``. Raises ``LexiconError`` if they or the language are not covered."""
        from lasca_core.contract.lexicon import LexiconContext

        found: Lexicon = self.built.component.lexicon_for(LexiconContext(tuple(features), language))
        found.require(features)
        return found

    def complete(self, language: str, otherwise: Iterable[str]) -> Lexicon:
        """All entries of its own, or those for the features ``otherwise`` if it describes by rule."""
        return self.lexicon(self.features(language) or tuple(dict.fromkeys(otherwise)), language)


@dataclass
class Workbench:
    """The object that the context of every lexicon command carries."""

    settings: Settings

    @cached_property
    def runtime(self) -> HostRuntime:
        """The runtime of lexicons and extractors, which are asked what they describe and measure: nothing that wants
        another device, or a note on the terms of use of each."""
        from lasca_core.cli.progress import TerminalReporter

        return replace(self.settings.runtime("cpu"), report=TerminalReporter(quiet=True))

    @cached_property
    def report(self) -> Reporter:
        """Speaks to the person at the terminal."""
        return self.settings.runtime("cpu").report

    @cached_property
    def extractors(self) -> dict[str, FeatureSet]:
        """The features of all installed extractors, by name."""
        return {found.spec.name: self.feature_set(found.spec.name) for found in self.settings.registry.all("extractor")}

    def feature_set(self, extractor: str) -> FeatureSet:
        """The features of one extractor. Raises ``PluginError`` if there is none of that name."""
        from lasca_core.experiment.components import build_component

        component = build_component(self.settings.registry, self.runtime, "extractor", extractor, {}).component
        return FeatureSet(extractor, tuple(component.names), frozenset(component.signed))

    def feature_sets(self, names: Sequence[str]) -> dict[str, FeatureSet]:
        """The named extractors' features; all installed ones' if none is named."""
        return {name: self.feature_set(name) for name in names} if names else self.extractors

    def all_features(self) -> tuple[str, ...]:
        """The features of all installed extractors, each once."""
        return tuple(dict.fromkeys(name for found in self.extractors.values() for name in found.features))

    def open(self, name: str, assignments: Sequence[str] = ()) -> OpenLexicon:
        """The lexicon called ``name``, or the one in the folder of that path.

        Raises ``PluginError``, ``OptionError`` or ``LexiconError`` in one sentence.
        """
        from lasca_core.experiment.components import build_component
        from lasca_core.experiment.config import resolve

        registry = self.settings.registry
        if self.is_folder(name):
            values = {"path": Path(name)}
            return OpenLexicon(name, build_component(registry, self.runtime, "lexicon", FOLDER, values))
        values = resolve(chosen={"lexicon": name}, assignments=assignments).values_for("lexicon", name)
        return OpenLexicon(name, build_component(registry, self.runtime, "lexicon", name, values))

    def is_folder(self, name: str) -> bool:
        """Whether ``name`` is that of a folder and of no installed lexicon.

        Raises ``LexiconError`` for a path that does not exist.
        """
        if any(registered.spec.name == name for registered in self.settings.registry.all("lexicon")):
            return False
        exists = Path(name).expanduser().is_dir()
        if not exists and any(separator in name for separator in "/\\"):
            raise LexiconError(f"{name} does not exist; a lexicon is the name of an installed one or a folder")
        return exists

    def installed(self) -> tuple[list[str], dict[str, str]]:
        """The names of all installed lexicons that can be used as they are, and of the others what they still need."""
        ready: list[str] = []
        wanting: dict[str, str] = {}
        for registered in self.settings.registry.all("lexicon"):
            name = registered.spec.name
            if required := _required(registered):
                wanting[name] = f"needs {' and '.join(f'-o {name}.{option}=...' for option in required)}"
            else:
                ready.append(name)
        return ready, wanting

    def pipeline(self, encoder: str, device: str, assignments: Sequence[str] = ()) -> Pipeline:
        """A pipeline in which only the encoder is used: it finds texts that were embedded before in the store."""
        from lasca_core.experiment.config import resolve
        from lasca_core.experiment.pipeline import Pipeline

        extractors = tuple(registered.spec.name for registered in self.settings.registry.all("extractor"))
        if not extractors:
            raise OptionError("no extractor is installed; install the first-party plugins: pip install lasca-face")
        config = resolve(chosen={"encoder": encoder, "extractors": extractors[:1]}, assignments=assignments)
        return Pipeline(config, self.settings.registry, self.settings.runtime(device))


def _required(registered: Registered) -> list[str]:
    from lasca_core.experiment.components import options_model

    return [name for name, field in options_model(registered).model_fields.items() if field.is_required()]


def extractor_option(help_text: str) -> Callable[[FuncT], FuncT]:
    """``--extractor``, repeatable."""
    return click.option("--extractor", "extractors", multiple=True, metavar="NAME", help=help_text)


def json_option(function: FuncT) -> FuncT:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print as JSON.")(function)
