"""Options of the lexicons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import field_validator

from lasca_core.api import Field, Options, how


class SessionOptions(Options):
    """Options of every lexicon that lies in a folder."""

    session_language: bool = Field(
        False,
        description="speak each session's own language, which its metadata `language` names, where the lexicon has it "
        "(needs a multilingual encoder)",
    )


class FolderOptions(SessionOptions):
    """Options of ``folder``."""

    # Where the folder lies changes no result; what it holds does, and that is the component's fingerprint.
    path: Path = how(..., description="folder that holds lexicon.toml and its files of entries")


class AdaptiveOptions(SessionOptions):
    """Options of ``adaptive``."""

    base: str = Field("llm", description="installed lexicon whose words are spoken where no override has others")
    # As above: the folders' content is in the fingerprint.
    overrides: tuple[Path, ...] = how((), description="folders of lexicons laid over the base, the last one on top")

    @field_validator("overrides", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str | Path) else given
