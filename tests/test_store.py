"""The store: what is found again, what is dropped, and what a failure, a kill or a second process leaves behind."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from safetensors.torch import save

from lasca_core.contract.errors import MediaError, StoreError
from lasca_core.contract.types import Track
from lasca_core.host import store as store_module
from lasca_core.host.runtime import SilentReporter
from lasca_core.host.store import Store, key_of, writing

KEY = "ab" * 32
OTHER = "cd" * 32


def made(value: float = 0.5, spans: torch.Tensor | None = None) -> Track:
    """A track of two features over three frames, one of them not valid."""
    values = torch.tensor([[value, 1.0], [0.0, 0.0], [0.25, -2.0]])
    times = torch.tensor([0.0, 1 / 3, 2 / 3], dtype=torch.float64)
    return Track(("smile", "größe"), values, times, torch.tensor([True, False, True]), frozenset({"größe"}), spans)


def same(left: Track, right: Track) -> bool:
    """Whether two tracks are equal in every bit, names and types included."""
    tensors = all(
        torch.equal(getattr(left, name), getattr(right, name))
        and getattr(left, name).dtype == getattr(right, name).dtype
        for name in ("values", "times", "valid")
    )
    if left.spans is None or right.spans is None:
        tensors &= left.spans is right.spans
    else:
        tensors &= torch.equal(left.spans, right.spans) and left.spans.dtype == right.spans.dtype
    return tensors and (left.names, left.signed) == (right.names, right.signed)


def never() -> NoReturn:
    raise AssertionError("computed although it is stored")


def files(root: Path) -> list[str]:
    """The names of all files below ``root``, hidden ones included."""
    return sorted(path.name for path in root.rglob("*") if path.is_file())


@pytest.fixture
def report() -> SilentReporter:
    return SilentReporter()


@pytest.fixture
def store(tmp_path: Path, report: SilentReporter) -> Store:
    return Store(tmp_path / "store", report)


# --- tracks -----------------------------------------------------------------------------------------------------------


def test_a_track_comes_back_bit_for_bit_and_is_computed_once(store: Store) -> None:
    track, found = store.track(KEY, made)
    assert not found
    assert same(track, made())
    again, found = store.track(KEY, never)
    assert found
    assert same(again, made())
    assert files(store.root) == [f"{KEY}.track"]


def test_a_track_without_frames_can_be_stored(store: Store) -> None:
    empty = Track(("smile",), torch.zeros(0, 1), torch.zeros(0, dtype=torch.float64), torch.zeros(0, dtype=torch.bool))
    store.track(KEY, lambda: empty)
    assert same(store.track(KEY, never)[0], empty)


def test_rows_that_describe_stretches_of_time_keep_their_spans(store: Store) -> None:
    spans = torch.tensor([3.0, 2.9999999, 1 / 3], dtype=torch.float64)
    store.track(KEY, lambda: made(spans=spans))
    assert same(store.track(KEY, never)[0], made(spans=spans))


def test_an_entry_from_before_there_were_spans_is_read_as_frames(store: Store) -> None:
    old = made()
    tensors = {"values": old.values, "times": old.times, "valid": old.valid}
    payload = save(tensors, metadata={"names": '["smile", "größe"]', "signed": '["größe"]'})
    entry = store.root / "tracks" / KEY[:2] / f"{KEY}.track"
    entry.parent.mkdir(parents=True)
    entry.write_bytes(b"LASCA\0\0\1" + hashlib.sha256(payload).digest() + payload)
    assert same(store.track(KEY, never)[0], old)


def flip(content: bytes, place: int) -> bytes:
    """``content`` with one bit turned."""
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[:-1],
    "cut within its header": lambda content: content[:20],
    "longer than written": lambda content: content + b"\0",
    "changed in its magic number": lambda content: flip(content, 0),
    "changed in its checksum": lambda content: flip(content, 10),
    "changed in its names": lambda content: flip(content, content.index(b"smile")),
    "changed in its last value": lambda content: flip(content, len(content) - 1),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_dropped_reported_and_computed_anew(
    store: Store, report: SilentReporter, damage: str
) -> None:
    store.track(KEY, made)
    (entry,) = store.root.rglob("*.track")
    entry.write_bytes(DAMAGES[damage](entry.read_bytes()))
    track, found = store.track(KEY, lambda: made(0.75))
    assert not found
    assert same(track, made(0.75))
    assert report.warnings == [f"the cache entry {entry} is damaged: dropped and computed anew"]
    assert same(store.track(KEY, never)[0], made(0.75))


def test_a_computation_that_fails_leaves_nothing_behind_and_may_be_tried_again(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        store.track(KEY, lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    assert files(store.root) == []
    assert store.track(KEY, made)[1] is False


@pytest.mark.parametrize("step", ["write_bytes", "replace"])
def test_a_full_disk_is_one_sentence_and_leaves_earlier_entries(
    store: Store, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    store.track(OTHER, made)

    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path if step == "write_bytes" else os, step, full)
    with pytest.raises(StoreError, match=r"cannot be written \(No space left on device\); free some space") as caught:
        store.track(KEY, made)
    assert caught.value.exit_code == 2
    assert files(store.root) == [f"{OTHER}.track"]
    assert store.track(OTHER, never)[1] is True


def test_a_store_that_cannot_be_written_is_one_sentence(tmp_path: Path, report: SilentReporter) -> None:
    (tmp_path / "file").write_text("in the way")
    store = Store(tmp_path / "file", report)
    with pytest.raises(StoreError, match=r"cannot be (written|read) \(Not a directory\)"):
        store.track(KEY, made)
    with pytest.raises(StoreError, match=r"cannot be written"):
        store.add_embeddings("minilm", {"a": torch.zeros(2)})


CHILD = """
import os, signal, sys
from pathlib import Path
import torch
from lasca_core.contract.types import Track
from lasca_core.host.store import Store

