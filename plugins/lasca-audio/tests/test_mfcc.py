"""The extractor `mfcc` against librosa, on recorded speech and at its edges."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from lasca_audio import mfcc as module
from lasca_audio.mfcc import Mfcc
from lasca_audio.options import MfccOptions
from lasca_audio.plugin import lasca_register_extractors
from pydantic import ValidationError

from lasca_core.api import MediaError, OptionError, Samples, Track, open_media
from lasca_core.testing import make_runtime

CREMA_D = Path(__file__).parents[3].parent / "shared/data/crema-d"
SPEECH = sorted(CREMA_D.glob("*.wav"))
needs_speech = pytest.mark.skipif(not SPEECH, reason=f"the CREMA-D clips are not at {CREMA_D}")
RATE = 16_000


class Sound:
    """A recording in memory. Counts how often it is read."""

    path = Path("sound.wav")
    has_video = False
    duration = 0.0

    def __init__(self, values: object, start: float = 0.0, *, has_audio: bool = True) -> None:
        self.values = torch.as_tensor(values, dtype=torch.float32)
        self.start = start
        self.has_audio = has_audio
        self.readings = 0

    def audio(self, rate: int = RATE, seconds: float = 30.0) -> Iterator[Samples]:
        self.readings += 1
        size = max(1, round(rate * seconds))
        for first in range(0, len(self.values), size):
            yield Samples(self.values[first : first + size], rate, self.start + first / rate)


def extract(source: object, tmp_path: Path, **options: object) -> Track:
    return Track.concatenate(list(Mfcc(MfccOptions(**options), make_runtime(tmp_path)).stream(source)))


def reference(
    values: np.ndarray, rate: int = RATE, top_db: float | None = 80.0, n_mfcc: int = 15, **options: object
) -> np.ndarray:
    """librosa's MFCC [T, n_mfcc]; librosa.feature.mfcc itself wherever its fixed top_db = 80 is meant."""
    options = {"n_fft": 400, "hop_length": 160, "n_mels": 40} | options
    if top_db == 80.0:
        return librosa.feature.mfcc(y=values, sr=rate, n_mfcc=n_mfcc, **options).T
    levels = librosa.power_to_db(librosa.feature.melspectrogram(y=values, sr=rate, **options), top_db=top_db)
    return librosa.feature.mfcc(S=levels, n_mfcc=n_mfcc).T


def relative_error(track: Track, expected: np.ndarray) -> float:
    """The largest error of any coefficient, relative to the largest coefficient of its own frame."""
    assert track.values.shape == expected.shape
    error = np.abs(track.values.numpy() - expected).max(axis=1)
    return float((error / np.abs(expected).max(axis=1)).max())


def noise(samples: int, seed: int = 0) -> np.ndarray:
    """Noise whose loudness grows from silence to full scale, so that top_db has something to clip."""
    generator = np.random.default_rng(seed)
    envelope = np.logspace(-7, 0, samples) if samples > 1 else np.ones(samples)
    return (generator.standard_normal(samples) * 0.1 * envelope).astype(np.float32)


@needs_speech
@pytest.mark.parametrize("path", SPEECH, ids=lambda path: path.stem)
def test_parity_with_librosa_feature_mfcc_on_speech_within_1e_5(path: Path, tmp_path: Path) -> None:
    values, _ = librosa.load(path, sr=None)
    assert relative_error(extract(Sound(values), tmp_path), reference(values)) < 1e-5
    unclipped = reference(values, top_db=None)
    assert relative_error(extract(Sound(values), tmp_path, top_db=None), unclipped) < 1e-5
    assert np.abs(unclipped - reference(values)).max() > 1, (
        "top_db changes these clips, so that the two comparisons differ"
    )


