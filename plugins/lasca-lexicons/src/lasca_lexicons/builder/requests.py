"""What a language model is asked, and whether it has answered it: requests made of parts that are judged one by one."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from lasca_lexicons.builder.features import Feature, FeatureSet
from lasca_lexicons.files import fault_of
from lasca_lexicons.schema import Ends, Language

WORDS = (8, 20)
"""Fewest and most words of a description."""
PHRASES = 6
"""Phrases that are asked for each end of an affect dimension."""
FORMS = ("raised", "lowered")

_TEXT = {"type": "string"}
_HAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_WORD = re.compile(r"[^\W_](?:[^\W_]|['’-](?=[^\W_]))*")
_NAMES = {
    "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "fr": "French", "hu": "Hungarian", "it": "Italian",
    "ja": "Japanese", "pt": "Portuguese", "sr": "Serbian", "zh": "Chinese",
}  # fmt: skip


class Part(Protocol):
    """One thing that an answer must contain."""

    @property
    def name(self) -> str:
        """Its key in the answer."""

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of its value."""

    @property
    def wish(self) -> str:
        """The line of the prompt that asks for it."""

    def fault(self, value: Any, taken: Collection[str]) -> str | None:
        """What is wrong with a value, or nothing; ``taken`` are the descriptions of other features, in lower case."""

    def texts(self, value: Any) -> list[str]:
        """The descriptions in a value, which no other feature may have."""


@dataclass(frozen=True)
class Description:
    """The description of one feature, and those of its two directions where it needs them."""

    feature: Feature

    @property
    def name(self) -> str:
        """The feature's name."""
        return self.feature.name

    @property
    def schema(self) -> dict[str, Any]:
        """A text, or an object of texts by direction."""
        return _object(dict.fromkeys(("text", *FORMS), _TEXT)) if self.feature.directed else _TEXT

    @property
    def wish(self) -> str:
        """The feature, what it measures, and which texts it needs."""
        note = f": {self.feature.note}" if self.feature.note else ""
        directed = ' (an object of three descriptions: "text", "raised", "lowered")' if self.feature.directed else ""
        return f"- {json.dumps(self.name, ensure_ascii=False)}{note}{directed}"

    def fault(self, value: Any, taken: Collection[str]) -> str | None:
        """See ``Part``."""
        said = value if self.feature.directed else {"text": value}
        if not isinstance(said, Mapping) or set(said) != ({"text", *FORMS} if self.feature.directed else {"text"}):
            return 'needs the three texts "text", "raised" and "lowered"'
        for form, text in said.items():
            owner = f'its "{form}"' if self.feature.directed else "its description"
            if problem := _text_fault(text):
                return f"{owner} {problem}"
            if text.casefold() in taken:
                return f"{owner} is also that of another feature; make it different"
        if self.feature.directed and said["raised"].casefold() == said["lowered"].casefold():
            return 'its "raised" and its "lowered" are the same'
        return None

    def texts(self, value: Any) -> list[str]:
        """See ``Part``."""
        return list(value.values()) if self.feature.directed else [value]


@dataclass(frozen=True)
class Line:
    """One setting of how a sentence is made in a language; ``Language`` of the format judges it."""

    name: str
    wish: str

    @property
    def schema(self) -> dict[str, Any]:
        """A text."""
        return _TEXT

    def fault(self, value: Any, taken: Collection[str]) -> str | None:
        """See ``Part``."""
        fault = _model_fault(Language, {self.name: value})
        return fault.removeprefix(f"{self.name}: ") if fault else None

    def texts(self, value: Any) -> list[str]:
        """None: a setting describes no feature."""
        return []


@dataclass(frozen=True)
class AnchorPhrases:
    """Phrases for the two ends of an affect dimension; ``Ends`` of the format judges them."""

    name: str

    @property
    def schema(self) -> dict[str, Any]:
        """Two lists of texts."""
        return _object({end: {"type": "array", "items": _TEXT} for end in ("high", "low")})

    @property
    def wish(self) -> str:
        """How many phrases, and of what."""
        return (
            f'- "{self.name}" (an object of two lists, "high" and "low"): {PHRASES} different short phrases each that '
            f"say in plain words how a person looks, sounds and feels whose {self.name} is very high or very low; the "
            f"first phrase of one list is the opposite of the first of the other, and so on"
        )

    def fault(self, value: Any, taken: Collection[str]) -> str | None:
        """See ``Part``."""
        return _model_fault(Ends, value)

    def texts(self, value: Any) -> list[str]:
        """None: they describe no feature."""
        return []


