"""`lasca plugins new`: what it writes installs, works and keeps the promises, untouched, for each kind."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lasca_core import __version__
from lasca_core.cli import main
from lasca_core.cli.common import Settings
from lasca_core.contract.errors import OptionError, StoreError
from lasca_core.host.plugins import KINDS, Registry
from lasca_core.scaffold import LICENCES, Names, write_plugin
from lasca_core.testing import Site, collect_checks, make_registry

ROOT = Path(__file__).parents[1]
NAMES = {kind: f"lasca-new-{kind}" for kind in KINDS}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A new plugin of each kind."""
    folder = tmp_path_factory.mktemp("new")
    return {kind: write_plugin(kind, name, folder, registry=Registry()) for kind, name in NAMES.items()}


@pytest.fixture
def lasca(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Call ``lasca`` in this process: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lasca", *map(str, arguments)])
        code = main._guarded(Settings())
        return code, *capsys.readouterr()

    return call


# --- what is written --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_distribution_is_complete(written: dict[str, Path], kind: str) -> None:
    folder, names = written[kind], Names(NAMES[kind])
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    source = f"src/{names.package}"
    assert {
        ".gitignore",
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        f"{source}/__init__.py",
        f"{source}/options.py",
        f"{source}/plugin.py",
        f"{source}/py.typed",
        f"{source}/{names.module}.py",
        "tests/test_conformance.py",
        f"tests/test_{names.module}.py",
    } <= files
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == NAMES[kind]
    assert project["entry-points"] == {"lasca": {NAMES[kind]: f"{names.package}.plugin"}}
    assert project["license"] == "Apache-2.0"
    assert f"`{names.component}`" in (folder / "README.md").read_text()
    assert project["version"] in (folder / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_it_requires_the_lasca_it_was_written_with_and_not_the_next(written: dict[str, Path], kind: str) -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((written[kind] / "pyproject.toml").read_text())["project"]
    (requirement,) = [one for one in map(Requirement, project["dependencies"]) if one.name == "lasca"]
    major, minor = map(int, __version__.split(".")[:2])
    assert __version__ in requirement.specifier
    assert (f"{major}.{minor + 1}.0" in requirement.specifier) == (major > 0)
    assert f"{major + 1}.0.0" not in requirement.specifier


@pytest.mark.parametrize("kind", KINDS)
def test_no_placeholder_is_left(written: dict[str, Path], kind: str) -> None:
    for path in written[kind].rglob("*"):
        assert not re.search(r"__(package|module)__", path.name)
        if path.is_file():
            assert not re.search(r"\$\w|\$\{|__(package|module)__", path.read_text()), path


@pytest.mark.parametrize("kind", KINDS)
def test_its_modules_say_what_they_are_for_and_import_only_the_api(written: dict[str, Path], kind: str) -> None:
    for path in written[kind].rglob("*.py"):
        tree = ast.parse(path.read_text())
        assert (ast.get_docstring(tree) or "").splitlines()[0].endswith("."), path
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lasca_core"):
                assert node.module in ("lasca_core.api", "lasca_core.testing"), path


@pytest.mark.parametrize("kind", KINDS)
def test_a_linter_and_a_formatter_find_nothing(written: dict[str, Path], kind: str) -> None:
    pytest.importorskip("ruff")
    rules = "E,F,W,I,UP,B,C4,SIM,PT,RUF,TID,PERF,PIE,RET,N,D100,D101,D102"
    common = ["--isolated", "--line-length", "120", "--target-version", "py311", "--no-cache", "."]
    ignored = ["--per-file-ignores", "tests/*:D", "--ignore", "N999"]
    for command in (["check", "--select", rules, *ignored], ["format", "--check"]):
        arguments = [sys.executable, "-m", "ruff", *command, *common]
        done = subprocess.run(arguments, cwd=written[kind], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("licence", LICENCES)
def test_the_licence_is_the_chosen_one_and_names_the_author(tmp_path: Path, licence: str) -> None:
    author = 'Ada "Countess" Lovelace \\ daughters'
    folder = write_plugin("lexicon", "ada", tmp_path, licence=licence, author=author, registry=Registry())
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["license"] == licence
    assert project["authors"] == [{"name": author}]
    text = (folder / "LICENSE").read_text()
    assert licence.split("-")[0] in text
    assert "<author>" not in text
    assert (author in text) == (licence != "Apache-2.0")
    compile((folder / "src/ada/ada.py").read_text(), "ada.py", "exec")
    assert f'license="{licence}"' in (folder / "src/ada/plugin.py").read_text()


def test_the_text_of_the_apache_licence_is_the_repositorys() -> None:
    text = (ROOT / "lasca_core/scaffold/templates/licences/Apache-2.0.txt").read_text()
    assert text == (ROOT / "LICENSE").read_text()


# --- names ------------------------------------------------------------------------------------------------------------

BAD_NAMES = {
    "Lasca_Gaze": "lower-case words joined by hyphens, for instance lasca-gaze",
    "EyeGaze": "for instance lasca-eye-gaze",
    "lasca-": "for instance lasca-gaze",
    "1gaze": "for instance lasca-gaze",
    "gaze--two": "lower-case words",
    "../gaze": "lower-case words",
    "lasca": "is the name of a distribution of LaScA itself",
    "lasca-face": "is the name of a distribution of LaScA itself",
    "lasca-options": "a module called 'options', which is taken",
    "lasca-import": "a module called 'import', which is taken",
    "json": "a module called 'json', which is taken",
    "torch": "a package 'torch' is installed already",
    "lasca-windows": "would be called 'windows', like a stage of a run",
    "lasca-encoder": "would be called 'encoder', like a stage of a run",
}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_cannot_be_used_is_an_error_that_says_why(tmp_path: Path, name: str) -> None:
    with pytest.raises(OptionError, match=re.escape(BAD_NAMES[name])):
        write_plugin("extractor", name, tmp_path, registry=Registry())
    assert list(tmp_path.iterdir()) == []


def test_a_component_name_that_another_plugin_has_is_an_error_that_names_it(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    site.folder.mkdir()
    code = (
        "from lasca_core.api import SaliencySpec, hookimpl\n@hookimpl\ndef lasca_register_saliency():\n"
        '    yield SaliencySpec(name="mean", target="other_mean:Mean", summary="s")\n'
    )
    site.install("other-mean", {"other_mean": code})
    with site.active(), pytest.raises(OptionError, match=r"saliency 'mean' of plugin 'other-mean' .* has that name"):
        write_plugin("saliency", "lasca-mean", tmp_path, registry=site.registry())


def test_the_names_of_all_parts_follow_from_one() -> None:
    names = Names("lasca-eye-gaze2")
    assert (names.package, names.component, names.module, names.class_name) == (
        "lasca_eye_gaze2", "eye-gaze2", "eye_gaze2", "EyeGaze2",
    )  # fmt: skip


# --- files ------------------------------------------------------------------------------------------------------------


def test_what_exists_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "lasca-gaze").mkdir()
    kept = tmp_path / "lasca-gaze/notes.txt"
    kept.write_text("mine")
    with pytest.raises(OptionError, match="exists already and is not overwritten"):
        write_plugin("extractor", "lasca-gaze", tmp_path, registry=Registry())
    assert list(tmp_path.rglob("*")) == [kept.parent, kept]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot be written: Permission denied"):
        write_plugin("extractor", "lasca-gaze", tmp_path, registry=Registry())


def test_a_failure_while_writing_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(StoreError, match="No space left on device"):
        write_plugin("extractor", "lasca-gaze", tmp_path, registry=Registry())
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_the_files_and_says_what_comes_next(
    lasca: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, out, err = lasca("plugins", "new", "learner", "lasca-vote", "--output", "here", "--license", "MIT")
    assert code == 0, err
    assert f"{Path('here/lasca-vote/pyproject.toml')}" in out.splitlines()
    assert "pip install -e" in err.splitlines()[-1]
    assert "MIT License" in (tmp_path / "here/lasca-vote/LICENSE").read_text()


def test_the_command_refuses_an_unknown_kind_and_licence(lasca: Callable[..., tuple[int, str, str]]) -> None:
    code, _, err = lasca("plugins", "new", "extractr", "lasca-gaze")
    assert (code, "'extractor'" in err) == (2, True)
    code, _, err = lasca("plugins", "new", "extractor", "lasca-gaze", "--license", "GPL")
    assert (code, "'Apache-2.0', 'MIT', 'BSD-3-Clause'" in err) == (2, True)


# --- it works ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def source(written: dict[str, Path], kind: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The new plugin's source, on the path."""
    monkeypatch.syspath_prepend(str(written[kind] / "src"))
    yield written[kind]
    for name in [name for name in sys.modules if name.partition(".")[0] == Names(NAMES[kind]).package]:
        del sys.modules[name]


@pytest.mark.parametrize("kind", KINDS)
def test_it_keeps_all_promises_untouched(source: Path, kind: str) -> None:
    plugin = importlib.import_module(f"{Names(NAMES[kind]).package}.plugin")
    registry = make_registry(plugin, installed=False)
    assert registry.warnings == []
    results = [check.run() for check in collect_checks(registry, [Names(NAMES[kind]).component])]
    assert [(result.check, result.message) for result in results if result.outcome == "failed"] == []
    skipped = {result.message for result in results if result.outcome == "skipped"}
    assert all(message.startswith("torch sees no GPU on this machine, and there is no stand-in") for message in skipped)


def python(*module: str, path: Path, cwd: Path) -> None:
    """``python -m MODULE...`` with ``path`` on its module search path must succeed."""
    environment = {**os.environ, "PYTHONPATH": str(path)}
    command = [sys.executable, "-m", *module]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@pytest.fixture(scope="module")
def installed(written: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all the new plugins are installed into."""
    pytest.importorskip("hatchling", reason="building needs hatchling, which the extra dev brings")
    site = tmp_path_factory.mktemp("site")
    pip = ["pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(site)]
    python(*pip, *map(str, written.values()), path=site, cwd=site)
    return site


TESTS = ("pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-n", "0", "--rootdir")


def test_each_kind_installs_and_passes_its_own_tests(written: dict[str, Path], installed: Path, tmp_path: Path) -> None:
    folders = map(str, written.values())
    python(*TESTS, str(tmp_path), "-k", "not conformance", *folders, path=installed, cwd=tmp_path)


@pytest.mark.slow
def test_each_kind_installed_passes_its_conformance_test_and_a_strict_type_checker(
    written: dict[str, Path], installed: Path, tmp_path: Path
) -> None:
    folders = map(str, written.values())
    python(*TESTS, str(tmp_path), "-k", "conformance", *folders, path=installed, cwd=tmp_path)
    sources = [f"{folder}/src" for folder in written.values()]
    checker = ("mypy", "--strict", "--ignore-missing-imports", "--cache-dir", str(tmp_path / "mypy"))
    python(*checker, *sources, path=installed, cwd=tmp_path)
