"""What a distribution promises: the metadata that people and pip need, and a registration without side effects."""

from __future__ import annotations

from unittest import SkipTest

from lasca_core.api import LascaError
from lasca_core.host.plugins import load_target
from lasca_core.testing.bench import PluginSubject
from lasca_core.testing.outcome import BrokenPromiseError, require
from lasca_core.testing.synthetic import describe


def check_plugin_loads(subject: PluginSubject) -> None:
    """The plugin is loaded, its hooks are spelt right, and its components' names are its own."""
    info = subject.info
    if info.status == "disabled":
        raise SkipTest("it is disabled")
    require(info.status == "loaded", info.trouble, "`lasca plugins list` shows the same; mend it and install it again")
    remarks = [warning for warning in subject.registry.warnings if str(info) in warning]
    require(not remarks, "; ".join(remarks), "rename or mark the hook, or give the component another name")


def check_commands_can_be_run(subject: PluginSubject) -> None:
    """Every command that the plugin adds to `lasca` can be imported and is a click command with a help text."""
    import click

    for registered in subject.registry.all("command"):
        if registered.plugin is not subject.info:
            continue
        try:
            command = load_target(registered, registered.spec.target)
        except LascaError as error:
            raise BrokenPromiseError(f"{error}; mend the import, or the target {registered.spec.target!r}") from error
        require(
            isinstance(command, click.Command) and bool(command.help),
            f"the command {registered.spec.name!r} is {describe(command)}, or has no help text",
            "let the target be a function decorated with @click.command(), with a docstring",
        )


def check_metadata_states_a_licence(subject: PluginSubject) -> None:
    """The distribution says under which licence it may be used."""
    stated = [*_metadata(subject, "License-Expression"), *_metadata(subject, "License")]
    stated += [value for value in _metadata(subject, "Classifier") if value.startswith("License ::")]
    require(
        any(value.strip() and value != "UNKNOWN" for value in stated),
        "the distribution's metadata state no licence",
        'write license = "MIT" (an SPDX expression) in [project] of pyproject.toml, and name the file in license-files',
    )


def check_metadata_has_a_readme(subject: PluginSubject) -> None:
    """The distribution has a summary and a description: it is all that people see before they install it."""
    text = str(subject.distribution.metadata.json.get("description", ""))
    require(
        any(line.strip() for line in _metadata(subject, "Summary")) and bool(text.strip()),
        "the distribution's metadata have no summary or no description",
        'write description = "..." and readme = "README.md" in [project] of pyproject.toml',
    )


def check_metadata_states_the_pythons(subject: PluginSubject) -> None:
    """The distribution says which Python versions it is for, and this is one."""
    import platform

    from packaging.specifiers import SpecifierSet

    stated = ",".join(_metadata(subject, "Requires-Python"))
    require(bool(stated), "requires-python is not stated", 'write requires-python = ">=3.11" in [project]')
    require(
        SpecifierSet(stated).contains(platform.python_version(), prereleases=True),
        f"requires-python is {stated}, and this is Python {platform.python_version()}",
        "widen it, or install the plugin for another Python",
    )


def _metadata(subject: PluginSubject, name: str) -> list[str]:
    return subject.distribution.metadata.get_all(name) or []


def check_metadata_requires_lasca(subject: PluginSubject) -> None:
    """The distribution states the oldest LaScA it works with and the first one it may not work with."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    requirements = [Requirement(line) for line in subject.distribution.requires or []]
    bounds = {
        clause.operator
        for requirement in requirements
        if canonicalize_name(requirement.name) == "lasca" and requirement.marker is None
        for clause in requirement.specifier
    }
    fixed = bounds & {"==", "~=", "==="}
    require(
        bool(fixed or (bounds & {">=", ">"} and bounds & {"<", "<="})),
        f"the distribution requires {' '.join(sorted(bounds)) or 'no version of'} lasca",
        'write dependencies = ["lasca>=0.1,<0.2"] with the versions it was tested with: LaScA reads this line when it '
        "loads the plugin",
    )


def check_registration_imports_nothing_heavy(subject: PluginSubject) -> None:
    """Listing what the plugin offers imports no torch, no numpy and nothing of that size."""
    heavy = subject.registration["heavy"]
    require(
        not heavy,
        f"loading the plugin's entry point imports {', '.join(heavy)}",
        "keep hooks in a module of their own (plugin.py), name components by string, and import what is heavy inside "
        "the functions that need it",
    )


def check_registration_prints_nothing(subject: PluginSubject) -> None:
    """Loading the plugin prints nothing."""
    output = subject.registration["output"].strip()
    require(
        not output,
        f"loading the plugin's entry point prints {output[:100]!r}",
        "remove the output; a component speaks through self.runtime.report",
    )


def check_registration_touches_no_global_state(subject: PluginSubject) -> None:
    """Loading the plugin leaves seeds, warning filters, environment, search path and logging as they were."""
    touched = subject.registration["changed"]
    require(
        not touched,
        f"loading the plugin's entry point changes {' and '.join(touched)}",
        "leave what the whole process shares alone; a component reads its settings from options and runtime",
    )


def check_registration_uses_no_network(subject: PluginSubject) -> None:
    """Loading the plugin needs no network."""
    addresses = subject.registration["network"]
    require(
        not addresses,
        f"loading the plugin's entry point turns to {addresses[0] if addresses else ''}",
        "fetch files when the component is used, with self.runtime.fetch(weights)",
    )


CHECKS = (
    check_plugin_loads,
    check_commands_can_be_run,
    check_metadata_states_a_licence,
    check_metadata_has_a_readme,
    check_metadata_states_the_pythons,
    check_metadata_requires_lasca,
    check_registration_imports_nothing_heavy,
    check_registration_prints_nothing,
    check_registration_touches_no_global_state,
    check_registration_uses_no_network,
)
