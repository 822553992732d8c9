"""Asks a language model for everything a lexicon needs, one request after the other, and writes the lexicon."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lasca_core.api import LexiconError, Reporter
from lasca_lexicons.builder.answers import Answers
from lasca_lexicons.builder.features import FeatureSet
from lasca_lexicons.builder.model import Answer, LanguageModel, LanguageModelError
from lasca_lexicons.builder.requests import PHRASES, Request, description_requests, frame_request, separator
from lasca_lexicons.format import FORMAT, read_lexicon, write_lexicon

PROMPT_FILE = "prompt.md"
REPEATS = 4
"""How often a question is asked again whose answer breaks the rules."""
UNKNOWN_TEMPLATE = "(the sentence that the model has chosen)"
"""Stands in a dry run for what only an answer will tell."""

_CHARACTERS_A_TOKEN = 4
_TOKENS_A_TEXT = 30
"""Of a description of 8 to 20 words with its key, generously."""


@dataclass(frozen=True)
class Plan:
    """What is to be built. ``prompt`` is the text of the prompt's file, ``date`` the day (YYYY-MM-DD) under which
    answers that are given now are recorded."""

    id: str
    sets: tuple[FeatureSet, ...]
    languages: tuple[str, ...]
    targets: tuple[str, ...]
    prompt: str
    license: str
    date: str
    batch_size: int = 10

    def requests(self, language: str, template: str) -> Iterator[Request]:
        """The questions about the features, once the sentence is known that the answers are to stand in."""
        return description_requests(self.prompt, language, template, self.sets, self.batch_size)

    def frame(self, language: str) -> Request:
        """The first question of a language."""
        return frame_request(self.prompt, language, self.targets)

    def __len__(self) -> int:
        """How many questions there are."""
        batches = sum(-(-len(one.features) // self.batch_size) for one in self.sets)
        return len(self.languages) * (1 + batches)


@dataclass(frozen=True)
class Estimate:
    """What a build will cost: requests, and tokens by a rule of thumb (four characters each)."""

    requests: int
    answered: int
    input_tokens: int
    output_tokens: int


@dataclass
class Spent:
    """What a build has cost."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


def outstanding(plan: Plan, model: LanguageModel, answers: Answers) -> tuple[list[Request], Estimate]:
    """The requests that a build would make, as far as they can be known before it, and what they will cost."""
    open_requests: list[Request] = []
    for language in plan.languages:
        frame = answers.find(model, plan.frame(language))
        template = frame["answer"]["template"] if frame else UNKNOWN_TEMPLATE
        wanted = [plan.frame(language), *plan.requests(language, template)]
        open_requests += [request for request in wanted if answers.find(model, request) is None]
    sent = sum(len(request.text) for request in open_requests) // _CHARACTERS_A_TOKEN
    texts = sum(_count_texts(request.schema) for request in open_requests)
    return open_requests, Estimate(len(open_requests), len(plan) - len(open_requests), sent, texts * _TOKENS_A_TEXT)


def _count_texts(schema: Mapping[str, Any]) -> int:
    """How many texts an answer under a schema holds."""
    if schema["type"] == "array":
        return PHRASES
    return sum(map(_count_texts, schema["properties"].values())) if schema["type"] == "object" else 1


def build(plan: Plan, model: LanguageModel, answers: Answers, folder: Path, report: Reporter) -> Spent:
    """Ask for what ``answers`` does not have yet, and write the lexicon into the new folder ``folder``.

    Raises ``LexiconError`` if ``folder`` exists, or if the model breaks the rules again and again, and
    ``LanguageModelError`` if it does not answer. What was answered by then is kept, and the next build goes on from
    there.
    """
    if folder.exists():
        raise LexiconError(
            f"{folder} exists already, and a lexicon is never overwritten; choose another ID or --output"
        )
    interview = _Interview(model, answers, plan.date)
    words: dict[str, _Words] = {}
    with report.task(f"ask {model.name} for {plan.id}", len(plan)) as task:
        for language in plan.languages:
            frame = interview.answer(plan.frame(language), taken=set())
            task.advance()
            entries: dict[str, dict[str, Any]] = {one.name: {} for one in plan.sets}
            taken: set[str] = set()
            for request in plan.requests(language, frame["template"]):
                answer = interview.answer(request, taken)
                task.advance()
                entries[request.features] |= answer
                taken |= request.texts(answer)
            words[language] = _Words(frame, entries)
    header, files = _lexicon(plan, words, _provenance(plan, interview))
    write_lexicon(folder, header, files)
    read_lexicon(folder)
    return interview.spent


