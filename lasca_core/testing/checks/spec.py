"""What every component says about itself: its spec, its target and its options."""

from __future__ import annotations

import inspect
import json
from typing import Any

from pydantic import ValidationError

from lasca_core.api import ContractError, PluginError
from lasca_core.host.options import Options
from lasca_core.testing.bench import Subject
from lasca_core.testing.checks.tags import only_if
from lasca_core.testing.outcome import BrokenPromiseError, require

_has_options = only_if(lambda subject: subject.spec.options is not None)

_LONGEST_SUMMARY = 120


def check_spec_reads_well(subject: Subject) -> None:
    """The summary is one line, and a licence is stated."""
    spec = subject.spec
    for field in ("summary", "note", "citation"):
        text: str = getattr(spec, field)
        require(
            "\n" not in text and text == text.strip(),
            f"the spec's {field} has line breaks or blanks around it",
            f"write it on one line: {field}={' '.join(text.split())!r}",
        )
    require(
        len(spec.summary) <= _LONGEST_SUMMARY,
        f"the summary is {len(spec.summary)} characters long",
        f"say it in {_LONGEST_SUMMARY}, since `lasca plugins list` shows it in a table, and move the rest to note",
    )
    require(
        bool(spec.license.strip()),
        "the spec states no license",
        "name one by its SPDX identifier, for instance license='MIT', or say 'unstated'",
    )


def check_target_can_be_built(subject: Subject) -> None:
    """The target can be imported and called with options and runtime, and has what its protocol asks for."""
    try:
        target = subject.target
    except (PluginError, ContractError) as error:
        raise BrokenPromiseError(f"{error}; mend the import, or the spec's target {subject.spec.target!r}") from error
    try:
        inspect.signature(target).bind(None, None)
    except TypeError as error:
        raise BrokenPromiseError(
            f"{subject.spec.target} cannot be called as Target(options, runtime) ({error}); derive it from Component, "
            f"whose constructor takes these two"
        ) from None
    try:
        subject.make()
    except ContractError as error:
        raise BrokenPromiseError(f"{error}; see the protocol of the kind {subject.kind!r} in lasca_core.api") from error


@_has_options
def check_options_are_described(subject: Subject) -> None:
    """Every option has a description."""
    bare = [name for name, info in subject.model.model_fields.items() if not (info.description or "").strip()]
    require(
        not bare,
        f"{subject.model.__name__} does not describe {', '.join(bare)}",
        "write Field(default, description='...'), which `lasca plugins show` prints",
    )


@_has_options
def check_options_refuse_unknown_keys(subject: Subject) -> None:
    """An unknown option is an error, and options cannot be changed once they are read."""
    config = subject.model.model_config
    require(
        config.get("extra") == "forbid" and config.get("frozen") is True,
        f"{subject.model.__name__} accepts unknown keys, or can be changed after it was read",
        "leave model_config as lasca_core.api.Options has it (extra='forbid', frozen=True)",
    )


@_has_options
def check_default_options_are_valid(subject: Subject) -> None:
    """The defaults meet the options' own conditions, which pydantic does not look at by itself."""
    given = subject.options
    for name, info in subject.model.model_fields.items():
        if name in given or info.is_required():
            continue
        default = info.get_default(call_default_factory=True)
        try:
            subject.model(**given, **{name: default})
        except ValidationError as error:
            raise BrokenPromiseError(
                f"the default {default!r} of option {name} is refused by the option's own rules "
                f"({error.errors()[0]['msg']}); choose a default that meets them, or loosen them"
            ) from None


@_has_options
def check_options_survive_json(subject: Subject) -> None:
    """Options written to ``run.json`` and read again are the same: a run can be repeated from its record."""
    options: Options = subject.model(**subject.options)
    written = json.dumps(options.model_dump(mode="json"))
    try:
        again: Any = type(options)(**json.loads(written))
    except ValidationError as error:
        raise BrokenPromiseError(
            f"the options as run.json holds them are refused ({error.errors()[0]['msg']}); let the option accept what "
            f"it writes: {written}"
        ) from None
    require(
        again == options,
        f"the options come back from run.json as {again!r}, but were {options!r}",
        "use types that JSON can hold, or give the field a serializer",
    )


CHECKS = (
    check_spec_reads_well,
    check_target_can_be_built,
    check_options_are_described,
    check_options_refuse_unknown_keys,
    check_default_options_are_valid,
    check_options_survive_json,
)
