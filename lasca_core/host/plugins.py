"""Discovery of plugins: each entry point in its own guard, sorted, with its provenance; components by name."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pluggy

from lasca_core.contract import hookspecs
from lasca_core.contract.errors import ContractError, PluginError
from lasca_core.contract.specs import COMPONENT_SPECS, CommandSpec, ComponentSpec

GROUP = "lasca"
_SPEC_TYPES: dict[str, type[Any]] = {spec.kind: spec for spec in (*COMPONENT_SPECS, CommandSpec)}
KINDS: tuple[str, ...] = tuple(spec.kind for spec in COMPONENT_SPECS)
"""Component kinds in the order of the pipeline."""

KNOWN_PACKAGES: dict[tuple[str, str], str] = {
    **dict.fromkeys([("extractor", "blendshape")], "lasca-face"),
    **dict.fromkeys([("extractor", "mfcc")], "lasca-audio"),
    **dict.fromkeys([("saliency", "otsu"), ("saliency", "topk")], "lasca-saliency"),
    **dict.fromkeys([("lexicon", "llm"), ("lexicon", "names"), ("lexicon", "folder")], "lasca-lexicons"),
    **dict.fromkeys(
        [("encoder", name) for name in ("minilm", "mpnet", "qampnet", "distilroberta", "distilbert", "sentence")],
        "lasca-encoders",
    ),
    **dict.fromkeys([("learner", "mlp"), ("learner", "logistic")], "lasca-preference"),
    **dict.fromkeys([("dataset", "puppet"), ("dataset", "manifest")], "lasca-datasets"),
}
"""Where well-known components come from: the pip line in the error about one that is not installed."""

Status = Literal["loaded", "disabled", "broken", "incompatible"]


@dataclass(frozen=True)
class PluginInfo:
    """Where a plugin came from and what became of it."""

    name: str
    distribution: str
    version: str
    status: Status
    problem: str = ""

    def __str__(self) -> str:
        return f"plugin {self.name!r} ({self.distribution} {self.version})"


@dataclass(frozen=True)
class Registered:
    """A spec together with the plugin that offers it."""

    spec: Any
    plugin: PluginInfo


@dataclass
class Registry:
    """All plugins and what they offer. Build it with ``discover``."""

    plugins: list[PluginInfo] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """One line for each plugin that is broken, misspelt, clashing or incompatible."""
    _components: dict[tuple[str, str], list[Registered]] = field(default_factory=dict)
    _manager: pluggy.PluginManager = field(default_factory=lambda: _manager())

    def all(self, kind: str) -> list[Registered]:
        """What is offered of one kind, sorted by name; names claimed twice are left out."""
        return [
            owners[0]
            for (of_kind, _), owners in sorted(self._components.items())
            if of_kind == kind and len(owners) == 1
        ]

    def find(self, kind: str, name: str) -> Registered:
        """The component or command of that name.

        Raises ``PluginError`` in one sentence: unknown (with the nearest names and, where known, the pip line), claimed
        by two distributions, or lost with its broken plugin.
        """
        owners = self._components.get((kind, name), [])
        if len(owners) > 1:
            both = " and ".join(f"{owner.plugin.distribution} {owner.plugin.version}" for owner in owners)
            raise PluginError(f"{kind} {name!r} is offered by both {both}; leave one out with --disable-plugin NAME")
        if owners:
            return owners[0]
        raise PluginError(self._explain_unknown(kind, name))

    def _explain_unknown(self, kind: str, name: str) -> str:
        names = [registered.spec.name for registered in self.all(kind)]
        near = difflib.get_close_matches(name, names, n=3)
        package = KNOWN_PACKAGES.get((kind, name))
        lost = next((p for p in self.plugins if package is not None and p.distribution == package), None)
        if lost is not None and lost.status != "loaded":
            return f"{kind} {name!r} is not available: {lost} is {lost.status}{f' ({lost.problem})' if lost.problem else ''}"
        if package is not None:
            return f"{kind} {name!r} is not installed; install it with: pip install {package}"
        hint = f"did you mean {' or '.join(near)}?" if near else f"installed: {', '.join(names) or 'none'}"
        trouble = [str(plugin) for plugin in self.plugins if plugin.status in ("broken", "incompatible")]
        also = f" (not loaded: {', '.join(trouble)})" if trouble else ""
        return f"there is no {kind} {name!r}; {hint}{also}"

    def spec(self, kind: str, name: str) -> ComponentSpec:
        """The spec of a component, by kind and name; raises like ``find``."""
        spec: ComponentSpec = self.find(kind, name).spec
        return spec

    def observers(self, hook: str) -> Sequence[tuple[str, Callable[..., Any]]]:
        """(plugin name, function) of all plugins that observe ``hook``, in the order of their names."""
        caller = getattr(self._manager.hook, hook)
        return sorted(((impl.plugin_name, impl.function) for impl in caller.get_hookimpls()), key=lambda pair: pair[0])

    # --- building -----------------------------------------------------------------------------------------------------

    def _add_plugin(self, info: PluginInfo, load: Callable[[], object], requires: Iterable[str]) -> None:
        info = self._load(info, load, requires)
        self.plugins.append(info)
        if info.problem:
            self.warnings.append(f"{info} is {info.status}: {info.problem}")

    def _load(self, info: PluginInfo, load: Callable[[], object], requires: Iterable[str]) -> PluginInfo:
        incompatible = _incompatibility(requires)
        if incompatible:
            return _failed(info, "incompatible", incompatible)
        try:
            module = load()
        except Exception as error:
            return _failed(info, "broken", _one_line(error))
        try:
            self._manager.register(module, name=info.name)
        except Exception as error:  # a hook with arguments the specification does not have
            self._manager.unregister(name=info.name) if self._manager.has_plugin(info.name) else None
            return _failed(info, "broken", _one_line(error))
        self._report_misspelt(info, module)
        try:
            for kind, hook in hookspecs.REGISTRATION_HOOKS.items():
                self._collect(info, kind, hook)
        except Exception as error:
            self._components = {
                key: kept
                for key, owners in self._components.items()
                if (kept := [owner for owner in owners if owner.plugin.name != info.name])
            }
            self._manager.unregister(name=info.name)
            return _failed(info, "broken", _one_line(error))
        return info

    def _report_misspelt(self, info: PluginInfo, module: object) -> None:
        """A function marked as a hook whose name is none is certainly a mistake."""
        known = [name for name in dir(hookspecs.Hooks) if name.startswith("lasca_")]
        for caller in self._manager.get_hookcallers(module) or []:
            if not caller.has_spec():
                near = difflib.get_close_matches(caller.name, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                self.warnings.append(f"{info}: there is no hook {caller.name}{hint}")

    def _collect(self, info: PluginInfo, kind: str, hook: str) -> None:
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            if implementation.plugin_name != info.name:
                continue
            for spec in implementation.function() or ():
                if not isinstance(spec, _SPEC_TYPES[kind]):
                    raise TypeError(f"{hook} gave {type(spec).__name__}, not {_SPEC_TYPES[kind].__name__}")
                owners = self._components.setdefault((kind, spec.name), [])
                owners.append(Registered(spec, info))
                if len(owners) > 1:
                    both = " and ".join(f"{o.plugin.distribution} {o.plugin.version}" for o in owners)
                    self.warnings.append(f"{kind} {spec.name!r} is offered by both {both}: neither can be used")


def discover(disabled: Iterable[str] = (), allowed: Iterable[str] | None = None) -> Registry:
    """Load all installed plugins of the entry-point group ``lasca``.

    ``disabled`` names plugins or distributions to leave out; ``allowed`` (default: ``$LASCA_PLUGINS``, comma-separated)
    names the only ones to load. Both act before anything of a plugin is imported.
    """
    if allowed is None and (text := os.environ.get("LASCA_PLUGINS")) is not None:
        allowed = [name.strip() for name in text.split(",") if name.strip()]
    only = None if allowed is None else set(allowed)
    without = set(disabled)
    registry = Registry()
    found = [
        (entry, _distribution(entry), _version(entry))
        for entry in _distinct(importlib.metadata.entry_points(group=GROUP))
    ]
    _check_names(registry, without | (only or set()), [(entry.name, dist) for entry, dist, _ in found])
    for entry, distribution, version in sorted(found, key=lambda item: (item[0].name, item[1])):
        names = {entry.name, distribution}
        if names & without or (only is not None and not names & only):
            registry.plugins.append(PluginInfo(entry.name, distribution, version, "disabled"))
            continue
        requires = (entry.dist.requires if entry.dist is not None else None) or ()
        registry._add_plugin(PluginInfo(entry.name, distribution, version, "loaded"), entry.load, requires)
    return registry


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs.Hooks)
    return manager


def _distinct(entries: Iterable[importlib.metadata.EntryPoint]) -> list[importlib.metadata.EntryPoint]:
    """One of each: a distribution seen twice on the path (a checkout and its editable install) counts once."""
    kept: dict[tuple[str, str, str], importlib.metadata.EntryPoint] = {}
    for entry in entries:
        kept.setdefault((entry.name, entry.value, _distribution(entry)), entry)
    return list(kept.values())


def _distribution(entry: importlib.metadata.EntryPoint) -> str:
    return str(entry.dist.name) if entry.dist is not None else "unknown distribution"


def _version(entry: importlib.metadata.EntryPoint) -> str:
    return str(entry.dist.version) if entry.dist is not None else "?"


def _check_names(registry: Registry, asked: set[str], present: list[tuple[str, str]]) -> None:
    known = {name for pair in present for name in pair}
    for name in sorted(asked - known):
        registry.warnings.append(f"no plugin or distribution is named {name!r} (installed: {', '.join(sorted(known))})")


def _incompatibility(requires: Iterable[str]) -> str:
    """What the distribution says it needs of ``lasca`` and this version is not, or an empty string."""
    from lasca_core import __version__

    for line in requires:
        if not line.lower().startswith("lasca"):  # cheap refusal before the requirement is parsed
            continue
        from packaging.requirements import InvalidRequirement, Requirement

        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.name.lower() == "lasca" and not requirement.specifier.contains(__version__, prereleases=True):
            return f"it needs lasca {requirement.specifier}, and this is lasca {__version__}"
    return ""


def _failed(info: PluginInfo, status: Status, problem: str) -> PluginInfo:
    return PluginInfo(info.name, info.distribution, info.version, status, problem)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def load_target(registered: Registered, target: str) -> Any:
    """Import ``"module:attribute"`` of a component. Raises ``PluginError`` naming the plugin if that fails."""
    module_name, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except ImportError as error:
        raise PluginError(
            f"{registered.spec.kind} {registered.spec.name!r} of {registered.plugin} cannot be loaded: {_one_line(error)}"
        ) from error
    except Exception as error:
        broken = ContractError(
            f"{registered.spec.kind} {registered.spec.name!r} of {registered.plugin} is broken: {_one_line(error)}"
        )
        raise broken from error
