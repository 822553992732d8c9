"""What mkdocs does besides rendering: it adds the generated pages, quotes code, and mends links that leave docs/."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lasca_docs import installed, pages, quotes
from lasca_docs.markup import Undocumented
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_PICTURE = re.compile(r'<img [^>]*src="[^"]*?(?P<name>[\w-]+\.svg)"[^>]*>')


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and put pages into the navigation where it says ``folder/*`` or ``*`` (all others)."""
    try:
        generated = pages()
    except Undocumented as finding:
        raise PluginError(f"the reference cannot be generated: {finding}") from None
    for address, text in generated.items():
        files.append(File.generated(config, address, content=text))
    folders = _expanded(config.nav, lambda item: _below(item, generated) if item.endswith("/*") else [item])
    named = set(_named(folders))
    others = sorted(file.src_uri for file in files.documentation_pages() if file.src_uri not in named)
    config.nav = _expanded(folders, lambda item: others if item == "*" else [item])
    return files


def _below(entry: str, pages: Iterable[str]) -> list[str]:
    """The pages that the entry ``folder/*`` of the navigation stands for."""
    return [page for page in pages if page.startswith(entry.removesuffix("*"))]


def _expanded(nav: Any, entries: Callable[[str], list[str]]) -> Any:
    """The navigation with each untitled entry replaced by ``entries`` of it."""
    if isinstance(nav, dict):
        return {title: _expanded(below, entries) for title, below in nav.items()}
    if isinstance(nav, list):
        return [one for item in nav for one in (entries(item) if isinstance(item, str) else [_expanded(item, entries)])]
    return nav


def _named(nav: Any) -> Iterator[str]:
    """The addresses in a navigation."""
    if isinstance(nav, str):
        yield nav
    else:
        for below in nav.values() if isinstance(nav, dict) else nav:
            yield from _named(below)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Quote code; lead links to files of the repository to the pages that show them."""
    if page.file.abs_src_path is None:
        return markdown  # a generated page has been through this
    try:
        text = quotes.with_quotes(markdown)
    except Undocumented as finding:
        raise PluginError(f"{page.file.src_uri}: {finding}") from None
    return quotes.relink(text, Path(page.file.abs_src_path), page.file.src_uri)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put drawings into the page itself, where they take the colours of its theme, light or dark."""

    def inlined(found: re.Match[str]) -> str:
        return (installed.DOCS / "images" / found["name"]).read_text(encoding="utf-8")

    return _PICTURE.sub(inlined, html)
