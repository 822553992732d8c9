"""A sweep's file: axes, groups and rules become cells, in an order that makes little twice; mistakes are named."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from lasca_core.contract.errors import OptionError, PluginError
from lasca_core.experiment.sweep.definition import Definition, forced_settings, read_definition
from lasca_core.experiment.sweep.plan import Builder, Plan, efforts_of, in_batches, make_plan
from lasca_core.testing import make_registry, make_runtime

EXAMPLES = Path(__file__).parents[1] / "examples/configs"
TOY = """
[run]
dataset = "toyland"
extractors = ["toy"]
encoder = "hashing"
lexicon = "names"
learner = "logistic"
"""


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The toy plugin."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import toy_plugin

    return toy_plugin


def read(folder: Path, text: str, *assignments: str) -> Definition:
    """The sweep in ``text``, with options of the command line."""
    path = folder / "study.toml"
    path.write_text(text)
    return read_definition(path).with_forced(forced_settings({}, assignments))


def plan(folder: Path, toy: ModuleType, text: str, *assignments: str) -> Plan:
    """The cells of the sweep in ``text``, of the toy components."""
    builder = Builder(make_registry(toy), make_runtime(folder / "cache"))
    return make_plan(read(folder, text + TOY, *assignments), builder)


def labels(definition: Definition) -> list[tuple[str, ...]]:
    """The cells in words."""
    return [tuple(choice.label for choice in point.values()) for point in definition.points()]


def test_a_grid_is_every_combination_less_those_that_a_rule_excludes(tmp_path: Path) -> None:
    sweep = read(
        tmp_path,
        """
        [sweep]
        exclude = [{ windows.length = 5, pairs.tau = [0.1, 0.3] }, { run.extractors = ["mfcc"], pairs.tau = 0.2 }]
        [sweep.axes]
        windows.length = [3, 5]
        pairs.tau = [0.1, 0.2, 0.3]
        run.extractors = [["mfcc"], ["blendshape", "mfcc"]]
        """,
    )
    assert sweep.size == 12
    assert labels(sweep) == [
        ("3", "0.1", "mfcc"),
        ("3", "0.1", "blendshape+mfcc"),
        ("3", "0.2", "blendshape+mfcc"),
        ("3", "0.3", "mfcc"),
        ("3", "0.3", "blendshape+mfcc"),
        ("5", "0.2", "blendshape+mfcc"),
    ]


def test_a_group_names_its_values_and_sets_several_options_with_each(tmp_path: Path) -> None:
    sweep = read(
        tmp_path,
        """
        [sweep.groups.recipe]
        published = { run.learner = "mlp", fusion.wording = "sentence" }
        sparing = { run.learner = "prior", fusion.wording = "weighted", fusion.components = 8 }
        """,
    )
    first, second = (sweep.config_at(point) for point in sweep.points())
    assert labels(sweep) == [("published",), ("sparing",)]
    assert (first.run.learner, first.fusion.wording) == ("mlp", "sentence")
    assert (second.run.learner, second.fusion.wording, second.fusion.components) == ("prior", "weighted", 8)


def test_the_axis_of_a_learning_curve_ends_with_all(tmp_path: Path) -> None:
    sweep = read(tmp_path, '[sweep.axes]\nevaluate.train_subjects = [0, 4, "all"]')
    assert [sweep.config_at(point).evaluate.train_subjects for point in sweep.points()] == [0, 4, None]
    assert labels(sweep) == [("0",), ("4",), ("all",)]


def test_axes_go_before_the_files_options_and_these_before_the_preset(tmp_path: Path) -> None:
    sweep = read(
        tmp_path, '[sweep]\npreset = "paper"\n[sweep.axes]\npairs.tau = [0.3]\n[pairs]\ntau = 0.2\nfloor = 0.1'
    )
    (config,) = (sweep.config_at(point) for point in sweep.points())
    assert (config.pairs.tau, config.pairs.floor, config.normalize.resolution) == (0.3, 0.1, 0.0)
    assert config.preset is not None


def test_an_option_of_the_command_line_takes_the_place_of_its_axis(tmp_path: Path) -> None:
    text = """
    [sweep]
    exclude = [{ windows.length = 5, pairs.tau = 0.1 }]
    [sweep.axes]
    windows.length = [3, 5]
    pairs.tau = [0.1, 0.2]
    [sweep.groups.modality]
    audio.run.extractors = ["mfcc"]
    """
    sweep = read(tmp_path, text, "windows.length=4")
    assert labels(sweep) == [("0.1", "audio"), ("0.2", "audio")]
    assert {sweep.config_at(point).windows.length for point in sweep.points()} == {4}
    assert labels(read(tmp_path, text, "windows.length=5")) == [("0.2", "audio")], "the rule still holds"
    with pytest.raises(OptionError, match=r"-o run\.extractors: the sweep's group modality sets it"):
        read(tmp_path, text, "run.extractors=['blendshape']")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[run]\nlearner = 'mlp'", r"study\.toml has no table \[sweep\]: write \[sweep\.axes\]"),
        ("[sweep]", "the sweep has no axis"),
        ("[sweep]\naxis = 1", r"sweep\.axis does not exist; did you mean sweep\.axes"),
        ("[sweep.axes]\nwindows.length = []", r"sweep\.axes\.windows\.length has no value"),
        ("[sweep.axes]\nwindows.length = 3", r"sweep\.axes\.windows\.length = 3: input should be a valid list"),
        ("[sweep.axes]\nwindows.length = [3, 3.0]", r"the axis windows\.length names 3 twice"),
        ("[sweep.groups]\nx = {}", r"sweep\.groups\.x is empty"),
        (
            "[sweep.axes]\npairs.tau = [0.1]\n[sweep.groups.x]\na.pairs.tau = 0.2",
            r"both pairs\.tau and x set pairs\.tau",
        ),
        ("[sweep]\nexclude = [{ pairs.tua = 1 }]\n[sweep.axes]\npairs.tau = [0.1]", r"pairs\.tua is no axis"),
        ("[sweep]\nexclude = [{ pairs.tau = 1 }]\n[sweep.axes]\npairs.tau = [0.1]", r"pairs\.tau is never 1; .*: 0\.1"),
        ("[sweep]\nexclude = [{}]\n[sweep.axes]\npairs.tau = [0.1]", "would leave every cell out"),
        ("sweep = 3", "sweep stands outside a table"),
        ("seed = 3\n[sweep.axes]\npairs.tau = [0.1]", "seed stands outside a table"),
        ("[sweep.axes", "is not valid TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("[sweep.axes]\npairs.tau = [0.1, -2]", OptionError, r"pairs\.tau = -2: input should be greater"),
        ("[sweep.axes]\npairs.tua = [0.1]", OptionError, r"pairs\.tua does not exist; did you mean pairs\.tau"),
        ("[sweep.axes]\nrun.encoder = ['hashing', 'hasing']", PluginError, "no encoder 'hasing'; did you mean hashing"),
        ("[sweep.axes]\nlogistic.D = [1]", OptionError, r"logistic\.D does not exist; known: C"),
        ("[sweep.axes]\npairs.tau = [0.1]\n[widnows]\nlength = 3", OptionError, "'widnows'; did you mean windows"),
        ("[sweep.groups.target]\na.pairs.tau = 0.1", OptionError, r"sweep\.groups\.target: a column of the results"),
        (
            "[sweep]\nexclude = [{ pairs.tau = 0.1 }]\n[sweep.axes]\npairs.tau = [0.1]",
            OptionError,
            "exclude every one of its 1 cells",
        ),
    ],
)
def test_a_mistake_in_any_one_cell_is_an_error_before_any_work(
    tmp_path: Path, toy: ModuleType, text: str, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        plan(tmp_path, toy, text)


def test_cells_that_can_share_windows_or_words_follow_each_other(tmp_path: Path, toy: ModuleType) -> None:
    found = plan(
        tmp_path,
        toy,
        """
        [sweep.axes]
        pairs.tau = [0.1, 0.2]
        normalize.strategy = ["session", "subject"]
        windows.length = [3, 5]
        """,
    )
    settings = [(cell.config.windows.length, cell.config.normalize.strategy) for cell in found.cells]
    assert settings == [(length, strategy) for length in (3, 5) for strategy in ("session", "subject") for _ in "12"]
    assert (found.counts()["materials"], found.counts()["representations"]) == (2, 4)
    assert efforts_of(found.cells) == [2, 0, 1, 0, 2, 0, 1, 0]


def test_cells_are_trained_together_if_they_share_representations_and_learner(tmp_path: Path, toy: ModuleType) -> None:
    text = "[sweep.axes]\nwindows.length = [3, 5]\nrun.learner = ['logistic', 'mlp']\npairs.tau = [0.1, 0.2]"
    cells = plan(tmp_path, toy, text).cells
    assert in_batches(cells, together=True) == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert in_batches(cells, together=False) == [[place] for place in range(8)]


def test_cells_that_differ_in_an_option_without_influence_are_one(tmp_path: Path, toy: ModuleType) -> None:
    text = "[sweep.axes]\nrun.learner = ['mlp', 'logistic']\nmlp.alpha = [0.1, 1.0]"
    found = plan(tmp_path, toy, text, "windows.length=4")
    assert [tuple(cell.labels.values()) for cell in found.cells] == [("mlp", "0.1"), ("mlp", "1"), ("logistic", "0.1")]
    assert found.repeated == 1


@pytest.mark.parametrize("name", ["paper", "learning-curve"])
def test_the_examples_are_valid_sweeps(tmp_path: Path, name: str) -> None:
    found = make_plan(
        read_definition(EXAMPLES / f"{name}.toml"), Builder(make_registry(), make_runtime(tmp_path / "cache"))
    )
    assert len(found.cells) == {"paper": 60, "learning-curve": 8}[name]
    assert found.repeated == found.excluded == 0
