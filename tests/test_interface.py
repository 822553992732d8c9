"""LaScA from Python: evaluate, predict, extract, and tables of what came out."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

import lasca_core
from lasca_core import Model, Pipeline, Run
from lasca_core.api import LascaError, MediaError, ModelError, OptionError

CLIP = Path(__file__).parents[2] / "shared/data/crema-d/crema_1001_NEU-HAP-ANG-SAD-FEA-DIS.mp4"
needs_clip = pytest.mark.skipif(not CLIP.is_file(), reason="the clips of CREMA-D are not beside the checkout")
SMALL = {"evaluate.folds": 3, "evaluate.variants": ["majority", "features", "fused"]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small run on the synthetic dataset `facs`."""
    recipe = Pipeline(options=SMALL, offline=True, quiet=True)
    return recipe.evaluate("facs", people=12, output=tmp_path_factory.mktemp("runs"))


@pytest.fixture
def sound(write_media: Callable[..., Path], tmp_path: Path) -> Path:
    """Eight seconds of made-up sound, louder and louder."""
    noise = np.random.default_rng(0).normal(size=(1, 16_000 * 8)) * np.linspace(0.01, 0.2, 16_000 * 8)
    return write_media(tmp_path / "sound.wav", sound=noise.astype(np.float32))


def test_importing_the_package_imports_neither_torch_nor_numpy_nor_scikit_learn() -> None:
    script = "import sys, lasca_core; lasca_core.Pipeline; assert not {'torch', 'numpy', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert {"Pipeline", "Run", "Model", "Prediction"} <= set(lasca_core.__all__)
    listing = "import lasca_core; assert {'Pipeline', 'Run', 'Model', 'Prediction'} <= set(dir(lasca_core))"
    subprocess.run([sys.executable, "-c", listing], check=True)
    with pytest.raises(AttributeError, match="Pipelines"):
        lasca_core.Pipelines  # noqa: B018


def test_an_evaluation_gives_a_table_with_a_row_for_each_target_and_variant(run: Run) -> None:
    frame = run.to_pandas()
    assert frame.groupby("target")["variant"].apply(list).to_dict() == {
        "valence": ["majority", "features", "fused"],
        "arousal": ["majority", "features", "fused"],
    }
    features = frame[(frame.target == "valence") & (frame.variant == "features")].iloc[0]
    assert features.accuracy == run.metrics["targets"]["valence"]["variants"]["features"]["accuracy"]
    polars = run.to_polars()
    assert isinstance(polars, pl.DataFrame)
    assert polars["accuracy"].to_list() == frame["accuracy"].tolist()
    assert run.comparisons.num_rows == 4
    assert set(run.predictions.column_names) >= {"target", "variant", "probability", "rises"}


def test_a_run_shows_itself_in_a_notebook_and_says_that_data_is_synthetic(run: Run) -> None:
    page = run._repr_html_()
    assert "valence (synthetic data)" in page
    assert page.count("<table>") == 2
    assert run.report()._repr_html_().startswith('<iframe srcdoc="')
    assert (run.folder / "report.html").is_file()


def test_a_run_is_loaded_from_its_folder(run: Run) -> None:
    again = Run.load(run.folder, quiet=True)
    assert again.metrics == run.metrics
    assert again.record["status"] == "finished"
    with pytest.raises(LascaError, match="no such folder"):
        Run.load(run.folder / "elsewhere")


def test_options_reach_their_stage_and_wrong_ones_are_told_at_once(run: Run) -> None:
    assert run.record["config"]["evaluate"]["folds"] == 3
    assert run.record["config"]["facs"]["people"] == 12
    with pytest.raises(OptionError, match=r"windows\.lenght"):
        Pipeline(options={"windows.lenght": 5})
    with pytest.raises(OptionError, match=r"windows\.length: .* is not a number"):
        Pipeline(options={"windows.length": object()})
    with pytest.raises(OptionError, match="preset"):
        Pipeline(preset="fastest")
    with pytest.raises(OptionError, match=r"blendshape\.fpss"):
        Pipeline(options={"blendshape.fpss": 5})


