"""Everything runs on a GPU, as far as the stand-in for one can tell: nothing mixes devices, and results are the CPU's.

Numbers are compared with those of the CPU: the stand-in computes with the same kernels, so that what differs is the
order of sums where the code takes another way on a GPU (batches of other sizes, sorts of torch instead of numpy's).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from lasca_core.api import Knowledge, Problem, Recording, Track, Weights, WeightsError, open_media
from lasca_core.experiment import model as models
from lasca_core.experiment.components import build_component
from lasca_core.experiment.config import resolve
from lasca_core.experiment.live import LivePredictor, LiveSession
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.predict import WindowPrediction, predict, predict_zero_shot
from lasca_core.experiment.run import Finished, run
from lasca_core.host.plugins import discover
from lasca_core.host.runtime import HostRuntime, default_cache
from lasca_core.steps.attribution import TOLERANCE, attribute
from lasca_core.steps.calibration import fit_temperature
from lasca_core.steps.playback import Playback
from lasca_core.testing import make_problem, make_registry, make_runtime, make_salience, write_recording
from lasca_core.testing.sources import Excerpt
from lasca_core.testing.standin import StandIn, standin_device

CLIP = Path(__file__).parents[2] / "shared/data/crema-d/crema_1001_NEU-HAP-ANG-SAD-FEA-DIS.mp4"
QUICK = ("evaluate.bootstrap=50", "evaluate.folds=2")
SETTINGS = {
    "facs, as it comes": ({"dataset": "facs", "learner": "prior"}, ("facs.people=8",)),
    "toy, one sentence a window": (
        {"dataset": "toyland", "extractors": ("toy",), "lexicon": "names", "learner": "mlp"},
        ("fusion.wording=sentence", "fusion.components=3", "normalize.strategy=global"),
    ),
    "toy, logistic": (
        {"dataset": "toyland", "extractors": ("toy",), "saliency": "topk", "lexicon": "names", "learner": "logistic"},
        ("normalize.strategy=subject", "pairs.strategy=self"),
    ),
}


@pytest.fixture
def standin() -> Iterator[StandIn]:
    with standin_device() as found:
        yield found


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The toy plugin, with its counters at zero."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import toy_plugin

    toy_plugin.ENCODED.clear()
    toy_plugin.FAIL_AFTER.clear()
    return toy_plugin


def fetched(runtime: HostRuntime, weights: tuple[Weights, ...]) -> HostRuntime:
    """The runtime with the user's pretrained files, and nothing else of the user's; skips where they are absent."""
    users = HostRuntime(cache=default_cache(), offline=True)
    try:
        for each in weights:
            users.fetch(each)
    except WeightsError as error:
        pytest.skip(f"the pretrained files cannot be had: {error}")
    runtime.cache.mkdir(parents=True)
    (runtime.cache / "weights").symlink_to(users.cache / "weights")
    return runtime


def component(runtime: HostRuntime, kind: str, name: str, **options: Any) -> Any:
    return build_component(make_registry(), runtime, kind, name, options).component


@pytest.fixture
def both(standin: StandIn, tmp_path: Path) -> Callable[..., tuple[Any, Any]]:
    """``both(kind, name, **options)``: the component on the CPU and on the stand-in."""

    def build(kind: str, name: str, **options: Any) -> tuple[Any, Any]:
        weights = discover().spec(kind, name).weights
        runtimes = make_runtime(tmp_path / "here"), standin.runtime(tmp_path / "there")
        here, there = (component(fetched(runtime, weights), kind, name, **options) for runtime in runtimes)
        return here, there

    return build


# --- components -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"), [("otsu", {}), ("otsu", {"variant": "histogram"}), ("topk", {}), ("topk", {"k": 3})]
)
def test_saliency(both: Callable[..., tuple[Any, Any]], name: str, options: dict[str, Any]) -> None:
    here, there = both("saliency", name, **options)
    values = make_salience()
    expected, found = here.select(values), there.select(values.to(there.runtime.device))
    assert found.mask.device == found.score.device == there.runtime.device
    assert torch.equal(found.mask.cpu(), expected.mask)
    torch.testing.assert_close(found.score.cpu(), expected.score)


@pytest.mark.parametrize("options", [{}, {"top_db": "none"}], ids=["top_db", "no top_db"])
def test_sound(both: Callable[..., tuple[Any, Any]], standin: StandIn, tmp_path: Path, options: dict[str, Any]) -> None:
    source = open_media(write_recording(tmp_path / "sound.avi", seconds=20, video=False))
    here, there = both("extractor", "mfcc", chunk=2, **options)
    there.prepare()
    expected = Track.concatenate(list(here.stream(source)))
    standin.forget()
    parts = list(there.stream(source))
    assert [wait for wait in standin.waits if "lasca_audio" in wait.line] == []  # but for the promises of a track
    found = Track.concatenate(parts)
    assert found.values.device == there.runtime.device
    torch.testing.assert_close(found.values.cpu(), expected.values, rtol=1e-4, atol=1e-3)  # decibels
    assert torch.equal(found.valid.cpu(), expected.valid)


@pytest.mark.skipif(not CLIP.is_file(), reason=f"{CLIP} is absent")
def test_faces(both: Callable[..., tuple[Any, Any]], standin: StandIn) -> None:
    source = Excerpt(open_media(CLIP), 1.0)
    here, there = both("extractor", "blendshape", backend="torch", batch_size=16)
    there.prepare()
    expected = Track.concatenate(list(here.stream(source)))
    standin.forget()
    parts = list(there.stream(source))
    batches = [line for line in standin.waits if "lasca_face" in line.line]
    assert len(batches) == 2 * len(parts), "how many faces there are, and what they do"
    found = Track.concatenate(parts)
    assert bool(found.valid.all())
    torch.testing.assert_close(found.values[:, :52].cpu(), expected.values[:, :52], rtol=0, atol=1e-3)
    torch.testing.assert_close(found.values[:, 52:].cpu(), expected.values[:, 52:], rtol=0, atol=5e-3)  # degrees, cm


def test_sentences(both: Callable[..., tuple[Any, Any]], standin: StandIn) -> None:
    texts = ["a smile", "the brows are lowered and the lips pressed", "a smile", "nothing"]
    here, there = both("encoder", "minilm")
    there.prepare()
    standin.forget()
    found = there.encode(texts)
    assert [wait for wait in standin.waits if "lasca" in wait.line] == []  # transformers looks at the mask once
    assert found.device == there.runtime.device
    torch.testing.assert_close(found.cpu(), here.encode(texts), rtol=0, atol=1e-5)


# --- learners ---------------------------------------------------------------------------------------------------------


def problems() -> list[Problem]:
    """Of different sizes, with what words say of the features."""
    return [replace(make_problem(pairs, seed=seed), seed=seed) for seed, pairs in enumerate((120, 90))]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("logistic", {}),
        ("prior", {}),
        ("mlp", {"hidden": (16,)}),
        ("mlp", {"hidden": (16,), "ensemble": 2, "prior": True, "antisymmetric": True}),
    ],
    ids=["logistic", "prior", "mlp", "mlp on a prior"],
)
def test_a_learner_learns_predicts_and_is_restored(
    both: Callable[..., tuple[Any, Any]], standin: StandIn, name: str, options: dict[str, Any]
) -> None:
    here, there = both("learner", name, **options)
    tasks = problems()
    fresh = make_problem(seed=9).delta
    trained = zip(here.fit_many(tasks), there.fit_many([task.to(standin.device) for task in tasks]), strict=True)
    for on_cpu, on_device in trained:
        expected = on_cpu.predict(fresh).probability
        saved = {key: value.cpu() for key, value in on_device.state().items()}
        for model in (on_device, there.from_state(saved)):
            found = model.predict(fresh.to(standin.device)).probability
            assert found.device == standin.device
            torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=1e-3)


def test_training_waits_for_the_device_once_an_epoch(both: Callable[..., tuple[Any, Any]], standin: StandIn) -> None:
    _, there = both("learner", "mlp", max_iter=7, early_stopping=True)
    task = make_problem().to(standin.device)
    standin.forget()
    there.fit_many([task])
    assert 1 <= len([wait for wait in standin.waits if "lasca_preference.training" in wait.line]) <= 7


def test_a_temperature_is_fitted_with_two_waits(standin: StandIn) -> None:
    probability = torch.rand(50, generator=torch.Generator().manual_seed(0))
    label = (probability > 0.4).float()
    moved = probability.to(standin.device), label.to(standin.device)
    standin.forget()
    assert fit_temperature(*moved) == fit_temperature(probability, label)
    assert len(standin.waits) == 2


def test_what_parts_add_to_a_logit(standin: StandIn) -> None:
    pytest.importorskip("captum", reason="captum (lasca[explain]) is not installed")
    torch_layers = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    for parameter in torch_layers.parameters():
        parameter.data = torch.linspace(-1, 1, parameter.numel()).reshape(parameter.shape)
    columns, part = torch.linspace(-2, 2, 30).reshape(5, 6), torch.tensor([0, 0, 1, 1, 2, 3])
    expected = attribute(lambda rows: torch_layers(rows)[:, 0], columns, part)
    moved = torch_layers.to(standin.device)
    found = attribute(lambda rows: moved(rows)[:, 0], columns.to(standin.device), part.to(standin.device))
    # Rounding decides how finely a borderline row is integrated.
    torch.testing.assert_close(found.parts.cpu(), expected.parts, rtol=0, atol=2 * TOLERANCE)


# --- the main job -----------------------------------------------------------------------------------------------------


def go(runtime: HostRuntime, registry: Any, settings: tuple[dict[str, Any], tuple[str, ...]], *more: str) -> Finished:
    chosen, assignments = settings
    config = resolve(chosen={"encoder": "hashing", **chosen}, assignments=[*QUICK, *assignments, *more])
    return run(config, registry, runtime, runtime.cache / "runs", ["lasca", "run"])


def predictions(finished: Finished) -> dict[tuple[Any, ...], float]:
    """The probability of every variant for every pair."""
    import pyarrow.parquet as pq

    rows = pq.read_table(finished.folder / "predictions.parquet").to_pylist()
    keys = ("target", "variant", "session", "later_start", "seed", "fold")
    return {tuple(row[key] for key in keys): row["probability"] for row in rows}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_a_run(
    standin: StandIn, toy: ModuleType, tmp_path: Path, settings: tuple[dict[str, Any], tuple[str, ...]]
) -> None:
    registry = make_registry(toy)
    expected = predictions(go(make_runtime(tmp_path / "here"), registry, settings))
    found = go(standin.runtime(tmp_path / "there"), registry, settings)
    assert standin.refusals == []
    assert found.record["device"].startswith("standin")
    assert predictions(found) == pytest.approx(expected, abs=1e-3)


def assert_same(found: list[WindowPrediction], expected: list[WindowPrediction]) -> None:
    """The same windows, sentences and directions; probabilities and explanations up to rounding."""
    assert any(row.directions for row in found)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.start, ours.end, ours.valid, ours.sentence) == (
            theirs.start,
            theirs.end,
            theirs.valid,
            theirs.sentence,
        )
        for target, (rises, probability) in theirs.directions.items():
            assert ours.directions[target] == (rises, pytest.approx(probability, abs=1e-4))
        for target, explanation in theirs.explanations.items():
            assert ours.explanations[target].logit == pytest.approx(explanation.logit, abs=1e-3)
            parts, others = (
                {one.feature: one.contribution for one in e.features} for e in (ours.explanations[target], explanation)
            )
            assert parts == pytest.approx(others, abs=2 * TOLERANCE)


def test_a_saved_model_predicts_explains_and_goes_live(standin: StandIn, toy: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("captum", reason="captum (lasca[explain]) is not installed")
    registry = make_registry(toy)
    settings = SETTINGS["toy, one sentence a window"]
    saved = models.load(go(standin.runtime(tmp_path / "train"), registry, settings).folder)
    recording = next(iter(toy.ToyDataset(toy.ToyOptions(subjects=1), make_runtime(tmp_path)).sessions()))
    told, live = [], []
    for runtime in (make_runtime(tmp_path / "here"), standin.runtime(tmp_path / "there")):
        pipeline = models.restore(replace(saved, components=_measured(saved)), registry, runtime)
        told.append(predict(saved, pipeline, recording, explain=True))
        predictor = LivePredictor.of_model(saved, pipeline, explain=True)
        track = recording.features["toy"].to(runtime.device)
        live.append(predictor.push("toy", track) + predictor.end("toy"))
    assert_same(told[1], told[0])
    assert_same(live[1], live[0])


def _measured(saved: models.SavedModel) -> tuple[dict[str, Any], ...]:
    """The model's components, the dataset's features counted as if an extractor had measured them."""
    return tuple({name: value for name, value in part.items() if name != "ready"} for part in saved.components)


@pytest.mark.parametrize("explain", [False, True])
def test_the_host_waits_as_often_for_the_predictions_of_many_windows_as_of_few(
    standin: StandIn, toy: ModuleType, tmp_path: Path, explain: bool
) -> None:
    registry = make_registry(toy)
    settings = SETTINGS["toy, one sentence a window"]
    runtime = standin.runtime(tmp_path)
    saved = models.load(go(runtime, registry, settings).folder)
    pipeline = models.restore(replace(saved, components=_measured(saved)), registry, runtime)
    counts = []
    for seconds in (60, 240):
        options = toy.ToyOptions(subjects=1, seconds=seconds)
        recording = next(iter(toy.ToyDataset(options, runtime).sessions()))
        predict(saved, pipeline, recording)  # texts that are new are encoded and stored
        standin.forget()
        predict(saved, pipeline, recording, explain=explain)
        # how finely a path is walked depends on the model, and every step is a prediction
        aside = ("lasca_core.steps.attribution", "lasca_core.contract.types")
        counts.append(Counter(wait.line for wait in standin.waits if not wait.line.startswith(aside)))
    assert counts[0] == counts[1]


def test_the_words_alone_and_a_live_session(
    standin: StandIn, toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def known(pipeline: Pipeline, lexicon: object, names: tuple[str, ...], target: str) -> Knowledge:
        """Hashed words speak of nothing: every feature speaks for the target instead."""
        count, device = len(names), pipeline.runtime.device
        return Knowledge(torch.linspace(0.5, 1.5, count, device=device), torch.eye(count, device=device), 1.0)

    monkeypatch.setattr(Pipeline, "knowledge", known)
    registry = make_registry(toy)
    sound = write_recording(tmp_path / "sound.avi", seconds=12, video=False)
    chosen = {"extractors": ("mfcc",), "encoder": "hashing", "lexicon": "names"}
    config = resolve(chosen=chosen, assignments=["mfcc.top_db=none", "windows.length=2"])
    offline, live = [], []
    for runtime in (make_runtime(tmp_path / "here"), standin.runtime(tmp_path / "there")):
        pipeline = Pipeline(config, registry, runtime)
        offline.append(predict_zero_shot(pipeline, Recording("sound", "?", media=sound), ("arousal",)).windows)
        with LiveSession(LivePredictor.of_words(pipeline, ("arousal",)), Playback(open_media(sound))) as session:
            live.append([row.prediction for row in session])
    assert standin.refusals == []
    for on_cpu, on_device in (offline, live):
        assert_same(on_device, on_cpu)


# --- real media and weights -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_main_job_with_faces_voices_and_sentences(standin: StandIn, tmp_path: Path) -> None:
    registry = make_registry()
    weights = (*registry.spec("extractor", "blendshape").weights, *registry.spec("encoder", "minilm").weights)
    chosen = {"dataset": "puppet", "extractors": ("blendshape", "mfcc"), "encoder": "minilm"}
    settings = (chosen, ("puppet.size=small", "blendshape.backend=torch", "windows.length=3"))
    runtimes = make_runtime(tmp_path / "here"), standin.runtime(tmp_path / "there")
    here, there = (predictions(go(fetched(runtime, weights), registry, settings)) for runtime in runtimes)
    assert standin.refusals == []
    assert there == pytest.approx(here, abs=1e-2)  # blendshapes differ by a rounding, before they are normalised
