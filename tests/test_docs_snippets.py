"""What the documentation shows runs: its commands print what stands below them, and its Python runs, page by page.

A block of commands or Python is marked by a comment in front of it: ``<!-- run -->``, ``<!-- run: slow -->`` (with
``pytest -m slow``), or ``<!-- not run: REASON -->``. The blocks of a page run in order, in one folder; a block with a
title is written there as a file, and ``<!-- given: FILE SECONDS -->`` is a synthetic recording. In what a command must
print, ``...`` stands for anything, and numbers with a decimal point may differ by 0.05.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lasca_core.cli import main as cli
from lasca_core.host.runtime import default_cache
from lasca_core.testing import write_recording

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.append(str(ROOT / "tools"))  # what writes the generated pages is no package that is installed

from lasca_docs.quotes import with_quotes  # noqa: E402

PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
RUNNABLE = {"sh", "console", "python"}
TOLERANCE = 0.05

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>(?:run|not run)\b[^\n]*?) -->\n)?"
    r'^```(?P<language>[a-z]*)(?: title="(?P<title>[^"]+)")?\n(?P<body>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
_GIVEN = re.compile(r"<!-- given: (\S+) (\d+) -->")
_NUMBER = re.compile(r"[+-]?\d+\.\d+")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    title: str | None
    body: str
    mark: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def slow(self) -> bool:
        return self.mark == "run: slow"

    @property
    def quoted(self) -> bool:
        """Whether it is taken from a file, whose own tests run it."""
        return self.body.startswith("quote: ")


def blocks(page: str) -> list[Block]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start()) + 1,
            found["language"],
            found["title"],
            found["body"],
            found["mark"] or "",
        )
        for found in _BLOCK.finditer(text)
    ]


def commands(block: Block) -> Iterator[tuple[str, str | None]]:
    """(command, what it prints) of a block; None where the page does not show it."""
    if block.language == "sh":
        joined = block.body.replace("\\\n", " ")
        yield from ((line, None) for line in joined.splitlines() if line.strip() and not line.startswith("#"))
        return
    for part in re.split(r"^\$ ", block.body, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        end = next(number for number, line in enumerate(lines) if not line.endswith("\\"))
        yield " ".join(line.rstrip("\\") for line in lines[: end + 1]), "\n".join(lines[end + 1 :])


def carry_out(command: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command; ``lasca`` runs in this process, which saves its imports."""
    words = shlex.split(command, comments=True)
    if words[0] != "lasca" or {"&&", "|", ">"} & set(words):
        done = subprocess.run(["bash", "-ec", command], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr
    output, errors = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, words
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors), pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        sys.argv = before
    code = ended.value.code
    assert isinstance(code, int)
    return code, output.getvalue(), errors.getvalue()


def difference(expected: str, printed: str) -> str:
    """What is wrong with ``printed``, or an empty string."""
    pattern = ""
    for piece in re.split(rf"(\.\.\.|{_NUMBER.pattern})", " ".join(expected.split())):
        if piece == "...":
            pattern += "(?:.*?)"
        elif _NUMBER.fullmatch(piece):
            pattern += rf"({_NUMBER.pattern})"
        else:
            pattern += re.escape(piece)
    found = re.fullmatch(pattern, " ".join(printed.split()))
    if found is None:
        return f"the page says\n{expected}\nand the command prints\n{printed}"
    numbers = [float(number) for number in _NUMBER.findall(expected.replace("...", " "))]
    for shown, really in zip(numbers, found.groups(), strict=True):
        if abs(shown - float(really)) > TOLERANCE * max(1.0, abs(shown)):
            return f"the page says {shown}, and the command prints {really}:\n{printed}"
    return ""


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, without a network, with the pretrained files that are there."""
    weights = default_cache() / "weights"
    cache = tmp_path / "cache"
    cache.mkdir()
    if weights.is_dir():
        (cache / "weights").symlink_to(weights, target_is_directory=True)
    monkeypatch.setenv("LASCA_CACHE", str(cache))
    monkeypatch.setenv("LASCA_OFFLINE", "1")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def run_page(page: str, room: Path, *, slow: bool) -> None:
    """Run the page's blocks in order, the slow ones only if asked to."""
    for name, seconds in _GIVEN.findall((DOCS / page).read_text(encoding="utf-8")):
        write_recording(room / name, seconds=float(seconds))
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.title is not None:
            path = room / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(with_quotes(block.body), encoding="utf-8")
        elif not block.mark.startswith("run") or (block.slow and not slow):
            continue
        elif block.language == "python":
            exec(compile(block.body, str(block), "exec"), names)
        else:
            for command, expected in commands(block):
                check(block, command, expected)


def check(block: Block, command: str, expected: str | None) -> None:
    code, output, errors = carry_out(command)
    if "lasca weights pull" in errors and code == 2:
        pytest.skip(f"{block}: {errors.splitlines()[-1]}")
    fails = expected is not None and re.search("^lasca: ", expected, re.MULTILINE) is not None
    assert (code != 0) == fails, f"{block}: {command}\nexit code {code}\n{output}{errors}"
    if expected is not None:
        printed = output + "".join(re.findall(r"^lasca: (?!warning).*$", errors, re.MULTILINE)) if fails else output
        wrong = difference(expected, printed)
        assert not wrong, f"{block}: {command}\n{wrong}"


# --- tests ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_every_block_that_could_run_says_whether_it_does(page: str) -> None:
    for block in blocks(page):
        if block.language in RUNNABLE and block.title is None and not block.quoted:
            assert re.fullmatch(r"run|run: slow|not run: \w.+", block.mark), f"{block} is not marked"


@pytest.mark.parametrize("page", [page for page in PAGES if any(block.mark == "run" for block in blocks(page))])
def test_the_page_runs(page: str, room: Path) -> None:
    run_page(page, room, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if any(block.slow for block in blocks(page))])
def test_the_page_runs_with_what_takes_long(page: str, room: Path) -> None:
    run_page(page, room, slow=True)


@pytest.mark.parametrize(
    ("expected", "printed", "fine"),
    [
        ("accuracy 0.82", "accuracy   0.80", True),
        ("accuracy 0.82", "accuracy 0.70", False),
        ("run: ...", "run: runs/2026-x", True),
        ("first\n...\nlast", "first\nsecond\nlast", True),
        ("first\nlast", "first\nsecond\nlast", False),
        ("in 12.5 s", "in 12 s", False),
    ],
)
def test_what_is_printed_is_compared_with_the_page(expected: str, printed: str, fine: bool) -> None:
    assert (difference(expected, printed) == "") is fine
