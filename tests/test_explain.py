"""Explanations of predictions: complete, the same as leaving out by hand, and honest where a model is not smooth."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from lasca_core.cli.explain import explanation_as_dict, explanation_lines
from lasca_core.contract.errors import OptionError
from lasca_core.contract.types import Knowledge, Recording, Scores
from lasca_core.experiment import model as models
from lasca_core.experiment import predict as prediction
from lasca_core.experiment.config import resolve
from lasca_core.experiment.explain import Contribution, Explanation
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.predict import WindowPrediction, predict, predict_zero_shot
from lasca_core.experiment.run import run
from lasca_core.steps.attribution import TOLERANCE, attribute, lets_gradients_through
from lasca_core.testing import make_registry, make_runtime

pytest.importorskip("captum", reason="captum (lasca[explain]) is not installed")

QUICK = ("evaluate.bootstrap=200", "evaluate.folds=2", "dataset.subjects=5", "windows.length=3")
SENTENCES = ("fusion.wording=sentence", "fusion.components=0", "fusion.scale=column")
WEIGHTED = ("fusion.wording=weighted", "fusion.components=0", "lexicon.direction=true")
TURNED = ("fusion.wording=weighted", "fusion.components=3", "fusion.scale=block")


# --- integration ------------------------------------------------------------------------------------------------------


def a_network(bends: type[torch.nn.Module], seed: int = 0) -> Callable[[Tensor], Tensor]:
    """The logit of a random network of 6 columns."""
    torch.manual_seed(seed)
    layers = torch.nn.Sequential(torch.nn.Linear(6, 40), bends(), torch.nn.Linear(40, 1))
    return lambda columns: 3 * layers(columns)[:, 0]


@pytest.fixture(autouse=True)
def kept_random_state() -> Iterator[None]:
    """The generator that ``a_network`` seeds, as it was."""
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)


COLUMNS = torch.randn(9, 6, generator=torch.Generator().manual_seed(1)) * 2
PARTS = torch.tensor([0, 1, 2, 3, 3, 3])


def test_the_parts_of_a_linear_logit_are_its_terms() -> None:
    weight = torch.tensor([1.0, -2.0, 0.0, 0.5, 3.0, -1.0])
    found = attribute(lambda columns: columns @ weight + 0.7, COLUMNS, PARTS)
    terms = COLUMNS * weight
    torch.testing.assert_close(found.parts[:, :3], terms[:, :3], atol=1e-5, rtol=0)
    torch.testing.assert_close(found.parts[:, 3], terms[:, 3:].sum(dim=1), atol=1e-5, rtol=0)
    assert float(found.bias) == pytest.approx(0.7)


def test_the_parts_of_a_product_share_it_equally() -> None:
    """The integral of x1 x2 along the straight path is known: half of it belongs to either factor."""
    found = attribute(lambda columns: columns[:, 0] * columns[:, 1], COLUMNS, torch.arange(6))
    half = COLUMNS[:, 0] * COLUMNS[:, 1] / 2
    torch.testing.assert_close(found.parts[:, :2], torch.stack([half, half], dim=1), atol=1e-5, rtol=1e-5)
    assert not found.parts[:, 2:].any()


def test_steps_are_added_until_a_network_with_kinks_is_accounted_for(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = a_network(torch.nn.ReLU)
    with monkeypatch.context() as patch:
        patch.setattr("lasca_core.steps.attribution._MOST_GRADIENTS", 16)
        assert float(attribute(logits, COLUMNS, PARTS).residual.abs().max()) > TOLERANCE
    assert float(attribute(logits, COLUMNS, PARTS).residual.abs().max()) < TOLERANCE


def through_numpy(logits: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda columns: torch.from_numpy(logits(torch.from_numpy(columns.numpy())).detach().numpy())


def detached(logits: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Its result requires a gradient, though not of the columns."""
    return lambda columns: logits(columns.detach())


