"""Discovery of plugins: each entry point in its own guard, sorted, with its provenance; components by name."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pluggy

from lasca_core.contract import hookspecs
from lasca_core.contract.errors import ContractError, PluginError
from lasca_core.contract.specs import COMPONENT_SPECS, BenchmarkSpec, CommandSpec, ComponentSpec

GROUP = "lasca"
KINDS: tuple[str, ...] = tuple(spec.kind for spec in COMPONENT_SPECS)
"""Component kinds in the order of the pipeline."""

_SPEC_TYPES: dict[str, type[ComponentSpec] | type[CommandSpec] | type[BenchmarkSpec]] = {
    **{spec.kind: spec for spec in COMPONENT_SPECS},
    CommandSpec.kind: CommandSpec,
    BenchmarkSpec.kind: BenchmarkSpec,
}
_HOOKS = tuple(name for name in vars(hookspecs.Hooks) if name.startswith("lasca_"))

KNOWN_PACKAGES: dict[tuple[str, str], str] = {
    (kind, name): package
    for package, kind, names in (
        ("lasca-face", "extractor", "blendshape"),
        ("lasca-audio", "extractor", "mfcc"),
        ("lasca-saliency", "saliency", "otsu topk"),
        ("lasca-lexicons", "lexicon", "llm names folder adaptive"),
        ("lasca-encoders", "encoder", "minilm mpnet qampnet distilroberta distilbert sentence"),
        ("lasca-preference", "learner", "prior mlp logistic"),
        ("lasca-datasets", "dataset", "puppet facs manifest table affwild2 sewa avec-sewa recola afew-va omg"),
        ("lasca-opensmile", "extractor", "egemaps compare"),
    )
    for name in names.split()
}
"""(kind, name) -> package: where well-known components come from, for the error about one that is not installed."""

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

    @property
    def trouble(self) -> str:
        """What became of it, in words: ``plugin 'gaze' (lasca-gaze 1.0) is broken: ImportError: ...``."""
        return f"{self} is {self.status}{f': {self.problem}' if self.problem else ''}"


@dataclass(frozen=True)
class Registered:
    """A spec together with the plugin that offers it."""

    spec: Any
    plugin: PluginInfo

    def __str__(self) -> str:
        return f"{self.spec.kind} {self.spec.name!r} of {self.plugin}"


@dataclass
class Registry:
    """All plugins and what they offer. Build it with ``discover``."""

    plugins: list[PluginInfo] = field(default_factory=list)
    _remarks: list[str] = field(default_factory=list)
    _components: dict[tuple[str, str], list[Registered]] = field(default_factory=dict)
    _manager: pluggy.PluginManager = field(default_factory=lambda: _manager())

    @property
    def warnings(self) -> list[str]:
        """One line for each plugin that is broken, misspelt or incompatible, and for each name claimed twice."""
        clashes = [_clash(owners) for _, owners in sorted(self._components.items()) if len(owners) > 1]
        return self._remarks + clashes

    def all(self, kind: str) -> list[Registered]:
        """What is offered of one kind, sorted by name; names claimed twice are left out."""
        return [
            owners[0]
            for (of_kind, _), owners in sorted(self._components.items())
            if of_kind == kind and len(owners) == 1
        ]

    def find(self, kind: str, name: str) -> Registered:
        """The component, command or benchmark of that name.

        Raises ``PluginError`` in one sentence: unknown (with the nearest names and, where known, the pip line), claimed
        by two distributions, or lost with its broken plugin.
        """
        owners = self._components.get((kind, name), [])
        if len(owners) > 1:
            raise PluginError(_clash(owners))
        if owners:
            return owners[0]
        raise PluginError(self._explain_unknown(kind, name))

    def _explain_unknown(self, kind: str, name: str) -> str:
        package = KNOWN_PACKAGES.get((kind, name))
        present = [p for p in self.plugins if package is not None and _canonical(p.distribution) == package]
        for plugin in present:
            if plugin.status != "loaded":
                return f"{kind} {name!r} is not available: {plugin.trouble}"
        if present:
            return f"{present[0]} does not offer {kind} {name!r}; upgrade it with: pip install --upgrade {package}"
        if package is not None:
            return f"{kind} {name!r} is not installed; install it with: pip install {package}"
        names = [registered.spec.name for registered in self.all(kind)]
        near = difflib.get_close_matches(name, names, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"installed: {', '.join(names) or 'none'}"
        absent = "; ".join(f"{plugin} is {plugin.status}" for plugin in self.plugins if plugin.status != "loaded")
        return f"there is no {kind} {name!r}; {hint}{f' ({absent})' if absent else ''}"

    def spec(self, kind: str, name: str) -> ComponentSpec:
        """The spec of a component, by kind and name; raises like ``find``."""
        spec: ComponentSpec = self.find(kind, name).spec
        return spec

    def observers(self, hook: str) -> Sequence[tuple[str, Callable[..., Any]]]:
        """(plugin name, function) of all plugins that observe ``hook``, in the order of their names."""
        caller = getattr(self._manager.hook, hook)
        found = ((self.plugins[int(impl.plugin_name)].name, impl.function) for impl in caller.get_hookimpls())
        return sorted(found, key=lambda pair: pair[0])

    # --- building -----------------------------------------------------------------------------------------------------

    def add(self, info: PluginInfo, load: Callable[[], object], requires: Iterable[str] = ()) -> None:
        """Load one plugin in its guard: ``load`` gives its module, ``requires`` are its distribution's requirements.

        What is wrong with it becomes its status and a line in ``warnings``; this never raises.
        """
        key = str(len(self.plugins))  # pluggy's name for it, unique even where two distributions use one entry name
        info = self._load(key, info, load, requires)
        self.plugins.append(info)
        if info.problem:
            self._remarks.append(info.trouble)

    def _load(self, key: str, info: PluginInfo, load: Callable[[], object], requires: Iterable[str]) -> PluginInfo:
        if problem := _incompatibility(requires):
            return replace(info, status="incompatible", problem=problem)
        try:
            module = load()
            self._manager.register(module, name=key)
            offered = list(self._offered(key))
        except (Exception, SystemExit) as error:  # a module that calls sys.exit() must not end LaScA
            if self._manager.has_plugin(key):
                self._manager.unregister(name=key)
            return replace(info, status="broken", problem=_one_line(error))
        self._remarks.extend(f"{info}: {remark}" for remark in self._misspelt(module))
        for kind, spec in offered:
            self._components.setdefault((kind, spec.name), []).append(Registered(spec, info))
        return info

    def _offered(self, key: str) -> Iterator[tuple[str, Any]]:
        """(kind, spec) of everything the plugin registers; raises if a hook does, or gives something else."""
        for kind, hook in hookspecs.REGISTRATION_HOOKS.items():
            for implementation in getattr(self._manager.hook, hook).get_hookimpls():
                if implementation.plugin_name != key:
                    continue
                names = set()
                for spec in implementation.function() or ():
                    if not isinstance(spec, _SPEC_TYPES[kind]):
                        raise TypeError(f"{hook} gave {type(spec).__name__}, not {_SPEC_TYPES[kind].__name__}")
                    if spec.name in names:
                        raise ValueError(f"{hook} gave two of the name {spec.name!r}")
                    names.add(spec.name)
                    yield kind, spec

    def _misspelt(self, module: object) -> Iterator[str]:
        """Functions that are surely meant as hooks and are none: a wrong name, or a right one without the mark."""
        for caller in self._manager.get_hookcallers(module) or ():
            if not caller.has_spec():
                near = difflib.get_close_matches(caller.name, _HOOKS, n=1)
                yield f"there is no hook {caller.name}{f'; did you mean {near[0]}?' if near else ''}"
        for name in _HOOKS:
            if callable(getattr(module, name, None)) and self._manager.parse_hookimpl_opts(module, name) is None:
                yield f"{name} is ignored, because it is not marked with @hookimpl"


def discover(disabled: Iterable[str] = (), allowed: Iterable[str] | None = None) -> Registry:
    """Load all installed plugins of the entry-point group ``lasca``.

    ``disabled`` names plugins or distributions to leave out; ``allowed`` (default: ``$LASCA_PLUGINS``, comma-separated,
    none if it is empty) names the only ones to load. Both act before anything of a plugin is imported.
    """
    if allowed is None and (text := os.environ.get("LASCA_PLUGINS")) is not None:
        allowed = [name.strip() for name in text.split(",") if name.strip()]
    only = None if allowed is None else {_canonical(name): name for name in allowed}
    without = {_canonical(name): name for name in disabled}
    registry = Registry()
    known: set[str] = set()
    for info, requires, entry in sorted(_installed(), key=lambda found: (found[0].name, found[0].distribution)):
        names = {_canonical(info.name), _canonical(info.distribution)}
        known |= names
        if names & without.keys() or (only is not None and not names & only.keys()):
            registry.plugins.append(replace(info, status="disabled"))
        else:
            registry.add(info, entry.load, requires)
    for name, as_given in sorted({**without, **(only or {})}.items()):
        if name not in known:
            registry._remarks.append(
                f"no plugin or distribution is named {as_given!r}; installed: {', '.join(sorted(known)) or 'none'}"
            )
    return registry


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs.Hooks)
    return manager


def _installed() -> Iterator[tuple[PluginInfo, list[str], importlib.metadata.EntryPoint]]:
    """Every entry point with its provenance and its distribution's requirements; nothing is imported."""
    for entry in importlib.metadata.entry_points(group=GROUP):
        try:
            assert entry.dist is not None  # entry_points() always says where an entry comes from
            info = PluginInfo(entry.name, str(entry.dist.name), str(entry.dist.version), "loaded")
            requires = entry.dist.requires or []
        except Exception:  # the metadata file is missing or damaged, as a half-finished uninstallation leaves it
            info, requires = PluginInfo(entry.name, "unknown distribution", "?", "loaded"), []
        yield info, requires, entry


def _canonical(name: str) -> str:
    """A distribution's name as the packaging standards compare it: ``Lasca_Face`` is ``lasca-face``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _clash(owners: Sequence[Registered]) -> str:
    spec = owners[0].spec
    plugins = " and ".join(str(owner.plugin) for owner in owners)
    return (
        f"{spec.kind} {spec.name!r} is offered by {plugins}, so none of them can be used; "
        f"leave one out with --disable-plugin {owners[-1].plugin.distribution}"
    )


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
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        matches = requirement.specifier.contains(__version__, prereleases=True)
        if requirement.name.lower() == "lasca" and applies and not matches:
            return f"it needs lasca {requirement.specifier}, and this is lasca {__version__}"
    return ""


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def load_target(registered: Registered, target: str) -> Any:
    """Import ``"module:attribute"`` of a component.

    Raises ``PluginError`` naming plugin and distribution if an import fails, ``ContractError`` if the module raises
    something else or lacks the attribute.
    """
    module_name, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except ImportError as error:
        raise PluginError(f"{registered} cannot be loaded: {_one_line(error)}") from error
    except Exception as error:
        raise ContractError(f"{registered} is broken: {_one_line(error)}") from error
