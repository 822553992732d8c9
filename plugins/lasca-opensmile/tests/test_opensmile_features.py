"""`egemaps` and `compare` against the opensmile package, on recorded speech, and at the edges of a recording."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path

import numpy as np
import opensmile
import pytest
import torch
from lasca_opensmile import engine, extractor
from lasca_opensmile.extractor import Compare, Egemaps
from lasca_opensmile.options import CompareOptions, EgemapsOptions
from lasca_opensmile.plugin import lasca_register_extractors
from lasca_opensmile.sound import grid
from pydantic import ValidationError

from lasca_core.api import ContractError, MediaError, PluginError, Samples, Track, open_media
from lasca_core.testing import make_runtime

CREMA_D = Path(__file__).parents[3].parent / "shared/data/crema-d"
SPEECH = sorted(CREMA_D.glob("*.wav"))
needs_speech = pytest.mark.skipif(not SPEECH, reason=f"the CREMA-D clips are not at {CREMA_D}")
RATE = 16_000
LLD = opensmile.FeatureLevel.LowLevelDescriptors
DELTAS = opensmile.FeatureLevel.LowLevelDescriptors_Deltas
FUNCTIONALS = opensmile.FeatureLevel.Functionals
EXTRACTORS = {"egemaps": (Egemaps, EgemapsOptions), "compare": (Compare, CompareOptions)}
LEVELS = [("egemaps", "functionals"), ("egemaps", "lld"), ("compare", "functionals"), ("compare", "lld")]


class Sound:
    """A recording in memory, which counts the seconds that have been read."""

    path = Path("sound.wav")
    has_video = False
    duration = 0.0

    def __init__(self, values: object, start: float = 0.0, *, has_audio: bool = True) -> None:
        self.values = torch.as_tensor(values, dtype=torch.float32)
        self.start = start
        self.has_audio = has_audio
        self.heard = 0.0

    def audio(self, rate: int = RATE, seconds: float = 30.0) -> Iterator[Samples]:
        size = max(1, round(rate * seconds))
        for first in range(0, len(self.values), size):
            part = self.values[first : first + size]
            self.heard += len(part) / rate
            yield Samples(part, rate, self.start + first / rate)


def build(name: str, tmp_path: Path, **options: object) -> Egemaps | Compare:
    component, model = EXTRACTORS[name]
    return component(model(**options), make_runtime(tmp_path))


def extract(name: str, source: object, tmp_path: Path, **options: object) -> Track:
    return Track.concatenate(list(build(name, tmp_path, **options).stream(source)))


def ask(name: str, source: object, spans: object, tmp_path: Path, **options: object) -> Track:
    """The rows of ``spans``, which must be in the order of their starts."""
    return Track.concatenate(list(build(name, tmp_path, **options).stream_windows(source, spans)))


@cache
def smile(name: str, level: opensmile.FeatureLevel) -> opensmile.Smile:
    sets = {"egemaps": opensmile.FeatureSet.eGeMAPSv02, "compare": opensmile.FeatureSet.ComParE_2016}
    return opensmile.Smile(sets[name], level)


def reference(name: str, level: opensmile.FeatureLevel, values: np.ndarray) -> np.ndarray:
    return smile(name, level).process_signal(values, RATE).to_numpy()


@cache
def speech() -> np.ndarray:
    """Five clips in a row, 12 s: two speakers, with pauses."""
    return np.concatenate([whole.values.numpy() for path in SPEECH[:5] for whole in open_media(path).audio(RATE)])


def tone(seconds: float, hertz: float = 200.0) -> np.ndarray:
    """A voice-like tone: 20 harmonics that fall by 12 dB an octave."""
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.2 * sum(np.sin(2 * np.pi * hertz * k * time) / k**2 for k in range(1, 21))).astype(np.float32)


# --- names ------------------------------------------------------------------------------------------------------------


def test_the_names_are_those_of_opensmile_in_its_order(tmp_path: Path) -> None:
    for name, level, theirs in [
        ("egemaps", "functionals", smile("egemaps", FUNCTIONALS).feature_names),
        ("egemaps", "lld", smile("egemaps", LLD).feature_names),
        ("compare", "functionals", smile("compare", FUNCTIONALS).feature_names),
        ("compare", "lld", smile("compare", LLD).feature_names),
        ("compare", "lld+deltas", smile("compare", LLD).feature_names + smile("compare", DELTAS).feature_names),
    ]:
        assert build(name, tmp_path, level=level).names == tuple(theirs)
    sizes = [len(build(name, tmp_path, level=level).names) for name, level in LEVELS]
    assert sizes == [88, 25, 6373, 65]


def test_names_are_known_without_importing_opensmile(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from lasca_core.testing import make_runtime;"
        "from lasca_opensmile import extractor, options, plugin; list(plugin.lasca_register_extractors());"
        f"made = extractor.Compare(options.CompareOptions(), make_runtime(Path({str(tmp_path)!r})));"
        "assert len(made.names) == 6373 and made.fingerprint();"
        "print({'opensmile', 'audinterface', 'pandas'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_all_features_are_signed_and_resolutions_belong_to_features(tmp_path: Path) -> None:
    for name, level in [*LEVELS, ("compare", "lld+deltas")]:
        made = build(name, tmp_path, level=level)
        assert made.signed == set(made.names)
        assert set(made.resolution) <= set(made.names)
        assert not any("_de" in feature for feature in made.resolution)
    found = build("egemaps", tmp_path).resolution
    assert found["F0semitoneFrom27.5Hz_sma3nz_percentile80.0"] == 1.0
    assert found["alphaRatioUV_sma3nz_amean"] == found["equivalentSoundLevel_dBp"] == 3.0
    assert "F0semitoneFrom27.5Hz_sma3nz_stddevNorm" not in found, "a ratio to the mean is no number of semitones"
    assert "F1bandwidth_sma3nz_amean" not in found


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_resolution_of_an_mfcc_is_a_ripple_of_2_db_across_the_mel_bands(order: int, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=5 * RATE) * 0.03
    hertz = np.fft.rfftfreq(len(noise), 1 / RATE)
    mel = np.log1p(np.clip(hertz, 20, 8000) / 700)
    band = 27 * (mel - np.log1p(20 / 700)) / (np.log1p(8000 / 700) - np.log1p(20 / 700)) - 0.5
    ripple = 10 ** (2.0 * np.cos(np.pi * order * band / 26) / 20)
    rippled = np.fft.irfft(np.fft.rfft(noise) * ripple, len(noise))
    plain, changed = (extract("compare", Sound(sound), tmp_path, level="lld") for sound in (noise, rippled))
    column = plain.names.index(f"mfcc_sma[{order}]")
    change = float((changed.values - plain.values)[:, column].mean())
    expected = build("compare", tmp_path, level="lld").resolution[f"mfcc_sma[{order}]"]
    assert change == pytest.approx(expected, rel=0.03)  # the bands' width smooths the ripple a little


# --- equality with the package ----------------------------------------------------------------------------------------


@needs_speech
@pytest.mark.parametrize("path", SPEECH, ids=lambda path: path.stem)
def test_the_functionals_of_a_whole_file_are_exactly_those_of_process_file(path: Path, tmp_path: Path) -> None:
    for name in EXTRACTORS:
        track = extract(name, open_media(path), tmp_path, window="none", voiceless="keep")
        expected = smile(name, FUNCTIONALS).process_file(str(path)).to_numpy()
        np.testing.assert_array_equal(track.values.numpy(), expected)
        assert track.valid.tolist() == [True]
        assert track.times.tolist() == [0.0]


@needs_speech
@pytest.mark.parametrize("path", SPEECH[::4], ids=lambda path: path.stem)
def test_descriptors_are_exactly_those_of_process_file(path: Path, tmp_path: Path) -> None:
    for name in EXTRACTORS:
        track = extract(name, open_media(path), tmp_path, level="lld", chunk=0.5)
        np.testing.assert_array_equal(track.values.numpy(), smile(name, LLD).process_file(str(path)).to_numpy())
        assert track.valid.all()


@needs_speech
def test_deltas_stand_beside_the_descriptors_whose_slope_they_are(tmp_path: Path) -> None:
    track = extract("compare", Sound(speech()), tmp_path, level="lld+deltas")
    lld, deltas = track.values[:, :65].double(), track.values[:, 65:]
    np.testing.assert_array_equal(lld.numpy(), reference("compare", LLD, speech()))
    np.testing.assert_array_equal(deltas.numpy(), reference("compare", DELTAS, speech())[: len(lld)])
    slope = ((lld[3:-1] - lld[1:-3]) + 2 * (lld[4:] - lld[:-4])) / 10  # HTK's regression over five frames
    spectral = slice(10, 65)  # those of pitch and its like are 0 at the bounds of voiced sound
    torch.testing.assert_close(deltas[4:-4, spectral], slope[2:-2, spectral].float(), rtol=1e-4, atol=1e-4)


@needs_speech
@pytest.mark.parametrize(("window", "hop"), [(3.0, None), (2.0, 0.8), (1.5, 2.0), (0.7, None)])
def test_each_window_is_measured_from_exactly_its_own_samples(window: float, hop: float | None, tmp_path: Path) -> None:
    for name in EXTRACTORS:
        track = extract(name, Sound(speech()), tmp_path, window=window, hop=hop, voiceless="keep", chunk=0.9)
        step, size = round((hop or window) * RATE), round(window * RATE)
        firsts = range(0, len(speech()) - round(0.98 * size) + 1, step)
        assert track.times.tolist() == pytest.approx([first / RATE for first in firsts], abs=1e-9)
        assert track.spans.tolist() == pytest.approx([window] * len(track), abs=1e-9)
        expected = [reference(name, FUNCTIONALS, speech()[first : first + size]) for first in firsts]
        np.testing.assert_array_equal(track.values.numpy(), np.concatenate(expected))


GRIDS = [(3.0, 3.0), (2.0, 0.8), (0.7, 1.1), (1.3, 0.37), (4 / 3, 2 / 3)]
SEGMENTS = [(0.1, 0.35), (0.2, 5.0), (0.5, 1.8), (0.50001, 0.9), (3.0, 4.23456), (5.0, 5.9)]


@needs_speech
@pytest.mark.parametrize("chunk", [0.13, 100.0])
@pytest.mark.parametrize("asked", [*GRIDS, SEGMENTS], ids=str)
def test_windows_that_are_asked_for_are_measured_from_exactly_their_own_samples(
    asked: tuple[float, float] | list[tuple[float, float]], chunk: float, tmp_path: Path
) -> None:
    sound, seconds = speech()[: 6 * RATE], 6.0
    spans = asked if isinstance(asked, list) else grid(*asked)
    track = ask("egemaps", Sound(sound), spans, tmp_path, voiceless="keep", chunk=chunk)
    begun = asked if isinstance(asked, list) else takewhile(lambda span: span[0] < seconds, grid(*asked))
    held = [(start, end) for start, end in begun if end - seconds <= 0.02 * (end - start)]
    assert track.times.tolist() == [start for start, _ in held]
    assert track.spans.tolist() == [end - start for start, end in held]
    pieces = [sound[round(start * RATE) : round(end * RATE)] for start, end in held]
    expected = np.concatenate([reference("egemaps", FUNCTIONALS, piece) for piece in pieces])
    np.testing.assert_array_equal(track.values.numpy(), expected)
    assert track.valid.all()


@needs_speech
def test_compare_measures_the_windows_that_are_asked_for_too(tmp_path: Path) -> None:
    track = ask("compare", Sound(speech()), [(0.5, 1.7), (1.0, 4.0)], tmp_path, voiceless="keep")
    pieces = [speech()[8_000:27_200], speech()[16_000:64_000]]
    expected = np.concatenate([reference("compare", FUNCTIONALS, piece) for piece in pieces])
    np.testing.assert_array_equal(track.values.numpy(), expected)


@needs_speech
@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_at_another_rate_the_numbers_are_those_of_the_resampled_sound(rate: int, tmp_path: Path) -> None:
    source = open_media(SPEECH[0])
    values = torch.cat([part.values for part in source.audio(rate)]).numpy()
    track = extract("egemaps", source, tmp_path, level="lld", rate=rate)
    np.testing.assert_array_equal(track.values.numpy(), smile("egemaps", LLD).process_signal(values, rate).to_numpy())
    torch.testing.assert_close(track.times, torch.arange(len(track), dtype=torch.float64) / 100, rtol=0, atol=1e-9)


@needs_speech
def test_what_counts_as_voiced_depends_on_the_rate(tmp_path: Path) -> None:
    """Why every recording is brought to one rate."""
    share = {}
    for rate in (16_000, 44_100):
        track = extract("egemaps", open_media(SPEECH[0]), tmp_path, level="lld", rate=rate)
        share[rate] = float((track.values[:, track.names.index("F0semitoneFrom27.5Hz_sma3nz")] > 0).float().mean())
    assert share[16_000] == pytest.approx(0.21, abs=0.02)
    assert share[44_100] == pytest.approx(0.80, abs=0.02)


# --- streaming --------------------------------------------------------------------------------------------------------


@needs_speech
@pytest.mark.parametrize("chunk", [0.01, 0.37, 2.5, 100.0])
@pytest.mark.parametrize(("name", "level"), LEVELS)
def test_the_parts_joined_do_not_depend_on_the_chunk(name: str, level: str, chunk: float, tmp_path: Path) -> None:
    sound = Sound(speech()[: 7 * RATE], start=0.25)
    whole = extract(name, sound, tmp_path, level=level, window=2.0)
    parts = extract(name, sound, tmp_path, level=level, window=2.0, chunk=chunk)
    for found, expected in zip(
        (parts.values, parts.times, parts.valid), (whole.values, whole.times, whole.valid), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize(("name", "level"), [("egemaps", "lld"), ("compare", "lld+deltas")])
def test_a_long_sound_is_streamed_in_the_memory_of_a_short_one(name: str, level: str, tmp_path: Path) -> None:
    values = np.tile(tone(2.0) * np.linspace(0.1, 1, 2 * RATE, dtype=np.float32), 20)
    source = Sound(values)
    behind, rows = [], []
    for part in build(name, tmp_path, level=level, chunk=1.0).stream(source):
        rows.append(part.values.numpy())
        behind.append(source.heard - float(part.times[-1]))
    assert max(behind) < 10 + 1 + 1, "the engine holds 10 s; a stretch waits, and the pitch tracker looks ahead"
    expected = reference(name, LLD, values)
    np.testing.assert_array_equal(np.concatenate(rows)[:, : expected.shape[1]], expected)


def test_windows_are_yielded_before_the_rest_is_read(tmp_path: Path) -> None:
    source = Sound(tone(20.0))
    stream = build("egemaps", tmp_path, window=1.0, chunk=0.5).stream(source)
    next(stream)
    assert source.heard <= 2.0, "two threads, two windows"
    assert sum(len(part) for part in stream) == 19


def test_nothing_is_read_after_the_last_window_that_is_asked_for(tmp_path: Path) -> None:
    source = Sound(tone(20.0))
    track = ask("egemaps", source, [(0.5, 2.0), (1.0, 2.5)], tmp_path, chunk=0.5)
    assert track.times.tolist() == [0.5, 1.0]
    assert source.heard == 2.5


def test_no_more_windows_are_asked_for_than_the_recording_holds(tmp_path: Path) -> None:
    spans = grid(1.0, 0.5)
    assert len(ask("egemaps", Sound(tone(4.0)), spans, tmp_path)) == 7
    assert next(spans)[0] == 5.0, "one that begins after the end was looked at"


@pytest.mark.parametrize("level", ["lld", "functionals"])
def test_whoever_stops_listening_leaves_no_thread_behind(level: str, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    stream = build("egemaps", tmp_path, level=level, window=1.0, chunk=2.0).stream(Sound(tone(30.0)))
    next(stream)
    stream.close()
    assert set(threading.enumerate()) <= before


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "seconds", "times"),
    [
        (0.0, 3.0, [0.0, 1.0, 2.0]),
        (0.0, 2.985, [0.0, 1.0, 2.0]),
        (0.0, 2.97, [0.0, 1.0]),
        (0.015, 3.0, [0.0, 1.0, 2.0]),
        (0.03, 3.0, [1.0, 2.0]),
        (-0.03, 3.03, [0.0, 1.0, 2.0]),
        (-1.5, 3.0, [0.0]),
        (7.2, 3.0, [8.0, 9.0]),
    ],
)
def test_windows_lie_on_the_recordings_clock_and_lack_at_most_2_percent(
    start: float, seconds: float, times: list[float], tmp_path: Path
) -> None:
    for chunk in (0.3, 10.0):
        track = extract("egemaps", Sound(tone(seconds), start=start), tmp_path, window=1.0, chunk=chunk)
        assert track.times.tolist() == times
        assert track.valid.all()
        asked = ask("egemaps", Sound(tone(seconds), start=start), grid(1.0, 1.0), tmp_path)
        torch.testing.assert_close(asked.values, track.values, rtol=0, atol=0)
        assert asked.times.tolist() == times


def test_a_window_that_the_sound_does_not_hold_has_no_row(tmp_path: Path) -> None:
    spans = [(-1.0, 1.5), (0.0, 1.0), (0.99, 2.0), (1.0, 2.0), (1.5, 3.1), (2.0, 3.02), (4.0, 5.0)]
    track = ask("egemaps", Sound(tone(2.0), start=1.0), spans, tmp_path)
    assert track.times.tolist() == [0.99, 1.0, 2.0], "2 % of a window may lack"
    assert list(build("egemaps", tmp_path).stream_windows(Sound(tone(2.0)), [(1.0, 4.0), (5.0, 6.0)])) == []


def test_a_window_shorter_than_a_frame_of_opensmile_is_invalid(tmp_path: Path) -> None:
    spans = [(0.0, 1.0), (0.5, 0.55), (0.6, 0.60001), (1.0, 2.0)]
    track = ask("egemaps", Sound(tone(2.0)), spans, tmp_path, voiceless="keep")
    assert track.valid.tolist() == [True, False, False, True]
    assert (track.values[1:3] == 0).all()


@pytest.mark.parametrize(
    ("options", "windowed"),
    [
        ({}, True),
        ({"window": "auto"}, True),
        ({"window": 3}, False),
        ({"window": "none"}, False),
        ({"level": "lld"}, False),
    ],
)
def test_windows_are_those_of_the_run_unless_others_are_asked_for(
    options: dict, windowed: bool, tmp_path: Path
) -> None:
    for name in EXTRACTORS:
        assert build(name, tmp_path, **options).windowed is windowed


def test_a_recording_without_a_whole_window_is_described_as_a_whole(tmp_path: Path) -> None:
    runtime = make_runtime(tmp_path)
    (track,) = Egemaps(EgemapsOptions(), runtime).stream(Sound(tone(1.7), start=0.5))
    np.testing.assert_array_equal(track.values.numpy(), reference("egemaps", FUNCTIONALS, tone(1.7)))
    assert (track.times.tolist(), track.spans.tolist()) == ([0.5], [1.7])
    (note,) = runtime.report.notes
    assert note == "sound.wav holds no whole window of 3 s: egemaps gives one row for all of it"


def test_descriptors_begin_with_the_sound(tmp_path: Path) -> None:
    track = extract("egemaps", Sound(tone(1.0), start=1.25), tmp_path, level="lld")
    torch.testing.assert_close(track.times, 1.25 + torch.arange(len(track), dtype=torch.float64) / 100)
    assert track.spans is None
    assert len(track) == 96


# --- validity ---------------------------------------------------------------------------------------------------------


def test_a_window_without_voice_is_invalid_unless_it_is_to_be_kept(tmp_path: Path) -> None:
    values = np.concatenate([tone(1.0), np.zeros(RATE, np.float32), tone(1.0)])
    for name in EXTRACTORS:
        track = extract(name, Sound(values), tmp_path, window=1.0)
        assert track.valid.tolist() == [True, False, True]
        assert (track.values[1] == 0).all()
        kept = extract(name, Sound(values), tmp_path, window=1.0, voiceless="keep")
        assert kept.valid.all()
        np.testing.assert_array_equal(kept.values[1:2].numpy(), reference(name, FUNCTIONALS, values[RATE : 2 * RATE]))


def test_frames_without_voice_are_valid_unless_they_are_not_to_be_kept(tmp_path: Path) -> None:
    values = np.concatenate([tone(1.0), np.zeros(RATE, np.float32)])
    for name, pitch in [("egemaps", "F0semitoneFrom27.5Hz_sma3nz"), ("compare", "F0final_sma")]:
        track = extract(name, Sound(values), tmp_path, level="lld")
        assert track.valid.all()
        voiced = track.values[:, track.names.index(pitch)] > 0
        assert 80 < int(voiced.sum()) < 120
        strict = extract(name, Sound(values), tmp_path, level="lld", voiceless="invalid")
        assert (strict.valid == voiced).all()
        torch.testing.assert_close(strict.values, track.values * voiced[:, None], rtol=0, atol=0)


@needs_speech
def test_the_window_mean_of_pitch_descriptors_says_how_much_is_voiced_and_functionals_how_high(tmp_path: Path) -> None:
    """Why functionals are the default."""
    lld, voiced, functional = [], [], []
    for path in SPEECH:
        frames = extract("egemaps", open_media(path), tmp_path, level="lld")
        windows = extract("egemaps", open_media(path), tmp_path, window=1.0)
        pitch = frames.values[:, frames.names.index("F0semitoneFrom27.5Hz_sma3nz")]
        for time, row in zip(windows.times[windows.valid], windows.values[windows.valid], strict=True):
            inside = pitch[(frames.times >= time) & (frames.times < time + 1)]
            lld.append(float(inside.mean()))
            voiced.append(float((inside > 0).float().mean()))
            functional.append(float(row[0]))
    assert np.corrcoef(lld, voiced)[0, 1] > 0.95
    assert np.corrcoef(lld, functional)[0, 1] < 0.75


@pytest.mark.parametrize("name", list(EXTRACTORS))
def test_silence_noise_clipping_and_clicks_give_finite_rows(name: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=RATE)
    sounds = [
        np.zeros(RATE),
        np.full(RATE, 0.5),
        np.ones(RATE),
        np.eye(1, RATE, 8_000)[0],
        noise,
        np.sign(tone(1.0)),
        np.round(noise) / 32768,
    ]
    track = extract(name, Sound(np.concatenate(sounds)), tmp_path, window=1.0, voiceless="keep")
    assert track.valid.tolist() == [True] * len(sounds)
    frames = extract(name, Sound(np.concatenate(sounds)), tmp_path, level="lld")
    assert frames.valid.all()


def test_a_sample_of_full_scale_does_not_turn_over(tmp_path: Path) -> None:
    loud = tone(1.0)
    loud[loud.argmax()] = 1.0
    almost = np.where(loud == 1.0, np.float32(32767 / 32768), loud)
    track = extract("egemaps", Sound(loud), tmp_path, window=1.0)
    np.testing.assert_array_equal(track.values.numpy(), reference("egemaps", FUNCTIONALS, almost))


def test_rows_that_touch_a_broken_sample_are_invalid_and_no_others(tmp_path: Path) -> None:
    clean = tone(4.0)
    values = clean.copy()
    values[RATE + 5] = np.nan
    values[RATE + 6] = np.inf
    track = extract("egemaps", Sound(values), tmp_path, window=1.0, chunk=0.4)
    assert track.valid.tolist() == [True, False, True, True]
    expected = extract("egemaps", Sound(clean), tmp_path, window=1.0)
    torch.testing.assert_close(track.values[track.valid], expected.values[track.valid], rtol=0, atol=0)
    for chunk in (0.4, 10.0):
        frames = extract("egemaps", Sound(values), tmp_path, level="lld", chunk=chunk)
        assert frames.valid.logical_not().nonzero()[:, 0].tolist() == list(range(92, 104))
    assert extract("egemaps", Sound(values), tmp_path, window="none").valid.tolist() == [False]


def test_a_row_that_is_no_number_is_invalid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.ones((1, 88), np.float32)
    rows[0, 7] = np.nan
    monkeypatch.setattr(extractor, "functionals", lambda *_: rows)
    track = extract("egemaps", Sound(tone(2.0)), tmp_path, window=1.0)
    assert track.valid.tolist() == [False, False]
    assert (track.values == 0).all()


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"window": "none"}, {"level": "lld"}])
def test_a_recording_without_enough_sound_is_one_clear_error(options: dict, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"^sound.wav: has no audio stream, which the extractor egemaps needs$"):
        extract("egemaps", Sound([], has_audio=False), tmp_path, **options)
    with pytest.raises(MediaError, match=r"^sound.wav: has no audio stream, which the extractor egemaps needs$"):
        ask("egemaps", Sound([], has_audio=False), grid(1.0, 1.0), tmp_path)
    with pytest.raises(MediaError, match=r"^sound.wav: holds no sound"):
        extract("egemaps", Sound([]), tmp_path, **options)
    with pytest.raises(MediaError, match=r"^sound.wav: has less sound than openSMILE's frame of 60 ms$"):
        extract("egemaps", Sound(tone(0.059)), tmp_path, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": "none", "hop": 1.0}, "hop = 1 needs a window in seconds, not none"),
        ({"hop": 1.0}, "hop = 1 needs a window in seconds, not auto"),
        *[
            ({"window": wrong}, "must be auto, none, or a number of seconds from 0.1 on")
            for wrong in (0.05, "3 s", True, float("nan"), float("inf"))
        ],
        ({"rate": 22_050}, "multiple of 100"),
        ({"level": "lld+deltas"}, "level"),
        ({"voiceless": "drop"}, "voiceless"),
        ({"windows": 1}, "windows"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EgemapsOptions(**options)


def test_the_chunk_is_no_part_of_the_features_identity_and_the_engines_version_is(tmp_path: Path) -> None:
    assert "chunk" not in EgemapsOptions().identity()
    assert EgemapsOptions().identity()["rate"] == RATE
    assert build("egemaps", tmp_path).fingerprint() == f"opensmile {opensmile.__version__}"


def test_a_missing_or_unusable_engine_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, _ = engine.library()
    monkeypatch.setattr(engine, "library", lambda: (library, Path("/Zürich/config")))
    with pytest.raises(PluginError, match="not plain ASCII"):
        extract("egemaps", Sound(tone(4.0)), tmp_path)
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(PluginError, match=r"pip install --force-reinstall 'opensmile==2\.6\.\*'"):
        build("egemaps", tmp_path).prepare()


@pytest.mark.parametrize("options", [{}, {"window": "none"}, {"level": "lld"}])
def test_a_failure_of_the_engine_ends_the_stream(
    options: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, _ = engine.library()

    def fail(_: object) -> None:
        raise library.OpenSmileException(1, "out of order")

    monkeypatch.setattr(library.OpenSMILE, "run", fail)
    with pytest.raises(ContractError, match="openSMILE failed: Code: 1, Message: out of order"):
        extract("egemaps", Sound(tone(30.0)), tmp_path, **options)


def test_an_error_while_reading_passes_through_and_ends_the_engine(tmp_path: Path) -> None:
    class Damaged(Sound):
        def audio(self, rate: int = RATE, seconds: float = 30.0) -> Iterator[Samples]:
            yield from super().audio(rate, seconds)
            raise MediaError(self.path, "is damaged")

    before = set(threading.enumerate())
    for options in ({}, {"window": "none"}, {"level": "lld"}):
        with pytest.raises(MediaError, match="is damaged"):
            extract("egemaps", Damaged(tone(4.0)), tmp_path, **options)
    assert set(threading.enumerate()) <= before


# --- registration -----------------------------------------------------------------------------------------------------


def test_the_plugin_says_that_the_engine_is_not_for_commercial_use() -> None:
    specs = {spec.name: spec for spec in lasca_register_extractors()}
    assert set(specs) == {"egemaps", "compare"}
    for name, spec in specs.items():
        component, options = EXTRACTORS[name]
        assert spec.needs == {"audio"}
        assert spec.license == "audEERING Research License"
        assert "business use needs a licence" in spec.note
        assert spec.target == f"{component.__module__}:{component.__name__}"
        assert spec.options == f"{options.__module__}:{options.__name__}"
