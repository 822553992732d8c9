"""Pages and passages that are quoted from files of the repository: examples, the plugins' own pages, changelogs."""

from __future__ import annotations

import ast
import posixpath
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

from lasca_docs.installed import DOCS, ROOT
from lasca_docs.markup import Undocumented, fence, page

_QUOTE = re.compile(r"^quote: (?P<path>\S+)(?: (?P<name>[\w.]+))?$", re.MULTILINE)
_MALFORMED = re.compile(r"^quote: .*$", re.MULTILINE)
_LINK = re.compile(r"(?P<text>\[(?:[^\[\]]|\[[^\]]*\])*\])\((?P<target>[^)\s]+)\)")
_FENCE = re.compile(r"(^ *(`{3,}).*?^ *\2`*$)", re.MULTILINE | re.DOTALL)
_LANGUAGES = {".py": "python", ".toml": "toml", ".md": "markdown"}


# --- passages ---------------------------------------------------------------------------------------------------------


def with_quotes(markdown: str) -> str:
    """Put the file, or the class or function in it, in place of each line ``quote: path [name]``.

    Raises ``Undocumented`` for a line that only looks like one.
    """
    if left := _MALFORMED.search(_QUOTE.sub("", markdown)):
        raise Undocumented(
            f"a page has the line {left[0]!r}, which is not of the form `quote: path` or `quote: path name`"
        )
    return _QUOTE.sub(lambda found: quote(found["path"], found["name"]), markdown)


def quote(path: str, name: str | None = None) -> str:
    """A file of the repository, or one definition in it (``Voice`` or ``Voice.stream``).

    Raises ``Undocumented`` if there is none, so that a page cannot quote what has gone.
    """
    file = ROOT / path
    if not file.is_file():
        raise Undocumented(f"a page quotes {path}, which does not exist")
    source = file.read_text(encoding="utf-8")
    if name is None:
        return source.rstrip()
    body: list[ast.stmt] = ast.parse(source).body
    node: ast.stmt | None = None
    for part in name.split("."):
        node = next((item for item in body if getattr(item, "name", None) == part), None)
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            raise Undocumented(f"a page quotes {name} of {path}, which has no such class or function")
        body = node.body
    assert isinstance(node, ast.FunctionDef | ast.ClassDef)
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    lines = source.splitlines()[first - 1 : node.end_lineno]
    return "\n".join(line[node.col_offset :] for line in lines)


# --- whole pages ------------------------------------------------------------------------------------------------------


def pages() -> Iterator[tuple[str, str]]:
    """(address, Markdown) of every example, every plugin's own page, and the changelogs."""
    for folder in _examples():
        yield f"plugins/examples/{folder.name}.md", _example(folder)
    for folder in _plugins():
        address = f"plugins/first-party/{folder.name}.md"
        yield address, relink((folder / "README.md").read_text(encoding="utf-8"), folder / "README.md", address)
    yield "reference/changes.md", _changes()


def _examples() -> list[Path]:
    """The folders of all examples, the smallest plugin first."""
    folders = [file.parent for file in ROOT.glob("examples/*/pyproject.toml")]
    return sorted(folders, key=lambda folder: (folder.name != "minimal_plugin", folder.name))


def _plugins() -> list[Path]:
    """The folders of all plugins."""
    return sorted(file.parent for file in ROOT.glob("plugins/*/pyproject.toml"))


def _example(folder: Path) -> str:
    """The example's own page and all its files."""
    address = f"plugins/examples/{folder.name}.md"
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    readme = folder / "README.md"
    if readme.is_file():
        text = relink(readme.read_text(encoding="utf-8"), readme, address)
    else:
        text = f"# {project['description']}\n\n{project['readme']['text']}\n"
    where = f"The files of `examples/{folder.name}`. The tests of this repository install it and run its checks."
    parts = [text.rstrip(), "## Files", where]
    for file in sorted(
        _files(folder), key=lambda file: (file.suffix != ".toml", "tests" in file.parts, file.as_posix())
    ):
        name = file.relative_to(folder).as_posix()
        parts.append(fence(file.read_text(encoding="utf-8"), _LANGUAGES[file.suffix], name))
    return "\n\n".join(parts) + "\n"


def _files(folder: Path) -> Iterator[Path]:
    """The files that a reader would write: no empty ones, no built ones."""
    for file in folder.rglob("*"):
        built = any(
            part.startswith((".", "build", "dist")) or part.endswith(".egg-info")
            for part in file.relative_to(folder).parts
        )
        if file.suffix in (".py", ".toml") and file.stat().st_size and not built:
            yield file


def _changes() -> str:
    sections = []
    for file in [ROOT / "CHANGELOG.md", *(folder / "CHANGELOG.md" for folder in _plugins())]:
        text = file.read_text(encoding="utf-8")
        name = tomllib.loads((file.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
        body = re.sub(r"^# .*\n", "", text)
        sections.append(f"## {name}\n\n" + re.sub(r"^## (.*)$", rf"### {name} \1", body, flags=re.MULTILINE).strip())
    return page("Changes", "Each distribution has its own changelog, and its own version.", *sections)


# --- links ------------------------------------------------------------------------------------------------------------


def relink(markdown: str, origin: Path, address: str) -> str:
    """The text of the file ``origin`` as the page ``address``: links to files of the repository lead to the pages they
    are quoted on, and are plain text where there is none. Code is left alone."""

    def changed(found: re.Match[str]) -> str:
        target, _, anchor = found["target"].partition("#")
        if not target or "://" in target or target.startswith("mailto:"):
            return found[0]
        file = (origin.parent / target).resolve()
        if not file.exists() or not file.is_relative_to(ROOT):
            return found[0]  # mkdocs says what is wrong with it
        place = address_of(file)
        if place is None:
            return found["text"][1:-1]
        back = posixpath.relpath(place, posixpath.dirname(address) or ".")
        return f"{found['text']}({back}{'#' + anchor if anchor else ''})"

    return outside_code(markdown, lambda text: _LINK.sub(changed, text))


def outside_code(markdown: str, change: Callable[[str], str]) -> str:
    """``change`` applied to all that is not in a fenced block."""
    parts = _FENCE.split(markdown)
    # The expression has two groups: each fenced block is followed by its marks, which are part of it already.
    return "".join(part if index % 3 == 1 else change(part) for index, part in enumerate(parts) if index % 3 != 2)


def address_of(file: Path) -> str | None:
    """The page on which a file or folder of the repository is shown."""
    if file.is_relative_to(DOCS):
        return file.relative_to(DOCS).as_posix()
    folder = file if file.is_dir() else file.parent
    if file == ROOT / "README.md" or file == ROOT:
        return "index.md"
    if file.name == "CHANGELOG.md":
        return "reference/changes.md"
    if file.is_dir() or file.name == "README.md":
        if folder.parent == ROOT / "examples":
            return f"plugins/examples/{folder.name}.md"
        if folder.parent == ROOT / "plugins":
            return f"plugins/first-party/{folder.name}.md"
    return None
