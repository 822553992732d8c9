"""The house's own rules: layers, what may be imported when, and what every distribution brings along."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lasca_core.cli.main import COMMANDS
from lasca_core.host.options import Options
from lasca_core.host.plugins import KINDS, KNOWN_PACKAGES, discover

ROOT = Path(__file__).parents[1]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
HEAVY = {"torch", "numpy", "av", "mediapipe", "cv2", "librosa", "sklearn", "scipy", "pandas", "pyarrow", "transformers"}
HEAVY |= {"sentence_transformers", "matplotlib", "requests", "safetensors"}


def project(folder: Path) -> dict[str, Any]:
    """The table ``project`` of a distribution."""
    found: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return found


def modules(*folders: Path) -> list[Path]:
    """All Python files below ``folders``."""
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """(module, line) of every import in a file, wherever it stands; ``from a import b`` also gives ``a.b``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            yield node.module, node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def loaded_by(code: str, *arguments: str, path: tuple[Path, ...] = ()) -> set[str]:
    """Top-level names of ``sys.modules`` after ``code`` has run in a Python of its own."""
    script = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('MODULES', *{name.partition('.')[0] for name in sys.modules}))\n"
        f"sys.path[:0] = {[str(folder) for folder in (ROOT, *path)]}\n"
        f"{code}"
    )
    environment = {name: value for name, value in os.environ.items() if name != "LASCA_PLUGINS"}
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return set(done.stdout.rpartition("MODULES")[2].split())


COMMAND_LINE = "sys.argv[0] = 'lasca'\nfrom lasca_core.cli.main import main\nmain()"


def test_the_rooms_of_the_house_import_only_downwards() -> None:
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_a_plugin_imports_nothing_of_the_core_but_the_api(folder: Path) -> None:
    own = {path.name for path in (folder / "src").iterdir()}
    for path in modules(folder / "src"):
        for module, line in imported(path):
            top = module.partition(".")[0]
            allowed = top in own or not top.startswith("lasca_") or f"{module}.".startswith("lasca_core.api.")
            assert allowed or module == "lasca_core", f"{path}:{line} imports {module}"


def test_the_help_imports_neither_torch_nor_numpy_nor_pydantic() -> None:
    assert not loaded_by(COMMAND_LINE, "--help") & (HEAVY | {"pydantic", "rich"})


def test_importtime_shows_the_same_for_the_module_as_a_command() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "lasca_core", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "lasca_core" in names
    assert not names & (HEAVY | {"pydantic"})
    assert "Usage: lasca" in done.stdout


@pytest.mark.parametrize("arguments", [("plugins", "list"), ("plugins", "list", "--json"), ("run", "--help")])
def test_listing_plugins_and_reading_help_import_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert not loaded_by(COMMAND_LINE, *arguments) & HEAVY


def test_importing_the_api_imports_nothing_heavy() -> None:
    assert not loaded_by("import lasca_core, lasca_core.api") & (HEAVY | {"pydantic"})


def test_the_help_line_of_every_command_is_the_one_the_command_gives_itself() -> None:
    for name, (target, summary) in COMMANDS.items():
        module, _, attribute = target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert (command.name, command.get_short_help_str(limit=200)) == (name, summary)


def test_registering_imports_nothing_heavy() -> None:
    """All first-party registration modules and their hooks, in a Python of their own, installed or not."""
    targets = [target for folder in PLUGINS for target in project(folder)["entry-points"]["lasca"].values()]
    code = (
        "import importlib\n"
        "from lasca_core.host.plugins import PluginInfo, Registry\n"
        "registry = Registry()\n"
        f"for target in {targets}:\n"
        "    registry.add(PluginInfo(target, target, '0', 'loaded'), lambda: importlib.import_module(target))\n"
        "assert registry.warnings == [], registry.warnings\n"
    )
    found = loaded_by(code, path=tuple(folder / "src" for folder in PLUGINS))
    assert not found & (HEAVY | {"pydantic"})


INSTALLED = [
    registered for kind in KINDS for registered in discover(allowed=[folder.name for folder in PLUGINS]).all(kind)
]


@pytest.mark.parametrize("registered", INSTALLED, ids=lambda found: f"{found.spec.kind}-{found.spec.name}")
def test_what_a_first_party_plugin_names_can_be_imported_and_every_option_is_described(registered: Any) -> None:
    module, _, attribute = registered.spec.target.partition(":")
    assert hasattr(importlib.import_module(module), attribute)
    if registered.spec.options is not None:
        module, _, attribute = registered.spec.options.partition(":")
        model = getattr(importlib.import_module(module), attribute)
        assert issubclass(model, Options)
        assert [name for name, info in model.model_fields.items() if not info.description] == []


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_well_known_components_are_those_that_the_package_offers(folder: Path) -> None:
    offered = {(r.spec.kind, r.spec.name) for r in INSTALLED if r.plugin.distribution == folder.name}
    if not offered:
        pytest.skip(f"{folder.name} is not installed")
    assert offered == {key for key, package in KNOWN_PACKAGES.items() if package == folder.name}


def test_requirements_name_every_distribution_and_pin_torch() -> None:
    lines = [line.strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    assert [line for line in lines if re.fullmatch(r"-e \.(\[[\w,]+\])?", line)] != []
    named = {re.sub(r"\[[\w,]+\]$", "", line) for line in lines if line.startswith("-e ./")}
    assert named == {f"-e ./plugins/{folder.name}" for folder in PLUGINS}
    assert [line for line in lines if re.fullmatch(r"torch==\d+\.\d+\.\d+", line)] != []


@pytest.mark.parametrize("folder", [ROOT, *PLUGINS], ids=lambda folder: folder.name if folder != ROOT else "lasca")
def test_every_distribution_is_complete_alone(folder: Path) -> None:
    found = project(folder)
    assert found["name"] == ("lasca" if folder == ROOT else folder.name)
    assert found["license"] == "Apache-2.0"
    assert found["requires-python"]
    assert found["readme"] == "README.md"
    for name in ("LICENSE", "README.md", "CHANGELOG.md"):
        assert (folder / name).read_text().strip(), f"{folder / name} is empty"
    assert found["version"] in (folder / "CHANGELOG.md").read_text()
    if folder != ROOT:
        assert any(line.startswith("lasca>=") for line in found["dependencies"])
        assert list((folder / "tests").glob("test_*.py")) != []


def test_tests_have_names_of_their_own() -> None:
    names = [path.name for path in ROOT.glob("plugins/*/tests/test_*.py")] + [
        path.name for path in ROOT.glob("tests/test_*.py")
    ]
    assert sorted(names) == sorted(set(names))


def test_every_module_says_in_its_first_line_what_it_is_for() -> None:
    for path in modules(ROOT / "lasca_core", ROOT / "tests", *PLUGINS):
        text = ast.get_docstring(ast.parse(path.read_text()))
        assert text is not None, f"{path} has no docstring"
        assert text.splitlines()[0].rstrip().endswith((".", "?")), f"{path}: the first line is no sentence"


def repository_files() -> list[Path]:
    """All files that belong to the repository: tracked, or new and not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    folders = "|".join(("work", "root", "home/[a-z]+", "Users/[A-Za-z]+"))
    pattern = re.compile(rf"(?<![\w.~:/-])/(?:{folders})/")
    for path in repository_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found = pattern.search(text)
        assert found is None, f"{path} mentions {found and found.group()}"
