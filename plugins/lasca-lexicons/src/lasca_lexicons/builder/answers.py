"""The answers of a language model, kept in one file from the first to the last: a killed build goes on from there."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lasca_core.api import LexiconError
from lasca_lexicons.builder.model import LanguageModel
from lasca_lexicons.builder.requests import Request

FORMAT = 1


class Answers:
    """The finished answers in a file, by what was asked of whom. The file stays when the lexicon is finished: it is the
    record of what the model said, and a second build with the same questions takes the answers from it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._kept = _read(file)

    def find(self, model: LanguageModel, request: Request) -> dict[str, Any] | None:
        """The record of the answer to this very request by this model with these parameters."""
        return self._kept.get(_key(model, request))

    def keep(
        self, model: LanguageModel, request: Request, answer: Mapping[str, Any], *, by: str, date: str
    ) -> dict[str, Any]:
        """Store an answer at once, the file being replaced as a whole; its record.

        Raises ``LexiconError`` if it cannot be written.
        """
        record = {"request": request.title, "model": by, "date": date, "answer": dict(answer)}
        self._kept[_key(model, request)] = record
        text = json.dumps({"format": FORMAT, "answers": self._kept}, ensure_ascii=False, indent=1) + "\n"
        new = self.file.with_name(f".{self.file.name}.{os.getpid()}.new")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(text, encoding="utf-8")
            new.replace(self.file)
        except OSError as error:
            raise LexiconError(f"{self.file} cannot be written ({error.strerror}); choose another --output") from None
        finally:
            new.unlink(missing_ok=True)
        return record


def _key(model: LanguageModel, request: Request) -> str:
    """sha256 over everything that decides the answer."""
    asked = [model.name, dict(model.parameters), request.text, request.schema]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _read(file: Path) -> dict[str, dict[str, Any]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise LexiconError(f"{file} is of format {content['format']}, not {FORMAT}; move it away to begin anew")
        kept: dict[str, dict[str, Any]] = content["answers"]
        complete = all({"request", "model", "date", "answer"} <= record.keys() for record in kept.values())
        if not complete:
            raise ValueError
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise LexiconError(f"{file} cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise LexiconError(f"{file} is not a file of answers; move it away to begin anew") from None
    return kept
