"""The store: what was computed once is found again by the content it was computed from.

Tracks are files, embeddings and file digests rows of one SQLite database. Every entry carries a checksum; a damaged or
half-written one is dropped, reported and computed anew. Writes are atomic, so a killed run leaves only whole entries.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lasca_core.contract.errors import StoreError
from lasca_core.contract.types import Track

if TYPE_CHECKING:
    import torch

    from lasca_core.contract.protocols import Reporter

_MAGIC = b"LASCA\x00\x00\x01"
_DIGEST_BYTES = 32
_SCHEMA = """
create table if not exists embedding (encoder text, text text, vector blob not null, crc integer not null,
                                      primary key (encoder, text)) without rowid;
create table if not exists digest (path text primary key, size integer, mtime_ns integer, sha256 text);
"""


def key_of(**parts: Any) -> str:
    """sha256 (hex) of named JSON values: the address of what follows from them."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


@contextlib.contextmanager
def writing(target: Path) -> Iterator[Path]:
    """A temporary path beside ``target`` that becomes ``target`` when the block succeeds and vanishes when it fails.

    Raises ``StoreError`` in one sentence when the disk is full or the folder cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise _cannot_write(target, error) from None
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except OSError as error:
        raise _cannot_write(target, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def _cannot_write(target: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{target} cannot be written ({error.strerror or error}); free some space or choose another folder with --cache or "
        f"--output: what was computed before is kept"
    )


class Store:
    """Content-addressed tracks, memoised embeddings and file digests in one folder, shared safely by many processes."""

    def __init__(self, root: Path, report: Reporter) -> None:
        self.root = root
        self._report = report
        self._database = _Database(root / "index.sqlite", report)

    def track(self, key: str, compute: Callable[[], Track]) -> tuple[Track, bool]:
        """The track stored at ``key``, or ``compute()`` stored there; and whether it was found.

        While one process computes an entry, another that wants it waits for it instead of computing it twice.
        """
        import filelock

        path = self.root / "tracks" / key[:2] / f"{key}.track"
        found = self._read_track(path)
        if found is not None:
            return found, True
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(path.with_suffix(".lock"))
            lock.acquire()
        except OSError as error:
            raise _cannot_write(path, error) from None
        try:
            found = self._read_track(path)
            if found is not None:
                return found, True
            track = compute()
            with writing(path) as temporary:
                temporary.write_bytes(_pack(track))
            return track, False
        finally:
            lock.release()
            with contextlib.suppress(OSError):
                path.with_suffix(".lock").unlink(missing_ok=True)

    def _read_track(self, path: Path) -> Track | None:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        track = _unpack(content)
        if track is None:
            self._report.warn(f"the cache entry {path} is damaged: dropped and computed anew")
            path.unlink(missing_ok=True)
        return track

    def embeddings(self, encoder: str, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """The stored vectors (float32 [D], CPU) of those ``texts`` that have been encoded before by ``encoder``."""
        import torch

        found: dict[str, torch.Tensor] = {}
        for text, blob, crc in self._database.embeddings(encoder, texts):
            if blob and zlib.crc32(blob) == crc:
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

        One file's digest is its plain sha256; that of several covers their names and digests in the given order.
        """
        digests = [self._file_digest(file) for file in files]
        if len(digests) == 1:
            return digests[0]
        return key_of(files=[(file.name, digest) for file, digest in zip(files, digests, strict=True)])

    def _file_digest(self, file: Path) -> str:
        try:
            file = file.resolve()
            stat = file.stat()
        except OSError as error:
            raise StoreError(f"{file} cannot be read ({error.strerror})") from None
        known = self._database.digest(str(file))
        if known is not None and known[:2] == (stat.st_size, stat.st_mtime_ns):
            return known[2]
        digest = sha256_of(file)
        self._database.write(
            "insert or replace into digest values (?, ?, ?, ?)", [(str(file), stat.st_size, stat.st_mtime_ns, digest)]
        )
        return digest


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

    def embeddings(self, encoder: str, texts: Sequence[str]) -> Iterator[tuple[str, bytes, int]]:
        size = 500  # below SQLite's smallest limit on bound variables
        for start in range(0, len(texts), size):
            part = texts[start : start + size]
            marks = ",".join("?" * len(part))
            query = f"select text, vector, crc from embedding where encoder = ? and text in ({marks})"
            yield from self._run(lambda c, q=query, p=part: c.execute(q, (encoder, *p)).fetchall())

    def digest(self, path: str) -> tuple[int, int, str] | None:
        query = "select size, mtime_ns, sha256 from digest where path = ?"
        rows: list[tuple[int, int, str]] = self._run(lambda c: c.execute(query, (path,)).fetchall())
        return rows[0] if rows else None

    def write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        def insert(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany(statement, rows)

        self._run(insert)

    def _run(self, action: Callable[[sqlite3.Connection], Any]) -> Any:
        try:
            return action(self._connect())
        except sqlite3.OperationalError as error:
            raise self._failure(error) from None
        except sqlite3.DatabaseError:
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
            connection = sqlite3.connect(self.path, timeout=60, check_same_thread=False)
            try:
                connection.executescript(_SCHEMA)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _failure(self, error: sqlite3.Error) -> StoreError:
        return StoreError(
            f"the cache database {self.path} cannot be used ({error}); free some space or choose another folder with "
            f"--cache: what was computed before is kept"
        )

    def _set_aside(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        damaged = self.path.with_suffix(".damaged")
        self._report.warn(
            f"the cache database {self.path} is damaged: set aside as {damaged.name}, embeddings are computed anew"
        )
        for suffix in ("-journal", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.replace(self.path, damaged)


def _pack(track: Track) -> bytes:
    """Magic, sha256 of the rest, then safetensors with the names in its header."""
    from safetensors.torch import save

    tensors = {"values": track.values, "times": track.times, "valid": track.valid}
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
    )
