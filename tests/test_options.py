"""Options: what is refused and in which words, what belongs to the identity, and how values are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field, model_validator

from lasca_core.contract.errors import OptionError
from lasca_core.host.options import NoOptions, Options, build, how, parse_assignment, read_config


class Windowing(Options):
    """Options such as a stage has."""

    length: float = Field(5.0, gt=0, description="seconds of a window")
    statistic: Literal["mean", "median"] = Field("mean", description="what a window keeps")
    folder: Path | None = Field(None, description="where to look")
    batch_size: int = how(32, description="windows at once", ge=1)


class Reading(Options):
    """Options of which one must be given."""

    path: Path = Field(description="the manifest")


class Ordered(Options):
    """Options with a rule about two of them."""

    low: int = Field(0, description="the lower")
    high: int = Field(1, description="the higher")

    @model_validator(mode="after")
    def _order(self) -> Ordered:
        if self.low > self.high:
            raise ValueError("Low must not be above high")
        return self


def test_values_are_taken_over_and_the_rest_are_defaults() -> None:
    built = build(Windowing, {"length": 3}, "windows")
    assert (built.length, built.statistic, built.batch_size) == (3.0, "mean", 32)


REFUSED: dict[str, tuple[type[Options], dict[str, Any], str]] = {
    "an unknown key near a known one": (
        Windowing,
        {"lenght": 3},
        "option windows.lenght does not exist; did you mean windows.length?",
    ),
    "an unknown key like no other": (
        Windowing,
        {"xyzzy": 3},
        "option windows.xyzzy does not exist; known: batch_size, folder, length, statistic",
    ),
    "a key where there are none": (NoOptions, {"k": 3}, "option windows.k does not exist; known: none"),
    "a missing value": (
        Reading,
        {},
        "option windows.path is required (the manifest); set it with -o windows.path=...",
    ),
    "a wrong type": (
        Windowing,
        {"length": "long"},
        "option windows.length = 'long': input should be a valid number, unable to parse string as a number",
    ),
    "a value out of range": (Windowing, {"length": 0}, "option windows.length = 0: input should be greater than 0"),
    "a number that is none": (
        Windowing,
        {"length": float("nan")},
        "option windows.length = nan: input should be a finite number",
    ),
    "a choice that is none": (
        Windowing,
        {"statistic": "mode"},
        "option windows.statistic = 'mode': input should be 'mean' or 'median'",
    ),
    "a broken rule between options": (Ordered, {"low": 2}, "options of windows: low must not be above high"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_refused_in_one_sentence_naming_the_option(case: str) -> None:
    model, values, sentence = REFUSED[case]
    with pytest.raises(OptionError) as caught:
        build(model, values, "windows")
    assert str(caught.value) == sentence
    assert caught.value.exit_code == 2


def test_options_cannot_be_changed_once_built() -> None:
    from pydantic import ValidationError

    built = build(Windowing, {}, "windows")
    with pytest.raises(ValidationError):
        built.length = 3.0


def test_the_identity_holds_what_changes_results_and_not_how_it_runs() -> None:
    one = build(Windowing, {"batch_size": 1, "folder": "data"}, "windows").identity()
    assert one == {"length": 5.0, "statistic": "mean", "folder": "data"}
    assert build(Windowing, {"batch_size": 64, "folder": "data"}, "windows").identity() == one


WRITTEN: dict[str, tuple[str, str, Any]] = {
    "windows.length=5": ("windows", "length", 5),
    "windows.length = 2.5": ("windows", "length", 2.5),
    "a.b=true": ("a", "b", True),
    "a.b=True": ("a", "b", "True"),
    "a.b=[1, 2]": ("a", "b", [1, 2]),
    'a.b="1001"': ("a", "b", "1001"),
    "a.b={c = 1}": ("a", "b", {"c": 1}),
    "encoder.model=all-MiniLM-L6-v2": ("encoder", "model", "all-MiniLM-L6-v2"),
    "manifest.path=/data/a b.csv": ("manifest", "path", "/data/a b.csv"),
    r"manifest.path=C:\data": ("manifest", "path", r"C:\data"),
    "a.b=x=y": ("a", "b", "x=y"),
    "a.b=": ("a", "b", ""),
    "a.b=2024-01-31": ("a", "b", "2024-01-31"),
    "a.b=1\nother = 2": ("a", "b", "1\nother = 2"),
    "a.b.c=1": ("a", "b.c", 1),
}


@pytest.mark.parametrize("text", WRITTEN)
def test_an_assignment_is_toml_where_it_can_be_and_a_string_otherwise(text: str) -> None:
    stage, key, value = parse_assignment(text)
    assert (stage, key, value) == WRITTEN[text]
    assert type(value) is type(WRITTEN[text][2])


@pytest.mark.parametrize("text", ["windows", "windows.length", "length=5", ".length=5", "windows.=5", "=5", ""])
def test_an_assignment_without_stage_key_and_value_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(OptionError, match=r"expected stage\.key=value, for instance -o windows\.length=5"):
        parse_assignment(text)


def test_a_configuration_file_is_read_as_tables(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[windows]\nlength = 3\n[run]\nencoder = "mpnet"\n')
    assert read_config(file) == {"windows": {"length": 3}, "run": {"encoder": "mpnet"}}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "does not exist"),
        (b"[windows\n", "is not valid TOML: .*line 1"),
        (b"a = '\xff'", "is not valid TOML"),
    ],
)
def test_a_configuration_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None, problem: str) -> None:
    file = tmp_path / "mine.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(OptionError, match=rf"configuration file .*mine\.toml {problem}"):
        read_config(file)


def test_a_folder_is_no_configuration_file(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot be read"):
        read_config(tmp_path)
