"""`lasca lexicon build`: the command line of the builder."""

from __future__ import annotations

import datetime
import json
import os
import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lasca_core.api import LexiconError, OptionError
from lasca_lexicons.builder.features import Host

if TYPE_CHECKING:
    from lasca_lexicons.builder.make import Estimate
    from lasca_lexicons.builder.requests import Request

_ID = re.compile(r"[a-z][a-z0-9_-]*")
_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
UNSTATED = "LicenseRef-Unstated"


@click.command(short_help="Make a new lexicon with a language model.")
@click.argument("id", metavar="ID")
@click.option(
    "--features", "sources", multiple=True, required=True, metavar="EXTRACTOR|FILE",
    help="Whose features: an installed extractor, or a file with a name a line and, after a tab, what it measures "
    "(repeatable).",
)  # fmt: skip
@click.option("--model", "model_name", required=True, metavar="MODEL", help="A model of llm; `llm models` lists them.")
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), default=Path(), show_default="this folder",
    help="Folder in which the lexicon's folder ID is made.",
)  # fmt: skip
@click.option(
    "--language", "languages", multiple=True, default=("en",), show_default=True, help="BCP 47 tag (repeatable)."
)
@click.option(
    "--target", "targets", multiple=True, default=("valence", "arousal"), show_default=True,
    help="Affect dimension for whose ends phrases are asked (repeatable).",
)  # fmt: skip
@click.option(
    "--forms", type=click.Choice(["none", "signed", "all"]), default="signed", show_default=True,
    help="Features that get words for raised and lowered: those that their extractor calls signed, all, or none.",
)  # fmt: skip
@click.option("--prompt", type=click.Path(dir_okay=False, path_type=Path), help="File to ask with instead of our own.")
@click.option(
    "--parameter", "parameters", multiple=True, metavar="KEY=VALUE",
    help="Parameter of the model (repeatable; default: temperature=0; temperature= leaves it out).",
)  # fmt: skip
@click.option("--batch-size", type=click.IntRange(1, 200), default=10, show_default=True, help="Features a request.")
@click.option(
    "--license", default=UNSTATED, show_default=True, help="Licence of the new lexicon, as an SPDX expression."
)
@click.option(
    "--date", metavar="YYYY-MM-DD",
    help="Day to record with new answers (default: that of $SOURCE_DATE_EPOCH where it is set, else today).",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print what would be asked, and about how many tokens that is.")
@click.pass_obj
def build(
    host: Host,
    id: str,
    sources: tuple[str, ...],
    model_name: str,
    output: Path,
    languages: tuple[str, ...],
    targets: tuple[str, ...],
    forms: str,
    prompt: Path | None,
    parameters: tuple[str, ...],
    batch_size: int,
    license: str,
    date: str | None,
    dry_run: bool,
) -> None:
    """Make the new lexicon ID for any features, with any language model that the library llm reaches.

    The model is asked for descriptions of the features, a few at a time, for the sentence they are put into, and for
    phrases that stand for the ends of each affect dimension. Answers that break the rules (8 to 20 words, one line, no
    markup, each different) are asked for again. Every finished answer is kept at once in OUTPUT/ID.answers.json: a
    build that was stopped goes on from there with the same command. An existing lexicon is never overwritten.

    \b
    lasca lexicon build clinic --features blendshape --model gpt-4.1 --license CC-BY-4.0
    lasca lexicon build gaze --features gaze.txt --forms all --model llama3.2 --language de --dry-run
    """
    from lasca_lexicons.builder import make
    from lasca_lexicons.builder.answers import Answers
    from lasca_lexicons.builder.features import feature_sets
    from lasca_lexicons.builder.model import open_model

    plan = make.Plan(
        id=_checked(id, _ID, "ID", "lower-case letters, digits, - and _"),
        sets=tuple(feature_sets(sources, host, forms)),
        languages=tuple(
            dict.fromkeys(_checked(tag, _TAG, "--language", "a BCP 47 tag, such as de") for tag in languages)
        ),
        targets=tuple(dict.fromkeys(targets)),
        prompt=_read_prompt(prompt),
        license=license,
        date=_day(date),
        batch_size=batch_size,
    )
    model = open_model(model_name, dict(_pair(text) for text in parameters), host.report)
    answers = Answers(output / f"{plan.id}.answers.json")
    if dry_run:
        _show(*make.outstanding(plan, model, answers))
        return
    model.require_key()
    folder = output / plan.id
    spent = make.build(plan, model, answers, folder, host.report)
    click.echo(f"{folder}: {sum(len(one.features) for one in plan.sets)} features in {', '.join(plan.languages)}")
    click.echo(f"asked {spent.requests} times: {spent.input_tokens:,} tokens in, {spent.output_tokens:,} out")
    click.echo(f"now: lasca lexicon check {folder}")
    if license == UNSTATED:
        host.report.note("nobody may pass the lexicon on before its lexicon.toml states a licence")


def _show(requests: list[Request], estimate: Estimate) -> None:
    """What would be asked, and what it would cost."""
    for number, request in enumerate(requests, start=1):
        click.echo(f"=== request {number} of {len(requests)}: {request.title}\n\n{request.text}")
        click.echo(f"schema: {json.dumps(request.schema, ensure_ascii=False)}\n")
    click.echo(
        f"{estimate.requests} requests, {estimate.answered} answered before; about {estimate.input_tokens:,} tokens in "
        f"and {estimate.output_tokens:,} out (estimated at 4 characters a token; nothing was sent)"
    )


def _checked(text: str, pattern: re.Pattern[str], option: str, rule: str) -> str:
    if not pattern.fullmatch(text):
        raise OptionError(f"{option} {text!r}: must be {rule}")
    return text


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise OptionError(f"--parameter {text}: expected KEY=VALUE, for instance --parameter seed=1")
    return key, value


def _read_prompt(file: Path | None) -> str:
    source = file if file is not None else files("lasca_lexicons") / "builder" / "prompt.md"
    try:
        return source.read_bytes().replace(b"\r\n", b"\n").decode("utf-8")
    except FileNotFoundError:
        raise LexiconError(f"--prompt {file} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise LexiconError(f"--prompt {file} cannot be read as text ({error})") from None


def _day(given: str | None) -> str:
    if given is not None:
        try:
            return datetime.date.fromisoformat(given).isoformat()
        except ValueError:
            raise OptionError(f"--date {given}: expected a day such as 2026-11-22") from None
    now = datetime.datetime.now(datetime.UTC)
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if epoch.isdigit():
        now = datetime.datetime.fromtimestamp(int(epoch), datetime.UTC)
    return now.date().isoformat()
