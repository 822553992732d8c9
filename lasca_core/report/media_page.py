"""The page of one recording: what a model, or the words alone, say of each of its windows, and why."""

from __future__ import annotations

import shlex

from lasca_core.report.markup import Cell, Markup, Number, element, folded, number, table
from lasca_core.report.media_data import windows_data
from lasca_core.report.media_lanes import clock, lanes
from lasca_core.report.media_timeline import Timeline
from lasca_core.report.page import code, document, listed, navigation, paragraph, section

_SECTIONS = [
    ("timeline", "Timeline"),
    ("table", "All windows as a table"),
    ("provenance", "What predicted"),
    ("reproduce", "How to reproduce"),
]


def media_page(about: Timeline) -> str:
    """The HTML page of a recording."""
    return document(
        f"LaScA timeline: {about.path.name}",
        element("header", _title(about), *_warnings(about), _summary(about), navigation(_SECTIONS)),
        element("main", _timeline(about), _table(about), _provenance(about), _reproduce(about)),
        windows_data(about),
        scripts=("media.js",),
        media=about.player.address is not None,
    )


def _title(about: Timeline) -> Markup:
    return element("h1", f"Does {' or '.join(about.targets)} rise or fall? {about.path.name}")


def _warnings(about: Timeline) -> list[Markup]:
    found = []
    if about.predictor.synthetic is not None:
        found.append(
            paragraph(
                element("strong", "Trained on synthetic data. "),
                f"{about.predictor.synthetic} is generated: the cues on this page are measured, the directions that "
                f"the model tells of real people are not to be trusted.",
                kind="warning",
            )
        )
    return found + [
        paragraph(f"{caution[:1].upper()}{caution[1:]}.", kind="soft") for caution in about.predictor.cautions
    ]


def _summary(about: Timeline) -> Markup:
    measured = sum(window.valid for window in about.windows)
    missing = len(about.windows) - measured
    first = about.windows[0]
    said = [
        f"{len(about.windows):,} windows of {first.end - first.start:.3g} s over {clock(about.duration)} minutes, each "
        f"compared with the one before it.",
        f"{missing:,} of them {'was' if missing == 1 else 'were'} not measured: too few frames show a face, or hold "
        f"sound." if missing else "All of them were measured.",
    ]  # fmt: skip
    counts = []
    for target in about.targets:
        told = [window.directions[target][0] for window in about.windows if target in window.directions]
        counts.append(f"{target} rises in {sum(told):,} and falls in {len(told) - sum(told):,}")
    said.append(f"Predicted: {'; '.join(counts)}.")
    said += [f"Of {target} nothing is told: {reason}." for target, reason in about.abstains.items()]
    return element("div", paragraph(" ".join(said)), _agreements(about))


def _agreements(about: Timeline) -> Markup | None:
    if about.annotated_by is None:
        return None
    lines = [
        f"the annotated mean of {target} changes the same way in {right} of {told} windows"
        for target in about.targets
        if target in about.annotations
        for right, told in (about.agreement(target),)
    ]
    return paragraph(
        f"Annotation: {about.annotated_by.name}; {', '.join(lines)}, however small the change. One recording is too "
        f"little to judge a model by.",
    )


# --- the timeline -----------------------------------------------------------------------------------------------------


def _timeline(about: Timeline) -> Markup:
    closer = element("button", "Closer", type="button", id="closer", aria_pressed="false", hidden=True)
    tracks = element(
        "div",
        element("div", element("p", id="readout", aria_hidden="true"), closer, class_="readout"),
        lanes(about),
        paragraph(_POINT, _SEEK if about.player.address is not None else None, kind="soft", anchor="keys"),
        folded("How to read it", listed(_reading(about))),
        class_="tracks",
    )
    waiting = paragraph("The table below holds every window. Reasons are shown here where scripts may run.")
    panel = element("div", waiting, class_="panel", id="panel", role="region", aria_label="The chosen window")
    return section("timeline", "Timeline", element("div", _player(about), tracks, panel, class_="viewer"))


_POINT = "Point at a window, or move with the arrow keys, to read why."
_SEEK = " A click, the return key or the space bar takes the player there."


