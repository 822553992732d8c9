"""The synthetic dataset `puppet`: generated at first use, resumed after an interruption, then read like any other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from lasca_core.api import Component, DatasetError, Recording, StoreError
from lasca_datasets.annotations import read_annotation
from lasca_datasets.options import AnnotationOptions, PuppetOptions
from lasca_datasets.puppet import generate
from lasca_datasets.puppet.generate import Plan, Session
from lasca_datasets.puppet.rig import shared_rig


class Puppet(Component):
    """A portrait and a voice, animated by known valence and arousal, as real video files. Always called synthetic."""

    targets: tuple[str, ...] = ("valence", "arousal")
    options: PuppetOptions

    @classmethod
    def example_options(cls, folder: Path) -> dict[str, str]:
        """Options for the conformance kit: the smallest puppet."""
        return {"size": "small"}

    @property
    def plan(self) -> Plan:
        """How many people and sessions there are, and how long."""
        return generate.PLANS[self.options.size]

    @property
    def folder(self) -> Path:
        """Where the files lie: one folder for each choice of options that changes them."""
        return self.runtime.cache / "datasets" / f"puppet-{generate.digest(self.plan, self.options)}"

    def sessions(self) -> Iterator[Recording]:
        """The recordings, by subject and take; what is missing of them is generated first.

        Raises ``StoreError`` if the files cannot be written.
        """
        self.make()
        layout = AnnotationOptions(lag=self.options.lag)
        for session in generate.sessions_of(self.plan):
            try:
                annotations = read_annotation(self.folder / session.annotation, layout, self.runtime.report)
            except DatasetError as fault:
                self.runtime.report.warn(f"{fault}; the session is left out (delete the file to have it made again)")
                continue
            yield Recording(
                session=session.name,
                subject=session.person,
                media=self.folder / session.media,
                annotations=annotations,
                metadata={"synthetic": "true"},
            )

    def make(self) -> None:
        """Generate the sessions whose files are missing or empty. Safe against a second process doing the same."""
        if not self._missing() and all(_there(self.folder / name) for name in generate.DESCRIPTION):
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._alone():
                generate.describe(self.plan, self.options, self.folder)
                if missing := self._missing():
                    self._generate(missing)
        except OSError as error:
            raise StoreError(f"{self.folder}: puppet cannot be written: {error.strerror or error}") from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder's lock, and say so if that means waiting."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            self.runtime.report.note("waiting for another process that generates this puppet")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _missing(self) -> list[Session]:
        return [
            session
            for session in generate.sessions_of(self.plan)
            if not (_there(self.folder / session.media) and _there(self.folder / session.annotation))
        ]

    def _generate(self, missing: Sequence[Session]) -> None:
        # Threads, not processes: drawing and encoding are C code that releases the interpreter's lock, and a forked
        # process could not use torch.
        rig = shared_rig()
        workers = self.options.workers or self.runtime.workers
        label = f"generate {len(missing)} synthetic recordings"
        with self.runtime.report.task(label, total=len(missing)) as task, ThreadPoolExecutor(workers) as pool:
            jobs = [pool.submit(generate.generate, s, self.plan, self.options, rig, self.folder) for s in missing]
            try:
                for job in as_completed(jobs):
                    job.result()
                    task.advance()
            except BaseException:
                pool.shutdown(cancel_futures=True)  # what is finished stays: the next use goes on from there
                raise


def _there(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