@dataclass(frozen=True)
class Request:
    """One question to the model: ``prompt`` is the text of the prompt's file, ``task`` says what is asked this time,
    ``parts`` what the answer must contain. ``language`` and ``features`` (a set's name, "" for the frame of sentences)
    say where the answer belongs."""

    prompt: str
    task: str
    parts: tuple[Part, ...]
    language: str
    features: str = ""

    @property
    def title(self) -> str:
        """For the person who waits."""
        what = (
            f"{self.features}: {self.parts[0].name} to {self.parts[-1].name}" if self.features else "sentence, anchors"
        )
        return f"{self.language}, {what}"

    @property
    def text(self) -> str:
        """The whole prompt."""
        wishes = "\n".join(part.wish for part in self.parts)
        answer = "Answer with one JSON object that has exactly these keys, and nothing else:"
        return f"{self.prompt.rstrip()}\n\n---\n\n{self.task}\n\n{answer}\n\n{wishes}\n"

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the answer."""
        return _object({part.name: part.schema for part in self.parts})

    def texts(self, answer: Mapping[str, Any]) -> set[str]:
        """The descriptions in the parts of an answer that are there, in lower case."""
        return {text.casefold() for part in self.parts if part.name in answer for text in part.texts(answer[part.name])}

    def faults(self, answer: Mapping[str, Any], taken: Collection[str]) -> dict[str, str]:
        """Part -> what is wrong with its answer, for those where something is; ``taken`` as in ``Part.fault``."""
        found: dict[str, str] = {}
        said = set(taken)
        for part in self.parts:
            if part.name not in answer:
                found[part.name] = "is missing"
            elif fault := part.fault(answer[part.name], said):
                found[part.name] = fault
            else:
                said |= {text.casefold() for text in part.texts(answer[part.name])}
        return found

    def again(self, faults: Mapping[str, str]) -> Request:
        """The same question for the parts at fault alone, with what was wrong."""
        listed = "\n".join(f"- {json.dumps(name, ensure_ascii=False)} {fault}" for name, fault in faults.items())
        task, _, _ = self.task.partition(_REPROACH)
        return replace(
            self,
            task=f"{task}{_REPROACH}\n\n{listed}",
            parts=tuple(part for part in self.parts if part.name in faults),
        )


_REPROACH = "\n\nYou have answered this before, with these faults, which you must now avoid:"


def frame_request(prompt: str, language: str, targets: Sequence[str]) -> Request:
    """How a sentence is made in a language, and the phrases for the ends of the affect dimensions."""
    task = (
        f"This time no feature is described. Write in {language_name(language)} the sentence that the descriptions are "
        f"put into, and phrases for the ends of affect dimensions."
    )
    parts: list[Part] = [
        Line(
            "template", '- "template": the sentence, as in "The person shows {cues}.", with {cues} once, literally so'
        ),
        Line("empty", '- "empty": the sentence for a moment at which nothing about the person is unusual'),
        Line(
            "varying",
            '- "varying": a phrase, as in "marked variation in {cue}", with {cue} once, literally so, that turns the '
            "description of a feature into that of its variation",
        ),
        *(AnchorPhrases(target) for target in targets),
    ]
    return Request(prompt, task, tuple(parts), language)


def description_requests(
    prompt: str, language: str, template: str, sets: Sequence[FeatureSet], batch_size: int
) -> Iterator[Request]:
    """The features of all sets, ``batch_size`` at a time."""
    for one in sets:
        task = (
            f"Describe these features of the set {one.name!r} in {language_name(language)}. The descriptions will "
            f"stand in place of {{cues}} in the sentence: {template}"
        )
        for start in range(0, len(one.features), batch_size):
            parts = tuple(Description(feature) for feature in one.features[start : start + batch_size])
            yield Request(prompt, task, parts, language, one.name)


def language_name(tag: str) -> str:
    """``de`` -> ``German (de)``; a tag without a name here stands for itself."""
    name = _NAMES.get(tag.partition("-")[0].lower())
    return f"{name} ({tag})" if name else f"the language with the BCP 47 tag {tag}"


def separator(language: str) -> str:
    """What stands between two descriptions."""
    return "；" if language.partition("-")[0].lower() in ("zh", "ja") else "; "


def count_words(text: str) -> int:
    """Words of a text; two characters of a script without spaces count as one."""
    return len(_WORD.findall(_HAN.sub(" ", text))) + (len(_HAN.findall(text)) + 1) // 2


def _text_fault(text: object) -> str | None:
    if not isinstance(text, str):
        return "is no text"
    if fault := fault_of(text):
        return fault.partition(";")[0]
    fewest, most = WORDS
    if not fewest <= (count := count_words(text)) <= most:
        return f"has {count} words; write {fewest} to {most}"
    if text.rstrip().endswith((".", "。")) or ";" in text or "；" in text:
        return "ends in a full stop or contains a semicolon, which stand between descriptions"
    return None


def _model_fault(model: type[Any], value: object) -> str | None:
    try:
        TypeAdapter(model).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"{where}: {first['msg'].removeprefix('Value error, ')}"
    return None


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