class Report:
    warnings = []
    def note(self, message): print(message, flush=True)
    def warn(self, message): print(message, flush=True)

def made():
    print("computing", flush=True)
    if sys.argv[3] == "kill while computing":
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[3] == "kill while writing":
        os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[3] == "wait":
        sys.stdin.readline()
    return Track(("smile",), torch.ones(2, 1), torch.tensor([0.0, 1.0], dtype=torch.float64), torch.ones(2).bool())

print("found" if Store(Path(sys.argv[1]), Report()).track(sys.argv[2], made)[1] else "computed", flush=True)
"""


def child(root: Path, what: str) -> subprocess.Popen[str]:
    """Another process that wants the track ``KEY`` of the store at ``root``."""
    command = [sys.executable, "-c", CHILD, str(root), KEY, what]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.parametrize("moment", ["computing", "writing"])
def test_a_killed_process_leaves_a_usable_store(store: Store, report: SilentReporter, moment: str) -> None:
    store.track(OTHER, made)
    with child(store.root, f"kill while {moment}") as process:
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    track, found = store.track(KEY, made)
    assert not found
    assert same(track, made())
    assert store.track(OTHER, never)[1] is True
    assert report.warnings == []
    assert files(store.root) == sorted([f"{KEY}.track", f"{OTHER}.track"]), "what the killed process left is swept"


def test_of_two_processes_that_want_one_track_only_the_first_computes_it(tmp_path: Path) -> None:
    with child(tmp_path, "wait") as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "computing\n"
        with child(tmp_path, "never asked") as second:
            assert second.stdout is not None
            assert second.stdout.readline() == "waiting for another process to finish the same track\n"
            assert first.communicate("go on\n")[0] == "computed\n"
            assert second.communicate()[0] == "found\n"
    assert files(tmp_path) == [f"{KEY}.track"]


# --- embeddings -------------------------------------------------------------------------------------------------------


def test_embeddings_are_found_by_encoder_and_text(store: Store) -> None:
    vectors = {"Brows lowered.": torch.randn(5), "Ünïcode; 笑": torch.randn(5)}
    store.add_embeddings("minilm", vectors)
    found = store.embeddings("minilm", [*vectors, "never encoded"])
    assert found.keys() == vectors.keys()
    assert all(torch.equal(found[text], vectors[text]) for text in vectors)
    assert store.embeddings("mpnet", list(vectors)) == {}


def test_many_more_embeddings_than_one_statement_can_name_are_found(store: Store) -> None:
    texts = [f"text {number}" for number in range(1201)]
    store.add_embeddings("minilm", {text: torch.tensor([float(len(text))]) for text in texts})
    assert list(store.embeddings("minilm", texts)) != []
    assert store.embeddings("minilm", texts).keys() == set(texts)


def test_another_process_finds_the_embeddings(store: Store, report: SilentReporter) -> None:
    store.add_embeddings("minilm", {"a": torch.ones(3)})
    assert torch.equal(Store(store.root, report).embeddings("minilm", ["a"])["a"], torch.ones(3))


@pytest.mark.parametrize("blob", [b"", b"\0" * 12, "not even bytes"])
def test_a_damaged_embedding_is_dropped_with_a_warning_and_can_be_stored_again(
    store: Store, report: SilentReporter, blob: object
) -> None:
    store.add_embeddings("minilm", {"a": torch.ones(3), "b": torch.zeros(3)})
    with sqlite3.connect(store.root / "index.sqlite") as connection:
        connection.execute("update embedding set vector = ? where text = 'a'", (blob,))
    connection.close()
    assert store.embeddings("minilm", ["a", "b"]).keys() == {"b"}
    (warning,) = report.warnings
    assert "damaged: dropped and computed anew" in warning
    store.add_embeddings("minilm", {"a": torch.ones(3)})
    assert torch.equal(store.embeddings("minilm", ["a"])["a"], torch.ones(3))


@pytest.mark.parametrize("damage", ["no database at all", "overwritten pages", "truncated"])
def test_a_damaged_database_is_set_aside_and_replaced(tmp_path: Path, report: SilentReporter, damage: str) -> None:
    texts = {f"text {number}": torch.randn(200) for number in range(100)}
    Store(tmp_path, report).add_embeddings("minilm", texts)
    database = tmp_path / "index.sqlite"
    content = database.read_bytes()
    broken = {
        "no database at all": b"something else entirely " * 1000,
        "overwritten pages": content[:4096] + b"\xff" * (len(content) - 4096),
        "truncated": content[: 3 * 4096],
    }[damage]
    database.write_bytes(broken)
    store = Store(tmp_path, report)
    assert store.embeddings("minilm", list(texts)) == {}
    (warning,) = report.warnings
    assert "is damaged: set aside as index.damaged" in warning
    assert (tmp_path / "index.damaged").read_bytes() == broken
    store.add_embeddings("minilm", {"a": torch.ones(3)})
    assert store.embeddings("minilm", ["a"]).keys() == {"a"}


def test_a_healthy_database_that_replaced_a_damaged_one_is_not_set_aside_as_well(
    tmp_path: Path, report: SilentReporter
) -> None:
    early, late = Store(tmp_path, report), Store(tmp_path, report)
    texts = {f"text {number}": torch.randn(200) for number in range(100)}
    early.add_embeddings("minilm", texts)
    late.add_embeddings("minilm", {"late": torch.ones(3)})
    database = tmp_path / "index.sqlite"
    with database.open("r+b") as file:  # in place: both have this very file open
        file.seek(4096)
        file.write(b"\xff" * (database.stat().st_size - 4096))
    assert early.embeddings("minilm", list(texts)) == {}
    early.add_embeddings("minilm", {"fresh": torch.ones(3)})
    assert late.embeddings("minilm", [*texts, "fresh"]).keys() == {"fresh"}


def test_a_full_disk_stores_none_of_the_embeddings_and_keeps_the_earlier_ones(store: Store) -> None:
    store.add_embeddings("minilm", {"early": torch.ones(3)})
    store._database._connect().execute("pragma max_page_count = 8")  # SQLite then answers as on a full disk
    with pytest.raises(StoreError, match=r"database or disk is full\); free some space") as caught:
        store.add_embeddings("minilm", {f"text {number}": torch.randn(999) for number in range(50)})
    assert caught.value.exit_code == 2
    assert store.embeddings("minilm", ["early", "text 0"]).keys() == {"early"}


# --- digests ----------------------------------------------------------------------------------------------------------


def test_the_digest_of_one_file_is_its_sha256(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "clip.mp4"
    file.write_bytes(b"content")
    assert store.digest([file]) == hashlib.sha256(b"content").hexdigest()


def test_the_digest_of_several_files_depends_on_contents_names_and_order(store: Store, tmp_path: Path) -> None:
    one, two, renamed = (tmp_path / name for name in ("1.png", "2.png", "3.png"))
    one.write_bytes(b"first")
    two.write_bytes(b"second")
    renamed.write_bytes(b"second")
    digests = [store.digest(list(chosen)) for chosen in ((one, two), (two, one), (one, renamed), (one,))]
    assert len(set(digests)) == 4
    assert store.digest([one, two]) == digests[0]


def test_an_unchanged_file_is_not_read_again(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "clip.mp4"
    file.write_bytes(b"content")
    digest = store.digest([file])
    monkeypatch.setattr(store_module, "sha256_of", lambda _: never())
    assert store.digest([file]) == digest


@pytest.mark.parametrize("content", [b"CONTENT", b"longer content"])
def test_a_changed_file_is_read_again(store: Store, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "clip.mp4"
    file.write_bytes(b"content")
    store.digest([file])
    before = file.stat()
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert store.digest([file]) == hashlib.sha256(content).hexdigest()


def test_a_file_whose_name_is_not_unicode_has_a_digest(store: Store, tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    try:
        file.write_bytes(b"content")
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    assert store.digest([file]) == hashlib.sha256(b"content").hexdigest()
    assert store.digest([file, file]) == store.digest([file, file])


def test_a_file_that_is_absent_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"clip\.mp4: cannot be read \(No such file or directory\)"):
        store.digest([tmp_path / "clip.mp4"])


# --- writing and keys -------------------------------------------------------------------------------------------------


def test_a_file_being_written_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "metrics.json"
    with writing(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
        assert temporary.parent == target.parent
        temporary.write_text("whole")
    assert target.read_text() == "whole"
    assert files(tmp_path) == ["metrics.json"]


def test_writing_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "metrics.json"
    target.write_text("old")

    def interrupted() -> None:
        with writing(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_text() == "old"
    assert files(tmp_path) == ["metrics.json"]


@pytest.mark.skipif(os.name != "posix", reason="this system has no file modes")
def test_a_written_file_has_the_mode_that_the_person_has_set(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    with writing(tmp_path / "written") as temporary:
        temporary.write_text("content")
    assert (tmp_path / "written").stat().st_mode == plain.stat().st_mode


def test_a_key_depends_on_every_part_and_not_on_their_order() -> None:
    assert key_of(a=1, b={"x": 1, "y": 2}) == key_of(b={"y": 2, "x": 1}, a=1)
    assert key_of(a=1, b=2) != key_of(a=2, b=1)
    assert key_of(a=1) != key_of(a="1")
