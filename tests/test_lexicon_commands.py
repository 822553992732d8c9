"""`lasca lexicon list`, `show` and `diff`: what lexicons say, and what differs between two of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lasca_core.cli import main as cli
from lasca_core.cli.common import Settings
from lasca_core.cli.lexicon import COMMANDS, lexicon
from lasca_core.testing import make_registry

lexicons = pytest.importorskip("lasca_lexicons.format", reason="lasca-lexicons is not installed")

Lasca = Callable[..., tuple[int, str, str]]
SENTENCE = {"template": "The person shows {cues}.", "separator": "; ", "empty": "Nothing stands out."}
ENTRIES = {"smile": "a smile", "frown": "a frown", "pitch_angle": "a tilted head", "noise": "nothing"}
ANCHORS = {"valence": {"high": ["joy", "delight"], "low": ["grief", "anger"]}}


@pytest.fixture
def lasca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lasca:
    """Call ``lasca lexicon`` in this process beside the toy extractor: exit code, stdout, stderr."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import toy_plugin

    monkeypatch.setenv("LASCA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LASCA_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        settings = Settings()
        settings.registry = make_registry(toy_plugin)
        monkeypatch.setattr(sys, "argv", ["lasca", "lexicon", *map(str, arguments)])
        code = cli._guarded(settings)
        out, err = capsys.readouterr()
        return code, out, err

    return call


def write(folder: Path, words: dict[str, dict[str, Any]], **header: Any) -> Path:
    """A lexicon with the entries of each language in ``words``, and the same anchors for all."""
    tables = {
        "format": 2,
        "id": folder.name,
        "version": "1.0.0",
        "license": "CC0-1.0",
        "provenance": {"author": "me", "date": "2026-11-22", "reviewer": "you"},
        "languages": {language: {**SENTENCE, "anchors": f"{language}/anchors.toml"} for language in words},
        "entries": [{"language": language, "features": "toy", "file": f"{language}/toy.toml"} for language in words],
        **header,
    }
    files: dict[str, Any] = {f"{language}/toy.toml": entries for language, entries in words.items()}
    files |= {f"{language}/anchors.toml": ANCHORS for language in words}
    lexicons.write_lexicon(folder, tables, files)
    return folder


# --- list -------------------------------------------------------------------------------------------------------------


def test_list_names_version_languages_licence_coverage_and_checksum(lasca: Lasca) -> None:
    code, out, err = lasca("list")
    assert (code, err) == (0, "")
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert {"llm", "names", "folder"} <= set(rows)
    assert "by rule" in rows["names"]
    assert "toy" in rows["names"]
    assert "needs -o folder.path=..." in rows["folder"]
    code, out, _ = lasca("list", "--json")
    found = {lexicon["name"]: lexicon for lexicon in json.loads(out)}
    assert found["llm"]["license"] == "Apache-2.0"
    assert "en" in found["llm"]["languages"]
    assert len(found["llm"]["checksums"]["en"]) == 64
    assert found["llm"]["checksums"]["en"][:12] in rows["llm"]
    assert "plugin 'lasca-lexicons'" in found["llm"]["plugin"]


# --- show -------------------------------------------------------------------------------------------------------------


def test_show_prints_forms_combinations_anchors_and_provenance_of_a_folder(lasca: Lasca, tmp_path: Path) -> None:
    tilted = {"text": "a tilted head", "raised": "a head held up", "lowered": "a head bent down"}
    combinations = [{"features": ["smile", "frown"], "text": "a smile that turns bitter"}]
    folder = tmp_path / "mine"
    language = {**SENTENCE, "anchors": "en/anchors.toml", "combinations": "en/combinations.toml"}
    header = {
        "format": 2,
        "id": "mine",
        "version": "1.0.0",
        "license": "CC0-1.0",
        "provenance": {"author": "me", "date": "2026-11-22", "reviewer": "you"},
        "languages": {"en": language},
        "entries": [{"language": "en", "features": "toy", "file": "en/toy.toml"}],
    }
    files = {
        "en/toy.toml": {**ENTRIES, "pitch_angle": tilted},
        "en/anchors.toml": ANCHORS,
        "en/combinations.toml": {"combination": combinations},
    }
    lexicons.write_lexicon(folder, header, files)
    code, out, err = lasca("show", "./mine")
    assert code == 0, err
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "pitch_angle a tilted head" in lines
    assert "raised a head held up" in lines
    assert "smile + frown a smile that turns bitter" in lines
    assert "valence low grief; anger" in lines
    assert "provenance, author: me" in lines
    assert "template: The person shows {cues}." in lines
    found = json.loads(lasca("show", "./mine", "--json")[1])
    assert found["forms"] == {"pitch_angle": {form: tilted[form] for form in ("raised", "lowered")}}
    assert found["combinations"] == [{"features": ["frown", "smile"], "text": "a smile that turns bitter"}]
    assert found["anchors"] == ANCHORS


def test_show_takes_english_first_and_else_the_first_language_there_is(lasca: Lasca, tmp_path: Path) -> None:
    write(tmp_path / "both", {"de": ENTRIES, "en": ENTRIES})
    write(tmp_path / "german", {"de": ENTRIES})
    assert "language: en" in lasca("show", "./both")[1]
    assert "language: de" in lasca("show", "./german")[1]
    assert "language: de" in lasca("show", "./both", "--language", "de")[1]


def test_show_of_one_extractor_keeps_to_its_features(lasca: Lasca, tmp_path: Path) -> None:
    write(tmp_path / "mine", {"en": {"nod": "a nod", **ENTRIES}})
    found = json.loads(lasca("show", "./mine", "--extractor", "toy", "--json")[1])
    assert list(found["entries"]) == list(ENTRIES)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "./gone"], "./gone does not exist; a lexicon is the name of an installed one or a folder"),
        (["show", "lllm"], "there is no lexicon 'lllm'; did you mean llm?"),
        (["show", "folder"], "option folder.path is required"),
        (["show", "llm", "--language", "tlh"], "has no language 'tlh'"),
        (["show", "llm", "--extractor", "toy"], "has no entry for smile"),
        (["show", "./empty"], "lexicon.toml does not exist"),
        (["diff", "llm", "./gone"], "./gone does not exist"),
        (["diff", "./german", "names"], "./german has de and names en: no language to compare"),
        (["shwo"], "No such command 'shwo'"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    lasca: Lasca, tmp_path: Path, arguments: list[str], words: str
) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "german", {"de": ENTRIES})
    code, _, err = lasca(*arguments)
    (line,) = err.splitlines()
    assert code == 2
    assert words in line


