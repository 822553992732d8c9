"""The documentation is whole: it builds strictly, and no hook, command, option, component or variable is missing."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest

from lasca_core import api, testing
from lasca_core.contract.hookspecs import REGISTRATION_HOOKS, Hooks
from lasca_core.experiment.components import options_model
from lasca_core.experiment.config import STAGES
from lasca_core.host.plugins import KINDS
from lasca_core.testing.checks import OF_KIND, behaviour, distribution, spec

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.append(str(ROOT / "tools"))  # what writes the generated pages is no package that is installed

import lasca_docs  # noqa: E402
from lasca_docs import api as api_pages  # noqa: E402
from lasca_docs import cli as cli_page  # noqa: E402
from lasca_docs import components, installed, markup, quotes, records  # noqa: E402

GUIDES = {path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md")}
"""The pages that people wrote."""


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """The pages that are generated."""
    return lasca_docs.pages()


# --- the site ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. Building fails with the first warning: a broken link or anchor, a page outside the navigation."""
    pytest.importorskip("material", reason="mkdocs-material is not installed: pip install 'lasca[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Fetched(HTMLParser):
    """Collects what a browser would fetch from elsewhere when it shows a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            fetched = name == "src" or (tag == "link" and name == "href")
            if fetched and value is not None and re.match(r"(https?:)?//", value):
                self.addresses.append(value)


def test_every_page_is_built(site: Path, pages: dict[str, str]) -> None:
    built = {path.relative_to(site).with_suffix(".md").as_posix() for path in site.rglob("*.html")}
    assert {*GUIDES, *pages} <= built


def test_a_reader_fetches_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        found = Fetched()
        found.feed(page.read_text(encoding="utf-8"))
        assert found.addresses == [], page


def test_the_picture_of_the_pipeline_takes_the_colours_of_the_page(site: Path) -> None:
    text = (site / "concepts.html").read_text(encoding="utf-8")
    assert '<svg xmlns="http://www.w3.org/2000/svg" class="lasca-pipeline"' in text
    assert "var(--md-default-fg-color" in text
    for kind in KINDS:
        assert f">{kind}</text>" in text


def test_no_quotation_is_left_unresolved(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert not re.search(r"^quote: ", page.read_text(encoding="utf-8"), re.MULTILINE), page


# --- the reference is complete ----------------------------------------------------------------------------------------


def test_every_hook_stands_in_the_reference_with_its_signature(pages: dict[str, str]) -> None:
    hooks = [name for name in vars(Hooks) if name.startswith("lasca_")]
    assert set(REGISTRATION_HOOKS.values()) < set(hooks)
    for name in hooks:
        parameters = list(inspect.signature(getattr(Hooks, name)).parameters)[1:]
        (shown,) = re.findall(rf"^def {name}\((.*?)\) -> .+$", pages["reference/hooks.md"], re.MULTILINE)
        assert [part.partition(":")[0] for part in shown.split(", ") if part] == parameters
    assert api_pages.hook_signature("lasca_run_started") == "def lasca_run_started(run: RunInfo) -> None"


def test_every_command_and_option_stands_in_the_reference(pages: dict[str, str]) -> None:
    found = [(path, command) for path, command, _ in cli_page.commands()]
    assert {"lasca run", "lasca predict", "lasca plugins new", "lasca lexicon build"} <= {path for path, _ in found}
    shared = {option for parameter in found[0][1].params for option in parameter.opts}
    for path, command in found:
        (section,) = re.findall(rf"^## `{path}`$(.*?)(?=^## |\Z)", pages["reference/cli.md"], re.MULTILINE | re.DOTALL)
        for parameter in command.params:
            named = (
                parameter.opts if isinstance(parameter, click.Option) else [parameter.make_metavar(_context(command))]
            )
            for name in named:
                assert name in section or (name in shared and path != "lasca"), f"{path} {name}"


def _context(command: click.Command) -> click.Context:
    return click.Context(command)


def test_every_component_and_its_options_stand_in_the_reference(pages: dict[str, str]) -> None:
    for kind in KINDS:
        page = pages[f"reference/components/{kind}.md"]
        assert installed.components(kind)
        for registered in installed.components(kind):
            assert f"## `{registered.spec.name}`" in page
            for name in options_model(registered).model_fields:
                assert f"| `{registered.spec.name}.{name}` |" in page, f"{registered} {name}"


def test_every_option_of_every_stage_and_every_preset_stand_in_the_reference(pages: dict[str, str]) -> None:
    page = pages["reference/options.md"]
    for stage, model in STAGES.items():
        for name in model.model_fields:
            assert f"| `{stage}.{name}` |" in page
    presets = [path.stem for path in (ROOT / "lasca_core/presets").glob("*.toml")]
    assert "paper" in presets
    for name in presets:
        assert f"### `{name}`" in page


def test_everything_a_plugin_may_import_stands_in_the_reference(pages: dict[str, str]) -> None:
    text = "\n".join(pages[f"reference/{name}.md"] for name in ("hooks", "specs", "protocols", "values", "helpers"))
    for name in api.__all__:
        heading = f"## `{name}`" in text
        assert heading or f"| `{name}` |" in pages["reference/errors.md"], name


def test_every_check_stands_in_the_reference(pages: dict[str, str]) -> None:
    groups = (distribution.CHECKS, spec.CHECKS, behaviour.CHECKS, *OF_KIND.values())
    for check in (check for group in groups for check in group):
        assert f"| `{check.__name__}` |" in pages["reference/testing.md"]
    for name in testing.__all__:
        assert f"## `{name}`" in pages["reference/testing.md"]


def test_every_example_and_every_plugin_has_its_page(pages: dict[str, str]) -> None:
    for folder in sorted(path.parent for path in ROOT.glob("examples/*/pyproject.toml")):
        page = pages[f"plugins/examples/{folder.name}.md"]
        for file in folder.rglob("src/**/*.py"):
            assert file.read_text(encoding="utf-8").rstrip() in page, file
    for folder in sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml")):
        assert f"plugins/first-party/{folder.name}.md" in pages


# --- what people wrote mentions everything ----------------------------------------------------------------------------


def test_guides_mention_every_component() -> None:
    guides = "\n".join(text for page, text in GUIDES.items() if page.startswith(("guides/", "quick-start", "concepts")))
    for kind in KINDS:
        for registered in installed.components(kind):
            assert f"`{registered.spec.name}`" in guides, f"no guide speaks of the {kind} {registered.spec.name}"


def test_guides_mention_every_command() -> None:
    text = "\n".join(GUIDES.values())
    for path, command, _ in cli_page.commands():
        if not isinstance(command, click.Group):
            assert path in text, f"no page that is not generated speaks of {path}"


def test_the_tutorial_mentions_every_hook() -> None:
    for name in api_pages.hook_names():
        assert f"`{name}`" in GUIDES["plugins/tutorial.md"], name


def test_authors_are_told_every_name_that_is_taken() -> None:
    for stage in STAGES:
        assert f"`{stage}`" in GUIDES["plugins/options.md"]


def test_every_environment_variable_is_described() -> None:
    sources = [*ROOT.glob("lasca_core/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]
    read = re.compile(r"[\"'$](LASCA_[A-Z_]+|HF_[A-Z_]+|SOURCE_DATE_EPOCH)\b")
    found = {name for path in sources for name in read.findall(path.read_text(encoding="utf-8"))}
    assert {"LASCA_CACHE", "LASCA_OFFLINE", "LASCA_PLUGINS"} <= found
    for name in found:
        assert f"| `{name}` |" in GUIDES["reference/environment.md"], name


def test_every_check_that_a_page_names_exists() -> None:
    groups = (distribution.CHECKS, spec.CHECKS, behaviour.CHECKS, *OF_KIND.values())
    known = {check.__name__ for group in groups for check in group}
    named = {(page, name) for page, text in GUIDES.items() for name in re.findall(r"\bcheck_\w+", text)}
    assert named
    assert {name for _, name in named} <= known


# --- what is missing is an error --------------------------------------------------------------------------------------


def test_an_option_without_a_description_is_an_error() -> None:
    class Silent(api.Options):
        strength: float = 1.0

    with pytest.raises(markup.Undocumented, match=r"the option toy.strength has no description"):
        components.options_table("toy", Silent)


def test_a_key_that_a_run_writes_and_nobody_describes_is_an_error() -> None:
    meanings = {"status": "how it ended", "error?": "why"}
    assert records.rows_of("run.json", {"status": "text"}, meanings)[0] == ("status", "text", "how it ended")
    with pytest.raises(markup.Undocumented, match=r"run\.json of a run has colour"):
        records.rows_of("run.json", {"status": "text", "colour": "text"}, meanings)
    with pytest.raises(markup.Undocumented, match=r"describes status of run\.json, which no run writes"):
        records.rows_of("run.json", {}, meanings)


def test_a_quotation_of_what_does_not_exist_is_an_error() -> None:
    page = "quote: examples/minimal_plugin/lasca_loudness.py Loudness.stream"
    assert quotes.with_quotes(page).startswith("def stream(self, source):")
    with pytest.raises(markup.Undocumented, match=r"Loudness\.run"):
        quotes.quote("examples/minimal_plugin/lasca_loudness.py", "Loudness.run")
    with pytest.raises(markup.Undocumented, match=r"examples/nothing\.py"):
        quotes.quote("examples/nothing.py")


def test_links_to_files_of_the_repository_lead_to_the_pages_that_show_them() -> None:
    origin, address = ROOT / "plugins/lasca-face/README.md", "plugins/first-party/lasca-face.md"
    text = "[a](../../README.md) [b](../../docs/concepts.md#x) [c](../../Makefile) [d](https://a.b)\n```\n[e](../../README.md)\n```"
    assert quotes.relink(text, origin, address) == (
        "[a](../../index.md) [b](../../concepts.md#x) c [d](https://a.b)\n```\n[e](../../README.md)\n```"
    )


def test_docstrings_become_markdown() -> None:
    docstring = """Offer ``gaze``.

    Called once::

        @hookimpl
        def offer():
            yield 1

    Then used.
    """
    assert markup.prose(docstring) == (
        "Offer `gaze`.\n\nCalled once:\n\n```python\n@hookimpl\ndef offer():\n    yield 1\n```\n\nThen used."
    )
    assert markup.table(("a",), [("x | y",)]) == "| a |\n| --- |\n| x \\| y |"