@pytest.mark.parametrize("kind", ["saliency", "lexicon", "encoder", "learner"])
def test_a_component_that_is_not_there_is_told_at_once(kind: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=f"there is no {kind} 'zzz'"):
        Pipeline(**{kind: "zzz"})
    file = tmp_path / "recipe.toml"
    file.write_text(f'[run]\n{kind} = "zzz"\n')
    with pytest.raises(OptionError, match=f"there is no {kind} 'zzz'"):
        Pipeline(config=file)


def test_a_device_that_is_not_there_is_told_at_once(run: Run) -> None:
    with pytest.raises(OptionError, match="gpu: not a device"):
        Pipeline(device="gpu")
    with pytest.raises(OptionError, match="gpu: not a device"):
        Run.load(run.folder, device="gpu")


def test_an_extractor_that_is_not_installed_may_be_what_a_dataset_brings_along(tmp_path: Path, sound: Path) -> None:
    named = Pipeline("au", options=SMALL, offline=True, quiet=True)
    assert named.evaluate("facs", people=8, output=tmp_path).record["config"]["run"]["extractors"] == ["au"]
    for use in (named.predict, named.extract):
        with pytest.raises(OptionError, match=r"no extractor 'au'.*a dataset brings along is not measured"):
            use(sound)
    with pytest.raises(LascaError, match="no extractor 'zzz'"):
        Pipeline("zzz", quiet=True).evaluate("facs", output=tmp_path)


def test_options_of_a_dataset_wait_until_it_is_used(tmp_path: Path) -> None:
    recipe = Pipeline(options={"facs.people": 8, "puppet.size": "tiny"}, quiet=True)
    assert len({recording.subject for recording in recipe.recordings("facs")}) == 8
    assert len({recording.subject for recording in recipe.recordings("facs", people=9)}) == 9, "the call decides"
    with pytest.raises(OptionError, match=r"puppet\.size"):
        recipe.recordings("puppet")
    with pytest.raises(OptionError, match=r"facts\.people: there is no stage"):
        Pipeline(options={"facts.people": 8})
    with pytest.raises(OptionError, match="there is no dataset 'facts'"):
        recipe.recordings("facts")


def test_numbers_may_come_from_numpy() -> None:
    recipe = Pipeline(options={"windows.length": np.float32(2.5), "facs.people": np.int64(8)}, seed=np.int64(3))
    assert "blendshape" in repr(recipe)
    assert len({recording.subject for recording in recipe.recordings("facs")}) == 8
    with pytest.raises(OptionError, match=r"windows\.length: array\(.* is not a number"):
        Pipeline(options={"windows.length": np.array([1.0, 2.0])})


def test_the_extractors_of_a_configuration_are_the_ones_used(run: Run, sound: Path, tmp_path: Path) -> None:
    quiet: dict[str, Any] = {"offline": True, "quiet": True}
    (track,) = Pipeline(**quiet).extract(sound)
    assert track.names[0] == "mfcc_0", "by stream, where nothing is said"
    file = tmp_path / "recipe.toml"
    file.write_text('[run]\nextractors = ["blendshape"]\n')
    for recipe in (
        Pipeline(config=file, **quiet),
        Pipeline(options={"run.extractors": ["blendshape"]}, **quiet),
        Pipeline("blendshape", **quiet),
    ):
        with pytest.raises(MediaError, match="video"):
            recipe.extract(sound)
    brought = Pipeline(config=run.folder / "run.json", **quiet)
    with pytest.raises(OptionError, match=r"no extractor 'au'.*a dataset brings along is not measured"):
        brought.predict(sound)
    (track,) = Pipeline("mfcc", config=run.folder / "run.json", **quiet).extract(sound)
    assert track.names[0] == "mfcc_0"