class _Interview:
    """Puts questions to a model until they are answered as they must be; ``records`` are the answers used so far."""

    def __init__(self, model: LanguageModel, answers: Answers, date: str) -> None:
        self.model = model
        self.records: list[dict[str, Any]] = []
        self.spent = Spent()
        self._answers = answers
        self._date = date

    def answer(self, request: Request, taken: set[str]) -> dict[str, Any]:
        """Part -> value: a kept answer, or a new one, for whose faulty parts the model is asked again. ``taken`` are
        the descriptions of other features."""
        record = self._answers.find(self.model, request)
        if record is None or request.faults(record["answer"], taken):
            answer, answered_by = self._ask_until_right(request, taken)
            record = self._answers.keep(self.model, request, answer, by=answered_by, date=self._date)
        self.records.append(record)
        found: dict[str, Any] = record["answer"]
        return found

    def _ask_until_right(self, request: Request, taken: set[str]) -> tuple[dict[str, Any], str]:
        accepted: dict[str, Any] = {}
        asked, faults = request, {"": ""}
        for _ in range(1 + REPEATS):
            said = self._ask(asked)
            content = said.content or {}
            faults = asked.faults(content, taken | request.texts(accepted))
            accepted |= {part.name: content[part.name] for part in asked.parts if part.name not in faults}
            if not faults:
                return {part.name: accepted[part.name] for part in request.parts}, said.model
            asked = asked.again(faults)
        name, fault = next(iter(faults.items()))
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise LexiconError(
            f"--model {self.model.name} was asked {1 + REPEATS} times and still breaks the rules: the answer for "
            f"{name!r} {fault}{more}; try another model or --prompt, or a smaller --batch-size; {self._kept()}"
        )

    def _ask(self, request: Request) -> Answer:
        try:
            said = self.model.ask(request.text, request.schema)
        except LanguageModelError as error:
            raise LanguageModelError(f"{error}; {self._kept()}") from None
        self.spent.requests += 1
        self.spent.input_tokens += said.input_tokens
        self.spent.output_tokens += said.output_tokens
        return said

    def _kept(self) -> str:
        if not self._answers.file.exists():
            return "nothing was answered yet"
        return f"what was answered is kept in {self._answers.file}, and the same command goes on from there"


# --- what is written --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Words:
    """What was answered for one language: the frame of a sentence with the anchors, and feature set -> entries."""

    frame: Mapping[str, Any]
    entries: Mapping[str, Mapping[str, Any]]


def _lexicon(
    plan: Plan, words: Mapping[str, _Words], provenance: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """``lexicon.toml`` and the files it names."""
    files: dict[str, Any] = {PROMPT_FILE: plan.prompt}
    languages, parts = {}, []
    for language, said in words.items():
        settings = {key: said.frame[key] for key in ("template", "empty", "varying")}
        languages[language] = {**settings, "separator": separator(language)}
        if plan.targets:
            languages[language]["anchors"] = f"{language}/anchors.toml"
            files[f"{language}/anchors.toml"] = {target: said.frame[target] for target in plan.targets}
        for features, entries in said.entries.items():
            path = f"{language}/{features}.toml"
            files[path] = entries
            parts.append({"language": language, "features": features, "file": path})
    header = {
        "format": FORMAT,
        "id": plan.id,
        "version": "1.0.0",
        "license": plan.license,
        "provenance": dict(provenance),
        "languages": languages,
        "entries": parts,
    }
    return header, files


def _provenance(plan: Plan, interview: _Interview) -> dict[str, Any]:
    model, records = interview.model, interview.records
    return {
        "author": f"the language model {model.name}, asked by lasca lexicon build",
        "date": max(str(record["date"]) for record in records),
        "reviewer": "none yet: no human expert has reviewed the entries",
        "model": model.name,
        "answered_as": ", ".join(sorted({str(record["model"]) for record in records})),
        "prompt": PROMPT_FILE,
        "llm": importlib.metadata.version("llm"),
        "lasca_lexicons": importlib.metadata.version("lasca-lexicons"),
        "parameters": {**model.parameters, "batch_size": plan.batch_size},
    }
