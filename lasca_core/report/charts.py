"""Charts as inline SVG: small functions from numbers to a drawing whose every mark also says its numbers in words.

All charts are ``WIDTH`` units wide, which is about a phone's width in pixels, and grow with the page. Colours are
classes of the page's style sheet, so that they follow light and dark; series also differ in the shape of their marks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lasca_core.report.markup import Markup, element, join

WIDTH = 360.0
_RIGHT = 12.0
_ROW = 26.0
_TOP = 8.0
_AXIS = 34.0
_MOST_DOTS = 150


@dataclass(frozen=True)
class Scale:
    """A straight map from the values ``low`` to ``high`` to the positions ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most ``most`` round numbers (1, 2 or 5 times a power of ten apart) within ``low`` to ``high``."""
    exponent = math.floor(math.log10((high - low) / most))
    for step in (factor * 10.0**power for power in (exponent, exponent + 1, exponent + 2) for factor in (1, 2, 5)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [round(place * step, 12) for place in range(first, last + 1)]
    return []  # pragma: no cover - two powers of ten up, no more than one round number fits


def around(values: Sequence[float], *, include: float, margin: float = 0.06) -> tuple[float, float]:
    """The range that shows all ``values`` and ``include``, with room at both ends."""
    low, high = min(*values, include), max(*values, include)
    room = margin * (high - low) or 0.05
    return low - room, high + room


# --- rows: one line for each name -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Estimate:
    """A value with its interval, where it has one."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class _Row:
    """A named row: what it says in words, and its marks."""

    name: str
    said: str
    marks: Markup


def estimates(
    title: str, rows: Sequence[Estimate], *, reference: float, axis: str, form: str = ".3f", strong: str = ""
) -> Markup:
    """A dot and an interval for each row, beside a line at ``reference``; the row called ``strong`` stands out."""
    ends = [end for row in rows for end in (row.value, row.low, row.high) if end is not None]
    scale = Scale(*around(ends, include=reference), _label_room([row.name for row in rows]), WIDTH - _RIGHT)
    drawn = []
    for place, row in enumerate(rows):
        y = _middle(place)
        said, bar = f"{row.name}: {row.value:{form}}", None
        if row.low is not None and row.high is not None:
            said += f", interval {row.low:{form}} to {row.high:{form}}"
            bar = _line(scale(row.low), y, scale(row.high), y, "interval")
        kind = "dot strong" if row.name == strong else "dot"
        drawn.append(_Row(row.name, said, join(bar, element("circle", cx=scale(row.value), cy=y, r=4.5, class_=kind))))
    return _rows(title, drawn, scale, axis, reference)


def distributions(title: str, rows: Sequence[tuple[str, Sequence[float]]], *, reference: float, axis: str) -> Markup:
    """The median, the middle half and the range of each row's values, and a dot for each unless there are too many."""
    low, high = around([value for _, values in rows for value in values], include=reference)
    scale = Scale(low, high, _label_room([name for name, _ in rows]), WIDTH - _RIGHT)
    drawn = []
    for place, (name, values) in enumerate(rows):
        y = _middle(place)
        least, lower, middle, upper, most = (float(value) for value in np.quantile(values, [0, 0.25, 0.5, 0.75, 1]))
        said = (
            f"{name}: {len(values)} values from {least:.3f} to {most:.3f}, the middle half from {lower:.3f} to "
            f"{upper:.3f}, median {middle:.3f}"
        )
        width = max(scale(upper) - scale(lower), 1.0)
        box = element("rect", x=scale(lower), y=y - 8, width=width, height=16.0, class_="box")
        dots = [
            element("circle", cx=scale(value), cy=y + _spread(number), r=2.2, class_="point")
            for number, value in enumerate(values if len(values) <= _MOST_DOTS else ())
        ]
        extent = _line(scale(least), y, scale(most), y, "range")
        drawn.append(
            _Row(name, said, join(extent, box, *dots, _line(scale(middle), y - 9, scale(middle), y + 9, "median")))
        )
    return _rows(title, drawn, scale, axis, reference)


