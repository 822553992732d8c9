"""Features that a dataset brings along and no installed extractor measures, in an extractor's place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from lasca_core import __version__
from lasca_core.contract.errors import MediaError
from lasca_core.contract.protocols import Component
from lasca_core.contract.specs import ComponentSpec, ExtractorSpec
from lasca_core.experiment.components import Built
from lasca_core.host.options import NoOptions
from lasca_core.host.plugins import PluginInfo

if TYPE_CHECKING:
    from lasca_core.contract.types import ReadyFeatures, Source, Track
    from lasca_core.experiment.config import Config
    from lasca_core.host.runtime import HostRuntime


@dataclass(frozen=True)
class ReadySpec(ExtractorSpec):
    """An extractor's spec that reads no stream."""

    ready: ClassVar[bool] = True

    def __post_init__(self) -> None:
        ComponentSpec.__post_init__(self)


class ReadyExtractor(Component):
    """Knows the names of ready features; it cannot measure them in a recording."""

    def __init__(self, features: ReadyFeatures, name: str, runtime: HostRuntime) -> None:
        super().__init__(NoOptions(), runtime)
        self._name = name
        self.names = features.names
        self.signed = features.signed
        self.resolution = features.resolution

    def stream(self, source: Source) -> Iterator[Track]:
        """Raises ``MediaError``: there is nothing to measure with."""
        raise MediaError(
            source.path, f"cannot be measured: {self._name!r} are features of a table, which no extractor measures"
        )


def ready_sets(dataset: Built) -> Mapping[str, ReadyFeatures]:
    """What the dataset says of the features it brings along, by name; nothing if it does not say."""
    announce = getattr(dataset.component, "feature_sets", None)
    return announce() if announce is not None else {}


def ready_extractors(dataset: Built, runtime: HostRuntime) -> dict[str, Built]:
    """One stand-in for an extractor for each of the dataset's feature sets."""
    return {name: stand_in(name, features, runtime, of=dataset) for name, features in ready_sets(dataset).items()}


def stand_in(name: str, features: ReadyFeatures, runtime: HostRuntime, of: Built | None = None) -> Built:
    """Stands for the extractor that nobody has: of features that the dataset ``of``, or the caller, brings along."""
    spec = ReadySpec(
        name=name,
        target="lasca_core.experiment.ready:ReadyExtractor",
        summary=f"Ready features of the dataset {of.spec.name}" if of is not None else "Ready features",
        license=of.spec.license if of is not None else "the data's own",
    )
    plugin = of.plugin if of is not None else PluginInfo("lasca", "lasca", __version__, "loaded")
    return Built(spec, plugin, NoOptions(), ReadyExtractor(features, name, runtime))


def with_ready_features(config: Config, dataset: Built) -> Config:
    """The configuration with the dataset's own features as extractors, where the person named none."""
    found = tuple(ready_sets(dataset))
    if not found or "extractors" in config.run.model_fields_set:
        return config
    return replace(config, run=config.run.model_copy(update={"extractors": found}))
