"""The store: what was computed once is found again by the content it was computed from.

Tracks are files, embeddings and file digests rows of one SQLite database. Every entry carries a checksum; a damaged or
half-written one is dropped, reported and computed anew. Writes are atomic, so a killed run leaves only whole entries.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import sqlite3
import threading
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lasca_core.contract.errors import MediaError, StoreError
from lasca_core.contract.types import Track

if TYPE_CHECKING:
    import torch

    from lasca_core.contract.protocols import Reporter

ResultT = TypeVar("ResultT")
ValueT = TypeVar("ValueT")

_MAGIC = b"LASCA\x00\x00\x01"
_DIGEST_BYTES = 32
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BOUND = 500  # values bound in one statement, below SQLite's smallest limit on them
_SCHEMA = """
create table if not exists embedding (encoder text, text text, vector blob not null, crc integer not null,
                                      primary key (encoder, text)) without rowid;
create table if not exists digest (path text primary key, size integer, mtime_ns integer, sha256 text);
"""


def key_of(**parts: Any) -> str:
    """sha256 (hex) of named JSON values: the address of what follows from them."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@contextlib.contextmanager
def writing(target: Path) -> Iterator[Path]:
    """A temporary path beside ``target`` that becomes ``target`` when the block succeeds and vanishes when it fails.

    Raises ``StoreError`` in one sentence when the disk is full or the folder cannot be written.
    """
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        raise _cannot_write(target, error) from None
    finally:
        with contextlib.suppress(OSError):  # there is nothing to remove where nothing could be written
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path, report: Reporter, purpose: str) -> Iterator[None]:
    """Only one process at a time is inside this block for ``path``; one that has to wait says so.

    The system takes the lock away from a process that is killed. Raises ``StoreError`` if ``path`` cannot be written.
    """
    import filelock

    lock = filelock.FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            report.note(f"waiting for another process to {purpose}")
            lock.acquire()
    except OSError as error:
        raise _cannot_write(path, error) from None
    try:
        yield
    finally:
        lock.release()


def _cannot_write(target: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{target} cannot be written ({error.strerror or error}); free some space or choose another folder with "
        f"--cache or --output: what was computed before is kept"
    )