def bars(title: str, rows: Sequence[tuple[str, float, str]], *, axis: str) -> Markup:
    """A bar for each (name, value, value in words), from 0."""
    most = max((value for _, value, _ in rows), default=0.0) * 1.04 or 1.0
    scale = Scale(0.0, most, _label_room([name for name, _, _ in rows]), WIDTH - _RIGHT)
    drawn = []
    for place, (name, value, words) in enumerate(rows):
        width = scale(value) - scale(0.0)
        bar = element("rect", x=scale(0.0), y=_middle(place) - 7, width=width, height=14.0, class_="bar")
        drawn.append(_Row(name, f"{name}: {words}", bar))
    return _rows(title, drawn, scale, axis, None)


def differences(title: str, rows: Sequence[tuple[str, float, str]], *, axis: str) -> Markup:
    """A bar for each (name, value, what is said of it), from 0 to the right or to the left, on a scale that reaches as
    far to both sides."""
    most = max((abs(value) for _, value, _ in rows), default=0.0) * 1.04 or 1.0
    scale = Scale(-most, most, _label_room([name for name, _, _ in rows]), WIDTH - _RIGHT)
    drawn = []
    for place, (name, value, said) in enumerate(rows):
        left, right = sorted((scale(0.0), scale(value)))
        kind = "bar" if value > 0 else "bar below"
        bar = element("rect", x=left, y=_middle(place) - 7, width=right - left, height=14.0, class_=kind)
        drawn.append(_Row(name, f"{name}: {said}", bar))
    return _rows(title, drawn, scale, axis, 0.0)


def _rows(title: str, rows: Sequence[_Row], scale: Scale, axis: str, reference: float | None) -> Markup:
    """Named rows above a common axis; each row can be pointed at, and reached with the tab key."""
    bottom = _middle(len(rows)) - _ROW / 2
    parts = [_axis_below(scale, _TOP, bottom, axis)]
    if reference is not None:
        parts.append(_line(scale(reference), _TOP / 2, scale(reference), bottom, "reference"))
    for place, row in enumerate(rows):
        y = _middle(place)
        target = element("rect", x=0.0, y=y - _ROW / 2, width=WIDTH, height=_ROW, class_="target")
        label = element("text", row.name, x=scale.start - 8, y=y + 4, text_anchor="end")
        parts.append(_said(row.said, target, label, row.marks))
    return _svg(title, bottom + _AXIS, *parts)


def _middle(place: int) -> float:
    """The vertical middle of the row number ``place``."""
    return _TOP + _ROW * (place + 0.5)


def _label_room(names: Sequence[str]) -> float:
    """The width of the longest name, at most half of the drawing."""
    return min(20 + 6.4 * max((len(name) for name in names), default=0), WIDTH / 2)


def _spread(place: int) -> float:
    """A small vertical offset, so that dots of equal value do not hide each other: alike in every drawing."""
    return float((place * 5) % 11 - 5)


# --- curves: two axes -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Point:
    """A point of a curve: where it is, what it says, and its interval, where it has one."""

    x: float
    y: float
    said: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Curve:
    """Points that belong together."""

    name: str
    points: Sequence[Point]


SHAPES = ("round", "square", "triangle")
"""The marks of the first, second and third curve of a drawing."""


