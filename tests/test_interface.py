"""LaScA from Python: evaluate, predict, extract, and tables of what came out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

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


def test_importing_the_package_imports_neither_torch_nor_numpy_nor_scikit_learn() -> None:
    script = "import sys, lasca_core; lasca_core.Pipeline; assert not {'torch', 'numpy', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert {"Pipeline", "Run", "Model", "Prediction"} <= set(lasca_core.__all__)
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


def test_a_model_without_media_features_says_so(run: Run, write_media: Callable[..., Path], tmp_path: Path) -> None:
    path = write_media(tmp_path / "sound.wav", sound=np.zeros((1, 16_000 * 8), dtype=np.float32))
    with pytest.raises(ModelError, match="trained on au"):
        run.model.predict(path)


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