@needs_speech
@pytest.mark.parametrize("path", [SPEECH[0], CREMA_D / "crema_1001_NEU-HAP-ANG-SAD-FEA-DIS.mp4"] if SPEECH else [])
def test_a_media_file_gives_what_librosa_gives_for_its_samples(path: Path, tmp_path: Path) -> None:
    source = open_media(path)
    heard = list(source.audio(RATE))
    values = torch.cat([samples.values for samples in heard]).numpy()
    track = extract(source, tmp_path, chunk=0.7)
    assert relative_error(track, reference(values)) < 1e-5
    assert float(track.times[0]) == heard[0].start
    assert float(track.times[-1]) == pytest.approx(heard[0].start + len(values) / RATE, abs=0.02)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"n_mfcc": 20, "n_mels": 64}, {"n_mfcc": 20, "n_mels": 64}),
        ({"window": 0.064, "hop": 0.016, "n_mels": 128}, {"n_fft": 1024, "hop_length": 256, "n_mels": 128}),
        ({"fmin": 60, "fmax": 7000}, {"fmin": 60, "fmax": 7000}),
        ({"top_db": 30}, {"top_db": 30}),
        ({"rate": 22_050, "window": 0.0251}, {"rate": 22_050, "n_fft": 553, "hop_length": 220}),
    ],
    ids=["more coefficients", "longer window", "band limits", "top_db", "odd window"],
)
@pytest.mark.parametrize("backend", ["torch", "librosa"])
def test_every_option_means_what_librosas_parameter_means(
    ours: dict, theirs: dict, backend: str, tmp_path: Path
) -> None:
    values = noise(30_000)
    track = extract(Sound(values), tmp_path, backend=backend, chunk=0.5, **ours)
    assert relative_error(track, reference(values, **theirs)) < 1e-5


@pytest.mark.parametrize("chunk", [0.0001, 0.004, 0.01, 0.0253, 0.5, 100.0])
@pytest.mark.parametrize("top_db", [80.0, None])
def test_the_parts_joined_are_the_whole_whatever_the_chunk(chunk: float, top_db: float | None, tmp_path: Path) -> None:
    sound = Sound(noise(6_411), start=1.25)
    whole = extract(sound, tmp_path, top_db=top_db)
    parts = extract(sound, tmp_path, top_db=top_db, chunk=chunk)
    torch.testing.assert_close(parts.values, whole.values, rtol=1e-6, atol=1e-3)
    torch.testing.assert_close(parts.times, whole.times, rtol=0, atol=0)
    torch.testing.assert_close(whole.times, 1.25 + torch.arange(41, dtype=torch.float64) / 100, rtol=0, atol=1e-12)


def test_without_top_db_a_part_is_yielded_before_the_next_samples_are_read(tmp_path: Path) -> None:
    class Live(Sound):
        given = 0

        def audio(self, rate: int = RATE, seconds: float = 30.0) -> Iterator[Samples]:
            for samples in super().audio(rate, seconds):
                self.given += 1
                yield samples

    source = Live(noise(RATE))
    stream = Mfcc(MfccOptions(top_db=None, chunk=0.1), make_runtime(tmp_path)).stream(source)
    next(stream)
    assert source.given == 1
    assert sum(len(part) for part in stream) + 9 == 101
    assert source.readings == 1


def test_a_long_recording_is_read_twice_instead_of_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = noise(RATE)
    kept, twice = Sound(values), Sound(values)
    expected = extract(kept, tmp_path, chunk=0.1)
    monkeypatch.setattr(module, "_FRAMES_KEPT", 30)
    track = extract(twice, tmp_path, chunk=0.1)
    assert (kept.readings, twice.readings) == (1, 2)
    torch.testing.assert_close(track.values, expected.values, rtol=0, atol=0)


def test_with_top_db_parts_are_joined_because_nobody_waits_for_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extractor = Mfcc(MfccOptions(chunk=0.1), make_runtime(tmp_path))
    whole = list(extractor.stream(Sound(noise(RATE))))
    assert [len(part) for part in whole] == [101]
    monkeypatch.setattr(module, "_FRAMES_A_PART", 25)
    parts = list(extractor.stream(Sound(noise(RATE))))
    assert len(parts) > 1
    assert all(len(part) >= 25 for part in parts[:-1])
    joined = Track.concatenate(parts)
    torch.testing.assert_close(joined.values, whole[0].values, rtol=1e-6, atol=1e-4)
    assert torch.equal(joined.times, whole[0].times)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
def test_parity_of_a_gpu_with_librosa_whatever_the_process_allows_products(tmp_path: Path) -> None:
    products = torch.backends.cuda.matmul
    before = products.allow_tf32
    products.allow_tf32 = True
    try:
        extractor = Mfcc(MfccOptions(), make_runtime(tmp_path, device="cuda"))
        track = Track.concatenate(list(extractor.stream(Sound(noise(RATE)))))
    finally:
        products.allow_tf32 = before
    assert relative_error(track.to("cpu"), reference(noise(RATE))) < 1e-5


