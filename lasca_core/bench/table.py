"""A record as tables: for the terminal, and as Markdown between two marks of a page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lasca_core.bench.record import Record, Result
from lasca_core.bench.timing import Spread
from lasca_core.contract.errors import OptionError, StoreError
from lasca_core.host.store import writing

HEAD = ("benchmark", "ours", "reference", "ratio", "middle half", "rounds", "rate", "goal", "work")
GROWTH_HEAD = ("hours", "windows", "pairs")
_MARKED = r"(<!-- bench: {name} -->\n).*?(<!-- /bench -->)"


def row(result: Result) -> tuple[str, ...]:
    """A result as the cells under ``HEAD``."""
    if result.status != "measured":
        said = f"{result.status}: {result.problem}"
        return (result.name, *["-"] * (len(HEAD) - 2), f"{said} ({result.work})" if result.work else said)
    ours = Spread.of(result.ours)
    spread = Spread.of(result.ratios) if result.ratios else None
    return (
        result.name,
        duration(ours.median),
        duration(Spread.of(result.theirs).median) if result.theirs else "-",
        f"{spread.median:.3g}" if spread else "-",
        f"{spread.low:.3g}-{spread.high:.3g}" if spread else f"{duration(ours.low)}-{duration(ours.high)}",
        str(len(result.ours)),
        f"{_number(result.units / ours.median)} {result.unit}/s",
        "; ".join(goal(found) for found in result.goals) or "-",
        result.work,
    )


def _number(value: float) -> str:
    """``312,600``, ``62.3``."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def agreement(result: Result) -> str:
    """``blendshapes, at most: 0.0012 (allowed 0.01)``."""
    found = result.agreement
    return f"{found['what']}: {found['difference']:.2g} (allowed {found['tolerance']:g})" if found else "-"


def duration(seconds: float) -> str:
    """``2.41 s``, ``1.30 ms``."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def goal(found: Mapping[str, Any]) -> str:
    """``at least 1.8: met``, ``at most 2 ms: missed by 12 %``."""
    value, reached = found["value"], found["reached"]
    if found["measure"] == "milliseconds":
        said, by = f"at most {value:g} ms", reached / value - 1
    else:
        said, by = f"at least {value:,g}{'/s' if found['measure'] == 'rate' else ''}", 1 - reached / value
    return f"{said}: {'met' if found['met'] else f'missed by {by:.0%}'}"


def growth_rows(record: Record) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows of the cost of longer corpora: seconds of each stage, and memory."""
    stages = list(dict.fromkeys(name for entry in record.growth for name in entry.get("seconds", {})))
    head = (
        *GROWTH_HEAD,
        *(f"{name} s" for name in stages),
        "whole s",
        "sentence ms",
        "start MiB",
        "peak MiB",
        "device MiB",
    )
    rows = []
    for entry in record.growth:
        if "problem" in entry:
            rows.append((f"{entry['hours']:g}", *["-"] * (len(head) - 2), f"failed: {entry['problem']}"))
            continue
        rows.append(
            (
                f"{entry['hours']:g}",
                f"{entry['windows']:,}",
                f"{entry['pairs']:,}",
                *(f"{entry['seconds'].get(name, 0.0):.2f}" for name in stages),
                f"{sum(entry['seconds'].values()):.2f}",
                f"{entry['sentence_ms']:.2f}",
                f"{entry['start_mib']:,.0f}",
                f"{entry['peak_mib']:,.0f}",
                "-" if entry["device_mib"] is None else f"{entry['device_mib']:,.0f}",
            )
        )
    return head, rows


def surroundings(record: Record) -> Iterator[str]:
    """Where and with what it was measured, in lines."""
    about = record.about
    machine, threads = about["machine"], about["threads"]
    memory = f", {machine['memory_gib']:g} GiB of memory" if machine["memory_gib"] else ""
    yield f"device: {about['device']}; {machine['processor']}, {machine['cores']} cores{memory}"
    limited = [f"{name}={value}" for name, value in threads.items() if name.isupper()]
    yield f"threads: torch {threads['torch']}, components {threads['workers']}{''.join(f', {it}' for it in limited)}"
    named = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    yield f"lasca {about['lasca']} ({named})"
    yield f"measured: {about['time']}{', with --quick: only shows that it runs' if about['quick'] else ''}"


def markdown(record: Record) -> str:
    """Tables in Markdown, each row with the command that gives it, and where they were measured."""
    parts = []
    if record.results:
        head = (*HEAD, "the two differ in", "reference is", "command")
        rows = [
            (*row(result), agreement(result), result.reference or "-", f"`lasca bench --only {result.name}`")
            for result in record.results
        ]
        parts.append(_markdown_table(head, rows))
    if record.growth:
        parts.append(_markdown_table(*growth_rows(record)))
    parts.append("\n".join(f"- {line}" for line in surroundings(record)))
    return "\n\n".join(parts)


def _markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def with_tables(page: str, record: Record, name: str) -> str:
    """The page with the record's tables between the marks ``<!-- bench: NAME -->`` and ``<!-- /bench -->``.

    Raises ``OptionError`` if it has no such marks.
    """
    pattern = re.compile(_MARKED.format(name=re.escape(name)), re.DOTALL)
    if not pattern.search(page):
        raise OptionError(f"--into: the page has no marks <!-- bench: {name} --> and <!-- /bench --> around a table")
    return pattern.sub(lambda found: f"{found[1]}\n{markdown(record)}\n\n{found[2]}", page)


def write_into(path: Path, record: Record, name: str) -> None:
    """Renew the tables in a page."""
    try:
        page = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise StoreError(f"--into {path}: the page cannot be read ({reason})") from None
    renewed = with_tables(page, record, name)
    with writing(path) as temporary:
        temporary.write_text(renewed, encoding="utf-8")
