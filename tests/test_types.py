"""The records that pass between stages refuse what breaks their promises."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from lasca_core.api import (
    Block,
    ContractError,
    Embeddings,
    Frames,
    Lexicon,
    LexiconError,
    Pairs,
    Problem,
    Recording,
    Saliency,
    Samples,
    Scores,
    Trace,
    Track,
    Windows,
    Wording,
)

NAN, INF = float("nan"), float("inf")


def clock(*seconds: float) -> Tensor:
    return torch.tensor(seconds, dtype=torch.float64)


def yes(count: int) -> Tensor:
    return torch.ones(count, dtype=torch.bool)


def frames(**changes: Any) -> Frames:
    return Frames(**({"images": torch.zeros(2, 4, 5, 3, dtype=torch.uint8), "times": clock(0, 1)} | changes))


def samples(**changes: Any) -> Samples:
    return Samples(**({"values": torch.zeros(8), "rate": 16_000, "start": 0.0} | changes))


def trace(**changes: Any) -> Trace:
    return Trace(**({"times": clock(0, 1, 2), "values": torch.zeros(3), "valid": yes(3)} | changes))


def track(**changes: Any) -> Track:
    usual = {"names": ("a", "b"), "values": torch.ones(3, 2), "times": clock(0, 1, 2), "valid": yes(3)}
    return Track(**(usual | changes))


def recording(**changes: Any) -> Recording:
    return Recording(**({"session": "s1", "subject": "p1"} | changes))


def windows(**changes: Any) -> Windows:
    usual = {
        "names": ("a", "b"),
        "values": torch.ones(3, 2),
        "valid": yes(3),
        "starts": clock(0, 1, 0),
        "ends": clock(1, 2, 1),
        "session": torch.tensor([0, 0, 1]),
        "sessions": ("s1", "s2"),
    }
    return Windows(**(usual | changes))


def saliency(**changes: Any) -> Saliency:
    return Saliency(**({"mask": torch.ones(2, 3, dtype=torch.bool), "score": torch.ones(2, 3)} | changes))


def wording(**changes: Any) -> Wording:
    usual = {
        "texts": ("x.", "y."),
        "cues": (("a",), ("b",)),
        "index": torch.tensor([0, 1, 0]),
        "dropped": torch.zeros(3, dtype=torch.int64),
    }
    return Wording(**(usual | changes))


def embeddings(**changes: Any) -> Embeddings:
    return Embeddings(**({"texts": ("x.", "y."), "vectors": torch.ones(2, 4)} | changes))


def pairs(**changes: Any) -> Pairs:
    usual = {
        "earlier": torch.tensor([0, 1]),
        "later": torch.tensor([1, 2]),
        "label": torch.tensor([0.0, 1.0]),
        "change": torch.tensor([-0.5, 0.5]),
        "dropped": {},
    }
    return Pairs(**(usual | changes))


def problem(**changes: Any) -> Problem:
    usual = {
        "delta": torch.ones(2, 3),
        "label": torch.tensor([0.0, 1.0]),
        "group": torch.tensor([0, 1]),
        "blocks": (Block("features", 0, 3),),
    }
    return Problem(**(usual | changes))


def scores(**changes: Any) -> Scores:
    return Scores(**({"probability": torch.tensor([0.0, 0.5, 1.0])} | changes))


BROKEN: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
    (frames, {"images": torch.zeros(2, 4, 5, dtype=torch.uint8)}, r"images must be \[N, height, width, 3\]"),
    (frames, {"images": torch.zeros(2, 4, 5, 4, dtype=torch.uint8)}, r"images must be \[N, height, width, 3\]"),
    (frames, {"times": clock(0)}, r"times must be \[N\]"),
    (samples, {"values": torch.zeros(2, 8)}, r"values must be \[S\]"),
    (samples, {"rate": 0}, "rate must be positive"),
    (trace, {"times": clock(0, 1)}, "values and valid"),
    (
        trace,
        {"times": torch.zeros(3, 1), "values": torch.zeros(3, 1), "valid": yes(3)[:, None]},
        r"times must be \[T\]",
    ),
    (trace, {"valid": yes(2)}, "values and valid"),
    (trace, {"valid": torch.ones(3)}, "bool"),
    (trace, {"times": clock(0, 2, 1)}, "ascending"),
    (trace, {"times": clock(0, 1, 1)}, "without repetition"),
    (trace, {"times": clock(0, NAN, 1)}, "times"),
    (trace, {"values": torch.tensor([0.0, NAN, 0.0])}, "NaN"),
    (trace, {"values": torch.tensor([0.0, 0.0, INF])}, "infinity"),
    (trace, {"scale": (1.0, 1.0)}, "scale"),
    (trace, {"scale": (1.0, -1.0)}, "scale"),
    (track, {"names": ("a", "a")}, "names must be distinct"),
    (track, {"names": ("a",)}, r"values must be \[T, F\]"),
    (track, {"values": torch.ones(3)}, r"values must be \[T, F\]"),
    (track, {"values": torch.ones(2, 2)}, r"times and valid must be \[T\]"),
    (track, {"times": clock(0, 1)}, r"times and valid must be \[T\]"),
    (track, {"valid": yes(4)}, r"times and valid must be \[T\]"),
    (track, {"valid": torch.ones(3, dtype=torch.uint8)}, "bool"),
    (track, {"times": clock(2, 1, 0)}, "ascending"),
    (track, {"times": clock(0, 0, 1)}, "without repetition"),
    (track, {"signed": frozenset({"c"})}, "signed must be a subset"),
    (track, {"values": torch.full((3, 2), NAN)}, "NaN"),
    (track, {"values": torch.full((3, 2), NAN), "valid": ~yes(3)}, "NaN"),
    (recording, {"session": ""}, "session must not be empty"),
    (recording, {"subject": ""}, "subject must not be empty"),
    (windows, {"names": ("a",)}, r"values must be \[W, F\]"),
    (windows, {"valid": yes(2)}, r"valid must be \[W\]"),
    (windows, {"valid": torch.ones(3)}, "bool"),
    (windows, {"starts": clock(0)}, r"starts must be \[W\]"),
    (windows, {"ends": clock(0)}, r"ends must be \[W\]"),
    (windows, {"session": torch.tensor([0, 1])}, r"session must be \[W\]"),
    (windows, {"session": torch.tensor([0, 1, 0])}, "consecutive rows"),
    (windows, {"signed": frozenset({"c"})}, "signed must be a subset"),
    (windows, {"values": torch.full((3, 2), -INF)}, "infinity"),
    (saliency, {"mask": torch.ones(2, 2, dtype=torch.bool)}, r"must be \[W, F\]"),
    (saliency, {"mask": torch.ones(2, dtype=torch.bool), "score": torch.ones(2)}, r"must be \[W, F\]"),
    (saliency, {"mask": torch.ones(2, 3)}, "bool"),
    (saliency, {"score": torch.full((2, 3), NAN)}, "NaN"),
    (wording, {"cues": (("a",),)}, "equal length"),
    (wording, {"texts": ("x.", "x.")}, "distinct"),
    (wording, {"dropped": torch.zeros(2, dtype=torch.int64)}, r"must be \[W\]"),
    (wording, {"index": torch.zeros(3, 1, dtype=torch.int64)}, r"must be \[W\]"),
    (embeddings, {"texts": ("x.",)}, r"vectors must be \[N, D\]"),
    (embeddings, {"vectors": torch.ones(2)}, r"vectors must be \[N, D\]"),
    (embeddings, {"vectors": torch.full((2, 4), NAN)}, "NaN"),
    (pairs, {"earlier": torch.zeros(2, 1, dtype=torch.int64)}, r"earlier must be \[P\]"),
    (pairs, {"later": torch.tensor([1])}, r"must be \[P\]"),
    (pairs, {"label": torch.tensor([1.0])}, r"must be \[P\]"),
    (pairs, {"change": torch.tensor([1.0])}, r"must be \[P\]"),
    (problem, {"delta": torch.ones(2)}, r"delta must be \[P, D\]"),
    (problem, {"label": torch.tensor([1.0])}, r"label and group must be \[P\]"),
    (problem, {"group": torch.tensor([1])}, r"label and group must be \[P\]"),
    (problem, {"label": torch.tensor([0.5, 1.0])}, "0 or 1"),
    (problem, {"label": torch.tensor([NAN, 1.0])}, "0 or 1"),
    (problem, {"blocks": (Block("features", 0, 2),)}, "blocks must cover"),
    (problem, {"delta": torch.full((2, 3), NAN)}, "NaN"),
    (scores, {"probability": torch.ones(2, 1)}, r"probability must be \[P\]"),
    (scores, {"probability": torch.tensor([1.1])}, r"\[0, 1\]"),
    (scores, {"probability": torch.tensor([-0.1])}, r"\[0, 1\]"),
    (scores, {"probability": torch.tensor([NAN])}, r"\[0, 1\]"),
]


@pytest.mark.parametrize(("make", "change", "complaint"), BROKEN)
def test_a_record_that_breaks_a_promise_is_refused_by_its_name_and_the_promise(
    make: Callable[..., Any], change: dict[str, Any], complaint: str
) -> None:
    make()
    with pytest.raises(ContractError, match=complaint) as caught:
        make(**change)
    assert str(caught.value).startswith(f"{make.__name__.capitalize()}: ")
    assert caught.value.exit_code == 1


def test_records_without_rows_are_whole() -> None:
    assert len(track(values=torch.zeros(0, 2), times=clock(), valid=yes(0))) == 0
    assert len(trace(values=torch.zeros(0), times=clock(), valid=yes(0)).times) == 0
    nothing = torch.zeros(0)
    assert len(pairs(earlier=nothing.long(), later=nothing.long(), label=nothing, change=nothing)) == 0
    assert scores(probability=nothing).rises.tolist() == []


@pytest.mark.parametrize("make", [frames, samples, trace, track, windows, saliency, wording, embeddings, pairs, scores])
def test_a_record_cannot_be_changed(make: Callable[..., Any]) -> None:
    made = make()
    name = dataclasses.fields(made)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, name, None)


def test_moving_a_record_moves_every_tensor_and_nothing_else() -> None:
    # scores check their values, which a meta tensor lacks; a record that checks shapes alone shows the move
    moved = pairs().to("meta")
    assert {getattr(moved, name).device.type for name in ("earlier", "later", "label", "change")} == {"meta"}
    assert moved.dropped == {}
    assert windows().to("cpu").starts.dtype == torch.float64


def test_a_direction_is_a_rise_only_above_one_half() -> None:
    assert scores(probability=torch.tensor([0.49, 0.5, 0.51])).rises.tolist() == [False, False, True]


# --- parts of a track -------------------------------------------------------------------------------------------------


def test_parts_of_a_track_join_to_the_whole() -> None:
    first = track(signed=frozenset({"b"}))
    nothing = track(values=torch.zeros(0, 2), times=clock(), valid=yes(0), signed=frozenset({"b"}))
    second = track(times=clock(3, 4, 5), values=torch.full((3, 2), 2.0), valid=~yes(3), signed=frozenset({"b"}))
    joined = Track.concatenate([first, nothing, second])
    assert joined.times.tolist() == [0, 1, 2, 3, 4, 5]
    assert joined.valid.tolist() == [True] * 3 + [False] * 3
    assert joined.values[:, 0].tolist() == [1, 1, 1, 2, 2, 2]
    assert (joined.names, joined.signed) == (("a", "b"), {"b"})


def test_parts_that_overlap_in_time_or_differ_in_names_do_not_join() -> None:
    with pytest.raises(ContractError, match="ascending"):
        Track.concatenate([track(), track(times=clock(2, 3, 4))])
    with pytest.raises(ContractError, match="equal names"):
        Track.concatenate([track(), track(names=("b", "a"), times=clock(3, 4, 5))])


# --- lexicons ---------------------------------------------------------------------------------------------------------


def lexicon(**changes: Any) -> Lexicon:
    usual = {
        "id": "test",
        "version": "1",
        "language": "en",
        "license": "Apache-2.0",
        "entries": {"smile": "the mouth smiles", "frown": "the brows frown"},
    }
    return Lexicon(**(usual | changes))


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("No cue.", "cues"),
        ("{cues} and {more}.", "more"),
        ("{cues", "malformed"),
        ("{}", "cues"),
        ("{cues} {cues}", "once"),
    ],
)
def test_a_template_must_hold_the_cues_once_and_nothing_else(template: str, complaint: str) -> None:
    with pytest.raises(LexiconError, match=f"'test'.*{complaint}"):
        lexicon(template=template)


def test_braces_that_are_meant_as_braces_stay_in_the_sentence() -> None:
    assert lexicon(template="{{{cues}}}").sentence(["smile"]) == "{the mouth smiles}"


def test_braces_in_an_entry_are_text() -> None:
    assert lexicon(entries={"smile": "a {broad} smile"}).sentence(["smile"]) == "a {broad} smile."


@pytest.mark.parametrize("text", ["", "   ", "two\nlines"])
def test_an_entry_is_one_line_of_text(text: str) -> None:
    with pytest.raises(LexiconError, match="'smile' is empty or has more than one line"):
        lexicon(entries={"smile": text})


def test_missing_entries_are_named() -> None:
    lexicon().require(["frown", "smile"])
    with pytest.raises(LexiconError, match=r"no entry for a, b, c, d, e and 2 more"):
        lexicon().require(["smile", *"abcdefg"])


def test_the_lexicons_own_order_is_the_order_of_speaking() -> None:
    assert lexicon().order(["frown", "smile"]) == [1, 0]
    assert lexicon().sentence(["smile", "frown"]) == "the mouth smiles; the brows frown."
    assert lexicon().sentence([]) == "Nothing stands out."


@pytest.mark.parametrize(
    "change",
    [
        {"language": "de"},
        {"template": "{cues}!"},
        {"separator": ", "},
        {"empty": "Calm."},
        {"entries": {"smile": "the mouth smiles", "frown": "the brows lower"}},
        {"entries": {"frown": "the brows frown", "smile": "the mouth smiles"}},
    ],
    ids=["language", "template", "separator", "empty", "text", "order"],
)
def test_the_checksum_changes_with_everything_that_decides_a_sentence(change: dict[str, Any]) -> None:
    assert lexicon(**change).checksum != lexicon().checksum


@pytest.mark.parametrize(
    "change", [{"id": "other"}, {"version": "2"}, {"license": "MIT"}, {"provenance": {"by": "us"}}]
)
def test_the_checksum_does_not_change_with_what_decides_no_sentence(change: dict[str, Any]) -> None:
    assert lexicon(**change).checksum == lexicon().checksum