def test_a_target_may_be_one_name_and_counts_once(sound: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Pipeline(options={**SMALL, "windows.length": 2}, offline=True, quiet=True)
    assert {*recipe.predict(sound, "valence").targets, *recipe.predict(sound, "valence").abstains} == {"valence"}
    twice = recipe.predict(sound, ["valence", "arousal", "valence"])
    assert sorted((*twice.targets, *twice.abstains)) == ["arousal", "valence"]
    again = recipe.evaluate("facs", people=8, targets="valence", output=run.folder.parent)
    assert list(again.metrics["targets"]) == ["valence"]
    loaded_pipelines(monkeypatch)
    assert Run.load(run.folder, quiet=True).model.predict(sound, targets="valence").targets == ("valence",)


def loaded_pipelines(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """From now on models load stand-ins, which predict nothing, and are listed here."""
    loaded: list[SimpleNamespace] = []

    def restore(*_: object) -> SimpleNamespace:
        loaded.append(SimpleNamespace(closed=False))
        loaded[-1].close = lambda pipeline=loaded[-1]: setattr(pipeline, "closed", True)
        return loaded[-1]

    monkeypatch.setattr("lasca_core.experiment.model.restore", restore)
    monkeypatch.setattr("lasca_core.experiment.predict.predict", lambda *_, **__: [])
    return loaded


def test_the_model_of_a_run_stays_loaded_until_it_is_closed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = loaded_pipelines(monkeypatch)
    fresh = Run.load(run.folder, quiet=True)
    for _ in range(2):
        fresh.model.predict("talk.mp4")
    assert len(loaded) == 1
    with fresh.model as model:
        model.predict("talk.mp4")
    assert [pipeline.closed for pipeline in loaded] == [True]
    fresh.model.predict("talk.mp4")
    assert [pipeline.closed for pipeline in loaded] == [True, False]


def test_what_was_used_can_be_hashed_copied_and_pickled(sound: Path, run: Run) -> None:
    recipe = Pipeline(options={"windows.length": 2}, offline=True, quiet=True)
    said = recipe.predict(sound)
    assert run.model.targets == ("valence", "arousal")
    assert len({said, run, run.model}) == 3
    assert pickle.loads(pickle.dumps(said)).to_arrow() == said.to_arrow()
    for again in (pickle.loads(pickle.dumps(run)), copy.copy(run), copy.deepcopy(run)):
        assert again.to_arrow() == run.to_arrow()
        assert again.model.targets == run.model.targets
    assert pickle.loads(pickle.dumps(run.model)).targets == run.model.targets
    assert pickle.loads(pickle.dumps(recipe)).predict(sound).to_arrow() == said.to_arrow()


def test_a_run_without_intervals_has_an_empty_table_of_comparisons(run: Run, tmp_path: Path) -> None:
    recipe = Pipeline(options={**SMALL, "evaluate.bootstrap": 0}, offline=True, quiet=True)
    bare = recipe.evaluate("facs", people=8, targets="valence", output=tmp_path)
    assert bare.comparisons.num_rows == 0
    assert bare.comparisons.schema == run.comparisons.schema
    stored = next(iter(run.metrics["targets"]["valence"]["comparisons"].values()))
    assert run.comparisons.column_names == ["target", "comparison", *stored]


def test_a_model_without_media_features_says_so(run: Run, sound: Path) -> None:
    with pytest.raises(ModelError, match="trained on au"):
        run.model.predict(sound)


@needs_clip
def test_the_words_alone_tell_of_a_recording_as_a_table() -> None:
    with Pipeline(options={"windows.length": 2}, offline=True, quiet=True) as recipe:
        said = recipe.predict(CLIP, ["valence", "arousal", "dominance"])
        assert said.targets == ("valence", "arousal")
        assert "dominance" in said.abstains
        frame = said.to_pandas()
        assert len(frame) == len(said) == 6
        assert frame["valence"].tolist()[1] == "rises", "the second part of the clip is happy"
        assert said[1].directions["valence"][0] is True
        assert frame["cues"][1][0].startswith("mouthSmile")
        assert "dominance is not told" in said._repr_html_()
        why = said.explanations().to_pandas()
        assert set(why.columns) >= {"target", "feature", "contribution", "words"}
        assert len(why[(why.start == 2) & (why.target == "valence")]) > 0


@needs_clip
def test_tracks_of_a_recording_are_given_as_the_extractor_measures_them() -> None:
    (track,) = Pipeline("mfcc", offline=True, quiet=True).extract(CLIP)
    assert track.names[0] == "mfcc_0"
    assert track.values.shape == (len(track.times), 15)


def test_a_missing_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"away\.mp4.*does not exist"):
        Pipeline(quiet=True).predict(tmp_path / "away.mp4")
    with pytest.raises(ModelError, match="no such folder"):
        Model.load(tmp_path / "away")