def _player(about: Timeline) -> Markup:
    player = about.player
    said = paragraph(player.said, kind="soft")
    if player.address is None:
        return element("div", said, class_="stage")
    playing = element(
        player.element,
        element("source", src=player.address, type=player.type),
        id="player", controls=True, preload="metadata", playsinline=player.element == "video",
        aria_label=f"Recording {about.path.name}",
    )  # fmt: skip
    return element("div", playing, said, class_="stage")


def _reading(about: Timeline) -> list[str]:
    lines = [
        "Predicted: a bar upwards says that affect rises since the window before, a bar downwards that it falls. Its "
        "height is how sure that is: none at a probability of 0.5, all of the half at 1.",
        "A grey stretch was not measured. A short stroke at the middle is a window of which no direction is told, "
        "because no measured window ends right before it.",
        "The curves below are the features that contribute most to what is said over the whole recording, each on "
        "the scale of its own range.",
        "A window's reasons are what each feature's change since the window before, and each cue's words, add to the "
        "logit (the logarithm of the odds of a rise): to the right they speak for a rise, to the left for a fall. All "
        "lines together, with the rest that is stated, are the logit.",
    ]
    if about.annotations:
        lines.insert(2, "Annotated: the annotation as it is in its file, without a correction of the annotators' lag.")
    return lines


# --- the table --------------------------------------------------------------------------------------------------------


def _table(about: Timeline) -> Markup:
    """The accessible alternative: everything that the lanes draw, and the strongest reason."""
    head = ["window", "end"]
    for target in about.targets:
        head += [target, f"{target}: probability", *([f"{target}: annotated"] if target in about.annotations else ())]
    head.append("strongest reason")
    rows = [_row(about, place) for place in range(len(about.windows))]
    shown = table("Each window, against the one before it", head, rows, sortable=True)
    return section("table", "All windows as a table", folded(f"Table: {len(rows):,} windows", shown))


def _row(about: Timeline, place: int) -> tuple[Cell, ...]:
    window = about.windows[place]
    start = element("button", clock(window.start, 2), type="button", class_="go", data_window=str(place))
    cells: list[Cell] = [start, Number(window.end, clock(window.end, 2))]
    for target in about.targets:
        direction = window.directions.get(target)
        if direction is None:
            cells += ["not measured" if not window.valid else "not told", number(None)]
        else:
            cells += ["rises" if direction[0] else "falls", number(direction[1], ".2f")]
        if target in about.annotations:
            cells.append(number(about.annotated[target][place], "+.3f"))
    return (*cells, _strongest(about, place))


def _strongest(about: Timeline, place: int) -> str:
    parts = [
        (part, target)
        for target, found in about.windows[place].explanations.items()
        for part in (*found.features[:1], *found.cues[:1])
    ]
    if not parts:
        return "–"
    part, target = max(parts, key=lambda found: abs(found[0].contribution))
    return f"{target} {part.contribution:+.2f}: {part.feature}: {part.words}"


# --- provenance -------------------------------------------------------------------------------------------------------


def _provenance(about: Timeline) -> Markup:
    predictor = about.predictor
    components = [
        (part["name"], part["kind"], str(part["version"]), f"{part['distribution']} {part['distribution_version']}",
         part["license"], part["fingerprint"][:12] or "–")
        for part in predictor.components
    ]  # fmt: skip
    weights = {
        name: found["license"] for part in predictor.components for name, found in part.get("weights", {}).items()
    }
    return section(
        "provenance",
        "What predicted",
        paragraph(f"{predictor.name[:1].upper()}{predictor.name[1:]}."),
        table("What is known of the model", ("", ""), list(predictor.training.items())) if predictor.training else None,
        table("Components", ("component", "kind", "version", "from", "licence", "fingerprint"), components),
        table("Licences of pretrained files", ("file", "licence"), list(weights.items())) if weights else None,
    )


def _reproduce(about: Timeline) -> Markup:
    return section(
        "reproduce",
        "How to reproduce",
        paragraph("This page was made with:"),
        code(shlex.join(about.command)),
        paragraph(
            "Run it where it was run then, with the recording and the model as they were. With other versions or on "
            "another device numbers can differ slightly."
        ),
    )
