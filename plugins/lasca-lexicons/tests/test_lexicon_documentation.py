"""docs/lexicons/format.md is true: its example is read, its keys are those of the format, its claims hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from lasca_lexicons.commands import seal
from lasca_lexicons.format import LexiconContent, read_lexicon
from lasca_lexicons.schema import Entry, Header, Language, Override, Part, write_schemas

from lasca_core.api import Lexicon, LexiconContext

PAGE = Path(__file__).parents[3] / "docs/lexicons/format.md"
pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the page lies in the repository, beside plugins/")


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The page's lexicon, as a reader would type it."""
    for text in re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        file = tmp_path / text.splitlines()[0].removeprefix("# ")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    done = CliRunner().invoke(seal, [str(tmp_path / "my-lexicon")])
    assert done.exit_code == 0, done.output
    assert done.output.strip().endswith("my-lexicon is sealed")
    return tmp_path / "my-lexicon"


def ask(content: LexiconContent, language: str = "en", **metadata: str) -> Lexicon:
    return content.select(LexiconContext(("jawOpen", "browOuterUpLeft", "head.pitch"), language, metadata))


def test_the_example_is_a_lexicon(example: Path) -> None:
    content = read_lexicon(example)
    english = ask(content)
    cues = ["jawOpen", "browOuterUpLeft", "head.pitch"]
    assert english.sentence(cues, [1, 1, -2]) == (
        "The person shows an open mouth below raised brows, astonished; a head held high, proud."
    )
    assert "valence" in english.anchors
    assert ask(content, "de-CH").sentence(cues[:1]) == (
        "Die Person zeigt einen weit offenen Kiefer, überrascht oder lebhaft sprechend."
    )
    greek = ask(content, culture="CY")
    assert greek.id == "clinic#culture=GR|CY"
    assert "refusing without a word" in greek.entries["browOuterUpLeft"]
    assert greek.checksum != english.checksum


def test_the_schemas_that_the_example_refers_to_are_those_that_are_written(example: Path) -> None:
    write_schemas(example)
    for file in example.rglob("*.toml"):
        found = re.search(r"^#:schema (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
        assert found is not None, file
        assert (file.parent / found[1]).is_file(), file


def test_every_key_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for model in (Header, Language, Part, Override, Entry):
        for name, info in model.model_fields.items():
            key = info.alias or name
            assert re.search(rf"[`\[.]\"?{re.escape(key)}\"?[`\].]", text), f"{model.__name__}: {key}"


def test_every_link_on_the_page_points_somewhere() -> None:
    text = PAGE.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-")
        for line in re.findall(r"^#+ .*$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert target[1:] in headings if target.startswith("#") else (PAGE.parent / target).exists(), target
