"""LaScA's parts as scikit-learn estimators."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.utils.estimator_checks import check_estimator

from lasca_core.api import LexiconError, OptionError
from lasca_core.interface.estimators import PreferenceClassifier, SalientWords

ROUNDING = "check_methods_subset_invariance"
"""What the float32 products of a network fail: those of few and of many rows differ by a millionth."""


@pytest.mark.parametrize(
    ("estimator", "fails"),
    [
        (PreferenceClassifier("logistic"), set()),
        pytest.param(PreferenceClassifier("mlp", options={"max_iter": 20}), {ROUNDING}, marks=pytest.mark.slow),
        pytest.param(PreferenceClassifier("prior"), set(), marks=pytest.mark.slow),
        pytest.param(SalientWords(offline=True), set(), marks=pytest.mark.slow),
    ],
    ids=["logistic", "mlp", "prior", "words"],
)
@pytest.mark.filterwarnings("ignore")
def test_the_estimators_keep_scikit_learns_promises(estimator: object, fails: set[str]) -> None:
    results = check_estimator(estimator, on_fail=None)
    failed = {row["check_name"]: str(row["exception"]) for row in results if row["status"] == "failed"}
    assert set(failed) == fails, failed
    assert sum(row["status"] == "passed" for row in results) > 40


@pytest.fixture
def faces() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    return pd.DataFrame(draw.random((60, 3)), columns=["mouthSmileLeft", "browDownLeft", "jawOpen"])


def test_the_columns_are_scaled_features_and_then_words(faces: pd.DataFrame) -> None:
    described = SalientWords(offline=True).fit(faces)
    rows = described.transform(faces)
    assert rows.shape == (60, 3 + 384)
    assert rows[:, :3].min(axis=0) == pytest.approx([0, 0, 0])
    assert rows[:, :3].max(axis=0) == pytest.approx([1, 1, 1])
    names = described.get_feature_names_out()
    assert list(names[:4]) == ["mouthSmileLeft", "browDownLeft", "jawOpen", "words_0"]
    assert len(names) == rows.shape[1]


def test_the_words_are_the_lexicons_where_it_knows_the_columns(faces: pd.DataFrame) -> None:
    described = SalientWords(offline=True).fit(faces)
    assert described.lexicon_.id.startswith("llm")
    assert "mouth" in described.words_["mouthSmileLeft"].lower()
    unknown = SalientWords(offline=True).fit(faces.rename(columns={"jawOpen": "seismograph"}))
    assert "seismograph" in unknown.words_["seismograph"]
    with pytest.raises(LexiconError, match="seismograph"):
        SalientWords(lexicon="llm", offline=True).fit(faces.rename(columns={"jawOpen": "seismograph"}))


def test_the_extractor_says_which_columns_are_signed() -> None:
    pose = pd.DataFrame({"pitch": [-20.0, 0.0, 0.0, 20.0], "jawOpen": [0.0, 0.2, 0.4, 0.6]})
    plain = SalientWords("mask", offline=True).fit_transform(pose)
    signed = SalientWords("mask", extractor="blendshape", offline=True).fit_transform(pose)
    assert plain[0, 0] == 0, "the lowest value of an unsigned feature is none of it"
    assert signed[0, 0] == 1, "a head bent down is as far from the usual as one bent back"


def test_a_described_table_can_be_copied_and_pickled(faces: pd.DataFrame) -> None:
    described = SalientWords("features", offline=True).fit(faces)
    again = pickle.loads(pickle.dumps(described))
    np.testing.assert_array_equal(again.transform(faces), described.transform(faces))
    assert clone(described).representation == "features"


def test_a_wrong_representation_is_one_clear_sentence(faces: pd.DataFrame) -> None:
    with pytest.raises(OptionError, match="representation='everything': choose fused, features, mask or text"):
        SalientWords("everything", offline=True).fit(faces)  # type: ignore[arg-type]


def pairs(people: int = 8, each: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Differences of five columns whose first decides, with whose they are."""
    draw = np.random.default_rng(1)
    delta = draw.normal(size=(people * each, 5))
    rises = delta[:, 0] + 0.3 * draw.normal(size=len(delta)) > 0
    return delta, np.where(rises, "rises", "falls"), np.repeat(np.arange(people), each)


@pytest.mark.parametrize("learner", ["logistic", "prior", "mlp"])
def test_what_decides_is_learnt_and_classes_keep_their_names(learner: str) -> None:
    delta, way, person = pairs()
    fitted = PreferenceClassifier(learner).fit(delta, way, groups=person)
    assert list(fitted.classes_) == ["falls", "rises"]
    assert fitted.predict(np.array([[3.0, 0, 0, 0, 0], [-3.0, 0, 0, 0, 0]])).tolist() == ["rises", "falls"]
    proba = fitted.predict_proba(delta)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_allclose(1 / (1 + np.exp(-fitted.decision_function(delta))), proba[:, 1], atol=1e-6)


def test_it_takes_part_in_scikit_learns_cross_validation() -> None:
    delta, way, person = pairs()
    found = cross_val_score(PreferenceClassifier("logistic"), delta, way, groups=person, cv=GroupKFold(4))
    assert found.mean() > 0.8


def test_more_than_two_classes_or_one_are_refused() -> None:
    delta, way, _ = pairs()
    with pytest.raises(ValueError, match="Only binary classification"):
        PreferenceClassifier().fit(delta, np.arange(len(delta)) % 3)
    with pytest.raises(ValueError, match="only one class is present"):
        PreferenceClassifier().fit(delta, np.full(len(way), "rises"))
    with pytest.raises(ValueError, match="groups has 3 entries"):
        PreferenceClassifier().fit(delta, way, groups=[1, 2, 3])


def test_an_unknown_learner_or_option_is_one_clear_sentence() -> None:
    delta, way, _ = pairs()
    with pytest.raises(Exception, match="forest"):
        PreferenceClassifier("forest").fit(delta, way)
    with pytest.raises(OptionError, match="trees"):
        PreferenceClassifier("mlp", options={"trees": 3}).fit(delta, way)


def test_an_option_may_come_from_an_array_of_numpy() -> None:
    delta, way, _ = pairs()
    fitted = PreferenceClassifier("mlp", options={"hidden": [np.int64(4)], "max_iter": np.int64(5)}).fit(delta, way)
    same = PreferenceClassifier("mlp", options={"hidden": [4], "max_iter": 5}).fit(delta, way)
    np.testing.assert_array_equal(fitted.predict_proba(delta), same.predict_proba(delta))