def inferring(logits: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return torch.inference_mode()(logits)


@pytest.mark.parametrize("hide", [through_numpy, detached, inferring])
def test_a_model_that_gives_no_gradients_gets_the_same_parts(
    hide: Callable[[Callable[[Tensor], Tensor]], Callable[[Tensor], Tensor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = a_network(torch.nn.Tanh)
    expected = attribute(logits, COLUMNS, PARTS)
    hidden = hide(logits)
    assert lets_gradients_through(logits, 6, COLUMNS.device)
    assert not lets_gradients_through(hidden, 6, COLUMNS.device)
    without_captum(monkeypatch)
    found = attribute(hidden, COLUMNS, PARTS)
    torch.testing.assert_close(found.parts, expected.parts, atol=2e-3, rtol=0)
    torch.testing.assert_close(found.logit, expected.logit)
    assert float(found.residual.abs().max()) < TOLERANCE


def without_captum(patch: pytest.MonkeyPatch) -> None:
    """As if captum were not installed."""
    real = importlib.util.find_spec
    patch.setattr(
        "lasca_core.steps.attribution.importlib.util.find_spec", lambda name: None if name == "captum" else real(name)
    )


# --- models -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def toy() -> Iterator[ModuleType]:
    """The toy plugin, whose valence is made to follow the smile and chance."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        import toy_plugin

        def mostly_the_smile(self: Any, subject: int) -> Recording:
            recording = whole(self, subject)
            values, trace = recording.features["toy"].values, recording.annotations["valence"]
            noise = torch.randn(len(values) // 30 + 1, generator=self.runtime.generator("noise", subject))
            noise = noise.repeat_interleave(30)[: len(values)]
            followed = ((values[:, 0] + 0.5 * noise) / 4).clamp(-1, 1)
            return replace(recording, annotations={"valence": replace(trace, values=followed)})

        whole = toy_plugin.ToyDataset._session
        patch.setattr(toy_plugin.ToyDataset, "_session", mostly_the_smile)
        yield toy_plugin


Trained = tuple[models.SavedModel, Pipeline, Recording]


@pytest.fixture(scope="module")
def trained(toy: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Trained]:
    """A model trained with the given variant, learner and settings, its pipeline, and a person it has never seen."""
    known: dict[tuple[str, ...], Trained] = {}

    def train(variant: str, learner: str, *settings: str) -> Trained:
        key = (variant, learner, *settings)
        if key not in known:
            folder = tmp_path_factory.mktemp("explain")
            chosen = {
                "dataset": "toyland",
                "extractors": ("toy",),
                "encoder": "hashing",
                "lexicon": "names",
                "learner": learner,
            }
            assignments = [*QUICK, f"evaluate.variants=['{variant}']", *settings]
            runtime = make_runtime(folder / "cache")
            finished = run(resolve(chosen=chosen, assignments=assignments), make_registry(toy), runtime, folder, [])
            saved = models.load(finished.folder)
            pipeline = models.restore(saved, make_registry(toy), runtime)
            stranger = list(toy.ToyDataset(toy.ToyOptions(subjects=7, seconds=45), runtime).sessions())[6]
            known[key] = saved, pipeline, stranger
        return known[key]

    return train


def explained(rows: list[WindowPrediction]) -> list[tuple[WindowPrediction, Explanation]]:
    return [(row, row.explanations["valence"]) for row in rows if row.compared]


@pytest.mark.parametrize(
    ("variant", "learner", "settings"),
    [
        ("features", "logistic", ()),
        ("features", "prior", ()),
        ("mask", "mlp", ("mlp.antisymmetric=true",)),
        ("text", "logistic", SENTENCES),
        ("fused", "prior", TURNED),
        ("fused", "prior", SENTENCES),
        ("fused", "mlp", SENTENCES),
        ("fused", "mlp", (*WEIGHTED, "mlp.antisymmetric=true", "mlp.ensemble=2")),
        ("fused", "mlp", (*TURNED, "mlp.prior=true")),
    ],
)
def test_the_contributions_are_the_whole_logit(
    trained: Callable[..., Trained], variant: str, learner: str, settings: tuple[str, ...]
) -> None:
    saved, pipeline, stranger = trained(variant, learner, *settings)
    rows = predict(saved, pipeline, stranger, explain=True)
    assert [bool(row.explanations) for row in rows] == [row.compared for row in rows]
    assert len(explained(rows)) > 8
    for row, found in explained(rows):
        rises, probability = row.directions["valence"]
        assert 1 / (1 + math.exp(-found.logit)) == pytest.approx(probability if rises else 1 - probability, abs=1e-5)
        features, cues = (sum(part.contribution for part in parts) for parts in (found.features, found.cues))
        assert found.bias + features + found.text + found.residual == pytest.approx(found.logit, abs=1e-9)
        assert cues + found.interaction == pytest.approx(found.text, abs=1e-9)
        rounding = 2**-23 / (probability * (1 - probability))  # of a float32 probability, in units of the logit
        assert abs(found.residual) < TOLERANCE + rounding
        for parts in (found.features, found.cues):
            sizes = [abs(part.contribution) for part in parts]
            assert sizes == sorted(sizes, reverse=True)
        names = {part.feature for part in found.features}
        assert names == (set() if variant == "text" else set(pipeline.extractors[0].component.names))
        if variant in ("features", "mask"):
            assert (found.text, found.cues, found.interaction) == (0, (), 0)
        if learner != "mlp" or "mlp.antisymmetric=true" in settings:
            assert found.bias == 0


@pytest.mark.parametrize(
    ("variant", "learner", "settings"),
    [("features", "mlp", ()), ("features", "prior", ()), ("fused", "logistic", TURNED), ("mask", "logistic", ())],
)
def test_a_planted_cue_is_ranked_first(
    trained: Callable[..., Trained], variant: str, learner: str, settings: tuple[str, ...]
) -> None:
    saved, pipeline, stranger = trained(variant, learner, *settings)
    found = [one for _, one in explained(predict(saved, pipeline, stranger, explain=True))]
    smiles = [next(part for part in one.features if part.feature == "smile") for one in found]
    moved = [(one, smile) for one, smile in zip(found, smiles, strict=True) if abs(smile.contribution) > 0.7]
    assert {smile.more for _, smile in moved} == {True, False}
    assert all(one.features[0] == smile for one, smile in moved)
    assert all((smile.contribution > 0) == smile.more for _, smile in moved)


def test_a_planted_cues_words_are_ranked_first(trained: Callable[..., Trained]) -> None:
    saved, pipeline, stranger = trained("text", "logistic", *SENTENCES)
    found = [one for _, one in explained(predict(saved, pipeline, stranger, explain=True))]
    said = [one for one in found if any(cue.feature == "smile" and abs(cue.contribution) > 0.5 for cue in one.cues)]
    assert len(said) > 3
    assert all(one.cues[0].feature == "smile" for one in said)
    assert all((one.cues[0].contribution > 0) == one.cues[0].more for one in said)


@pytest.mark.parametrize("settings", [SENTENCES, WEIGHTED, TURNED], ids=["sentence", "weighted", "turned"])
def test_leaving_a_cue_out_is_what_predicting_without_its_words_gives(
    trained: Callable[..., Trained], settings: tuple[str, ...]
) -> None:
    saved, pipeline, stranger = trained("fused", "mlp", *settings)
    scene = prediction._scene(pipeline, prediction._windows(pipeline, stranger), saved.lexicon, None)
    head = saved.heads["valence"]
    model = pipeline.learner.component.from_state(head.state)
    names, mask = scene.blocks.windows.names, scene.blocks.saliency.mask
    features, score = scene.blocks.normalized.features, scene.blocks.saliency.score

    def words(window: int, without: str) -> Tensor:
        cues = [name for column, name in enumerate(names) if mask[window, column] and name != without]
        if settings == SENTENCES:
            return pipeline.embed(
                [saved.lexicon.sentence(sorted(cues, key=list(saved.lexicon.entries).index))]
            ).vectors[0]
        if not cues:
            return torch.zeros(32)
        weight = score[window, [names.index(name) for name in cues]]
        return (weight[:, None] * pipeline.embed([saved.lexicon.describe(name) for name in cues]).vectors).sum(
            0
        ) / weight.sum()

    def logit(earlier: int, later: int, without: str = "") -> float:
        change = torch.cat([features[later] - features[earlier], words(later, without) - words(earlier, without)])
        turned = (
            change if head.columns.rotation is None else torch.cat([change[:4], change[4:] @ head.columns.rotation])
        )
        probability = model.predict((turned / head.columns.scale)[None]).probability
        return float(torch.logit(probability.double())) / head.temperature

    rows = explained(predict(saved, pipeline, stranger, explain=True))
    pairs = list(zip(scene.pairs.earlier.tolist(), scene.pairs.later.tolist(), strict=True))
    both = 0
    for (_, found), (earlier, later) in zip(rows, pairs, strict=True):
        assert found.logit == pytest.approx(logit(earlier, later), abs=1e-4)
        salient = {name for column, name in enumerate(names) if mask[earlier, column] or mask[later, column]}
        both += sum(bool(mask[earlier, column] and mask[later, column]) for column in range(len(names)))
        assert {cue.feature for cue in found.cues} == salient
        for cue in found.cues:
            assert cue.contribution == pytest.approx(found.logit - logit(earlier, later, cue.feature), abs=2e-4)
            assert cue.words == saved.lexicon.entries[cue.feature]
    assert both, "some cue is salient in both windows, and left out of both"


def test_cues_that_did_not_fit_into_the_sentence_are_not_told_of(
    trained: Callable[..., Trained], toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, pipeline, stranger = trained("fused", "mlp", *SENTENCES)

    def one_for_each_cue(_: object, texts: Sequence[str]) -> list[int]:
        return [sum(name.partition("_")[0] in text for name in toy.NAMES) for text in texts]

    monkeypatch.setattr(toy.HashingEncoder, "count_tokens", one_for_each_cue)
    monkeypatch.setattr(toy.HashingEncoder, "max_tokens", 1)
    rows = predict(saved, pipeline, stranger, explain=True)
    assert any(row.dropped for row in rows)
    spoken = {row.end: {cue.feature for cue in row.cues} for row in rows}
    for row, found in explained(rows):
        before = max(end for end in spoken if end <= row.start + 1e-6)
        assert {cue.feature for cue in found.cues} == spoken[row.end] | spoken[before]


def test_nothing_is_explained_unless_it_is_asked_for(trained: Callable[..., Trained]) -> None:
    assert not any(row.explanations for row in predict(*trained("features", "logistic")))


def test_without_captum_an_explanation_is_refused_before_any_work(
    trained: Callable[..., Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, pipeline, stranger = trained("features", "logistic")
    without_captum(monkeypatch)
    monkeypatch.setattr(Pipeline, "tracks", lambda *_, **__: pytest.fail("work had begun"))
    with pytest.raises(OptionError, match=r"captum, which is not installed; pip install 'lasca\[explain\]'"):
        predict(saved, pipeline, stranger, explain=True)


def test_a_model_of_steps_says_what_is_not_accounted_for(
    trained: Callable[..., Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, pipeline, stranger = trained("features", "logistic")

    class Steps:
        parameters = 0

        def predict(self, delta: Tensor) -> Scores:
            return Scores(torch.where(delta[:, 0] > 0.25, 0.9, 0.2))

    monkeypatch.setattr(pipeline.learner.component, "from_state", lambda _: Steps(), raising=False)
    report = pipeline.runtime.report
    rows = predict(saved, pipeline, stranger, explain=True)
    assert max(abs(found.residual) for _, found in explained(rows)) > 1
    assert any("of a logit unaccounted for" in warning for warning in report.warnings)  # type: ignore[attr-defined]


def test_the_words_alone_are_explained_by_their_linear_terms(toy: ModuleType, tmp_path: Path) -> None:
    chosen = {"extractors": ("toy",), "encoder": "hashing", "lexicon": "names", "zero_shot": "prior"}
    config = resolve(chosen=chosen, assignments=["windows.length=3"])
    runtime = make_runtime(tmp_path)
    pipeline = Pipeline(config, make_registry(toy), runtime)
    weight = torch.tensor([1.5, -1.0, 0.0, 0.2])
    knowledge = Knowledge(weight, torch.eye(4), reliability=1.0)
    pipeline.knowledge = lambda *_: knowledge  # type: ignore[method-assign]
    stranger = list(toy.ToyDataset(toy.ToyOptions(subjects=7, seconds=45), runtime).sessions())[6]
    rows = predict_zero_shot(pipeline, stranger, ("valence",)).windows
    assert len(explained(rows)) > 8
    for row, found in explained(rows):
        assert sum(part.contribution for part in found.features) == pytest.approx(found.logit, abs=1e-4)
        assert (found.bias, found.text, found.cues) == (0, 0, ())
        told = [(reason.feature, reason.contribution) for reason in row.reasons["valence"]]
        assert told == [(part.feature, part.contribution) for part in found.features if part.contribution]
        assert {part.more for part in found.features if part.feature == "pitch_angle"} == {None}


# --- in print ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def of_a_smile() -> Explanation:
    smile = [
        Contribution(f"mouthSmile{side}", value, True, "a smile") for side, value in (("Left", 0.4), ("Right", 0.7))
    ]
    features = [*smile, Contribution("jawLeft", -0.3, False, "a jaw"), Contribution("jawRight", 0.2, None, "a jaw")]
    cues = [Contribution("mouthSmileLeft", 0.25, True, "a smile"), Contribution("browInnerUp", -0.6, False, "brows")]
    return Explanation.of("valence", 1.0, -0.1, features, 0.1, cues)


def test_both_sides_of_the_face_and_change_and_words_are_printed_together(of_a_smile: Explanation) -> None:
    assert list(explanation_lines(of_a_smile)) == [
        "valence: logit of a rise +1.00",
        "  +1.35 more mouthSmile (left and right) (change +1.10, words +0.25): a smile",
        "  -0.60 less browInnerUp (its words): brows",
        "  -0.30 less jawLeft: a jaw",
        "  +0.20 jawRight: a jaw",
        "  in all: changes +1.00, words +0.10 (+0.45 beyond single cues), without any change -0.10, residual +0.0000",
    ]
    assert len(list(explanation_lines(of_a_smile, 2))) == 4


def test_json_holds_all_of_it(of_a_smile: Explanation) -> None:
    told = json.loads(json.dumps(explanation_as_dict(of_a_smile)))
    assert told["logit"] == pytest.approx(
        told["bias"] + sum(part["contribution"] for part in told["features"]) + told["text"] + told["residual"]
    )
    assert told["text"] == pytest.approx(sum(cue["contribution"] for cue in told["cues"]) + told["interaction"])
    assert [part["feature"] for part in told["features"]] == [
        "mouthSmileRight",
        "mouthSmileLeft",
        "jawLeft",
        "jawRight",
    ]
    assert told["cues"][0] == {"feature": "browInnerUp", "contribution": -0.6, "more": False, "words": "brows"}
