"""How plugins are discovered, guarded and reported, with made-up distributions on the path."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lasca_core import __version__
from lasca_core.contract.errors import ContractError, PluginError
from lasca_core.contract.specs import SaliencySpec
from lasca_core.host.plugins import PluginInfo, Registered, Registry, discover, load_target

GAZE = """
from lasca_core.api import ExtractorSpec, hookimpl

@hookimpl
def lasca_register_extractors():
    yield ExtractorSpec(name="gaze", target="gaze_plugin:Gaze", needs=frozenset({"video"}), summary="where one looks")
"""


class Site:
    """A folder on the path that distributions can be installed into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(
        self, distribution: str, code: str, *, requires: str = "", entry: str = "", metadata: bool = True
    ) -> None:
        """A distribution of version 1.0 whose only module registers under the entry name ``entry``."""
        module = distribution.replace("-", "_")
        (self.folder / f"{module}.py").write_text(code)
        info = self.folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "entry_points.txt").write_text(f"[lasca]\n{entry or distribution} = {module}\n")
        if metadata:
            text = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
            (info / "METADATA").write_text(text + (f"Requires-Dist: {requires}\n" if requires else ""))
        importlib.invalidate_caches()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty ``Site``; what is imported from it is forgotten after the test."""
    monkeypatch.delenv("LASCA_PLUGINS", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Site(tmp_path)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def plugin(registry: Registry, name: str) -> PluginInfo:
    """The only plugin of that distribution."""
    (found,) = [info for info in registry.plugins if info.distribution == name]
    return found


def test_plugins_are_found_in_the_order_of_their_names_with_distribution_and_version(site: Site) -> None:
    site.install("zeta-gaze", GAZE)
    site.install("alpha-nothing", "")
    registry = discover()
    names = [info.name for info in registry.plugins]
    assert names == sorted(names)
    assert names.index("alpha-nothing") < names.index("zeta-gaze")
    found = registry.find("extractor", "gaze")
    assert found.spec.summary == "where one looks"
    assert (found.plugin.distribution, found.plugin.version, found.plugin.status) == ("zeta-gaze", "1.0", "loaded")
    assert str(found) == "extractor 'gaze' of plugin 'zeta-gaze' (zeta-gaze 1.0)"


def test_components_of_one_kind_come_in_the_order_of_their_names(site: Site) -> None:
    site.install("two-things", GAZE + GAZE[GAZE.index("    yield") :].replace('"gaze"', '"another"'))
    names = [registered.spec.name for registered in discover().all("extractor")]
    assert names == sorted(names)
    assert {"another", "gaze"} <= set(names)


def test_a_distribution_seen_twice_on_the_path_counts_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("twice-seen", GAZE)
    copy = site.folder / "copy"
    copy.mkdir()
    Site(copy).install("twice-seen", GAZE)
    monkeypatch.syspath_prepend(str(copy))
    registry = discover()
    assert plugin(registry, "twice-seen").status == "loaded"
    assert registry.find("extractor", "gaze").plugin.name == "twice-seen"


BROKEN = {
    "raises at import": ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
    "leaves at import": ("raise SystemExit(3)", "SystemExit: 3"),
    "has a syntax error": ("def", "SyntaxError"),
    "raises in its hook": (GAZE + '    raise RuntimeError("no luck")', "RuntimeError: no luck"),
    "gives something that is no spec": (
        GAZE + "    yield 'pupil'",
        "TypeError: lasca_register_extractors gave str, not ExtractorSpec",
    ),
    "gives one spec instead of several": (GAZE.replace("yield", "return"), "'ExtractorSpec' object is not iterable"),
    "gives one name twice": (GAZE + GAZE[GAZE.index("    yield") :], "gave two of the name 'gaze'"),
    "gives a spec that is malformed": (GAZE.replace("gaze_plugin:Gaze", "gaze_plugin"), "'package.module:Class'"),
    "has a hook with an unknown argument": (
        GAZE.replace("extractors()", "extractors(config)"),
        "Argument(s) {'config'} are declared in the hookimpl",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_plugin_that_is_broken_is_one_warning_and_offers_nothing(site: Site, fault: str) -> None:
    code, problem = BROKEN[fault]
    site.install("bad-gaze", code)
    site.install("good-nothing", "")
    registry = discover()
    assert plugin(registry, "bad-gaze").status == "broken"
    assert plugin(registry, "good-nothing").status == "loaded"
    (warning,) = [line for line in registry.warnings if "bad-gaze" in line]
    assert warning.startswith("plugin 'bad-gaze' (bad-gaze 1.0) is broken: ")
    assert problem in warning
    assert "\n" not in warning
    assert "gaze" not in [registered.spec.name for registered in registry.all("extractor")]
    with pytest.raises(
        PluginError, match=r"there is no extractor 'gaze'.*plugin 'bad-gaze' \(bad-gaze 1\.0\) is broken"
    ):
        registry.find("extractor", "gaze")


def test_a_distribution_without_metadata_stops_nobody(site: Site) -> None:
    site.install("half-removed", "", metadata=False)
    site.install("fine-gaze", GAZE)
    assert discover().find("extractor", "gaze").plugin.distribution == "fine-gaze"


def test_a_misspelt_hook_is_a_warning_with_the_nearest_name(site: Site) -> None:
    site.install("typo-gaze", GAZE.replace("lasca_register_extractors", "lasca_register_extractor"))
    (warning,) = [line for line in discover().warnings if "typo-gaze" in line]
    assert "there is no hook lasca_register_extractor; did you mean lasca_register_extractors?" in warning


def test_a_hook_without_its_mark_is_a_warning(site: Site) -> None:
    site.install("unmarked-gaze", GAZE.replace("@hookimpl", ""))
    (warning,) = [line for line in discover().warnings if "unmarked-gaze" in line]
    assert "lasca_register_extractors is ignored, because it is not marked with @hookimpl" in warning


def test_a_plugin_for_another_lasca_is_incompatible_and_not_imported(site: Site) -> None:
    site.install("future-gaze", "raise AssertionError('imported')", requires="lasca>=99")
    info = plugin(discover(), "future-gaze")
    assert (info.status, info.problem) == ("incompatible", f"it needs lasca >=99, and this is lasca {__version__}")


@pytest.mark.parametrize("requires", ["lasca>=0.1", "lasca>=99; extra == 'later'", "lasca-face>=99", "LASCA<99"])
def test_a_requirement_that_this_lasca_meets_or_that_does_not_apply_is_no_obstacle(site: Site, requires: str) -> None:
    site.install("present-gaze", GAZE, requires=requires)
    assert plugin(discover(), "present-gaze").status == "loaded"


def test_a_name_claimed_by_two_distributions_belongs_to_neither_until_one_is_disabled(site: Site) -> None:
    site.install("gaze-one", GAZE)
    site.install("gaze-two", GAZE)
    registry = discover()
    (warning,) = [line for line in registry.warnings if "extractor 'gaze'" in line]
    assert "(gaze-one 1.0)" in warning
    assert "(gaze-two 1.0)" in warning
    assert "gaze" not in [registered.spec.name for registered in registry.all("extractor")]
    with pytest.raises(PluginError, match=r"gaze-one 1\.0.* and .*gaze-two 1\.0.*--disable-plugin gaze-two"):
        registry.find("extractor", "gaze")
    assert discover(disabled=["gaze-two"]).find("extractor", "gaze").plugin.distribution == "gaze-one"


def test_a_broken_plugin_claims_no_name(site: Site) -> None:
    site.install("gaze-one", GAZE)
    site.install("gaze-two", BROKEN["raises in its hook"][0])
    registry = discover()
    assert registry.find("extractor", "gaze").plugin.distribution == "gaze-one"
    assert not [line for line in registry.warnings if "is offered by" in line]


def test_two_distributions_may_use_one_entry_name(site: Site) -> None:
    observer = "\n@hookimpl\ndef lasca_run_started(run):\n    return {!r}\n"
    site.install("gaze-one", GAZE + observer.format("one"), entry="gaze")
    other = GAZE.replace('name="gaze"', 'name="pupil"')
    site.install("gaze-two", other + observer.format("two"), entry="gaze")
    registry = discover()
    assert registry.find("extractor", "gaze").plugin.distribution == "gaze-one"
    assert registry.find("extractor", "pupil").plugin.distribution == "gaze-two"
    assert [function(run=None) for name, function in registry.observers("lasca_run_started") if name == "gaze"] == [
        "one",
        "two",
    ]


def test_observers_come_in_the_order_of_their_plugins_names_and_a_broken_plugin_observes_nothing(site: Site) -> None:
    code = "from lasca_core.api import hookimpl\n@hookimpl\ndef lasca_run_finished(run, error):\n    return __name__\n"
    site.install("watch-b", code)
    site.install("watch-a", code)
    site.install("watch-c", code + "@hookimpl\ndef lasca_register_saliency():\n    raise ValueError\n")
    observers = discover().observers("lasca_run_finished")
    mine = [(name, function(None, None)) for name, function in observers if name.startswith("watch-")]
    assert mine == [("watch-a", "watch_a"), ("watch-b", "watch_b")]


SIDE_EFFECT = "import pathlib\npathlib.Path(__file__).with_suffix('.imported').touch()\n"


@pytest.mark.parametrize("name", ["shy", "lasca-shy", "Lasca_Shy"])
def test_a_disabled_plugin_is_not_even_imported(site: Site, name: str) -> None:
    site.install("lasca-shy", SIDE_EFFECT, entry="shy")
    info = plugin(discover(disabled=[name]), "lasca-shy")
    assert info.status == "disabled"
    assert not (site.folder / "lasca_shy.imported").exists()


def test_the_variable_lasca_plugins_names_the_only_ones_to_load(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("lasca-shy", SIDE_EFFECT)
    site.install("gaze-one", GAZE)
    monkeypatch.setenv("LASCA_PLUGINS", "gaze-one, no-such-thing")
    registry = discover()
    assert [info.name for info in registry.plugins if info.status == "loaded"] == ["gaze-one"]
    assert not (site.folder / "lasca_shy.imported").exists()
    (warning,) = registry.warnings
    assert warning.startswith("no plugin or distribution is named 'no-such-thing'; installed: ")
    assert "gaze-one" in warning


def test_the_option_disable_plugin_acts_before_anything_is_imported(site: Site) -> None:
    site.install("lasca-shy", SIDE_EFFECT + GAZE)
    code = (
        f"import sys; sys.path.insert(0, {str(site.folder)!r}); sys.argv = ['lasca', *sys.argv[1:]]\n"
        "from lasca_core.cli.main import main; main()"
    )
    arguments = ["plugins", "list", "--disable-plugin", "lasca-shy"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert "plugin 'lasca-shy' (lasca-shy 1.0) is disabled" in done.stdout
    assert "gaze" not in done.stdout
    assert not (site.folder / "lasca_shy.imported").exists()


def test_an_unknown_name_is_answered_with_the_nearest_ones(site: Site) -> None:
    site.install("gaze-one", GAZE)
    with pytest.raises(PluginError, match=r"there is no extractor 'gase'; did you mean gaze\?"):
        discover().find("extractor", "gase")


def test_an_unknown_name_like_no_other_is_answered_with_what_is_installed(site: Site) -> None:
    site.install("gaze-one", GAZE)
    with pytest.raises(PluginError, match=r"there is no extractor 'xyzzy'; installed: .*gaze"):
        discover().find("extractor", "xyzzy")


def test_a_known_component_that_is_not_installed_is_answered_with_the_pip_line() -> None:
    with pytest.raises(
        PluginError, match="encoder 'mpnet' is not installed; install it with: pip install lasca-encoders"
    ):
        Registry().find("encoder", "mpnet")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise OSError('no disk')", "encoder 'mpnet' is not available: plugin .* is broken: OSError: no disk"),
        ("", "does not offer encoder 'mpnet'; upgrade it with: pip install --upgrade lasca-encoders"),
    ],
)
def test_a_known_component_whose_plugin_is_there_without_it_is_answered_with_the_reason(code: str, reason: str) -> None:
    registry = Registry()

    def load() -> ModuleType:
        exec(code)
        return ModuleType("lasca_encoders")

    registry.add(PluginInfo("encoders", "Lasca_Encoders", "0.1", "loaded"), load)
    with pytest.raises(PluginError, match=reason):
        registry.find("encoder", "mpnet")


def registered(target: str) -> Registered:
    """A saliency method that claims to live at ``target``."""
    spec = SaliencySpec(name="odd", target=target, summary="for this test")
    return Registered(spec, PluginInfo("odd-plugin", "lasca-odd", "2.0", "loaded"))


def test_a_target_that_cannot_be_imported_is_blamed_on_its_plugin_and_distribution() -> None:
    target = "no_such_library.module:Class"
    with pytest.raises(PluginError, match=r"saliency 'odd' of plugin 'odd-plugin' \(lasca-odd 2\.0\) cannot be loaded"):
        load_target(registered(target), target)


@pytest.mark.parametrize("code", ["1 / 0", "Class = 1"])
def test_a_target_that_is_broken_breaks_the_contract(site: Site, code: str) -> None:
    (site.folder / "odd_target.py").write_text(code)
    target = "odd_target:Missing"
    with pytest.raises(ContractError, match=r"plugin 'odd-plugin' \(lasca-odd 2\.0\) is broken") as caught:
        load_target(registered(target), target)
    assert caught.value.exit_code == 1
