"""`lasca plugins`: what is installed, from whom, and what it offers. Imports no plugin's heavy modules."""

from __future__ import annotations

from typing import Any

import click

from lasca_core.cli.common import Settings, common_options, print_json, print_table
from lasca_core.contract.errors import OptionError, PluginError


@click.group(short_help="List the installed plugins and what they offer.")
@common_options
def plugins() -> None:
    """List the installed plugins and what they offer."""


@plugins.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@common_options
@click.pass_obj
def list_plugins(settings: Settings, as_json: bool) -> None:
    """List all components by kind, and the plugin each comes from."""
    from lasca_core.host.plugins import KINDS

    registry = settings.registry
    found = [registered for kind in (*KINDS, "command") for registered in registry.all(kind)]
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
    from lasca_core.host.plugins import KINDS

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
