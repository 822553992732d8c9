"""`lasca weights`: pretrained files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lasca_core.cli.common import Settings, common_options, print_json, print_table
from lasca_core.contract.errors import OptionError, WeightsError

if TYPE_CHECKING:
    from lasca_core.contract.specs import Weights


def known_weights(settings: Settings) -> dict[str, tuple[Weights, list[str]]]:
    """All weights that installed components need, by name, with those components."""
    from lasca_core.host.plugins import KINDS

    found: dict[str, tuple[Weights, list[str]]] = {}
    for kind in KINDS:
        for registered in settings.registry.all(kind):
            for weights in registered.spec.weights:
                found.setdefault(weights.name, (weights, []))[1].append(f"{kind} {registered.spec.name}")
    return found


@click.group(short_help="List, fetch and verify pretrained files.")
@common_options
def weights() -> None:
    """List, fetch and verify pretrained files."""


@weights.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@common_options
@click.pass_obj
def list_weights(settings: Settings, as_json: bool) -> None:
    """List the pretrained files that installed components need, and whether they are in the cache."""
    from lasca_core.host.weights import folder_of, state

    root = settings.runtime().cache / "weights"
    rows = [
        {
            "name": name,
            "state": state(pinned, root),
            "megabytes": round(pinned.size / 1e6, 1),
            "license": pinned.license,
            "used_by": used,
            "folder": str(folder_of(pinned, root)),
        }
        for name, (pinned, used) in sorted(known_weights(settings).items())
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(
            ("name", "state", "MB", "license", "used by"),
            [(r["name"], r["state"], r["megabytes"], r["license"], ", ".join(r["used_by"])) for r in rows],  # type: ignore[arg-type]
        )


@weights.command()
@click.argument("names", nargs=-1)
@common_options
@click.pass_obj
def pull(settings: Settings, names: tuple[str, ...]) -> None:
    """Fetch pretrained files by NAME; without a name, all that installed components need."""
    known = known_weights(settings)
    runtime = settings.runtime()
    for name in _checked(names, known):
        click.echo(f"{name}: {runtime.fetch(known[name][0])}")


@weights.command()
@click.argument("names", nargs=-1)
@common_options
@click.pass_obj
def verify(settings: Settings, names: tuple[str, ...]) -> None:
    """Read the cached files and compare their checksums; exit code 2 if one is damaged, or absent though asked for."""
    from lasca_core.host.weights import state

    known = known_weights(settings)
    root = settings.runtime().cache / "weights"
    wrong = []
    for name in _checked(names, known):
        found = state(known[name][0], root, thorough=True)
        click.echo(f"{name}: {'verified' if found == 'present' else found}")
        if found == "damaged" or (found == "absent" and names):
            wrong.append(name)
    if wrong:
        raise WeightsError(f"{', '.join(wrong)}: not as pinned; run `lasca weights pull {' '.join(wrong)}`")


def _checked(names: tuple[str, ...], known: dict[str, tuple[Weights, list[str]]]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise OptionError(
            f"no installed component needs weights named {unknown[0]!r}; known: {', '.join(sorted(known)) or 'none'}"
        )
    return names or tuple(sorted(known))