class Store:
    """Content-addressed tracks, memoised embeddings and file digests in one folder, shared safely by many processes."""

    def __init__(self, root: Path, report: Reporter) -> None:
        self.root = root
        self._report = report
        self._database = _Database(root / "index.sqlite", report)
        self._in_this_process: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def track(self, key: str, compute: Callable[[], Track]) -> tuple[Track, bool]:
        """The track stored at ``key``, or ``compute()`` stored there; and whether it was found.

        While one process computes an entry, another that wants it waits for it instead of computing it twice.
        """
        path = self.root / "tracks" / key[:2] / f"{key}.track"
        if (found := self._read_track(path)) is not None:
            return found, True
        lock = path.with_suffix(".lock")
        with self._in_this_process[key], locked(lock, self._report, "finish the same track"):
            try:
                if (found := self._read_track(path)) is not None:
                    return found, True
                for left_over in path.parent.glob(f".{path.name}.*"):  # by a process that was killed while writing
                    left_over.unlink(missing_ok=True)
                track = compute()
                with writing(path) as temporary:
                    temporary.write_bytes(_pack(track))
                return track, False
            finally:
                # One lock file for each track would be litter. Whoever waits on the removed one finds the entry; where
                # there is none because computing failed, two may compute it: wasteful, but each write is atomic.
                with contextlib.suppress(OSError):
                    lock.unlink(missing_ok=True)

    def _read_track(self, path: Path) -> Track | None:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(
                f"the cache entry {path} cannot be read ({error.strerror}); remove it or choose another --cache"
            ) from None
        track = _unpack(content)
        if track is None:
            self._report.warn(f"the cache entry {path} is damaged: dropped and computed anew")
        return track

    def embeddings(self, encoder: str, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """The stored vectors (float32 [D], CPU) of those ``texts`` that have been encoded before by ``encoder``."""
        import torch

        found: dict[str, torch.Tensor] = {}
        for text, blob, crc in self._database.embeddings(encoder, texts):
            if isinstance(blob, bytes) and blob and zlib.crc32(blob) == crc:
                found[text] = torch.frombuffer(bytearray(blob), dtype=torch.float32)
            else:
                self._report.warn(f"an embedding in {self._database.path} is damaged: dropped and computed anew")
        return found

    def add_embeddings(self, encoder: str, vectors: Mapping[str, torch.Tensor]) -> None:
        """Store float32 [D] vectors by text, in one transaction."""
        rows = []
        for text, vector in vectors.items():
            blob = vector.detach().cpu().float().contiguous().numpy().tobytes()
            rows.append((encoder, text, blob, zlib.crc32(blob)))
        self._database.write("insert or replace into embedding values (?, ?, ?, ?)", rows)

    def digest(self, files: Sequence[Path]) -> str:
        """sha256 (hex) of the files' contents; remembered by path, size and time of change, so read only once.

        One file's digest is its plain sha256; that of several covers their names and digests in the given order. Raises
        ``MediaError`` naming the file that cannot be read.
        """
        digests = self._file_digests(files)
        if len(digests) == 1:
            return digests[0]
        return key_of(files=[(file.name, digest) for file, digest in zip(files, digests, strict=True)])

    def _file_digests(self, files: Sequence[Path]) -> list[str]:
        """All at once: a folder of images has thousands, and a transaction for each takes longer than hashing."""
        stamps: dict[bytes, tuple[int, int]] = {}
        order = []
        for file in files:
            with _readable(file):
                resolved = os.fsencode(file.resolve())  # bytes, because a file's name need not be valid Unicode
                stat = file.stat()
            order.append(resolved)
            stamps[resolved] = (stat.st_size, stat.st_mtime_ns)
        known = self._database.digests(list(stamps))
        found = {path: digest for path, size, mtime, digest in known if stamps[path] == (size, mtime)}
        fresh = []
        for path, file in zip(order, files, strict=True):
            if path not in found:
                with _readable(file):
                    found[path] = sha256_of(file)
                fresh.append((path, *stamps[path], found[path]))
        if fresh:
            self._database.write("insert or replace into digest values (?, ?, ?, ?)", fresh)
        return [found[path] for path in order]


@contextlib.contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MediaError(file, f"cannot be read ({error.strerror or error})") from None


def sha256_of(file: Path) -> str:
    """sha256 (hex) of a file's content, read in pieces."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class _Database:
    """The SQLite part of the store. A file that is not a healthy database is set aside and replaced."""

    def __init__(self, path: Path, report: Reporter) -> None:
        self.path = path
        self._report = report
        self._connection: sqlite3.Connection | None = None
        self._inode: int | None = None
        self._mutex = threading.Lock()  # one connection serves all threads, so that transactions must not mix

    def embeddings(self, encoder: str, texts: Sequence[str]) -> Iterator[tuple[str, bytes, int]]:
        """(text, vector, crc) of those ``texts`` that are stored for ``encoder``."""
        for part in _parts(texts):
            yield from self._select(
                f"select text, vector, crc from embedding where encoder = ? and text in ({_marks(part)})",
                (encoder, *part),
            )

    def digests(self, paths: Sequence[bytes]) -> Iterator[tuple[bytes, int, int, str]]:
        """(path, size, time of change, sha256) of those ``paths`` that are stored."""
        for part in _parts(paths):
            yield from self._select(
                f"select path, size, mtime_ns, sha256 from digest where path in ({_marks(part)})", part
            )

    def write(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert ``rows`` in one transaction: all of them or none."""

        def insert(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany(statement, rows)

        self._run(insert)

    def _select(self, query: str, bound: Sequence[object]) -> list[Any]:
        return self._run(lambda connection: connection.execute(query, bound).fetchall())

    def _run(self, action: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        with self._mutex:
            try:
                return action(self._connect())
            except sqlite3.Error as error:
                code = getattr(error, "sqlite_errorcode", 0)  # absent from errors of the Python module itself
                if code & 0xFF not in _CORRUPT:  # the low byte is the primary code
                    raise self._failure(error) from None
            self._set_aside()
            try:
                return action(self._connect())
            except sqlite3.Error as error:
                raise self._failure(error) from None

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise _cannot_write(self.path, error) from None
            self._inode = _inode(self.path)
            connection = sqlite3.connect(self.path, timeout=60, check_same_thread=False)
            try:
                connection.executescript(_SCHEMA)
            except sqlite3.Error:
                connection.close()
                raise
            self._inode = _inode(self.path)
            self._connection = connection
        return self._connection

    def _failure(self, error: sqlite3.Error) -> StoreError:
        return StoreError(
            f"the cache database {self.path} cannot be used ({error}); free some space or choose another folder with "
            f"--cache: what was computed before is kept"
        )

    def _set_aside(self) -> None:
        """Rename the damaged file, unless another process has done so and a new one stands in its place."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        damaged = self.path.with_suffix(".damaged")
        with locked(self.path.with_suffix(".lock"), self._report, "mend the cache"):
            if _inode(self.path) != self._inode:
                return
            self._report.warn(
                f"the cache database {self.path} is damaged: set aside as {damaged.name}, embeddings are computed anew"
            )
            try:
                Path(f"{self.path}-journal").unlink(missing_ok=True)
                os.replace(self.path, damaged)
            except OSError as error:
                raise _cannot_write(damaged, error) from None


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _parts(values: Sequence[ValueT]) -> Iterator[Sequence[ValueT]]:
    return (values[start : start + _BOUND] for start in range(0, len(values), _BOUND))


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _pack(track: Track) -> bytes:
    """Magic, sha256 of the rest, then safetensors with the names in its header."""
    from safetensors.torch import save

    tensors = {"values": track.values, "times": track.times, "valid": track.valid}
    if track.spans is not None:
        tensors["spans"] = track.spans
    header = {"names": json.dumps(track.names), "signed": json.dumps(sorted(track.signed))}
    payload = save({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, metadata=header)
    return _MAGIC + hashlib.sha256(payload).digest() + payload


def _unpack(content: bytes) -> Track | None:
    """The track in ``content``, or None if it is not exactly what was written."""
    from safetensors.torch import load

    head = len(_MAGIC) + _DIGEST_BYTES
    payload = content[head:]
    if not content.startswith(_MAGIC) or hashlib.sha256(payload).digest() != content[len(_MAGIC) : head]:
        return None
    length = int.from_bytes(payload[:8], "little")
    header = json.loads(payload[8 : 8 + length])["__metadata__"]
    tensors = load(payload)
    return Track(
        names=tuple(json.loads(header["names"])),
        values=tensors["values"],
        times=tensors["times"],
        valid=tensors["valid"],
        signed=frozenset(json.loads(header["signed"])),
        spans=tensors.get("spans"),
    )
