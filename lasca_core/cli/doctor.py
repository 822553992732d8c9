"""`lasca doctor`: is everything here that a run needs?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import click

from lasca_core import __version__
from lasca_core.cli.common import Settings, common_options
from lasca_core.contract.errors import LascaError


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: fine or not, and if not, what to do."""

    good: bool
    what: str
    fix: str = ""


@click.command(short_help="Check device, plugins, weights and cache, with the fix for each.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@common_options
@click.pass_obj
def doctor(settings: Settings, device: str) -> None:
    """Check device, plugins, weights and cache: one line each, with the fix where something is wrong.

    Exit code 2 if something is.
    """
    findings = [*_versions(), *_device(settings, device), *_plugins(settings), *_cache(settings), *_weights(settings)]
    for finding in findings:
        click.echo(f"{'ok  ' if finding.good else 'FIX '} {finding.what}{f': {finding.fix}' if finding.fix else ''}")
    wrong = sum(not finding.good for finding in findings)
    if wrong:
        raise LascaError(f"{wrong} of {len(findings)} checks need a fix")


def _versions() -> Iterator[Finding]:
    from lasca_core.experiment.artifacts import versions

    found = versions()
    libraries = ", ".join(f"{name} {version}" for name, version in found.items() if name != "platform")
    yield Finding(True, f"lasca {__version__} ({libraries})")


def _device(settings: Settings, name: str) -> Iterator[Finding]:
    try:
        yield Finding(True, f"device {settings.runtime(name).describe_device()}")
    except LascaError as error:
        yield Finding(False, f"device {name}", str(error))


def _plugins(settings: Settings) -> Iterator[Finding]:
    from lasca_core.host.plugins import KINDS

    registry = settings.registry
    for plugin in registry.plugins:
        offers = [
            f"{kind} {r.spec.name}"
            for kind in (*KINDS, "command", "benchmark")
            for r in registry.all(kind)
            if r.plugin == plugin
        ]
        if plugin.status == "loaded":
            yield Finding(True, f"{plugin} offers {', '.join(offers) or 'observers only'}")
        else:
            fix = (
                ""
                if plugin.status == "disabled"
                else f"{plugin.problem}; upgrade it, or leave it out with --disable-plugin {plugin.name}"
            )
            yield Finding(plugin.status == "disabled", f"{plugin} is {plugin.status}", fix)
    for kind in KINDS:
        if not registry.all(kind):
            yield Finding(
                False, f"no {kind} is installed", "install the first-party plugins: pip install -r requirements.txt"
            )


def _cache(settings: Settings) -> Iterator[Finding]:
    import shutil

    from lasca_core.host.store import writing

    runtime = settings.runtime()
    try:
        with writing(runtime.cache / ".doctor") as temporary:
            temporary.write_bytes(b"x")
        (runtime.cache / ".doctor").unlink()
    except LascaError as error:
        yield Finding(False, "cache", str(error))
        return
    free = shutil.disk_usage(runtime.cache).free / 1e9
    yield Finding(
        free > 1, f"cache {runtime.cache} ({free:.0f} GB free)", "" if free > 1 else "free some space, or set --cache"
    )
    if runtime.offline:
        yield Finding(True, "offline: nothing is fetched")


def _weights(settings: Settings) -> Iterator[Finding]:
    from lasca_core.cli.weights import known_weights
    from lasca_core.host.weights import state

    runtime = settings.runtime()
    root = runtime.cache / "weights"
    for name, (weights, used) in sorted(known_weights(settings).items()):
        found = state(weights, root)
        good = found == "present" or (found == "absent" and not runtime.offline)
        fix = {
            "present": "",
            "absent": f"fetched at first use, or now with `lasca weights pull {name}`",
            "damaged": f"`lasca weights pull {name}`",
        }
        yield Finding(good, f"weights {name} ({', '.join(used)}) {found}", fix[found])
