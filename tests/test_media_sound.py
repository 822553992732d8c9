"""Sound of recordings: mono at the rate asked for, in stretches, on the recording's clock."""

from __future__ import annotations

import wave
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from lasca_core.api import MediaError, Samples, Source, open_media

Write = Callable[..., Path]
SOUND_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".flv", ".mpg", ".ts", ".wav", ".flac", ".mp3")
EXACT = (".mov", ".mkv", ".avi", ".wav", ".flac")
PRIMED = {".flv": 0.03, ".mpg": 0.02, ".ts": 0.02}
"""Seconds of silence that a codec puts first, where the container does not say so."""
LAME_SCALE = 0.95
"""LAME lowers what it encodes by this factor."""


def sine(rate: int, seconds: float, *, hertz: float = 440.0, level: float = 0.5, channels: int = 1) -> np.ndarray:
    time = np.arange(round(rate * seconds)) / rate
    return np.repeat(level * np.sin(2 * np.pi * hertz * time)[None], channels, axis=0).astype(np.float32)


def joined(parts: Sequence[Samples]) -> np.ndarray:
    return np.concatenate([part.values.numpy() for part in parts])


def heard(source: Source, rate: int = 16_000) -> np.ndarray:
    return joined(list(source.audio(rate)))


def tone(signal: np.ndarray, rate: int, hertz: float) -> tuple[float, float]:
    """Level of the sine of that frequency in the middle of a signal, and the root mean square of the rest."""
    middle = slice(len(signal) // 10, -len(signal) // 10)
    time = np.arange(len(signal)) / rate
    basis = np.stack([np.sin(2 * np.pi * hertz * time), np.cos(2 * np.pi * hertz * time)], axis=1)[middle]
    weights, *_ = np.linalg.lstsq(basis, signal[middle], rcond=None)
    return float(np.hypot(*weights)), float((signal[middle] - basis @ weights).std())


@pytest.mark.parametrize("suffix", SOUND_SUFFIXES)
def test_every_container_gives_its_sound_with_level_pitch_and_duration_kept(
    tmp_path: Path, write_media: Write, suffix: str
) -> None:
    rate = 48_000 if suffix == ".webm" else 44_100
    path = write_media(tmp_path / f"sound{suffix}", sound=sine(rate, 1.0, channels=2), sound_rate=rate)
    source = open_media(path)
    assert (source.has_video, source.has_audio) == (False, True)
    signal = heard(source)
    level, rest = tone(signal, 16_000, 440.0)
    written = 0.5 * LAME_SCALE if suffix in (".flv", ".mp3") else 0.5
    assert level == pytest.approx(written, rel=1e-3 if suffix in EXACT else 0.02)
    assert rest < (1e-3 if suffix in EXACT else 0.02)
    assert len(signal) / 16_000 == pytest.approx(1.0, abs=1e-3 if suffix in EXACT else 0.08)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_resampling_agrees_with_soxr_within_one_per_mille(tmp_path: Path, write_media: Write, suffix: str) -> None:
    soxr = pytest.importorskip("soxr")
    rng = np.random.default_rng(0)
    time = np.arange(44_100) / 44_100
    chirp = 0.4 * np.sin(2 * np.pi * (100 * time + 1450 * time**2))  # 100 to 3000 Hz
    left, right = chirp + 0.2 * sine(44_100, 1.0, hertz=5000.0)[0], np.roll(chirp, 100) * rng.choice([0.3, 0.6])
    stereo = np.stack([left, right]).astype(np.float32)
    path = write_media(tmp_path / f"sound{suffix}", sound=stereo, sound_rate=44_100)
    signal, expected = heard(open_media(path)), soxr.resample(stereo.mean(axis=0), 44_100, 16_000, quality="VHQ")
    assert len(signal) == pytest.approx(len(expected), abs=1)
    inner = slice(200, 15_800)
    assert np.abs(signal[inner] - expected[inner]).max() < 1e-3


def test_what_the_lower_rate_cannot_hold_is_filtered_out_and_not_folded_back(
    tmp_path: Path, write_media: Write
) -> None:
    path = write_media(tmp_path / "high.wav", sound=sine(44_100, 1.0, hertz=11_000.0), sound_rate=44_100)
    assert np.abs(heard(open_media(path))[200:-200]).max() < 1e-3


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_mono_is_the_mean_of_the_channels_so_that_it_never_clips(
    tmp_path: Path, write_media: Write, channels: int
) -> None:
    full = sine(16_000, 0.5, level=0.99, channels=channels)
    signal = heard(open_media(write_media(tmp_path / "loud.wav", sound=full)))
    np.testing.assert_allclose(signal, full[0], atol=1e-4)


def test_channels_of_opposite_phase_cancel(tmp_path: Path, write_media: Write) -> None:
    opposite = sine(16_000, 0.5, channels=2) * np.array([[1.0], [-1.0]], np.float32)
    assert np.abs(heard(open_media(write_media(tmp_path / "opposite.wav", sound=opposite)))).max() < 1e-4


def test_channels_without_a_named_layout_are_mixed_too(tmp_path: Path) -> None:
    path = tmp_path / "five.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(5)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.repeat((sine(16_000, 0.5)[0] * 32767).astype("<i2")[:, None], 5, axis=1).tobytes())
    np.testing.assert_allclose(heard(open_media(path)), sine(16_000, 0.5)[0], atol=1e-4)


def test_mono_at_the_rate_asked_for_comes_through_as_it_is(tmp_path: Path, write_media: Write) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, (1, 20_000)).astype(np.float32)
    path = write_media(tmp_path / "noise.wav", sound=noise, sound_codec="pcm_f32le")
    np.testing.assert_array_equal(heard(open_media(path)), noise[0])


