"""What lies in a corpus's folders: its files, and its folders of images, found in one walk."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from lasca_core.api import DatasetError, Reporter

VIDEO = frozenset({".mp4", ".avi", ".mkv", ".mov", ".webm", ".wmv", ".mpg", ".mpeg", ".flv", ".m4v"})
SOUND = frozenset({".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".opus", ".wma"})
IMAGE = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
_ENOUGH = 100
"""A folder that shows this many images and nothing else is one of images: the rest of them are not counted."""


@dataclass(frozen=True)
class Tree:
    """Files and folders of images below some roots, in the order of their paths; hidden ones do not count."""

    files: tuple[Path, ...]
    images: tuple[Path, ...]
    """Folders that hold images themselves."""

    def by_stem(self, suffixes: Iterable[str]) -> dict[str, list[Path]]:
        """The files with one of ``suffixes`` by their name without it."""
        wanted = frozenset(suffixes)
        found: dict[str, list[Path]] = {}
        for file in self.files:
            if file.suffix.lower() in wanted:
                found.setdefault(file.stem, []).append(file)
        return found


@dataclass(frozen=True)
class Media:
    """The videos and sounds in a tree by their names without suffix."""

    videos: dict[str, list[Path]]
    sounds: dict[str, list[Path]]

    @staticmethod
    def of(tree: Tree) -> Media:
        """Those in ``tree``."""
        return Media(tree.by_stem(VIDEO), tree.by_stem(SOUND))

    def find(self, name: str, report: Reporter) -> tuple[Path | None, Path | None]:
        """What a recording's ``media`` and its separate ``audio`` are: video and sound, or one of them, or nothing."""
        video = only(self.videos.get(name, []), f"the video {name!r}", report)
        sound = only(self.sounds.get(name, []), f"the sound {name!r}", report)
        return (video, sound) if video is not None else (sound, None)


def walk(report: Reporter, *roots: Path | None) -> Tree:
    """Everything below ``roots`` (of which None and what lies in another are ignored). Links are followed, once.

    A corpus may hold millions of images: of a folder of images only the first hundred entries are read. A folder that
    cannot be read is reported and left out. Raises ``DatasetError`` if one of ``roots`` is no folder.
    """
    files: list[Path] = []
    images: list[Path] = []
    seen: set[str] = set()
    for root in roots:
        if root is not None and not root.is_dir():
            raise DatasetError(f"{root}: no such folder" if not root.exists() else f"{root}: not a folder")
    pending = [root for root in reversed(roots) if root is not None]
    while pending:
        folder = pending.pop()
        if (real := os.path.realpath(folder)) in seen:
            continue
        seen.add(real)
        try:
            inside, below, pictures = _entries(folder)
        except OSError as error:
            report.warn(f"{folder}: cannot be read: {error.strerror or error}; what is in it is left out")
            continue
        files += inside
        images += [folder] if pictures else []
        pending += sorted(below, reverse=True)
    return Tree(tuple(sorted(files)), tuple(sorted(images)))


def _entries(folder: Path) -> tuple[list[Path], list[Path], int]:
    """Files without images, folders, and how many images were met."""
    files: list[Path] = []
    folders: list[Path] = []
    pictures = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue
            if entry.is_dir():
                folders.append(folder / entry.name)
            elif os.path.splitext(entry.name)[1].lower() in IMAGE:
                pictures += 1
                if pictures >= _ENOUGH and not files and not folders:
                    break
            else:
                files.append(folder / entry.name)
    return files, folders, pictures


def matching(files: Iterable[Path], folder: Path, patterns: Iterable[str]) -> list[Path]:
    """Of the ``files`` below ``folder`` those that fit the first of ``patterns`` that any fits, whatever the case.

    A pattern is matched with the path from the folder on, its parts joined by ``/``; ``*`` also stands for ``/``.
    """
    within = {file: file.relative_to(folder).as_posix().casefold() for file in files if file.is_relative_to(folder)}
    for pattern in patterns:
        if found := [file for file, name in within.items() if fnmatchcase(name, pattern.casefold())]:
            return found
    return []


def only(found: list[Path], what: str, report: Reporter) -> Path | None:
    """The first of ``found``, or None; that there are others is reported."""
    if len(found) > 1:
        others = ", ".join(map(str, found[1:]))
        report.warn(f"{what} is there {len(found)} times: {found[0]} is used, and {others} left out")
    return found[0] if found else None
