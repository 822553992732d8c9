"""Options of the lexicons."""

from __future__ import annotations

from pathlib import Path

from lasca_core.api import Options, how


class FolderOptions(Options):
    """Options of ``folder``."""

    # Where the folder lies changes no result; what it holds does, and that is the component's fingerprint.
    path: Path = how(..., description="folder that holds lexicon.toml and its files of entries")
