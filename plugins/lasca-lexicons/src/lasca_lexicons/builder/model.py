"""A language model behind the library `llm`: opened by name, asked for JSON, retried when its server fails."""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lasca_core.api import LascaError, OptionError, Reporter

if TYPE_CHECKING:
    import llm

INSTALL = "pip install 'lasca-lexicons[build]'"
LONGEST_WAIT = 60.0
"""Seconds between two tries, at most."""

_TEMPORARY = {408, 409, 425, 429}
"""HTTP statuses below 500 that another try may mend."""


class LanguageModelError(LascaError):
    """The language model cannot be used, or does not answer."""


@dataclass(frozen=True)
class Answer:
    """What a model said: the JSON object in it, or None, and which model its server says it was."""

    content: dict[str, Any] | None
    model: str
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass
class LanguageModel:
    """A model of ``llm`` with its parameters. ``tries`` requests are made before a failing server is given up, with
    ``sleep`` (seconds) between them."""

    model: llm.Model | llm.KeyModel
    parameters: Mapping[str, Any]
    report: Reporter
    tries: int = 5
    sleep: Callable[[float], None] = time.sleep

    @property
    def name(self) -> str:
        """The model's id."""
        return str(self.model.model_id)

    def require_key(self) -> None:
        """Raise ``LanguageModelError`` if the model needs a key and there is none."""
        import llm

        try:
            self.model.get_key()
        except llm.NeedsKeyException as error:
            raise LanguageModelError(f"--model {self.name}: {error}") from None

    def ask(self, prompt: str, schema: Mapping[str, Any]) -> Answer:
        """The model's answer. A model that cannot be held to a schema is shown it instead.

        Raises ``LanguageModelError`` if the server refuses, or still fails after all tries.
        """
        constrained = bool(self.model.supports_schema)
        if not constrained:
            prompt = f"{prompt}\nThe answer must be valid under this JSON Schema:\n\n{json.dumps(schema)}\n"
        for attempt in range(1, self.tries + 1):
            try:
                return self._ask(prompt, dict(schema) if constrained else None)
            except Exception as error:  # each plugin of llm raises what its own client library does
                status = _status(error)
                if status is not None and status < 500 and status not in _TEMPORARY:
                    raise LanguageModelError(
                        f"--model {self.name}: the request was refused: {_one_line(error)}"
                    ) from None
                if attempt == self.tries:
                    raise LanguageModelError(
                        f"--model {self.name} has failed {self.tries} times, at last so: {_one_line(error)}"
                    ) from None
                wait = min(LONGEST_WAIT, _retry_after(error) or 2.0**attempt)
                self.report.warn(f"{self.name}: {_one_line(error)}; trying again")
                self.sleep(wait)
        raise AssertionError("there is at least one try")

    def _ask(self, prompt: str, schema: dict[str, Any] | None) -> Answer:
        response = self.model.prompt(prompt, schema=schema, stream=False, options=dict(self.parameters))
        text = response.text()
        usage = response.usage()
        answered_by = response.resolved_model or (response.json() or {}).get("model") or self.name
        return Answer(json_object(text), str(answered_by), usage.input or 0, usage.output or 0)


def open_model(name: str, given: Mapping[str, str], report: Reporter) -> LanguageModel:
    """The model called ``name`` by ``llm``, at temperature 0 unless ``given`` parameters say otherwise; an empty value
    leaves a parameter out. Nothing is sent.

    Raises ``LanguageModelError`` if ``llm`` or the model is not there, ``OptionError`` for a parameter that it lacks.
    """
    try:
        import llm
    except ImportError:
        raise LanguageModelError(
            f"the client for language models is not installed; install it with: {INSTALL}"
        ) from None
    from pydantic import ValidationError

    try:
        model = llm.get_model(name)
    except llm.UnknownModelError:
        near = difflib.get_close_matches(name, llm.get_model_aliases(), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`llm models` lists those there are"
        raise LanguageModelError(
            f"--model {name}: llm knows no such model; {hint} (more come with its plugins: llm install ...)"
        ) from None
    known = set(model.Options.model_fields)
    parameters: dict[str, Any] = {"temperature": 0} if "temperature" in known else {}
    parameters |= given
    parameters = {key: value for key, value in parameters.items() if value != ""}
    try:
        checked = model.Options(**parameters).model_dump(mode="json", exclude_unset=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        reason = f"known: {', '.join(sorted(known)) or 'none'}" if key not in known else first["msg"]
        raise OptionError(f"--parameter {key}: not a parameter of model {name} ({reason})") from None
    return LanguageModel(model, checked, report)


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object in a text, which may stand in other words or in a fence; None if there is none."""
    for candidate in (text, text[text.find("{") : text.rfind("}") + 1]):
        try:
            found = json.loads(candidate)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return None


def _status(error: BaseException) -> int | None:
    """The HTTP status that an error of some client library carries."""
    response = getattr(error, "response", None)
    for holder in (error, response):
        status = getattr(holder, "status_code", None)
        if isinstance(status, int):
            return status
    return None


def _retry_after(error: BaseException) -> float | None:
    """Seconds that a server asks to wait."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    try:
        return float(headers["retry-after"]) if headers is not None else None
    except (KeyError, TypeError, ValueError):
        return None


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{text[:300]} ({type(error).__name__})" if text else type(error).__name__
