"""HTML and SVG elements whose text is escaped unless it is markup already, and the tables made of them."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

_VOID = {"meta", "link", "source"}


class Markup(str):
    """Text that is HTML or SVG already; any other text is escaped when it is put into an element."""

    __slots__ = ()


Child = str | None
Attribute = str | float | bool | None


def escape(text: str) -> Markup:
    """Text as it may stand in an element or a quoted attribute; what UTF-8 cannot hold becomes a question mark."""
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(text.encode("utf-8", "replace").decode("utf-8")))


def element(name: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """An element. ``class_`` names a class and other underscores are hyphens; None and False leave an attribute out."""
    found = "".join(
        _attribute(key.rstrip("_").replace("_", "-"), value)
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{found}>")
    return Markup(f"<{name}{found}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Children one after the other, without those that are None."""
    return Markup("".join(escape(child) for child in children if child is not None))


def _attribute(name: str, value: str | float | bool) -> str:
    if value is True:
        return f" {name}"
    text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    # A value that is markup already is still plain text here: a quotation mark in it would end the attribute.
    return f' {name}="{escape(str.__str__(text))}"'


# --- tables -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    """A cell that is aligned to the right and sorted by ``value``, which is None where there is no number."""

    value: float | None
    text: str


Cell = str | Number


def number(value: float | None, form: str = ".3f") -> Number:
    """A cell from a number and its format; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return Number(None, "–")
    return Number(value, format(value, form))


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[Cell]], *, sortable: bool = False) -> Markup:
    """A table that scrolls by itself where it is wider than the screen. The first cell of a row names the row; the
    buttons of a ``sortable`` table's head do nothing until the page's script has run."""
    is_number = [any(isinstance(row[place], Number) for row in rows) for place in range(len(head))]
    cells = [
        element(
            "th",
            element("button", title, type="button") if sortable else title,
            scope="col",
            class_="number" if numeric else None,
        )
        for title, numeric in zip(head, is_number, strict=True)
    ]
    body = [element("tr", *(_cell(cell, first=place == 0) for place, cell in enumerate(row))) for row in rows]
    content = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *cells)),
        element("tbody", *body),
        class_="sortable" if sortable else None,
    )
    return element("div", content, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _cell(cell: Cell, *, first: bool) -> Markup:
    if isinstance(cell, Number):
        return element("td", cell.text, class_="number", data_value=None if cell.value is None else repr(cell.value))
    return element("th", cell, scope="row") if first else element("td", cell)


def folded(summary: str, *children: Child) -> Markup:
    """Content that a click or the return key unfolds."""
    return element("details", element("summary", summary), *children)
