"""The component `adaptive`, and the language of the session: overrides on an installed lexicon, without a package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lasca_lexicons.options import AdaptiveOptions, FolderOptions, SessionOptions
from lasca_lexicons.stored import AdaptiveLexicon, BundledLexicon, FolderLexicon

from lasca_core.api import LexiconContext, LexiconError, NoOptions
from lasca_core.experiment.components import build_component
from lasca_core.host.plugins import discover
from lasca_core.testing import make_runtime

Write = Callable[..., Path]
EMPTY: dict[str, Any] = {"languages": {}, "entries": []}


def adaptive(tmp_path: Path, **options: Any) -> AdaptiveLexicon:
    return AdaptiveLexicon(AdaptiveOptions.model_validate(options), make_runtime(tmp_path))


GERMAN_JAW: dict[str, Any] = {
    **EMPTY,
    "override": [
        {
            "when": {"culture": "DE"},
            "entries": [{"language": "en", "features": "blendshape", "file": "jaw.toml"}],
        }
    ],
}


@pytest.fixture
def german(write: Write) -> Path:
    return write("german", GERMAN_JAW, {"jaw.toml": {"jawOpen": "an open jaw, ready to speak"}})


@pytest.fixture
def loud(write: Write) -> Path:
    return write("loud", GERMAN_JAW, {"jaw.toml": {"jawOpen": "a jaw open to shout"}})


FEATURES = ("jawOpen", "mouthClose")


def test_without_overrides_it_says_what_its_base_says(tmp_path: Path) -> None:
    context = LexiconContext(FEATURES)
    bundled = BundledLexicon(NoOptions(), make_runtime(tmp_path))
    assert adaptive(tmp_path).lexicon_for(context) == bundled.lexicon_for(context)
    assert adaptive(tmp_path).fingerprint() == bundled.fingerprint()
    assert adaptive(tmp_path).languages() == bundled.languages()
    assert adaptive(tmp_path).features("en") == bundled.features("en")


def test_overrides_are_spoken_in_their_sessions_the_last_folder_on_top(
    tmp_path: Path, german: Path, loud: Path
) -> None:
    context = LexiconContext(FEATURES, "en", {"culture": "DE"})
    one = adaptive(tmp_path, overrides=[german]).lexicon_for(context)
    assert (one.id, one.entries["jawOpen"]) == ("llm/german#culture=DE", "an open jaw, ready to speak")
    both = adaptive(tmp_path, overrides=[german, loud]).lexicon_for(context)
    assert both.entries["jawOpen"] == "a jaw open to shout"
    assert both.id == "llm/german#culture=DE/loud#culture=DE"
    assert adaptive(tmp_path, overrides=[loud, german]).lexicon_for(context).checksum == one.checksum
    elsewhere = adaptive(tmp_path, overrides=[german, loud]).lexicon_for(LexiconContext(FEATURES))
    assert (
        elsewhere.checksum
        == BundledLexicon(None, make_runtime(tmp_path)).lexicon_for(LexiconContext(FEATURES)).checksum
    )


def test_it_is_built_by_name_with_one_folder_or_several(tmp_path: Path, german: Path) -> None:
    for given in (str(german), [str(german)]):
        built = build_component(discover(), make_runtime(tmp_path), "lexicon", "adaptive", {"overrides": given})
        assert built.component.lexicon_for(LexiconContext(FEATURES, "en", {"culture": "de"})).id.startswith(
            "llm/german"
        )


def test_where_the_folders_lie_is_no_part_of_the_identity_and_what_they_say_is(tmp_path: Path, german: Path) -> None:
    here = AdaptiveOptions(overrides=(german,))
    assert here.identity() == AdaptiveOptions(overrides=(tmp_path / "elsewhere",)).identity()
    assert here.identity() != AdaptiveOptions(base="names", overrides=(german,)).identity()
    before = adaptive(tmp_path, overrides=[german]).fingerprint()
    header = german / "lexicon.toml"
    header.write_text(header.read_text().replace('version = "2"', 'version = "3"'))
    assert adaptive(tmp_path, overrides=[german]).fingerprint() != before


def test_the_base_must_be_there_and_be_the_one_that_the_folders_build_on(tmp_path: Path, write: Write) -> None:
    with pytest.raises(
        LexiconError, match=r"lexicon\.base: there is no lexicon 'nonesuch' to build on; installed: .*llm"
    ):
        adaptive(tmp_path, base="nonesuch").prepare()
    with pytest.raises(LexiconError, match=r"lexicon\.base: lexicon 'names' has no fixed entries"):
        adaptive(tmp_path, base="names").prepare()
    own = write("own", {**EMPTY, "base": "other"})
    with pytest.raises(
        LexiconError, match=r"own/lexicon\.toml: it builds on 'other', and not on 'llm'; set lexicon\.base"
    ):
        adaptive(tmp_path, overrides=[own]).prepare()
    assert adaptive(tmp_path, overrides=[write("ours", {**EMPTY, "base": "llm"})]).content.id == "llm/ours"


def test_the_constructor_reads_nothing(tmp_path: Path) -> None:
    absent = adaptive(tmp_path, overrides=[tmp_path / "absent"])
    with pytest.raises(LexiconError, match=r"absent/lexicon\.toml does not exist"):
        absent.prepare()


def test_each_sessions_own_language_is_spoken_where_that_is_asked_for_and_known(tmp_path: Path, write: Write) -> None:
    spoken = {"separator": ", ", "empty": "-"}
    folder = write(
        header={
            "languages": {
                "en": {"template": "Seen: {cues}.", **spoken},
                "de": {"template": "Man sieht {cues}.", **spoken},
            },
            "entries": [
                {"language": "en", "features": "face", "file": "en/face.toml"},
                {"language": "de", "features": "face", "file": "de/face.toml"},
            ],
        },
        files={"de/face.toml": {"smile": "ein Lächeln"}},
    )

    def heard(follow: bool, **metadata: str) -> str:
        mine = FolderLexicon(FolderOptions(path=folder, session_language=follow), make_runtime(tmp_path))
        return mine.lexicon_for(LexiconContext(("smile",), "en", metadata)).language

    assert heard(True, language="de-AT") == "de"
    assert heard(True, language="hu") == heard(True) == heard(False, language="de") == "en"
    assert SessionOptions().identity() != SessionOptions(session_language=True).identity()
