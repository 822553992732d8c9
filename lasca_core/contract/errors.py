"""Every error a person may see: one sentence that names what is at fault and what to do, and an exit code."""

from __future__ import annotations

from pathlib import Path


class LascaError(Exception):
    """Base of all errors LaScA raises on purpose.

    The message is one plain sentence for the person at the terminal. ``exit_code`` is 2 when the person can mend it
    (a file, an option, a missing weight) and 1 when it is our own or a plugin author's mistake.
    """

    exit_code = 2


class OptionError(LascaError):
    """An option, a configuration file or a component's name is wrong."""


class MediaError(LascaError):
    """A recording cannot be read; ``path`` is the file at fault."""

    def __init__(self, path: Path | str, problem: str) -> None:
        self.path = Path(path)
        super().__init__(f"{path}: {problem}")


class DatasetError(LascaError):
    """A dataset, manifest or annotation is not what its loader needs."""


class DeviceError(LascaError):
    """An explicitly requested device is not there, or cannot do what was asked."""


class WeightsError(LascaError):
    """A pretrained file is absent, or is not the file that was pinned."""


class LexiconError(LascaError):
    """A lexicon is malformed, or does not cover the features it is asked for."""


class ModelError(LascaError):
    """A saved model is incomplete, damaged, or does not fit what it is applied to."""


class StoreError(LascaError):
    """The cache or a results folder cannot be written."""


class PluginError(LascaError):
    """A plugin is broken, incompatible, clashing or unknown."""


class ContractError(LascaError):
    """A component broke its promise (wrong shape, NaN, wrong names): a bug in that component."""

    exit_code = 1
