"""The page around a report: one file with its style and script inside, which by its own policy can fetch nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources

from lasca_core.report.markup import Child, Markup, element

_MEDIA = "media-src data: 'self' file:; "
"""Some browsers do not count a file beside a page that was opened from disk as the page's own."""


def document(title: str, *content: Child, scripts: Sequence[str] = (), media: bool = False) -> str:
    """A whole HTML document; ``scripts`` are further files that run after the one of every page. The policy admits this
    very style and these very scripts and no request at all: markup that slipped in from a name would still not run.
    With ``media`` a recording may be played that the page holds or that lies beside it."""
    style = Markup(_file("style.css"))
    loaded = [Markup(_file(name)) for name in ("page.js", *scripts)]
    admitted = " ".join(f"'{_digest(script)}'" for script in loaded)
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src {admitted}; img-src data:; "
        f"{_MEDIA if media else ''}base-uri 'none'; form-action 'none'"
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("link", rel="icon", href="data:,"),  # else a browser asks a server for one
        element("title", title),
        element("style", style),
    )
    tip = element("div", id="tip", hidden=True, aria_hidden="true")
    body = element("body", *content, tip, *(element("script", script) for script in loaded))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def section(anchor: str, title: str, *content: Child) -> Markup:
    """A part of the page that the navigation leads to."""
    return element("section", element("h2", title, id=anchor), *content, aria_labelledby=anchor)


def subsection(title: str, *content: Child) -> Markup:
    """A part of a section."""
    return element("section", element("h3", title), *content, class_="part")


def navigation(entries: Sequence[tuple[str, str]]) -> Markup:
    """Links to the sections, each (anchor, title)."""
    links = [element("li", element("a", title, href=f"#{anchor}")) for anchor, title in entries]
    return element("nav", element("ul", *links), aria_label="Sections")


def paragraph(*content: Child, kind: str | None = None, anchor: str | None = None) -> Markup:
    """A paragraph."""
    return element("p", *content, class_=kind, id=anchor)


def figure(drawing: Markup, caption: str, *below: Child) -> Markup:
    """A drawing with its caption, and what stands below: a legend, the table behind it."""
    return element("figure", element("figcaption", caption), drawing, *below)


def side_by_side(*content: Child) -> Markup:
    """Blocks beside each other where the screen is wide enough."""
    return element("div", *content, class_="beside")


def listed(lines: Sequence[str]) -> Markup:
    """A bulleted list."""
    return element("ul", *(element("li", line) for line in lines))


def code(text: str) -> Markup:
    """Text to be copied as it is."""
    return element("pre", element("code", text), tabindex="0")


def _file(name: str) -> str:
    return (resources.files("lasca_core.report") / name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