def test_stretches_join_to_one_signal_whatever_their_length(tmp_path: Path, write_media: Write) -> None:
    path = write_media(tmp_path / "noise.wav", sound=sine(44_100, 2.5, channels=2), sound_rate=44_100)
    source = open_media(path)
    whole = heard(source)
    for seconds in (0.01, 0.37, 1.0, 2.5, 60.0):
        parts = list(source.audio(seconds=seconds))
        np.testing.assert_array_equal(joined(parts), whole)
        assert {len(part.values) for part in parts[:-1]} <= {round(seconds * 16_000)}
        begins = np.cumsum([0] + [len(part.values) for part in parts[:-1]]) / 16_000
        assert [part.start for part in parts] == pytest.approx(begins.tolist())


# --- the clock --------------------------------------------------------------------------------------------------------


def grey(count: int) -> list[np.ndarray]:
    return [np.full((48, 64, 3), 128, np.uint8)] * count


def onset(source: Source) -> float:
    """When the sound begins, in seconds of the recording."""
    parts = list(source.audio())
    return parts[0].start + int(np.argmax(np.abs(joined(parts)) > 0.1)) / 16_000


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi", ".flv", ".mpg", ".ts", ".webm"])
def test_sound_that_begins_with_the_video_begins_at_zero(tmp_path: Path, write_media: Write, suffix: str) -> None:
    rate = 48_000 if suffix == ".webm" else 44_100
    path = write_media(tmp_path / f"clip{suffix}", grey(25), sound=sine(rate, 1.0), sound_rate=rate)
    assert onset(open_media(path)) == pytest.approx(0.0, abs=0.003 + PRIMED.get(suffix, 0.0))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_that_begins_later_than_the_video_keeps_its_offset(
    tmp_path: Path, write_media: Write, suffix: str
) -> None:
    path = write_media(tmp_path / f"clip{suffix}", grey(50), sound=sine(16_000, 1.0), sound_start=0.5)
    assert onset(open_media(path)) == pytest.approx(0.5, abs=0.003)


def test_sound_that_begins_earlier_than_the_video_has_a_negative_start(tmp_path: Path, write_media: Write) -> None:
    times = [0.3 + index / 25 for index in range(25)]
    path = write_media(tmp_path / "clip.mkv", grey(25), times=times, sound=sine(16_000, 1.0))
    source = open_media(path)
    assert next(source.frames()).times[0] == 0.0
    assert onset(source) == pytest.approx(-0.3, abs=0.003)


def test_a_hole_in_the_sound_becomes_silence_so_that_what_follows_keeps_its_time(tmp_path: Path) -> None:
    from fractions import Fraction

    import av

    path = tmp_path / "hole.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for first in (0, 48_000):  # a second of sound, two of nothing, a second of sound
            for offset in range(0, 16_000, 1000):
                piece = np.full((1, 1000), 8192, np.int16)
                frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = 16_000, first + offset, Fraction(1, 16_000)
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    parts = list(open_media(path).audio(seconds=0.4))
    signal = joined(parts)
    assert len(signal) == 64_000
    np.testing.assert_allclose(np.r_[signal[:15_900], signal[48_100:]], 0.25, atol=1e-4)
    assert (signal[16_100:47_900] == 0).all()
    assert parts[-1].start == pytest.approx(3.6)