# --- diff -------------------------------------------------------------------------------------------------------------


def test_a_lexicon_does_not_differ_from_itself(lasca: Lasca, tmp_path: Path) -> None:
    write(tmp_path / "mine", {"en": ENTRIES})
    code, out, _ = lasca("diff", "./mine", "./mine")
    assert code == 0
    assert out.splitlines()[-1] == "en: the same words"


def test_diff_tells_what_was_added_removed_and_changed(lasca: Lasca, tmp_path: Path) -> None:
    one = {"smile": "a smile", "frown": "a frown", "nod": {"text": "a nod", "raised": "a head up"}}
    two = {"smile": "a broad smile", "nod": {"text": "a nod", "raised": "a chin up"}, "wink": "a wink"}
    write(tmp_path / "one", {"en": one, "de": ENTRIES})
    write(tmp_path / "two", {"en": two, "el": ENTRIES}, version="2.0.0")
    code, out, _ = lasca("diff", "./one", "./two")
    assert code == 1
    assert out.splitlines() == [
        "--- ./one: one 1.0.0 (CC0-1.0)",
        "+++ ./two: two 2.0.0 (CC0-1.0)",
        "- language de",
        "+ language el",
        "- en entries frown: a frown",
        "+ en entries wink: a wink",
        "- en entries smile: a smile",
        "+ en entries smile: a broad smile",
        "- en forms nod (raised): a head up",
        "+ en forms nod (raised): a chin up",
        "en: entries: 1 removed, 1 added, 1 changed; forms: 1 changed",
    ]


@pytest.mark.parametrize(
    ("part", "changed", "name"),
    [
        (
            "settings",
            {"languages": {"en": {**SENTENCE, "template": "Seen: {cues}.", "anchors": "en/anchors.toml"}}},
            "template",
        ),
        ("settings", {"license": "CC-BY-4.0"}, "license"),
        ("anchors", {"languages": {"en": SENTENCE}}, "valence (high)"),
    ],
)
def test_diff_looks_at_templates_licence_and_anchors(
    lasca: Lasca, tmp_path: Path, part: str, changed: dict[str, Any], name: str
) -> None:
    write(tmp_path / "one", {"en": ENTRIES})
    write(tmp_path / "two", {"en": ENTRIES}, **changed)
    code, out, _ = lasca("diff", "./one", "./two", "--json")
    found = json.loads(out)
    assert code == 1
    assert found["different"] is True
    changes = found["by_language"]["en"][part]
    assert name in {**changes.get("changed", {}), **changes.get("removed", {})}


def test_diff_tells_that_cues_stand_in_another_order(lasca: Lasca, tmp_path: Path) -> None:
    write(tmp_path / "one", {"en": ENTRIES})
    write(tmp_path / "two", {"en": dict(reversed(ENTRIES.items()))})
    code, out, _ = lasca("diff", "./one", "./two")
    assert code == 1
    assert out.splitlines()[-1].startswith("en: the shared features stand in another order")


def test_a_lexicon_by_rule_is_compared_on_the_features_of_the_other(lasca: Lasca, tmp_path: Path) -> None:
    write(tmp_path / "mine", {"en": ENTRIES})
    code, out, _ = lasca("diff", "names", "./mine", "--json")
    changed = json.loads(out)["by_language"]["en"]["entries"]["changed"]
    assert code == 1
    assert changed == {
        "smile": ["smile", "a smile"],
        "frown": ["frown", "a frown"],
        "pitch_angle": ["pitch angle", "a tilted head"],
        "noise": ["noise", "nothing"],
    }


# --- the group --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_help_line_of_every_subcommand_is_the_one_it_gives_itself(name: str) -> None:
    command = lexicon.get_command(
        lexicon.make_context("lexicon", ["--help"], obj=Settings(), resilient_parsing=True), name
    )
    assert command is not None
    assert (command.name, command.get_short_help_str(limit=200)) == (name, COMMANDS[name][1])


@pytest.mark.parametrize("arguments", [["--help"], ["check", "--help"], ["measure", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('MODULES', *{name.partition('.')[0] for name in sys.modules}))\n"
        "sys.argv[0] = 'lasca'\n"
        "from lasca_core.cli.main import main\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "lexicon", *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    heavy = {"torch", "numpy", "llm", "openai", "py3langid", "sklearn", "pydantic", "sentence_transformers"}
    assert not heavy & set(done.stdout.rpartition("MODULES")[2].split())
