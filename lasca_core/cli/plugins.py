"""`lasca plugins`: list and show what is installed, check that it keeps its promises, begin a new plugin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lasca_core.cli.common import Settings, common_options, option_option, print_json, print_table
from lasca_core.contract.errors import LascaError, OptionError, PluginError
from lasca_core.host.plugins import KINDS
from lasca_core.scaffold import LICENCES

if TYPE_CHECKING:
    from lasca_core.testing.suite import Result


@click.group(short_help="List, show, check and begin plugins.")
@common_options
def plugins() -> None:
    """List the installed plugins and what they offer, check them, and begin a new one."""


@plugins.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@common_options
@click.pass_obj
def list_plugins(settings: Settings, as_json: bool) -> None:
    """List all components by kind, and the plugin each comes from."""
    registry = settings.registry
    found = [registered for kind in (*KINDS, "command", "benchmark") for registered in registry.all(kind)]
    if as_json:
        print_json(
            {
                "plugins": [vars(plugin) for plugin in registry.plugins],
                "components": [
                    {"kind": r.spec.kind, "name": r.spec.name, "summary": r.spec.summary, "plugin": r.plugin.name}
                    for r in found
                ],
                "warnings": registry.warnings,
            }
        )
        return
    rows = [(r.spec.kind, r.spec.name, r.spec.summary, f"{r.plugin.distribution} {r.plugin.version}") for r in found]
    print_table(("kind", "name", "summary", "plugin"), rows)
    for plugin in registry.plugins:
        if plugin.status != "loaded":
            click.echo(f"{plugin} is {plugin.status}{f': {plugin.problem}' if plugin.problem else ''}")
    if not rows:
        from lasca_core.host.plugins import KNOWN_PACKAGES

        first_party = " ".join(sorted(set(KNOWN_PACKAGES.values())))
        click.echo(f"no plugin is installed; for the first-party ones: pip install {first_party}")


@plugins.command()
@click.argument("name")
@click.option("--kind", help="Kind of the component, where several share its name.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@common_options
@click.pass_obj
def show(settings: Settings, name: str, kind: str | None, as_json: bool) -> None:
    """Show one component: options with their defaults, licences, weights, citation."""
    registry = settings.registry
    if kind is not None and kind not in KINDS:
        raise OptionError(f"--kind {kind}: known kinds are {', '.join(KINDS)}")
    kinds = [kind] if kind is not None else [k for k in KINDS if any(r.spec.name == name for r in registry.all(k))]
    if not kinds:
        for clash in (warning for warning in registry.warnings if f" {name!r} is offered by both" in warning):
            raise PluginError(clash)
        everything = sorted({r.spec.name for k in KINDS for r in registry.all(k)})
        raise PluginError(f"no component is named {name!r}; installed: {', '.join(everything) or 'none'}")
    descriptions = [_describe(registry.find(k, name)) for k in kinds]
    if as_json:
        print_json(descriptions)
        return
    for description in descriptions:
        _print(description)


def _describe(registered: Any) -> dict[str, Any]:
    from lasca_core.experiment.components import options_model
    from lasca_core.host.options import is_how

    spec = registered.spec
    model = options_model(registered)
    return {
        "kind": spec.kind,
        "name": spec.name,
        "summary": spec.summary,
        "plugin": str(registered.plugin),
        "target": spec.target,
        "version": spec.version,
        "license": spec.license,
        "note": spec.note,
        "citation": spec.citation,
        "weights": [{"name": w.name, "license": w.license, "files": dict(w.files)} for w in spec.weights],
        "options": [
            {
                "name": name,
                "type": str(getattr(field.annotation, "__name__", field.annotation)).replace("typing.", ""),
                "default": None if field.is_required() else field.default,
                "required": field.is_required(),
                "description": field.description or "",
                "changes_results": not is_how(field),
            }
            for name, field in model.model_fields.items()
        ],
    }


def _print(found: dict[str, Any]) -> None:
    click.echo(f"{found['kind']} {found['name']}: {found['summary']}")
    for label in ("plugin", "target", "license", "note", "citation"):
        if found[label]:
            click.echo(f"  {label}: {found[label]}")
    for weights in found["weights"]:
        click.echo(f"  weights: {weights['name']} ({weights['license']})")
    for option in found["options"]:
        default = "required" if option["required"] else f"default: {option['default']}"
        click.echo(f"  -o {found['name']}.{option['name']}=...  {option['description']} ({default})")


@plugins.command()
@click.argument("names", nargs=-1)
@option_option
@click.option(
    "--device", default="cpu", show_default=True, help="Where to check; CPU against GPU is a check by itself."
)
@click.option("--media", type=click.Path(exists=True, path_type=Path), help="Recording to use for extractors.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@common_options
@click.pass_obj
def check(
    settings: Settings,
    names: tuple[str, ...],
    assignments: tuple[str, ...],
    device: str,
    media: Path | None,
    as_json: bool,
) -> None:
    """Check that plugins keep their promises: NAMES are distributions, plugins or components (default: all).

    One line for each promise; without NAMES, those that are kept are counted. Nothing is fetched: what needs weights
    that are not in the cache is skipped and says so. Exit code 2 if a check fails. The same checks in pytest:
    lasca_core.testing.parametrize_with_checks.

    \b
    lasca plugins check lasca-gaze
    lasca plugins check manifest -o manifest.path=study/manifest.csv
    """
    from lasca_core.host.options import parse_assignment
    from lasca_core.testing.bench import Bench
    from lasca_core.testing.suite import collect_checks

    options: dict[str, dict[str, Any]] = {}
    for text in assignments:
        component, key, value = parse_assignment(text)
        options.setdefault(component, {})[key] = value
    runtime = settings.runtime(device)
    bench = Bench(cache=runtime.cache, device=str(runtime.device), media=media)
    checks = collect_checks(settings.registry, names, options=options, bench=bench)
    results = []
    for one in checks:
        runtime.report.note(
            f"checking {one.subject} ..."
        )  # no bar: what it draws would count as printed by a component
        results.append(one.run())
    bench.close()
    if as_json:
        print_json([vars(result) for result in results])
    else:
        _print_results(results, short=not names)
    failed = [f"{result.subject} {result.check}" for result in results if result.outcome == "failed"]
    if failed:
        raise LascaError(f"{len(failed)} of {len(results)} checks failed: {', '.join(failed)}")


def _print_results(results: Sequence[Result], short: bool) -> None:
    for subject in dict.fromkeys((result.plugin, result.subject) for result in results):
        own = [result for result in results if (result.plugin, result.subject) == subject]
        print_table(("check", "result"), _rows(own, short), title=f"{subject[1]} ({subject[0]})")
        click.echo()
    counts = Counter(result.outcome for result in results)
    parts = [f"{counts[outcome]} {outcome}" for outcome in ("passed", "skipped", "failed")]
    click.echo(f"{len(results)} checks: {', '.join(parts)}")


def _rows(results: Sequence[Result], short: bool) -> Iterator[tuple[str, str]]:
    """One row a check; those that were skipped for one and the same reason share a row, and in ``short`` those that
    passed do too."""
    shared: dict[str, list[str]] = {}
    for result in results:
        if result.outcome == "failed":
            yield result.check, f"FAILED: {result.message}"
        elif result.outcome == "skipped":
            shared.setdefault(f"skipped: {result.message}", []).append(result.check)
        elif short:
            shared.setdefault("passed", []).append(result.check)
        else:
            yield result.check, "passed"
    for what, names in shared.items():
        yield names[0] if len(names) == 1 else f"{len(names)} checks", what


@plugins.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Folder in which the plugin's folder is made (default: here).",
)
@click.option(
    "--license",
    "licence",
    type=click.Choice(LICENCES),
    default=LICENCES[0],
    show_default=True,
    help="Licence of the new plugin.",
)
@click.option("--author", help="Who holds the copyright (default: 'The NAME authors').")
@common_options
@click.pass_obj
def new(settings: Settings, kind: str, name: str, output: Path, licence: str, author: str | None) -> None:
    """Begin a plugin: a complete distribution NAME with one component of KIND, that installs, works and is tested.

    \b
    lasca plugins new extractor lasca-gaze
    cd lasca-gaze && pip install -e .[test] && pytest
    """
    from lasca_core.scaffold import write_plugin

    folder = write_plugin(kind, name, output, licence=licence, author=author, registry=settings.registry)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            click.echo(path)
    click.echo(f"next: cd {folder} && pip install -e .[test] && pytest", err=True)