def test_sound_that_changes_its_rate_and_channels_on_the_way_goes_on(tmp_path: Path, write_media: Write) -> None:
    first = write_media(tmp_path / "a.mp3", sound=sine(44_100, 1.0, channels=2), sound_rate=44_100)
    second = write_media(tmp_path / "b.mp3", sound=sine(22_050, 1.0), sound_rate=22_050)
    both = tmp_path / "both.mp3"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    signal = heard(open_media(both))
    assert len(signal) / 16_000 == pytest.approx(2.0, abs=0.15)
    for half in (signal[1600:14_400], signal[-14_400:-1600]):
        assert tone(half, 16_000, 440.0)[0] == pytest.approx(0.5 * LAME_SCALE, rel=0.02)


# --- which sound ------------------------------------------------------------------------------------------------------


def test_a_separate_sound_file_is_read_in_place_of_the_recordings_own(tmp_path: Path, write_media: Write) -> None:
    video = write_media(tmp_path / "clip.mkv", grey(25), sound=sine(16_000, 1.0, hertz=300.0))
    other = write_media(tmp_path / "other.wav", sound=sine(16_000, 2.0, hertz=700.0))
    source = open_media(video, audio=other)
    assert source.has_audio
    signal = heard(source)
    assert len(signal) == 32_000
    assert tone(signal, 16_000, 700.0)[0] == pytest.approx(0.5, rel=1e-3)
    assert len(next(source.frames(batch=25))) == 25


def test_a_folder_of_images_takes_its_sound_from_a_separate_file(tmp_path: Path, write_media: Write) -> None:
    from PIL import Image

    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(grey(1)[0]).save(folder / "1.png")
    other = write_media(tmp_path / "other.wav", sound=sine(16_000, 0.5))
    assert len(heard(open_media(folder, audio=other))) == 8000
    silent = open_media(folder)
    assert not silent.has_audio
    with pytest.raises(MediaError, match="no audio stream"):
        silent.audio()


def test_a_separate_sound_file_without_sound_is_an_error_that_names_it(tmp_path: Path, write_media: Write) -> None:
    video = write_media(tmp_path / "clip.mkv", grey(5), sound=sine(16_000, 1.0))
    silent = write_media(tmp_path / "silent.mkv", grey(5))
    with pytest.raises(MediaError, match=r"silent\.mkv"):
        open_media(video, audio=silent)


def test_a_video_without_sound_and_sound_without_video_say_so(tmp_path: Path, write_media: Write) -> None:
    silent = open_media(write_media(tmp_path / "silent.mkv", grey(5)))
    blind = open_media(write_media(tmp_path / "blind.wav", sound=sine(16_000, 0.1)))
    assert (silent.has_audio, blind.has_video) == (False, False)
    with pytest.raises(MediaError, match=r"silent\.mkv: has no audio stream"):
        silent.audio()
    with pytest.raises(MediaError, match=r"blind\.wav: has no video stream"):
        blind.frames()


def test_the_cover_picture_of_a_sound_file_is_no_video(tmp_path: Path, write_media: Write) -> None:
    import av

    plain = write_media(tmp_path / "plain.flac", sound=sine(16_000, 0.5))
    picture = write_media(tmp_path / "cover.mkv", grey(1), codec="mjpeg", pixels="yuvj420p")
    path = tmp_path / "covered.mp3"
    with av.open(str(plain)) as sound, av.open(str(picture)) as image, av.open(str(path), "w") as target:
        encoder = target.add_stream("libmp3lame", rate=16_000, layout="mono")
        cover = target.add_stream_from_template(image.streams.video[0])
        cover.disposition = av.stream.Disposition.attached_pic
        for packet in image.demux(video=0):
            if packet.dts is not None:
                packet.stream = cover
                target.mux(packet)
        for frame in sound.decode(audio=0):
            target.mux(encoder.encode(frame))
        target.mux(encoder.encode(None))
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    source = open_media(path)
    assert (source.has_video, source.has_audio) == (False, True)
    assert tone(heard(source), 16_000, 440.0)[0] == pytest.approx(0.5 * LAME_SCALE, rel=0.02)
