"""Lexicons on top of each other: what a base hands down, and which override is spoken in which session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from lasca_lexicons.format import LexiconContent, read_lexicon

from lasca_core.api import Anchors, Combination, Lexicon, LexiconContext, LexiconError

Write = Callable[..., Path]
Install = Callable[..., None]

GREEK = {"template": "Το πρόσωπο δείχνει {cues}.", "separator": "; ", "empty": "Τίποτε."}
BASE_FILES = {
    "en/face.toml": {"smile": "a smile", "frown": {"text": "a frown", "raised": "a deep frown"}, "nod": "a nod"},
    "en/anchors.toml": {"valence": {"high": ["joy", "bliss"], "low": ["grief", "woe"]}},
    "en/both.toml": {"combination": [{"features": ["smile", "nod"], "text": "a friendly yes"}]},
    "el/face.toml": {"smile": "ένα χαμόγελο", "frown": "συνοφρύωμα", "nod": "ένα νεύμα"},
}
BASE: dict[str, Any] = {
    "license": "MIT OR CC0-1.0",
    "languages": {
        "en": {
            "template": "Seen: {cues}.",
            "separator": "; ",
            "empty": "Nothing.",
            "varying": "changes of {cue}",
            "anchors": "en/anchors.toml",
            "combinations": "en/both.toml",
        },
        "el": GREEK,
    },
    "entries": [
        {"language": "en", "features": "face", "file": "en/face.toml", "speaks": ["valence"]},
        {"language": "el", "features": "face", "file": "el/face.toml"},
    ],
}


@pytest.fixture
def below(write: Write, install: Install) -> Path:
    """An installed lexicon to build on, in English and Greek."""
    folder = write("below", BASE, BASE_FILES)
    install("below", folder)
    return folder


def on_top(write: Write, files: Mapping[str, Any], **header: Any) -> Path:
    """A lexicon built on ``below``."""
    return write("mine", {"base": "below", "languages": {}, "entries": [], **header}, files)


def part(file: str, language: str = "en", **more: Any) -> dict[str, Any]:
    """One item of [[entries]]."""
    return {"language": language, "features": "face", "file": file, **more}


def ask(content: LexiconContent, *features: str, language: str = "en", **metadata: str) -> Lexicon:
    """What is spoken in a session of ``metadata``."""
    return content.select(LexiconContext(features or ("smile", "frown", "nod"), language, metadata))


# --- a base -----------------------------------------------------------------------------------------------------------


def test_what_is_not_given_is_as_in_the_base_and_what_is_given_replaces_it(write: Write, below: Path) -> None:
    content = read_lexicon(
        on_top(
            write,
            {"en/more.toml": {"wink": "a wink", "frown": "a scowl"}},
            entries=[part("en/more.toml")],
            languages={"en": {"template": "Look: {cues}."}},
        )
    )
    found = ask(content, "wink", "nod", "frown", "smile", "smile_std")
    assert found.sentence(["smile", "frown", "wink"]) == "Look: a smile; a scowl; a wink."
    assert list(found.entries) == ["smile", "smile_std", "frown", "nod", "wink"]
    assert found.describe("frown", 1) == "a scowl"
    assert found.anchors == {"valence": Anchors(("joy", "bliss"), ("grief", "woe"))}
    assert found.combinations == (Combination(frozenset({"smile", "nod"}), "a friendly yes"),)
    assert content.languages == ("en", "el")
    assert ask(content, language="el").sentence(["nod"]) == "Το πρόσωπο δείχνει ένα νεύμα."


def test_an_entry_replaces_all_that_the_base_said_of_its_feature(write: Write, below: Path) -> None:
    files = {"more.toml": {"frown": "a scowl", "nod": "a yes"}}
    found = ask(read_lexicon(on_top(write, files, entries=[part("more.toml")])))
    assert (found.forms, found.combinations) == ({}, ())


def test_who_is_who_is_said_of_both(write: Write, below: Path) -> None:
    content = read_lexicon(on_top(write, {"more.toml": {"wink": "a wink"}}, entries=[part("more.toml")]))
    found = ask(content)
    assert (found.id, found.version, found.license) == ("below/mine", "2", "(MIT OR CC0-1.0) AND CC0-1.0")
    assert (found.provenance["author"], found.provenance["below.author"]) == ("me", "me")
    assert (found.provenance["below.version"], found.provenance["below.license"]) == ("2", "MIT OR CC0-1.0")


def test_forms_alone_join_the_words_of_the_base(write: Write, below: Path) -> None:
    files = {"more.toml": {"frown": {"lowered": "a smooth brow"}}}
    found = ask(read_lexicon(on_top(write, files, entries=[part("more.toml")])))
    assert [found.describe("frown", state) for state in (1, 0, -1)] == ["a deep frown", "a frown", "a smooth brow"]


def test_what_words_are_evidence_for_is_handed_down_unless_it_is_said_anew(write: Write, below: Path) -> None:
    files = {"a.toml": {"smile": "a grin", "wink": "a wink"}}
    assert ask(read_lexicon(below)).speaks == {}  # there is no dimension but valence, and all words speak for it
    inherited = read_lexicon(on_top(write, files, entries=[part("a.toml")]))
    assert inherited.words("en").speaks == {name: {"valence"} for name in ("smile", "frown", "nod")}
    other = write("other", {"base": "below", "languages": {}, "entries": [part("a.toml", speaks=["arousal"])]}, files)
    found = ask(read_lexicon(other), "smile", "nod", "wink")
    assert found.speaks == {"valence": {"nod"}, "arousal": {"smile", "wink"}}


def test_combinations_of_ones_own_come_first_and_replace_those_of_the_same_features(write: Write, below: Path) -> None:
    both = [
        {"features": ["frown", "nod"], "text": "a grim yes"},
        {"features": ["nod", "smile"], "text": "a glad yes"},
    ]
    english = {"en": {"combinations": "both.toml"}}
    found = ask(read_lexicon(on_top(write, {"both.toml": {"combination": both}}, languages=english)))
    assert [item.text for item in found.combinations] == ["a grim yes", "a glad yes"]


def test_a_narrower_language_may_lie_on_a_wider_one_of_the_base(write: Write, below: Path) -> None:
    cypriot = on_top(write, {"cy.toml": {"nod": "ένα νεύμα με το κεφάλι"}}, entries=[part("cy.toml", "el-CY")])
    content = read_lexicon(cypriot)
    assert content.languages == ("en", "el", "el-CY")
    assert ask(content, language="el-CY").sentence(["smile", "nod"]).endswith("ένα χαμόγελο; ένα νεύμα με το κεφάλι.")
    assert ask(content, language="el-GR").sentence(["nod"]).endswith(" ένα νεύμα.")


def test_the_fingerprint_follows_the_base(write: Write, install: Install, below: Path) -> None:
    folder = on_top(write, {"more.toml": {"wink": "a wink"}}, entries=[part("more.toml")])
    before = read_lexicon(folder).fingerprint
    assert before != read_lexicon(below).fingerprint
    header = below / "lexicon.toml"
    header.write_text(header.read_text().replace('version = "2"', 'version = "3"'))
    assert read_lexicon(folder).fingerprint != before


def test_bases_may_build_on_bases_but_not_in_a_circle(write: Write, install: Install, below: Path) -> None:
    nothing: dict[str, Any] = {"languages": {}, "entries": []}
    install("middle", write("middle", {"base": "below", **nothing}))
    top = write("top", {"base": "middle", **nothing})
    assert read_lexicon(top).id == "below/middle/top"
    install("egg", write("egg", {"base": "hen", **nothing}))
    install("hen", write("hen", {"base": "egg", **nothing}))
    with pytest.raises(
        LexiconError, match=r"hen/lexicon\.toml: base leads back .* \(hen -> egg -> hen\); name another"
    ):
        read_lexicon(top.parent / "hen")


def test_a_base_must_be_one_lexicon_of_that_name(write: Write, install: Install, below: Path) -> None:
    install("alias", below)
    nothing: dict[str, Any] = {"languages": {}, "entries": []}
    with pytest.raises(LexiconError, match=r"base: lexicon 'alias' calls itself 'below' in .*below/lexicon\.toml"):
        read_lexicon(write("a", {"base": "alias", **nothing}))
    install("broken", target="lasca_lexicons.nowhere:Lexicon")
    with pytest.raises(LexiconError, match=r"base: lexicon 'broken' cannot be loaded: No module named"):
        read_lexicon(write("c", {"base": "broken", **nothing}))
    install("below", below)
    with pytest.raises(LexiconError, match=r"base: there are 2 lexicons 'below'; uninstall"):
        read_lexicon(write("b", {"base": "below", **nothing}))


def test_a_fault_in_the_base_is_named_in_its_own_file(write: Write, below: Path) -> None:
    (below / "en" / "face.toml").write_text('smile = "*"')
    with pytest.raises(LexiconError, match=r"below/en/face\.toml, line 1: the entry of 'smile' contains"):
        read_lexicon(on_top(write, {}))


def test_a_language_that_neither_has_must_be_declared(write: Write, below: Path) -> None:
    with pytest.raises(LexiconError, match=r"it\.toml is in language 'it'; add \[languages\.it\]"):
        read_lexicon(on_top(write, {"it.toml": {"smile": "un sorriso"}}, entries=[part("it.toml", "it")]))


# --- overrides --------------------------------------------------------------------------------------------------------


def rule(when: Mapping[str, Any], file: str = "", language: str = "en", **settings: Any) -> dict[str, Any]:
    """One item of [[override]]."""
    found: dict[str, Any] = {"when": dict(when)}
    found |= {"languages": {language: settings}} if settings else {}
    return found | ({"entries": [part(file, language)]} if file else {})


@pytest.fixture
def cultures(write: Write, below: Path) -> Path:
    """Overrides for cultures, and for one dataset of a culture."""
    return on_top(
        write,
        {
            "de.toml": {"smile": "a sparing smile", "wink": "a rare wink"},
            "sewa.toml": {"smile": "a smile over a video call"},
            "el.toml": {"nod": "ένα νεύμα προς τα κάτω"},
            "both.toml": {"combination": [{"features": ["frown", "nod"], "text": "a clear no"}]},
        },
        override=[
            rule({"culture": ["DE", "AT"]}, "de.toml"),
            rule({"culture": "DE", "dataset": "sewa"}, "sewa.toml"),
            rule({"culture": "GR"}, "el.toml", "el"),
            rule({"culture": "GR", "subject": "7"}, template="Subject 7: {cues}.", combinations="both.toml"),
        ],
    )


def test_an_override_is_spoken_in_the_sessions_it_is_meant_for(cultures: Path) -> None:
    content = read_lexicon(cultures)
    assert ask(content).entries["smile"] == "a smile"
    assert ask(content, culture="HU").entries["smile"] == "a smile"
    for culture in ("DE", "AT", "at"):
        assert ask(content, culture=culture).sentence(["smile", "nod"]) == "Seen: a sparing smile; a nod."
    german = ask(content, "smile", "wink", culture="DE")
    assert (german.id, german.entries["wink"]) == ("below/mine#culture=DE|AT", "a rare wink")


def test_the_most_specific_override_alone_is_spoken(cultures: Path) -> None:
    found = ask(read_lexicon(cultures), culture="DE", dataset="sewa", subject="3")
    assert found.entries["smile"] == "a smile over a video call"
    assert found.id == "below/mine#culture=DE,dataset=sewa"
    with pytest.raises(LexiconError, match=r"\(en\) has no entry for wink"):
        ask(read_lexicon(cultures), "wink", culture="DE", dataset="sewa")


def test_an_override_takes_part_in_its_languages_alone(cultures: Path) -> None:
    content = read_lexicon(cultures)
    assert ask(content, culture="GR").id == "below/mine"
    assert ask(content, culture="GR", language="el").sentence(["nod"]).endswith(" ένα νεύμα προς τα κάτω.")
    assert ask(content, culture="GR", subject="7", language="el").id == "below/mine#culture=GR"


def test_an_override_may_change_the_template_and_the_combinations(cultures: Path) -> None:
    found = ask(read_lexicon(cultures), culture="GR", subject="7")
    assert found.sentence(["frown", "nod"]) == "Subject 7: a clear no."
    assert found.sentence(["smile", "nod"]) == "Subject 7: a friendly yes."


def test_contexts_that_no_override_tells_apart_have_the_same_object_and_others_another_checksum(cultures: Path) -> None:
    content = read_lexicon(cultures)
    plain, german = ask(content), ask(content, culture="DE")
    assert ask(content, culture="HU", subject="9") is plain
    assert ask(content, culture="AT", subject="9", dataset="x") is german
    assert len({plain.checksum, german.checksum, ask(content, culture="DE", dataset="sewa").checksum}) == 3
    assert read_lexicon(cultures).select(LexiconContext(("nod",), "en", {"culture": "DE"})).checksum == (
        ask(content, "nod", culture="DE").checksum
    )


def test_a_narrower_language_is_more_specific(write: Write, below: Path) -> None:
    content = read_lexicon(
        on_top(
            write,
            {"cy.toml": {"nod": "ένα νεύμα με το κεφάλι"}},
            entries=[part("cy.toml", "el-CY")],
            override=[
                rule({"language": "el"}, language="el", template="Ελλάδα: {cues}."),
                rule({"language": "el-CY"}, language="el-CY", template="Κύπρος: {cues}."),
            ],
        )
    )
    assert ask(content, language="el").sentence(["smile"]) == "Ελλάδα: ένα χαμόγελο."
    assert ask(content, language="el-CY").sentence(["smile"]) == "Κύπρος: ένα χαμόγελο."
    assert ask(content, language="en").id == "below/mine"


def test_overrides_that_hold_equally_are_an_error_that_names_both(write: Write, below: Path) -> None:
    rules = [rule({"culture": "DE"}, template="a {cues}"), rule({"dataset": "sewa"}, template="b {cues}")]
    content = read_lexicon(on_top(write, {}, override=rules))
    assert ask(content, culture="DE").sentence(["nod"]) == "a a nod"
    message = (
        r"mine/lexicon\.toml: the overrides 'culture=DE' and 'dataset=sewa' both hold .* equally specific; add one"
    )
    with pytest.raises(LexiconError, match=message):
        ask(content, culture="DE", dataset="sewa")


OVERRIDE_FAULTS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "no condition": ([rule({}, template="{cues}")], r"override\[1\]\.when: names nothing by which a session is known"),
    "an empty condition": (
        [rule({"culture": []}, template="{cues}")],
        r"override\[1\]\.when\.culture: must be a text, or a list",
    ),
    "a number": ([rule({"subject": 7}, template="{cues}")], r"override\[1\]\.when\.subject: must be a text, or a list"),
    "no words": ([rule({"culture": "DE"})], r"override\[1\] has no words; give it \[\[override\.entries\]\]"),
    "another language": (
        [rule({"culture": "DE"}, language="de", template="{cues}")],
        r"override\[1\] speaks 'de', and the",
    ),
    "a template without cues": (
        [rule({"culture": "DE"}, template="x")],
        r"override\[1\]\.languages\.en\.template: must",
    ),
    "the same sessions": (
        [rule({"culture": ["DE", "AT"]}, template="{cues}"), rule({"culture": "at"}, template="{cues}")],
        r"override\[2\] and override\[1\] hold for the same sessions \(culture=at\)",
    ),
}


@pytest.mark.parametrize("fault", OVERRIDE_FAULTS)
def test_a_fault_in_an_override_is_named_with_its_key(write: Write, below: Path, fault: str) -> None:
    rules, message = OVERRIDE_FAULTS[fault]
    with pytest.raises(LexiconError, match=message) as caught:
        read_lexicon(on_top(write, {}, override=rules))
    assert "mine/lexicon.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_override_without_when_is_named(write: Write, below: Path) -> None:
    folder = on_top(write, {}, override=[rule({"culture": "DE"}, template="{cues}")])
    header = folder / "lexicon.toml"
    header.write_text(header.read_text().replace('when = {culture = "DE"}\n', ""))
    with pytest.raises(LexiconError, match=r"lexicon\.toml: override\[1\]\.when is missing"):
        read_lexicon(folder)
