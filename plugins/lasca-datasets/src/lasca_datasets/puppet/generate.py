"""Makes the puppet's files: which sessions there are, and how one is drawn, spoken, rated and written."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from lasca_datasets.options import PuppetOptions
from lasca_datasets.puppet.affect import ANNOTATION_RATE, feel, rate
from lasca_datasets.puppet.behaviour import move
from lasca_datasets.puppet.movie import write_movie
from lasca_datasets.puppet.people import meet
from lasca_datasets.puppet.rig import Rig
from lasca_datasets.puppet.voice import RATE, speak, utter

GENERATOR_VERSION = 1
"""Raised whenever the same options would give other files."""
DESCRIPTION = ("manifest.csv", "dataset.json")
"""The files about the dataset as a whole."""
LICENSES = {
    "portrait": "NASA photograph, public domain, as carried by scikit-image (skimage.data.astronaut)",
    "recordings": "generated; no rights reserved",
}


@dataclass(frozen=True)
class Plan:
    """How much is generated: ``subjects`` people with ``sessions`` recordings each, of ``seconds`` at ``fps``."""

    subjects: int
    sessions: int
    seconds: float
    fps: int = 10


PLANS = {"small": Plan(subjects=4, sessions=1, seconds=30.0), "default": Plan(subjects=12, sessions=2, seconds=45.0)}


@dataclass(frozen=True)
class Session:
    """One recording of the plan, and where its files lie, relative to the dataset's folder."""

    subject: int
    take: int

    @property
    def person(self) -> str:
        """The subject's name."""
        return f"s{self.subject + 1:02d}"

    @property
    def name(self) -> str:
        """The session's name."""
        return f"{self.person}-{self.take + 1}"

    @property
    def media(self) -> Path:
        """The video file."""
        return Path("media") / f"{self.name}.mp4"

    @property
    def annotation(self) -> Path:
        """The annotation file: ``time,valence,arousal`` at 10 Hz, one trace for all raters."""
        return Path("annotations") / f"{self.name}.csv"


def sessions_of(plan: Plan) -> list[Session]:
    """All sessions in order."""
    return [Session(subject, take) for subject in range(plan.subjects) for take in range(plan.sessions)]


def digest(plan: Plan, options: PuppetOptions) -> str:
    """Twelve hex digits that stand for everything that decides the files' content."""
    identity = {"generator": GENERATOR_VERSION, "plan": asdict(plan), "options": options.identity()}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]


def generate(session: Session, plan: Plan, options: PuppetOptions, rig: Rig, folder: Path) -> None:
    """Write one session's video and annotation into ``folder``, each complete or not at all.

    Every part draws from a random generator of its own, seeded by the dataset's seed, the subject, the take and the
    part. Raises ``OSError`` if a file cannot be written.
    """

    def random(part: int, take: int = session.take + 1) -> np.random.Generator:
        return np.random.default_rng([options.seed, session.subject, take, part])

    subject = meet(session.subject, random(0, take=0))
    affect = feel(random(0))
    speech = utter(subject.voice, affect, plan.seconds, random(1))
    sound = speak(subject.voice, speech, affect, plan.seconds, options.difficulty, random(2))
    frame_times = np.arange(round(plan.seconds * plan.fps)) / plan.fps
    motion = move(subject, affect, speech, frame_times, options.difficulty, random(3))

    times = np.arange(round(plan.seconds * ANNOTATION_RATE)) / ANNOTATION_RATE
    curves = (affect.valence, affect.arousal)
    lag, noise = options.lag, options.annotation_noise
    traces = [rate(curve, times, lag, noise, random(5 + number)) for number, curve in enumerate(curves)]
    rows = ([f"{time:.1f}", f"{v:.4f}", f"{a:.4f}"] for time, v, a in zip(times, *traces, strict=True))
    write_text(folder / session.annotation, as_csv(["time", "valence", "arousal"], rows))

    media = folder / session.media
    media.parent.mkdir(parents=True, exist_ok=True)
    partial = media.with_suffix(".part")
    write_movie(partial, rig.draw(motion, subject.look, random(4)), plan.fps, sound, RATE)
    os.replace(partial, media)


def describe(plan: Plan, options: PuppetOptions, folder: Path) -> None:
    """Write ``manifest.csv`` and ``dataset.json`` into ``folder``."""
    rows = ([s.name, s.person, s.media.as_posix(), s.annotation.as_posix()] for s in sessions_of(plan))
    write_text(folder / "manifest.csv", as_csv(["session", "subject", "media", "annotation"], rows))
    about = {
        "name": "puppet",
        "synthetic": True,
        "generator_version": GENERATOR_VERSION,
        "plan": asdict(plan),
        "options": options.identity(),
        "seed": options.seed,
        "licenses": LICENSES,
    }
    write_text(folder / "dataset.json", json.dumps(about, indent=2) + "\n")


def as_csv(header: list[str], rows: Iterable[list[str]]) -> str:
    """A table as comma-separated text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def write_text(path: Path, text: str) -> None:
    """Write ``path`` completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.write_text(text, encoding="utf-8", newline="")
    os.replace(partial, path)
