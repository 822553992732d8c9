"""Components built by name: spec, plugin, checked options and instance, with the identity that caches rely on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lasca_core.contract.errors import ContractError
from lasca_core.contract.protocols import Component
from lasca_core.contract.specs import ComponentSpec
from lasca_core.host.options import NoOptions, Options, build
from lasca_core.host.plugins import PluginInfo, Registered, Registry, load_target
from lasca_core.host.runtime import HostRuntime
from lasca_core.host.store import key_of

_PERMISSIVE = frozenset({"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "CC0-1.0", "CC-BY-4.0", "PSF-2.0"})
"""Licences that ask for nothing but credit; whoever chooses a component under another one is told so at each use."""


@dataclass(frozen=True)
class Built:
    """A component in use: its spec, where it came from, its options, and the object itself."""

    spec: ComponentSpec
    plugin: PluginInfo
    options: Options
    component: Any

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What decides this component's results, as JSON values: part of every cache key and of a model's identity."""
        fingerprint = self.component.fingerprint() if isinstance(self.component, Component) else ""
        weights = {weights.name: dict(weights.files) for weights in self.spec.weights}
        return {
            "kind": self.spec.kind,
            "name": self.spec.name,
            "version": self.spec.version,
            "options": self.options.identity(),
            "fingerprint": fingerprint,
            "weights": weights,
        }

    @property
    def key(self) -> str:
        """sha256 of the identity."""
        return key_of(**self.identity)

    def describe(self) -> dict[str, Any]:
        """The identity with the licence, the distribution and all options, for ``run.json`` and a model's folder."""
        return {
            **self.identity,
            "options": self.options.model_dump(mode="json"),
            "license": self.spec.license,
            "weights": {
                weights.name: {"license": weights.license, "sha256": dict(weights.files)}
                for weights in self.spec.weights
            },
            "distribution": self.plugin.distribution,
            "distribution_version": self.plugin.version,
            "note": self.spec.note,
            **({"ready": True} if getattr(self.spec, "ready", False) else {}),
        }


def build_component(registry: Registry, runtime: HostRuntime, kind: str, name: str, values: Mapping[str, Any]) -> Built:
    """Import a component's options and target and build it.

    Raises ``PluginError`` or ``OptionError`` in one sentence.
    """
    registered = registry.find(kind, name)
    options = build(options_model(registered), values, name)
    target = load_target(registered, registered.spec.target)
    component = target(options, runtime)
    if registered.spec.license not in _PERMISSIVE:
        runtime.report.note(f"{kind} {name} is licensed {registered.spec.license}. {registered.spec.note}".rstrip())
    _check_protocol(registered, component)
    return Built(registered.spec, registered.plugin, options, component)


def options_model(registered: Registered) -> type[Options]:
    """The options model of a component, imported."""
    if registered.spec.options is None:
        return NoOptions
    model = load_target(registered, registered.spec.options)
    if not (isinstance(model, type) and issubclass(model, Options)):
        raise ContractError(
            f"{registered.spec.kind} {registered.spec.name!r} of {registered.plugin}: "
            f"{registered.spec.options} is no Options model"
        )
    from lasca_core.experiment.config import STAGES

    stage = STAGES.get(registered.spec.kind)
    taken = sorted(set(model.model_fields) & set(stage.model_fields)) if stage is not None else []
    if taken:
        raise ContractError(f"{registered}: its option {taken[0]!r} has the name of an option of the stage; rename it")
    return model


_PROMISES: dict[str, tuple[str, ...]] = {
    "extractor": ("names", "signed", "stream"),
    "saliency": ("select",),
    "lexicon": ("lexicon_for",),
    "encoder": ("encode", "count_tokens"),
    "learner": ("fit_many", "from_state"),
    "dataset": ("sessions",),
}


def _check_protocol(registered: Registered, component: object) -> None:
    kind = registered.spec.kind
    promised = (*_PROMISES[kind], *(("stream_windows",) if getattr(component, "windowed", False) else ()))
    missing = [name for name in promised if not hasattr(component, name)]
    if missing:
        raise ContractError(
            f"{kind} {registered.spec.name!r} of {registered.plugin} has no {', '.join(missing)}, "
            f"which its protocol asks for"
        )