@pytest.mark.parametrize("samples", [1, 159, 160, 161, 399, 400, 401, 16_000])
def test_there_are_as_many_frames_as_librosa_counts(samples: int, tmp_path: Path) -> None:
    values = noise(samples)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # librosa warns of a clip shorter than the window
        expected = reference(values)
    assert relative_error(extract(Sound(values), tmp_path), expected) < 1e-5


def test_digital_silence_is_valid_and_finite(tmp_path: Path) -> None:
    track = extract(Sound(np.zeros(RATE)), tmp_path)
    assert track.valid.all()
    assert relative_error(track, reference(np.zeros(RATE, dtype=np.float32))) < 1e-5


@pytest.mark.parametrize("backend", ["torch", "librosa"])
def test_only_frames_that_touch_a_broken_sample_are_invalid(backend: str, tmp_path: Path) -> None:
    values = noise(RATE)
    values[8_000] = np.nan
    values[8_001] = np.inf
    track = extract(Sound(values), tmp_path, backend=backend, chunk=0.2, top_db=None)
    assert track.valid.logical_not().nonzero()[:, 0].tolist() == [49, 50, 51]
    assert (track.values[~track.valid] == 0).all()
    clean = extract(Sound(np.nan_to_num(values, posinf=0)), tmp_path, backend=backend, top_db=None)
    torch.testing.assert_close(track.values[track.valid], clean.values[track.valid], rtol=1e-6, atol=1e-3)


def test_a_recording_without_sound_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"^sound.wav: has no audio stream, which the extractor mfcc needs$"):
        extract(Sound([], has_audio=False), tmp_path)
    for top_db in (80.0, None):
        with pytest.raises(MediaError, match=r"^sound.wav: holds no sound"):
            extract(Sound([]), tmp_path, top_db=top_db)


def test_names_follow_n_mfcc_and_are_all_signed(tmp_path: Path) -> None:
    extractor = Mfcc(MfccOptions(n_mfcc=3), make_runtime(tmp_path))
    assert extractor.names == ("mfcc_0", "mfcc_1", "mfcc_2")
    assert extractor.signed == set(extractor.names)
    track = next(extractor.stream(Sound(noise(RATE))))
    assert (track.names, track.signed) == (extractor.names, extractor.signed)
    assert (track.values.dtype, track.times.dtype) == (torch.float32, torch.float64)


def test_mel_bands_without_a_frequency_bin_are_reported_once(tmp_path: Path) -> None:
    runtime = make_runtime(tmp_path)
    for _ in range(2):
        list(Mfcc(MfccOptions(window=0.01, n_mels=80), runtime).stream(Sound(noise(RATE))))
    (warning,) = runtime.report.warnings
    assert "of the 80 mel bands" in warning
    assert "mfcc.n_mels" in warning


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_mfcc": 41}, "n_mels = 40"),
        ({"hop": 0.03}, "must not be shorter than hop"),
        ({"hop": 0.00001}, "less than one sample"),
        ({"fmax": 9000}, "half the rate"),
        ({"fmin": 500, "fmax": 400}, "half the rate"),
        ({"top_db": "loud"}, "top_db"),
        ({"hops": 1}, "hops"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_one_sentence(options: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MfccOptions(**options)


def test_top_db_is_switched_off_with_the_word_none() -> None:
    assert MfccOptions(top_db="none").top_db is None


def test_the_chunk_is_no_part_of_the_features_identity() -> None:
    assert "chunk" not in MfccOptions().identity()
    assert MfccOptions().identity()["top_db"] == 80.0


def test_a_missing_librosa_is_an_error_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(OptionError, match=r"pip install 'lasca-audio\[librosa\]'"):
        Mfcc(MfccOptions(backend="librosa"), make_runtime(tmp_path)).prepare()


def test_the_plugin_registers_an_extractor_that_needs_audio() -> None:
    (spec,) = lasca_register_extractors()
    assert (spec.name, spec.needs) == ("mfcc", {"audio"})
    assert spec.target == f"{Mfcc.__module__}:{Mfcc.__name__}"
    assert spec.options == f"{MfccOptions.__module__}:{MfccOptions.__name__}"