def curves(
    title: str,
    found: Sequence[Curve],
    *,
    x: tuple[float, float],
    y: tuple[float, float],
    x_axis: str,
    y_axis: str,
    height: float = 260.0,
    diagonal: bool = False,
    labels: Sequence[tuple[float, str]] | None = None,
) -> Markup:
    """At most three curves over common axes; ``labels`` stand in place of numbers below the horizontal one."""
    across, up = Scale(*x, 46.0, WIDTH - _RIGHT), Scale(*y, height - _AXIS - 6, 10.0)
    parts = [_axis_below(across, 10.0, up.start, x_axis, labels), _axis_left(up, across, y_axis)]
    if diagonal:
        low, high = max(x[0], y[0]), min(x[1], y[1])
        parts.append(_line(across(low), up(low), across(high), up(high), "reference"))
    for place, curve in enumerate(found):
        at = [(across(point.x) + _beside(place, len(found)), up(point.y)) for point in curve.points]
        path = " ".join(f"{left:.2f},{top:.2f}" for left, top in at)
        parts.append(element("polyline", points=path, class_=f"curve series{place}"))
        for point, (left, top) in zip(curve.points, at, strict=True):
            bar = None
            if point.low is not None and point.high is not None:
                bar = _line(left, up(point.low), left, up(point.high), f"whisker series{place}")
            target = element("circle", cx=left, cy=top, r=11.0, class_="target")
            parts.append(_said(f"{curve.name}: {point.said}", target, bar, mark(place, left, top)))
    return _svg(title, height, *parts)


def legend(names: Sequence[str]) -> Markup:
    """Which mark is whose."""
    entries = []
    for place, name in enumerate(names):
        drawing = element("svg", mark(place, 7.0, 7.0), viewBox="0 0 14 14", class_="key", aria_hidden="true")
        entries.append(element("li", drawing, name))
    return element("ul", *entries, class_="legend")


def mark(place: int, x: float, y: float) -> Markup:
    """The mark of the curve number ``place``."""
    kind = f"mark series{place}"
    if SHAPES[place] == "round":
        return element("circle", cx=x, cy=y, r=4.5, class_=kind)
    if SHAPES[place] == "square":
        return element("rect", x=x - 4, y=y - 4, width=8.0, height=8.0, class_=kind)
    return element(
        "polygon", points=f"{x:.2f},{y - 5:.2f} {x + 5:.2f},{y + 4:.2f} {x - 5:.2f},{y + 4:.2f}", class_=kind
    )


def _beside(place: int, count: int) -> float:
    """Curves stand a little beside each other, so that one does not hide the next."""
    return 3.0 * (place - (count - 1) / 2)


# --- parts ------------------------------------------------------------------------------------------------------------


def _svg(title: str, height: float, *parts: Markup) -> Markup:
    view = f"0 0 {WIDTH:g} {height:g}"
    return element("svg", *parts, viewBox=view, class_="chart", role="group", aria_label=title)


def _said(words: str, *marks: Markup | None) -> Markup:
    """Marks with their numbers in words, for the pointer, the keyboard and the screen reader."""
    return element("g", *marks, class_="said", tabindex="0", role="img", aria_label=words, data_tip=words)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def _axis_below(
    scale: Scale, top: float, bottom: float, title: str, labels: Sequence[tuple[float, str]] | None = None
) -> Markup:
    marks = labels or [(value, f"{value:g}") for value in ticks(scale.low, scale.high)]
    parts = []
    for value, text in marks:
        parts.append(_line(scale(value), top, scale(value), bottom, "grid"))
        parts.append(element("text", text, x=scale(value), y=bottom + 13, text_anchor="middle", class_="tick"))
    middle = (scale.start + scale.end) / 2
    name = element("text", title, x=middle, y=bottom + 29, text_anchor="middle", class_="axis")
    return element("g", *parts, name, aria_hidden="true")


def _axis_left(scale: Scale, across: Scale, title: str) -> Markup:
    parts = []
    for value in ticks(scale.low, scale.high):
        parts.append(_line(across.start, scale(value), across.end, scale(value), "grid"))
        parts.append(
            element("text", f"{value:g}", x=across.start - 6, y=scale(value) + 4, text_anchor="end", class_="tick")
        )
    middle = (scale.start + scale.end) / 2
    turned = f"rotate(-90 11 {middle:.2f})"
    name = element("text", title, x=11.0, y=middle, text_anchor="middle", transform=turned, class_="axis")
    return element("g", *parts, name, aria_hidden="true")
