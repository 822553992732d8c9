"""The main job on a dataset whose rule is known: what a run leaves behind, what it computes, and how it fails."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from lasca_core.contract.errors import ContractError, DatasetError, ModelError, OptionError, PluginError
from lasca_core.experiment import model as models
from lasca_core.experiment import run as run_module
from lasca_core.experiment.config import resolve
from lasca_core.experiment.predict import predict
from lasca_core.experiment.run import Finished, run
from lasca_core.testing import make_registry, make_runtime

QUICK = ("evaluate.bootstrap=200", "evaluate.folds=3")
SENTENCES = ("fusion.wording=sentence", "fusion.components=0", "fusion.scale=column")
"""One text for each distinct window, so that there is something to encode."""
VARIANTS = ("majority", "zero-shot", "features", "mask", "text", "fused", "names", "shuffled")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The toy plugin, with its counters at zero."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import toy_plugin

    toy_plugin.ENCODED.clear()
    toy_plugin.FAIL_AFTER.clear()
    return toy_plugin


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """One finished run that several tests look at; they must not change its folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        import toy_plugin

        toy_plugin.ENCODED.clear()
        toy_plugin.FAIL_AFTER.clear()
        return go(tmp_path_factory.mktemp("shared"), toy_plugin)


def go(folder: Path, toy: ModuleType, *assignments: str, seed: int = 0, **chosen: Any) -> Finished:
    """A run of the toy components below ``folder``."""
    settings = {
        "dataset": "toyland",
        "extractors": ("toy",),
        "encoder": "hashing",
        "lexicon": "names",
        "learner": "mlp",
        "seed": seed,
        **chosen,
    }
    config = resolve(chosen=settings, assignments=[*QUICK, *SENTENCES, *assignments])
    runtime = make_runtime(folder / "cache", seed=config.run.seed)
    return run(config, make_registry(toy), runtime, folder / "runs", ["lasca", "run"])


def test_every_variant_is_tested_on_identical_pairs(shared: Finished) -> None:
    import pyarrow.parquet as pq

    rows = pq.read_table(shared.folder / "predictions.parquet").to_pylist()
    tested = {
        variant: [
            (row["session"], row["later_start"], row["change"], row["fold"])
            for row in rows
            if row["variant"] == variant
        ]
        for variant in VARIANTS
    }
    assert len(rows) == sum(map(len, tested.values()))
    assert all(pairs == tested["features"] for pairs in tested.values())
    assert len({pair[:2] for pair in tested["features"]}) == len(tested["features"]), "each pair is tested once"


def test_the_features_learn_the_rule_and_the_majority_does_not(shared: Finished) -> None:
    found = shared.metrics["targets"]["valence"]
    assert found["variants"]["features"]["accuracy"] > 0.85
    assert found["variants"]["fused"]["accuracy"] > 0.75
    assert found["variants"]["majority"]["accuracy"] < 0.65
    assert found["comparisons"]["fused - majority"]["low"] > 0


