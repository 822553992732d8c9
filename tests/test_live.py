"""Live predictions against offline ones: a row says what offline would say of the recording cut off at its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from lasca_core.contract.errors import ContractError, ModelError, WeightsError
from lasca_core.contract.lexicon import Lexicon
from lasca_core.contract.types import Block, Knowledge, Problem, Recording, Saliency, Track
from lasca_core.experiment.config import resolve
from lasca_core.experiment.live import LivePredictor
from lasca_core.experiment.live.statistics import RunningMedian, RunningStatistics, RunningStep
from lasca_core.experiment.live.strand import Strand
from lasca_core.experiment.live.words import Vocabulary
from lasca_core.experiment.model import Head, SavedModel
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.predict import WindowPrediction, predict, predict_zero_shot
from lasca_core.host.runtime import default_cache
from lasca_core.steps.fusion import fit_columns
from lasca_core.steps.normalize import statistics
from lasca_core.steps.windows import cut
from lasca_core.steps.wording import write
from lasca_core.testing import make_registry, make_runtime

CLIP = Path(__file__).parents[2] / "shared/data/crema-d/crema_1001_NEU-HAP-ANG-SAD-FEA-DIS.mp4"
TARGETS = ("valence", "arousal")
CLOSE = 1e-5
"""Probabilities, scores and growths may differ by so much: sums are taken in another order."""

Tracks = dict[str, Track]


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The plugin with an encoder that needs no weights."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import toy_plugin

    toy_plugin.ENCODED.clear()
    toy_plugin.FAIL_AFTER.clear()
    return toy_plugin


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Tracks:
    """What the face and the voice of a real clip measure, whole."""
    if not CLIP.exists():
        pytest.skip(f"the CREMA-D clip is not at {CLIP}")
    cache = tmp_path_factory.mktemp("cache")
    (cache / "weights").symlink_to(default_cache() / "weights")
    runtime = make_runtime(cache)
    config = resolve(chosen={"extractors": ("blendshape", "mfcc")}, assignments=["mfcc.top_db=none"])
    pipeline = Pipeline(config, make_registry(), runtime)
    try:
        tracks = pipeline.tracks(Recording("clip", "1001", media=CLIP))
    except WeightsError as error:
        pytest.skip(f"the pretrained files cannot be had: {error}")
    return dict(zip(config.run.extractors, tracks, strict=True))


def pipeline_of(toy: ModuleType, folder: Path, *assignments: str) -> Pipeline:
    """Face and voice, described by the lexicon that ships, in an encoder of hashed words."""
    chosen = {"extractors": ("blendshape", "mfcc"), "encoder": "hashing", "learner": "logistic"}
    config = resolve(chosen=chosen, assignments=["mfcc.top_db=none", *assignments])
    return Pipeline(config, make_registry(toy), make_runtime(folder / "cache"))


def model_of(pipeline: Pipeline, tracks: Tracks) -> SavedModel:
    """A fused model fitted to random changes; under the strategy ``global`` with statistics of the first six seconds,
    which the later ones leave."""
    windows = pipeline.windows(Recording("clip", "1001"), list(cut_off(tracks, 6.0).values()))
    names = windows.names
    layout = (Block("features", 0, len(names)), Block("text", len(names), len(names) + pipeline.encoder.component.dim))
    delta = torch.randn(60, layout[-1].stop, generator=pipeline.runtime.generator("changes")) * 0.3
    columns = fit_columns(delta, layout, components=6, text_scale="block")
    scaled, turned = columns.apply(delta, layout)
    label = (scaled[:, :4].sum(dim=1) > 0).float()
    (fitted,) = pipeline.fit([Problem(scaled, label, torch.arange(60) // 10, turned)])
    lexicon = pipeline.lexicon_for(names)
    known = statistics(windows, torch.zeros(len(windows), dtype=torch.int64))
    return SavedModel(
        variant="fused",
        columns=names,
        heads={"valence": Head(fitted.state(), columns, temperature=1.3)},
        lexicon=lexicon,
        config={},
        components=(),
        statistics=known if pipeline.config.normalize.strategy == "global" else None,
    )


def cut_off(tracks: Tracks, end: float) -> Tracks:
    """What a recording that ends there would have given."""
    kept = {name: track.times < end - 1e-6 for name, track in tracks.items()}
    return {name: part_of(track, kept[name]) for name, track in tracks.items()}


def part_of(track: Track, rows: Tensor | slice) -> Track:
    spans = None if track.spans is None else track.spans[rows]
    return Track(track.names, track.values[rows], track.times[rows], track.valid[rows], track.signed, spans)


def play(predictor: LivePredictor, tracks: Tracks, size: int = 5) -> list[WindowPrediction]:
    """All rows, the tracks coming in parts of ``size`` rows."""

    def in_parts(track: Track) -> Iterator[Track]:
        return (part_of(track, slice(at, at + size)) for at in range(0, len(track), size))

    parts = {name: in_parts(track) for name, track in tracks.items()}
    rows = []
    while (name := predictor.waiting) is not None:
        part = next(parts[name], None)
        rows += predictor.end(name) if part is None else predictor.push(name, part)
    return rows


def assert_same(live: WindowPrediction, offline: WindowPrediction) -> None:
    """Equal up to rounding."""
    assert (live.start, live.end, live.valid, live.compared) == (
        offline.start,
        offline.end,
        offline.valid,
        offline.compared,
    )
    assert_same_directions(live, offline)
    assert (live.sentence, live.dropped) == (offline.sentence, offline.dropped)
    ours, theirs = ({cue.feature: cue for cue in row.cues} for row in (live, offline))
    assert ours.keys() == theirs.keys()
    for name, cue in ours.items():
        assert cue.score == pytest.approx(theirs[name].score, abs=CLOSE)
        assert cue.growth == pytest.approx(theirs[name].growth, rel=1e-4, abs=1e-4)
        assert (cue.words, cue.new) == (theirs[name].words, theirs[name].new)


def assert_same_directions(live: WindowPrediction, offline: WindowPrediction) -> None:
    rise, expected = ({t: p if up else 1 - p for t, (up, p) in row.directions.items()} for row in (live, offline))
    assert rise == pytest.approx(expected, abs=CLOSE)


SETTINGS = {
    "best": (),
    "sentence by sentence, as published": ("fusion.wording=sentence", "lexicon.direction=false"),
    "overlapping windows": ("windows.hop=0.5",),
    "windows with gaps between them": ("windows.length=1.5", "windows.hop=2.2"),
    "means and spreads": ("windows.statistic=mean+std",),
    "statistics of training": ("normalize.strategy=global",),
    "no scale": ("normalize.strategy=none", "windows.hop=0.8"),
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_a_row_says_what_offline_says_of_the_recording_cut_off_there(
    clip: Tracks, toy: ModuleType, tmp_path: Path, settings: tuple[str, ...]
) -> None:
    pipeline = pipeline_of(toy, tmp_path, "windows.length=2", *settings)
    model = model_of(pipeline, clip)
    rows = play(LivePredictor.of_model(model, pipeline), clip)
    whole = predict(model, pipeline, Recording("clip", "1001", features=clip))
    assert [(row.start, row.end) for row in rows] == [(row.start, row.end) for row in whole]
    compared = 0
    for row in rows[pipeline.config.windows.stride() :]:
        (*_, last) = predict(model, pipeline, Recording("clip", "1001", features=cut_off(clip, row.end)))
        assert_same(row, last)
        compared += row.compared
    assert compared >= 3
    assert_same(rows[-1], whole[-1])
    if model.statistics is not None:
        for live, offline in zip(rows, whole, strict=True):
            assert_same_directions(live, offline)
            assert live.sentence == offline.sentence


@pytest.mark.parametrize("hop", [2.0, 0.5])
def test_the_words_alone_say_live_what_they_say_of_the_recording_cut_off_there(
    clip: Tracks, toy: ModuleType, tmp_path: Path, hop: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pipeline, "knowledge", known_of_smiles)
    pipeline = pipeline_of(toy, tmp_path, "windows.length=2", f"windows.hop={hop}")
    rows = play(LivePredictor.of_words(pipeline, TARGETS), clip)
    assert len(rows) >= 5
    for row in rows[pipeline.config.windows.stride() :]:
        cut_here = Recording("clip", "1001", features=cut_off(clip, row.end))
        (*_, last) = predict_zero_shot(pipeline, cut_here, TARGETS).windows
        assert_same(row, last)
        assert list(row.directions) == ["valence"]
        for ours, theirs in zip(row.reasons["valence"], last.reasons["valence"], strict=True):
            assert (ours.feature, ours.more) == (theirs.feature, theirs.more)
            assert ours.contribution == pytest.approx(theirs.contribution, abs=1e-4)


def known_of_smiles(pipeline: Pipeline, lexicon: object, names: tuple[str, ...], target: str) -> Knowledge:
    """Every feature speaks for valence, each otherwise; nobody knows of arousal."""
    weight = torch.linspace(-1.5, 1.5, len(names)) if target == "valence" else torch.zeros(len(names))
    return Knowledge(weight, torch.eye(len(names)), 1.0, "" if target == "valence" else "nobody knows")


def test_a_target_that_the_words_do_not_know_is_said_once_and_not_told(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pipeline, "knowledge", known_of_smiles)
    pipeline = pipeline_of(toy, tmp_path, "windows.length=2")
    rows = play(LivePredictor.of_words(pipeline, TARGETS), synthetic(pipeline))
    assert all("arousal" not in row.directions for row in rows)
    assert pipeline.runtime.report.warnings == ["arousal is not told: nobody knows"]  # type: ignore[attr-defined]


# --- what recordings are like -----------------------------------------------------------------------------------------


def synthetic(pipeline: Pipeline, seconds: float = 20.0) -> Tracks:
    """Random walks at 25 and 100 frames a second."""
    generator = pipeline.runtime.generator("walks")
    tracks = {}
    for built, rate in zip(pipeline.extractors, (25, 100), strict=True):
        count = round(seconds * rate)
        values = torch.randn(count, len(built.component.names), generator=generator).cumsum(0) / rate
        times = torch.arange(count, dtype=torch.float64) / rate
        valid = torch.ones(count, dtype=torch.bool)
        tracks[built.spec.name] = Track(built.component.names, values, times, valid, built.component.signed)
    return tracks


def without_face(tracks: Tracks, *stretches: tuple[float, float]) -> Tracks:
    face = tracks["blendshape"]
    valid = face.valid.clone()
    for start, end in stretches:
        valid &= (face.times < start) | (face.times >= end)
    return {**tracks, "blendshape": replace(face, values=face.values * valid[:, None], valid=valid)}


def half_the_rate_from(tracks: Tracks, moment: float) -> Tracks:
    """As cameras do in the dark, with a step that is never quite the same, and with pictures that were dropped."""
    face = tracks["blendshape"]
    dropped = ((face.times % 1.5) > 0.4) & ((face.times % 1.5) < 1.2)
    rows = (face.times < moment) | ((torch.arange(len(face)) % 2 == 0) & ~dropped)
    late = (torch.arange(len(face)) * 7919 % 13).double() * 1e-3
    return {**tracks, "blendshape": part_of(replace(face, times=face.times + late), rows)}


@pytest.mark.parametrize("least", [0.5, 0.6, 0.0])
def test_windows_without_a_face_or_with_gaps_are_valid_live_where_they_are_offline(
    toy: ModuleType, tmp_path: Path, least: float
) -> None:
    pipeline = pipeline_of(toy, tmp_path, "windows.length=3", "windows.hop=1.5", f"windows.min_valid={least}")
    tracks = half_the_rate_from(without_face(synthetic(pipeline), (4.5, 11.0), (15.0, 15.6)), 16.5)
    model = model_of(pipeline, tracks)
    rows = play(LivePredictor.of_model(model, pipeline), tracks)
    assert {row.valid for row in rows} == {True, False}
    assert any(row.valid and not row.compared for row in rows[3:]), "a window after the face came back"
    for row in rows[2:]:
        (*_, last) = predict(model, pipeline, Recording("made", "?", features=cut_off(tracks, row.end)))
        assert_same(row, last)


def test_no_face_at_all_so_far_is_a_row_that_says_so(toy: ModuleType, tmp_path: Path) -> None:
    pipeline = pipeline_of(toy, tmp_path, "windows.length=2")
    whole = synthetic(pipeline)
    rows = play(LivePredictor.of_model(model_of(pipeline, whole), pipeline), without_face(whole, (0.0, 9.5)))
    assert [row.valid for row in rows[:5]] == [False] * 5
    assert rows[0].directions == {}
    assert rows[0].cues == ()
    assert rows[5].valid
    assert not rows[5].compared
    assert rows[6].compared


@pytest.mark.parametrize("length", [3.35, 3.0, 3.5])
def test_the_last_window_counts_live_where_it_does_offline(toy: ModuleType, tmp_path: Path, length: float) -> None:
    """Ten seconds: three windows of 3.35 s lack half a percent of the last one, of 3.5 s there are two."""
    pipeline = pipeline_of(toy, tmp_path, f"windows.length={length}")
    tracks = synthetic(pipeline, seconds=10.0)
    model = model_of(pipeline, tracks)
    rows = play(LivePredictor.of_model(model, pipeline), tracks)
    whole = predict(model, pipeline, Recording("made", "?", features=tracks))
    assert len(rows) == len(whole) == (2 if length == 3.5 else 3)
    assert_same(rows[-1], whole[-1])


def test_the_shorter_of_picture_and_sound_decides_how_many_windows_there_are(toy: ModuleType, tmp_path: Path) -> None:
    pipeline = pipeline_of(toy, tmp_path, "windows.length=2")
    tracks = synthetic(pipeline)
    tracks["mfcc"] = cut_off({"mfcc": tracks["mfcc"]}, 9.0)["mfcc"]
    predictor = LivePredictor.of_model(model_of(pipeline, tracks), pipeline)
    rows = play(predictor, tracks)
    assert [row.end for row in rows] == [2.0, 4.0, 6.0, 8.0]
    assert predictor.waiting is None


def test_the_size_of_the_parts_does_not_matter(toy: ModuleType, tmp_path: Path) -> None:
    pipeline = pipeline_of(toy, tmp_path, "windows.length=2", "windows.hop=0.7")
    tracks = synthetic(pipeline)
    model = model_of(pipeline, tracks)
    expected = play(LivePredictor.of_model(model, pipeline), tracks, size=1)
    for size in (7, 10_000):
        for live, other in zip(play(LivePredictor.of_model(model, pipeline), tracks, size), expected, strict=True):
            assert_same(live, other)


def test_rows_that_describe_whole_windows_are_taken_as_they_are() -> None:
    starts = torch.arange(5, dtype=torch.float64)
    track = Track(
        ("level",), torch.arange(5.0)[:, None], starts, torch.tensor([1, 1, 0, 1, 1]).bool(), spans=starts * 0 + 2
    )
    strand = Strand("whole", ("level",))
    strand.push(part_of(track, slice(0, 2)))
    assert strand.passed(1.0, 3.0)
    assert not strand.passed(2.0, 4.0)
    assert [float(strand.measure(start, start + 2.0).values) for start in (0.0, 1.0)] == [0.0, 1.0]
    strand.push(part_of(track, slice(2, 5)))
    assert strand.measure(2.0, 4.0).share == 0.0
    assert strand.measure(3.5, 5.5).share == 0.0, "no row begins there"
    assert strand.reach() == 6.0


def test_a_model_of_other_features_is_refused(toy: ModuleType, tmp_path: Path) -> None:
    pipeline = pipeline_of(toy, tmp_path, "windows.length=2")
    model = model_of(pipeline, synthetic(pipeline))
    other = pipeline_of(toy, tmp_path, "windows.length=2", "windows.statistic=mean+std")
    with pytest.raises(ModelError, match="not those the model was trained with"):
        LivePredictor.of_model(model, other).prepare()


def test_parts_that_are_no_continuation_are_the_extractors_mistake(toy: ModuleType, tmp_path: Path) -> None:
    pipeline = pipeline_of(toy, tmp_path, "windows.length=2")
    tracks = synthetic(pipeline)
    predictor = LivePredictor.of_model(model_of(pipeline, tracks), pipeline)
    part = part_of(tracks["mfcc"], slice(0, 10))
    predictor.push("mfcc", part)
    with pytest.raises(ContractError, match="extractor 'mfcc': the parts of its track overlap in time"):
        predictor.push("mfcc", part)
    with pytest.raises(ContractError, match="not the announced ones"):
        predictor.push("blendshape", part)


# --- what it costs ----------------------------------------------------------------------------------------------------


def test_only_the_frames_of_the_window_to_come_are_held() -> None:
    strand = Strand("face", ("smile",))
    held = []
    for second in range(600):
        times = second + torch.arange(25, dtype=torch.float64) / 25
        strand.push(Track(("smile",), torch.zeros(25, 1), times, torch.ones(25, dtype=torch.bool)))
        if second >= 3:
            strand.measure(second - 3.0, float(second))
            held.append(len(strand))
    assert max(held) == held[0] == 100


def test_a_sentence_is_encoded_when_it_is_first_said_and_never_again(toy: ModuleType, tmp_path: Path) -> None:
    pipeline = pipeline_of(toy, tmp_path, "windows.length=2", "fusion.wording=sentence")
    tracks = synthetic(pipeline)
    model = model_of(pipeline, tracks)
    rows = play(LivePredictor.of_model(model, pipeline), tracks)
    assert {row.sentence for row in rows[1:]} <= set(toy.ENCODED)
    assert len(toy.ENCODED) == len(set(toy.ENCODED))
    toy.ENCODED.clear()
    again = play(LivePredictor.of_model(model, pipeline), tracks)
    assert toy.ENCODED == []
    assert again == rows


def test_weighted_words_need_no_text_once_the_descriptions_are_stored(toy: ModuleType, tmp_path: Path) -> None:
    pipeline = pipeline_of(toy, tmp_path, "windows.length=2", "fusion.wording=weighted")
    tracks = synthetic(pipeline)
    predictor = LivePredictor.of_model(model_of(pipeline, tracks), pipeline)
    predictor.prepare()
    toy.ENCODED.clear()
    assert any(row.directions for row in play(predictor, tracks))
    assert toy.ENCODED == []


# --- running statistics -----------------------------------------------------------------------------------------------


def test_the_running_median_is_the_lower_median_of_all_values_so_far() -> None:
    values = torch.randn(101, generator=torch.Generator().manual_seed(0)).tolist() + [0.25] * 7
    running = RunningMedian()
    for count, value in enumerate(values, 1):
        assert running.add(value) == sorted(values[:count])[(count - 1) // 2]


def test_running_statistics_are_those_of_all_windows_so_far() -> None:
    values = torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
    times = torch.arange(40, dtype=torch.float64)
    track = Track(("a", "b", "c"), values, times, torch.ones(40, dtype=torch.bool), frozenset({"b"}))
    running = RunningStatistics(torch.tensor([False, True, False]))
    for count in range(1, 41):
        running.add(values[count - 1])
        windows = cut([part_of(track, slice(0, count))], "s", length=1.0, hop=1.0, duration=float(count), min_valid=0.0)
        windows = replace(windows, values=values[:count], valid=torch.ones(count, dtype=torch.bool))
        expected = statistics(windows, windows.session)
        assert torch.equal(running.found.low, expected.low)
        assert torch.equal(running.found.high, expected.high)
        assert torch.equal(running.found.median[:, 1], expected.median[:, 1])
        assert torch.equal(running.found.reach[:, 1], expected.reach[:, 1])


def test_the_running_step_is_the_median_of_all_steps_so_far_whatever_their_number() -> None:
    running = RunningStep()
    assert running.median is None
    steps = 0.04 + (torch.arange(500) * 7919 % 11).double() * 1e-3
    times = steps.cumsum(dim=0).numpy()
    running.add(times[:1])
    assert running.median is None
    for end in range(4, 500, 3):
        running.add(times[max(1, end - 3) : end])
        assert running.median == pytest.approx(float(torch.from_numpy(times[:end]).diff().median()), abs=1e-5)


def test_of_cues_that_are_equally_salient_the_same_one_is_left_out_as_offline(toy: ModuleType, tmp_path: Path) -> None:
    pipeline = pipeline_of(toy, tmp_path, "windows.length=2")
    names = ("a", "b", "c")
    lexicon = Lexicon("test", "1", "en", "Apache-2.0", {"c": "see c", "b": "see b", "a": "see a"})  # not in their order
    vocabulary = Vocabulary(pipeline, lexicon, names)
    scores = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.5, 0.2], [0.5, 1.0, 1.0], [1.0, 1.0, 0.5]])
    limit = vocabulary.count_tokens(["see c; see b."])[0]
    pipeline.encoder.component.max_tokens = limit
    for row in range(len(scores)):  # each is remembered when the next one comes
        saliency = Saliency(torch.ones(1, 3, dtype=torch.bool), scores[row : row + 1])
        expected = write(saliency, names, lexicon, vocabulary.count_tokens, limit)
        found = vocabulary.wording(saliency, None)
        assert (found.texts, found.dropped.tolist()) == (expected.texts, expected.dropped.tolist())
        assert found.dropped.tolist() == [1]
