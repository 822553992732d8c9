"""The lanes of a timeline: each one drawing of few paths over the same time axis, however many windows there are."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from lasca_core.contract.types import Trace, Track
from lasca_core.report.charts import ticks
from lasca_core.report.markup import Markup, element
from lasca_core.report.media_timeline import Timeline, reduced

_WINDOW = 14
"""Pixels of a window where the timeline is wider than the screen."""
_HEIGHT = 100
_MIDDLE = _HEIGHT // 2
_REACH = 46
"""Units from the middle of a lane to where a probability of 1 ends."""
_LEAST = 3
"""A direction that is hardly surer than chance is drawn so high, to be seen at all."""
_POINTS = 1600
"""Points of a curve at most."""
_FEW_TICKS = 6
_TICK = 160
"""Pixels from one tick to the next, about, where the timeline is wider than the screen."""


def lanes(about: Timeline) -> Markup:
    """The time axis and all lanes, as one control that chooses a window; the page's script moves its two marks."""
    rows = [_axis(about)]
    for target in about.targets:
        rows.append(_directions(about, target))
        if target in about.annotations:
            rows.append(_annotation(about, target, about.annotations[target]))
    rows += [_cue(about, *found) for found in about.foremost]
    marks = (element("div", id="shown", hidden=True), element("div", id="cursor", hidden=True))
    return element(
        "div",
        element("div", *rows, *marks, class_="time", id="time"),
        id="lanes",
        class_="lanes",
        tabindex="0",
        role="slider",
        aria_label="Windows of the recording",
        aria_valuemin="1",
        aria_valuemax=str(len(about.windows)),
        aria_valuenow="1",
        aria_describedby="keys",
    )


def clock(seconds: float, digits: int = 0) -> str:
    """A moment as a player shows it: 0:07, 61:05."""
    tenths = round(seconds, digits)
    rest = tenths % 60
    return f"{int(tenths // 60)}:{rest:0{3 + digits if digits else 2}.{digits}f}"


def _axis(about: Timeline) -> Markup:
    """Marks of time, the finer ones only where the timeline is wider than the screen. Their places are shares of the
    width, so that letters keep their shape."""
    few = _times(about.duration, _FEW_TICKS)
    many = _times(about.duration, max(_FEW_TICKS, _width(about) // _TICK))
    digits = 0 if all(time == round(time) for time in few) else 1
    marks = []
    for time in sorted({*few, *many}):
        at = f"{100 * time / about.duration:.3f}%"
        anchor = "start" if time == 0 else "middle"
        parts = (
            element("line", x1=at, x2=at, y1="14", y2="20", class_="grid"),
            element("text", clock(time, digits), x=at, y="11", text_anchor=anchor, class_="tick"),
        )
        marks.append(element("g", *parts, class_=None if time in few else "fine"))
    return element("svg", *marks, class_="axis-lane", width=str(_width(about)), height="20", aria_hidden="true")


def _times(duration: float, most: int) -> list[float]:
    """At most ``most`` moments that a clock would name, none in the last 3%: its label would be cut."""
    if duration <= 10:
        found = ticks(0.0, duration, most)
    else:
        steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
        step = next((step for step in steps if duration / step < most), steps[-1])
        found = [float(place * step) for place in range(int(duration // step) + 1)]
    return [time for time in found if time < 0.97 * duration]


def _directions(about: Timeline, target: str) -> Markup:
    """What is told of a target: bars upwards where it rises and downwards where it falls, as high as it is sure."""
    paths: dict[str, list[str]] = {"unmeasured": [], "untold": [], "rises": [], "falls": []}
    for window, begin, end in zip(about.windows, about.edges, about.edges[1:], strict=False):
        left, width = _ms(begin), max(_ms(end) - _ms(begin), 1)
        direction = window.directions.get(target)
        if not window.valid:
            paths["unmeasured"].append(f"M{left} 0h{width}v{_HEIGHT}h-{width}z")
        elif direction is None:
            paths["untold"].append(f"M{left} {_MIDDLE - 4}h{width}v8h-{width}z")
        else:
            rises, probability = direction
            high = max(_LEAST, round(2 * (probability - 0.5) * _REACH))
            gap = width // 12
            sign = -1 if rises else 1
            bar = f"M{left + gap} {_MIDDLE}h{width - 2 * gap}v{sign * high}h-{width - 2 * gap}z"
            paths["rises" if rises else "falls"].append(bar)
    drawn = [element("path", d="".join(parts), class_=kind) for kind, parts in paths.items() if parts]
    middle = element("path", d=f"M0 {_MIDDLE}H{_ms(about.duration)}", class_="middle")
    return _lane(about, "directions", f"{target}, predicted", "up: rises, down: falls; the taller the surer", middle,
                 *drawn)  # fmt: skip


def _annotation(about: Timeline, target: str, trace: Trace) -> Markup:
    """The annotated trace; broken where nothing is annotated."""
    values = np.where(trace.valid.numpy(), trace.values.double().numpy(), np.nan)
    low, high = trace.scale
    return _lane(
        about,
        "annotation",
        f"{target}, annotated",
        f"{low:g} to {high:g}",
        element("path", d=f"M0 {_MIDDLE}H{_ms(about.duration)}", class_="middle"),
        element("path", d=_curve(trace.times.numpy(), values, low, high), class_="trace"),
    )


def _cue(about: Timeline, name: str, track: Track, column: int) -> Markup:
    """One feature over time, on the scale of its own range."""
    times = track.times.numpy()
    if track.spans is not None:
        times = times + track.spans.numpy() / 2
    values = np.where(track.valid.numpy(), track.values[:, column].double().numpy(), np.nan)
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    words = about.words.get(name, "")
    said = f"{_range(low, high)}{f'; {words}' if words and words != name else ''}"
    return _lane(about, "cue", name, said, element("path", d=_curve(times, values, low, high), class_="trace"))


def _range(low: float, high: float) -> str:
    """Both ends, to three digits of what lies between them."""
    digits = max(0, 2 - math.floor(math.log10(high - low))) if high > low else 3
    return f"{low:.{digits}f} to {high:.{digits}f}"


def _curve(times: np.ndarray, values: np.ndarray, low: float, high: float) -> str:
    """A path through the finite values of a curve, between ``low`` at the lane's bottom and ``high`` at its top."""
    span = high - low or 1.0
    return "".join(_points(*reduced(times, values, _POINTS), low, span))


def _points(times: np.ndarray, values: np.ndarray, low: float, span: float) -> Iterator[str]:
    resumed = True
    for time, value in zip(times.tolist(), values.tolist(), strict=True):
        if not np.isfinite(value):
            resumed = True
            continue
        y = round((_HEIGHT - 6) * (1 - (value - low) / span) + 3, 1)
        yield f"{'M' if resumed else 'L'}{_ms(time)} {y:g}"
        resumed = False


def _lane(about: Timeline, kind: str, name: str, said: str, *drawn: Markup) -> Markup:
    drawing = element(
        "svg", *drawn, viewBox=f"0 0 {_ms(about.duration)} {_HEIGHT}", preserveAspectRatio="none",
        width=str(_width(about)), height="56", aria_hidden="true",
    )  # fmt: skip
    title = element("p", element("strong", name), " ", element("span", said), class_="lane-name")
    return element("div", title, drawing, class_=f"lane {kind}")


def _width(about: Timeline) -> int:
    """Pixels of all windows beside each other."""
    return _WINDOW * len(about.windows)


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