def test_the_run_folder_holds_what_reproduces_it(tmp_path: Path, toy: ModuleType) -> None:
    settings = ("windows.length=4", "pairs.tau=0.2", "evaluate.variants=['features', 'fused']")
    first = go(tmp_path, toy, *settings, seed=7)
    record = json.loads((first.folder / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["synthetic"] is True
    assert record["config"]["windows"]["length"] == 4
    assert record["config"]["mlp"]["alpha"] == 1.0, "defaults are written out too"
    assert record["licenses"]["encoder hashing"] == "Apache-2.0"
    assert (tmp_path / "runs" / "latest").resolve() == first.folder.resolve()
    config = resolve(file=first.folder / "run.json")
    again = run(config, make_registry(toy), make_runtime(tmp_path / "other"), tmp_path / "runs", [])
    for variant in ("features", "fused"):
        ours, theirs = (done.metrics["targets"]["valence"]["variants"][variant] for done in (first, again))
        assert ours["accuracy_by_fold"] == theirs["accuracy_by_fold"], variant


def test_a_second_run_encodes_nothing(tmp_path: Path, toy: ModuleType) -> None:
    go(tmp_path, toy, "evaluate.variants=['text']")
    assert toy.ENCODED
    assert len(toy.ENCODED) == len(set(toy.ENCODED)), "each distinct text is encoded once"
    toy.ENCODED.clear()
    again = go(tmp_path, toy, "evaluate.variants=['text']")
    assert toy.ENCODED == []
    assert again.record["stages"]["encode"]["computed"] == 0


def test_an_interrupted_run_goes_on_where_it_stopped(
    tmp_path: Path, toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lasca_core.experiment.pipeline.TEXTS_A_STEP", 2)
    toy.FAIL_AFTER.append(4)
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, toy, "evaluate.variants=['text']")
    done = list(toy.ENCODED)
    (failed,) = (tmp_path / "runs").glob("2*/run.json")
    assert json.loads(failed.read_text())["status"] == "failed"
    toy.FAIL_AFTER.clear()
    toy.ENCODED.clear()
    go(tmp_path, toy, "evaluate.variants=['text']")
    assert done
    assert not set(done) & set(toy.ENCODED)


def test_the_same_seed_gives_the_same_numbers(tmp_path: Path, toy: ModuleType) -> None:
    only = "evaluate.variants=['fused']"
    runs = [go(tmp_path / str(number), toy, only, seed=seed) for number, seed in enumerate((3, 3, 4))]
    first, second, other = (
        done.metrics["targets"]["valence"]["variants"]["fused"]["accuracy_by_fold"] for done in runs
    )
    assert first == second
    assert first != other


def right_share(saved: models.SavedModel, folder: Path, toy: ModuleType, **overrides: float) -> tuple[float, int]:
    """How often the model is right about a person it has never seen, and in how many windows it says anything."""
    runtime = make_runtime(folder / "cache", seed=0)
    pipeline = models.restore(saved, make_registry(toy), runtime, overrides)
    recording = list(toy.ToyDataset(toy.ToyOptions(subjects=9), runtime).sessions())[8]
    trace = recording.annotations["valence"]
    right = total = 0
    rows = predict(saved, pipeline, recording)
    mean = {row.end: trace.values[(trace.times >= row.start) & (trace.times < row.end)].mean() for row in rows}
    for row in rows:
        if row.directions:
            earlier = max(end for end in mean if end <= row.start + 1e-6)
            right += bool(mean[row.end] > mean[earlier]) == row.directions["valence"][0]
            total += 1
    return right / total, total


@pytest.mark.parametrize(
    "settings",
    [
        ["normalize.strategy=session"],
        ["normalize.strategy=subject"],
        ["normalize.strategy=global"],
        ["normalize.strategy=none"],
        ["windows.statistic=mean+std"],
        ["saliency.scope=modality", "pairs.strategy=self"],
        ["windows.hop=1.5", "pairs.strategy=scale"],
        ["run.saliency=topk", "topk.k=2", "run.learner=logistic", "pairs.strategy=absolute"],
    ],
)
def test_a_model_trained_under_any_setting_predicts(tmp_path: Path, toy: ModuleType, settings: list[str]) -> None:
    finished = go(tmp_path, toy, *settings, "evaluate.variants=['features']")
    assert finished.metrics["targets"]["valence"]["variants"]["features"]["accuracy"] > 0.7
    assert finished.metrics["wording"]["distinct_texts"] > 5
    saved = models.load(finished.folder)
    assert (saved.statistics is not None) == ("normalize.strategy=global" in settings)
    share, total = right_share(saved, tmp_path, toy)
    assert total > 15
    assert share > 0.7


def test_overlapping_windows_are_compared_with_the_last_one_that_does_not_overlap(
    tmp_path: Path, toy: ModuleType, shared: Finished
) -> None:
    saved = models.load(shared.folder)
    share, total = right_share(saved, tmp_path, toy, hop=0.5)
    assert total > 100
    assert share > 0.65  # every change counts here, however small
    pipeline = models.restore(saved, make_registry(toy), make_runtime(tmp_path / "cache"), {"hop": 1.0})
    recording = next(iter(toy.ToyDataset(toy.ToyOptions(subjects=1), pipeline.runtime).sessions()))
    assert [bool(row.directions) for row in predict(saved, pipeline, recording)[:5]] == [False] * 3 + [True] * 2


def test_a_saved_model_predicts_the_direction_of_change(tmp_path: Path, toy: ModuleType, shared: Finished) -> None:
    saved = models.load(shared.folder)
    share, total = right_share(saved, tmp_path, toy)
    assert total > 15
    assert share > 0.75
    pipeline = models.restore(saved, make_registry(toy), make_runtime(tmp_path / "cache"))
    rows = predict(saved, pipeline, next(iter(toy.ToyDataset(toy.ToyOptions(), pipeline.runtime).sessions())))
    assert all(cue.words == saved.lexicon.entries[cue.feature] for row in rows for cue in row.cues)
    assert {cue.feature for cue in rows[1].cues if cue.new} == {c.feature for c in rows[1].cues} - {
        c.feature for c in rows[0].cues
    }


def test_a_model_refuses_a_changed_lexicon_or_a_damaged_file(tmp_path: Path, shared: Finished) -> None:
    folder = shutil.copytree(shared.folder / "model", tmp_path / "model")
    words = json.loads((folder / "lexicon.json").read_text())
    words["entries"]["smile"] = "something else"
    (folder / "lexicon.json").write_text(json.dumps(words))
    with pytest.raises(ModelError, match=r"lexicon\.json is missing or is not the file"):
        models.load(folder)
    (folder / "lexicon.json").unlink()
    with pytest.raises(ModelError, match="run `lasca run` again"):
        models.load(folder)
    with pytest.raises(ModelError, match="there is no such folder"):
        models.load(tmp_path / "nowhere")


def test_a_model_refuses_another_version_of_a_component(
    tmp_path: Path, toy: ModuleType, shared: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = models.load(shared.folder)
    newer = [{**part, "version": 2} if part["kind"] == "encoder" else part for part in saved.components]
    monkeypatch.setitem(saved.__dict__, "components", tuple(newer))
    with pytest.raises(ModelError, match="another version of encoder 'hashing'"):
        models.restore(saved, make_registry(toy), make_runtime(tmp_path / "cache"))


def test_no_statistic_of_the_test_pairs_reaches_training(tmp_path: Path, toy: ModuleType) -> None:
    from lasca_core.contract.types import Block, Pairs
    from lasca_core.experiment.config import FusionOptions
    from lasca_core.experiment.trial import make_problem

    delta = torch.randn(40, 8)
    pairs = Pairs(torch.arange(40), torch.arange(40) + 1, (torch.arange(40) % 2).float(), torch.ones(40), {})
    group = torch.arange(40) // 10
    train = (group != 3).nonzero()[:, 0]
    fusion = FusionOptions(components=2)
    layout = (Block("features", 0, 3), Block("text", 3, 8))
    problem, columns = make_problem(delta, layout, pairs, group, train, seed=0, fusion=fusion)
    changed = delta.clone()
    changed[group == 3] *= 1000
    other, other_columns = make_problem(changed, layout, pairs, group, train, seed=0, fusion=fusion)
    assert torch.equal(columns.scale, other_columns.scale)
    assert torch.equal(columns.rotation, other_columns.rotation)
    assert torch.equal(problem.delta, other.delta)
    assert set(problem.group.tolist()) == {0, 1, 2}


def test_a_session_that_cannot_be_used_is_reported_and_left_out(tmp_path: Path, toy: ModuleType) -> None:
    for fault, session, words in (
        ("no face", "session 1", "no window has enough valid frames"),
        ("no media", "session 2", "neither media nor ready features"),
    ):
        finished = go(tmp_path / fault, toy, f"dataset.fault='{fault}'", "evaluate.variants=['features']")
        assert list(finished.record["data"]["skipped"]) == [session]
        assert words in finished.record["data"]["skipped"][session]
        assert finished.record["data"]["sessions"] == 5


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("one subject", DatasetError, "are of 1 subject"),
        ("all rise", DatasetError, r"pairs of valence rise .*: there is nothing to tell apart"),
        ("nan", ContractError, "NaN"),
    ],
)
def test_a_dataset_that_cannot_be_learnt_from_is_one_sentence(
    tmp_path: Path, toy: ModuleType, fault: str, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        go(tmp_path, toy, f"dataset.fault='{fault}'", "dataset.seconds=24")


def test_too_few_pairs_say_what_to_change(tmp_path: Path, toy: ModuleType) -> None:
    with pytest.raises(DatasetError, match=r"only 0 pairs .* lower -o pairs\.tau"):
        go(tmp_path, toy, "pairs.tau=5")


def test_windows_longer_than_every_session_say_so(tmp_path: Path, toy: ModuleType) -> None:
    with pytest.raises(DatasetError, match=r"none of the 6 sessions .* shorter than one window of 500 s"):
        go(tmp_path, toy, "windows.length=500")


def test_a_wrong_name_or_option_is_an_error_before_any_work(tmp_path: Path, toy: ModuleType) -> None:
    for assignments, chosen, kind, words in (
        (["mlp.alpa=1"], {}, OptionError, r"mlp\.alpa does not exist; did you mean mlp\.alpha\?"),
        (["windows.lenth=1"], {}, OptionError, r"windows\.lenth does not exist; did you mean windows\.length"),
        (["windows.length=-1"], {}, OptionError, r"windows\.length = -1: input should be greater than 0"),
        (["nowhere.x=1"], {}, OptionError, "no stage 'nowhere'"),
        ([], {"encoder": "hasing"}, PluginError, "no encoder 'hasing'; did you mean hashing"),
        ([], {"targets": ("joy",)}, OptionError, "joy is not annotated in this dataset; annotated: valence"),
    ):
        with pytest.raises(kind, match=words):
            go(tmp_path, toy, *assignments, **chosen)
    assert toy.ENCODED == []


def test_a_target_that_cannot_be_learnt_is_left_out_aloud(tmp_path: Path, toy: ModuleType) -> None:
    config = resolve(
        chosen={"dataset": "toyland", "extractors": ("toy",), "encoder": "hashing", "lexicon": "names"},
        assignments=["dataset.fault='flat arousal'", "evaluate.variants=['features']"],
    )
    runtime = make_runtime(tmp_path / "cache")
    finished = run(config, make_registry(toy), runtime, tmp_path / "runs", [])
    assert list(finished.metrics["targets"]) == ["valence"]
    assert any("left for arousal" in warning for warning in runtime.report.warnings)  # type: ignore[attr-defined]


def test_settings_of_components_that_are_not_chosen_now_do_not_matter(tmp_path: Path, toy: ModuleType) -> None:
    first = go(tmp_path, toy, "evaluate.variants=['features']")
    config = resolve(file=first.folder / "run.json", chosen={"learner": "logistic", "saliency": "topk"})
    assert (config.run.learner, config.run.saliency) == ("logistic", "topk")
    assert resolve(preset="paper", chosen={"learner": "logistic"}).normalize.resolution == 0
    with pytest.raises(OptionError, match=r"option mlp\.alpha: there is no stage 'mlp'"):
        resolve(chosen={"learner": "logistic"}, assignments=["mlp.alpha=2"])


def test_observers_see_a_run_and_cannot_break_it(tmp_path: Path, toy: ModuleType) -> None:
    from lasca_core.api import hookimpl

    seen: list[str] = []
    observer = ModuleType("observer")

    @hookimpl
    def lasca_run_started(run: Any) -> None:
        seen.append("started")
        raise RuntimeError("an observer's mistake")

    @hookimpl
    def lasca_stage_finished(stage: Any) -> None:
        seen.append(stage.name)

    @hookimpl
    def lasca_run_finished(error: BaseException | None) -> None:
        seen.append(f"finished {error}")

    for function in (lasca_run_started, lasca_stage_finished, lasca_run_finished):
        setattr(observer, function.__name__, function)
    config = resolve(
        chosen={"dataset": "toyland", "extractors": ("toy",), "encoder": "hashing", "lexicon": "names"},
        assignments=["evaluate.variants=['features']"],
    )
    runtime = make_runtime(tmp_path / "cache")
    run(config, make_registry(toy, observer), runtime, tmp_path / "runs", [])
    assert seen[0] == "started"
    assert seen[-1] == "finished None"
    assert {"extract", "windows", "train"} <= set(seen)
    assert len(seen) == len(set(seen)), "each stage is told of once"
    assert any("an observer's mistake" in warning for warning in runtime.report.warnings)  # type: ignore[attr-defined]


def test_a_control_that_is_not_installed_is_left_out_unless_it_was_asked_for(
    tmp_path: Path, toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = make_registry(toy)
    chosen = {"dataset": "toyland", "extractors": ("toy",), "encoder": "hashing", "lexicon": "llm", "learner": "mlp"}
    installed = registry.all
    monkeypatch.setattr(
        registry,
        "all",
        lambda kind: [found for found in installed(kind) if found.spec.name not in ("names", "prior")],
        raising=False,
    )
    runtime = make_runtime(tmp_path / "cache")
    config = run_module._without_absent_controls(resolve(chosen=chosen), registry, runtime)
    assert config.evaluate.variants == ("majority", "features", "mask", "text", "fused", "shuffled")
    notes = runtime.report.notes  # type: ignore[attr-defined]
    assert "lexicon names is not installed: names, zero-shot-names are left out" in notes
    for asked in ("evaluate.control=names", "evaluate.variants=['names', 'zero-shot']"):
        config = resolve(chosen=chosen, assignments=[asked])
        kept = run_module._without_absent_controls(config, registry, runtime).evaluate.variants
        assert "names" in kept, "what was asked for by name is an error later, and not dropped"


def test_options_of_the_kind_go_to_the_chosen_learner_and_not_to_the_one_without_training(
    tmp_path: Path, toy: ModuleType
) -> None:
    finished = go(tmp_path, toy, "learner.alpha=0.5", "evaluate.variants=['zero-shot', 'features']")
    assert finished.record["config"]["mlp"]["alpha"] == 0.5
    assert finished.record["config"]["prior"]["gain"] == 1.5, "what a variant needs is in the record too"


def test_a_model_of_ready_features_says_that_nothing_measures_them(tmp_path: Path, toy: ModuleType) -> None:
    assignments = ["facs.people=6", "facs.segments=10", "evaluate.variants=['features']", "evaluate.folds=2"]
    config = resolve(chosen={"dataset": "facs", "lexicon": "names", "encoder": "hashing"}, assignments=assignments)
    registry, runtime = make_registry(toy), make_runtime(tmp_path / "cache")
    finished = run(config, registry, runtime, tmp_path / "runs", [])
    assert finished.record["config"]["run"]["extractors"] == ["au"]
    saved = models.load(finished.folder)
    with pytest.raises(ModelError, match=r"trained on au, features that the dataset 'facs' brought along"):
        models.restore(saved, registry, runtime)


def test_a_run_whose_only_target_has_no_fold_names_the_target_and_the_reason(tmp_path: Path, toy: ModuleType) -> None:
    from lasca_core.experiment import evaluate as evaluation

    real = evaluation._plan

    def plan(pipeline: Any, target: str, pairs: Any, material: Any) -> Any:
        if target == "valence":
            raise DatasetError("evaluate.test_parts: no pair belongs to validation")
        return real(pipeline, target, pairs, material)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "_plan", plan)
        with pytest.raises(DatasetError, match=r"valence: evaluate\.test_parts: no pair belongs to validation"):
            go(tmp_path, toy, "evaluate.variants=['features']")
