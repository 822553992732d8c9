"""What the files of a lexicon may say: the models they are checked with, and JSON Schemas of them for editors.

The schemas lie in the package's ``data/schema``. ``python -m lasca_lexicons.schema FOLDER`` writes them into a folder,
so that a lexicon's files can refer to them in their first line: ``#:schema ./lexicon.schema.json``.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    RootModel,
    WithJsonSchema,
    field_validator,
)

from lasca_lexicons.files import fault_of

FORMAT = 2
"""The newest format that is read."""


# --- kinds of text ----------------------------------------------------------------------------------------------------


def _single_line(text: str) -> str:
    if not text.strip() or len(text.splitlines()) > 1:
        raise ValueError("must be one line of text")
    return text


def _relative(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts or "\\" in path:
        raise ValueError("must be a path inside the lexicon's folder, with forward slashes")
    return path


def _with(placeholder: str, text: str) -> str:
    others = [found for found in re.findall(r"\{[^{}]*\}|[{}]", text) if found != placeholder]
    if others:
        raise ValueError(f"must contain {placeholder} and nothing else in braces, not {others[0]}")
    if text.count(placeholder) != 1:
        raise ValueError(f"must contain {placeholder} once, not {text.count(placeholder)} times")
    return _single_line(text)


def _spoken(text: str) -> str:
    if fault := fault_of(text):
        raise ValueError(fault)
    return text


def _values(given: object) -> tuple[str, ...]:
    values = (given,) if isinstance(given, str) else given
    if not (isinstance(values, list | tuple) and values and all(isinstance(value, str) for value in values)):
        raise ValueError("must be a text, or a list of texts of which one holds")
    return tuple(_single_line(value) for value in values)


def _scalar(given: object) -> object:
    if not isinstance(given, str | int | float):
        raise ValueError("must be a text, a number, true or false")
    return given


def _two_or_more(texts: list[str]) -> list[str]:
    if len(set(texts)) < 2:
        raise ValueError("needs at least two different ones")
    return texts


def _pattern(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


_Line = Annotated[str, AfterValidator(_single_line), _pattern(r"^[^\r\n]*\S[^\r\n]*$")]
_File = Annotated[str, AfterValidator(_relative), _pattern(r"^[^/\\][^\\]*$")]
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Template = Annotated[
    str, AfterValidator(lambda text: _with("{cues}", text)), _pattern(r"^[^{}\r\n]*\{cues\}[^{}\r\n]*$")
]
_Varying = Annotated[str, AfterValidator(lambda text: _with("{cue}", text)), _pattern(r"^[^{}\r\n]*\{cue\}[^{}\r\n]*$")]
_Spoken = Annotated[
    str, AfterValidator(_spoken), _pattern(r"^[^\r\n<>{}\[\]*_`#|\\]*[^\s<>{}\[\]*_`#|\\][^\r\n<>{}\[\]*_`#|\\]*$")
]
_Values = Annotated[
    tuple[str, ...],
    PlainValidator(_values),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]},
    ),
]
_Scalar = Annotated[object, PlainValidator(_scalar), WithJsonSchema({"type": ["string", "number", "boolean"]})]
_Several = Annotated[
    list[_Spoken], AfterValidator(_two_or_more), Field(json_schema_extra={"minItems": 2, "uniqueItems": True})
]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


# --- lexicon.toml -----------------------------------------------------------------------------------------------------


class PartProvenance(_Table):
    """How one file of entries came to be, where that differs from the lexicon as a whole."""

    model_config = ConfigDict(extra="allow")  # whatever else the author wants known

    author: _Line | None = Field(default=None, description="who or what wrote it")
    date: _Line | None = Field(default=None, description="when it was written, as YYYY-MM-DD")
    reviewer: _Line | None = Field(default=None, description="who has read it and stands for it")
    model: _Line | None = Field(default=None, description="the language model that wrote it, with its version")
    prompt: _File | None = Field(default=None, description="file that holds what the language model was asked")
    prompt_sha256: _Digest | None = Field(default=None, description="checksum of the prompt's file")
    parameters: dict[str, _Scalar] = Field(
        default={}, description="what else the model was given: temperature, seed, ..."
    )


class Provenance(PartProvenance):
    """How the lexicon came to be. Further keys are welcome."""

    author: _Line = Field(description="who or what wrote the entries")
    date: _Line = Field(description="when they were written, as YYYY-MM-DD")
    reviewer: _Line = Field(description="who has read them and stands for them; say so if nobody has")


class Language(_Table):
    """How a sentence is made in one language. What is left out is as in the base."""

    template: _Template | None = Field(
        default=None, description="the sentence, with {cues} where the descriptions stand"
    )
    separator: str | None = Field(default=None, description="stands between two descriptions")
    empty: _Line | None = Field(default=None, description="the sentence where nothing is salient")
    varying: _Varying | None = Field(
        default=None, description="describes the spread f_std out of the description {cue} of f"
    )
    encoder: _Line | None = Field(
        default=None, description="hub id of a sentence encoder that reads this language well"
    )
    anchors: _File | None = Field(default=None, description="file of phrases for the ends of the affect dimensions")
    anchors_sha256: _Digest | None = Field(default=None, description="checksum of the file of anchors")
    combinations: _File | None = Field(default=None, description="file of descriptions for several features at once")
    combinations_sha256: _Digest | None = Field(default=None, description="checksum of the file of combinations")


class Part(_Table):
    """One file of entries: the words of one language for one set of features."""

    language: _Line = Field(description="language tag: de, or more closely de-AT")
    features: _Line = Field(description="name of the feature set, such as that of the extractor")
    file: _File = Field(description="the file, below the lexicon's folder")
    sha256: _Digest | None = Field(default=None, description="checksum of the file with line ends as \\n")
    speaks: list[_Line] | None = Field(
        default=None,
        description="affect dimensions for which these words are evidence; left out: as in the base, else all",
    )
    provenance: PartProvenance | None = Field(default=None, description="how this file came to be, where that differs")


class _Words(_Table):
    languages: dict[_Line, Language] = Field(default={}, description="language tag -> how a sentence is made in it")
    entries: list[Part] = Field(
        default=[], description="the files of entries, in the order of their cues in a sentence"
    )


class Override(_Words):
    """Words that are spoken instead in sessions of which something is known."""

    when: dict[_Line, _Values] = Field(
        description="what must be known of a session: metadata key -> value, or values of which one holds",
        json_schema_extra={"minProperties": 1},
    )

    @field_validator("when")
    @classmethod
    def _says_something(cls, when: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if not when:
            raise ValueError('names nothing by which a session is known; give it a key, such as culture = "DE"')
        return when


class Tokens(_Table):
    """How long the entries of a language are for an encoder."""

    max: int = Field(ge=1, description="tokens of the longest entry")
    mean: float = Field(gt=0, description="tokens of an entry on average")
    checksum: _Line = Field(description="which encoder counted: the checksum of its weights or tokenizer")


class Header(_Words):
    """lexicon.toml: what a lexicon is, where it comes from, and which files it is made of."""

    format: int = Field(description=f"version of the format: {FORMAT}")
    id: _Line = Field(description="the lexicon's name")
    version: _Line = Field(description="the lexicon's version; raise it whenever a word changes")
    license: _Line = Field(description="SPDX expression, such as CC-BY-4.0")
    citation: list[_Line] = Field(default=[], description="what the entries rest on")
    base: _Line | None = Field(
        default=None, description="name of an installed lexicon that has the words not given here"
    )
    provenance: Provenance = Field(description="how the lexicon came to be")
    override: list[Override] = Field(default=[], description="words for sessions of which something is known")
    tokens: dict[_Line, dict[_Line, Tokens]] = Field(
        default={}, description="encoder -> language -> how many tokens the entries have"
    )


# --- the files that lexicon.toml names --------------------------------------------------------------------------------


class Entry(_Table):
    """What is said of one feature: in general, and by direction and intensity of its change."""

    text: _Spoken | None = Field(default=None, description="the description; left out: as in the base")
    raised: _Spoken | None = Field(default=None, description="said where the value lies above the person's usual")
    lowered: _Spoken | None = Field(default=None, description="said where the value lies below the person's usual")
    strongly_raised: _Spoken | None = Field(
        default=None, alias="strongly raised", description="said where it lies far above"
    )
    strongly_lowered: _Spoken | None = Field(
        default=None, alias="strongly lowered", description="said where it lies far below"
    )
    provenance: PartProvenance | None = Field(default=None, description="how this entry came to be, where that differs")

    @property
    def forms(self) -> dict[str, str]:
        """The descriptions by direction and intensity that there are."""
        forms = self.model_dump(by_alias=True, exclude_none=True, exclude={"text", "provenance"})
        return {str(form): str(text) for form, text in forms.items()}


class EntriesFile(RootModel[dict[str, _Spoken | Entry]]):
    """A file of entries: feature -> description, or a table of descriptions by direction and intensity."""


class Ends(_Table):
    """Phrases that stand for the two ends of an affect dimension, at least two different ones each."""

    high: _Several = Field(description="phrases for the high end, such as: joyful and delighted")
    low: _Several = Field(description="phrases for the low end, such as: sad and hopeless")


class AnchorsFile(RootModel[dict[str, Ends]]):
    """A file of anchors: affect dimension -> the phrases for its two ends."""


class CombinationText(_Table):
    """A description spoken in place of several raised cues at once."""

    features: Annotated[list[_Line], AfterValidator(_two_or_more)] = Field(
        description="the features, all of which must be salient and raised",
        json_schema_extra={"minItems": 2, "uniqueItems": True},
    )
    text: _Spoken = Field(description="what is said instead of their descriptions")


class CombinationsFile(_Table):
    """A file of combinations; where several fit, the first ones are spoken."""

    combination: list[CombinationText] = Field(default=[], description="the combinations")


# --- schemas ----------------------------------------------------------------------------------------------------------

SCHEMAS: dict[str, type[BaseModel]] = {
    "lexicon.schema.json": Header,
    "entries.schema.json": EntriesFile,
    "anchors.schema.json": AnchorsFile,
    "combinations.schema.json": CombinationsFile,
}
"""File name -> the model whose JSON Schema it holds."""


def write_schemas(folder: Path) -> None:
    """Write the JSON Schemas of all files of a lexicon into ``folder``."""
    for name, model in SCHEMAS.items():
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
        (folder / name).write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_schemas(Path(*sys.argv[1:2]))
