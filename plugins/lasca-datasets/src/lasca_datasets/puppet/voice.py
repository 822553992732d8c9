"""Speaks syllables with a synthetic voice after the source-filter model: glottal pulses and breath through formants.

Arousal raises pitch, loudness, pace, the first formant and the share of high frequencies, and shortens the pauses;
valence lifts pitch and the upper formants a little, as a smile does. Declination, accents and a mood of its own,
unrelated to affect, lie on top. The syllables are not words of any language.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lasca_datasets.puppet.affect import Affect, wander
from lasca_datasets.puppet.people import Voice

RATE = 16_000
"""Samples a second."""
STEP = 160
"""Samples from one control value to the next."""

_WINDOW, _FFT = 4 * STEP, 6 * STEP
_VOWELS = np.array(
    [[730, 1090, 2440], [530, 1840, 2480], [390, 1990, 2550], [570, 840, 2410], [440, 1020, 2240], [490, 1350, 1690]]
)
"""First three formants, Hz, of a long vocal tract, as in English had, head, hid, hawed, hood, heard (Peterson & Barney
1952, men)."""
_BANDWIDTHS = np.array([80.0, 100.0, 140.0, 200.0])  # of the formants, Hz
_SPEECH_LEVEL = 0.07  # root mean square of a session's voice; full scale is 1
_ASPIRATION, _FRICATIVE, _ROOM = 0.03, 0.7, 0.0006  # noise in the glottis, at the teeth, in the room


@dataclass(frozen=True)
class Speech:
    """What is said, by control value [N], one every ``STEP`` samples.

    ``voicing`` and ``breath`` in [0, 1] are the strengths of the two sources; ``formants`` [N, 3] Hz; ``accent``
    semitones of stress and declination; ``opening`` in [0, 1] is how far the vowels open the mouth.
    """

    voicing: np.ndarray
    breath: np.ndarray
    formants: np.ndarray
    accent: np.ndarray
    opening: np.ndarray

    @property
    def times(self) -> np.ndarray:
        """Seconds [N]."""
        return control_times(len(self.voicing))


def control_times(count: int) -> np.ndarray:
    """Seconds of the first ``count`` control values."""
    return np.arange(count) * (STEP / RATE)


def utter(voice: Voice, affect: Affect, seconds: float, rng: np.random.Generator) -> Speech:
    """Plan the syllables of a session: phrases of four to eleven syllables with pauses between."""
    count = int(np.ceil(seconds * RATE / STEP)) + 1
    times = control_times(count)
    arousal = affect.arousal(times)
    voicing, breath, accent = np.zeros(count), np.zeros(count), np.zeros(count)
    formants = np.tile(np.array([500.0, 1500.0, 2500.0]), (count, 1))
    clock = rng.uniform(0.0, 0.6)
    while clock < seconds:
        syllables = int(rng.integers(4, 12))
        for position in range(syllables):
            excited = np.interp(clock, times, arousal)
            length = np.exp(0.2 * rng.standard_normal()) / (voice.pace * (1.0 + 0.22 * voice.expression * excited))
            onset = rng.uniform(0.12, 0.3) * length
            noisy, part = rng.random() < 0.4, slice(*np.searchsorted(times, [clock + onset, clock + length]))
            if noisy:
                breath[slice(*np.searchsorted(times, [clock, clock + onset]))] = rng.uniform(0.3, 1.0)
            stress = rng.random()
            voicing[part] = 0.6 + 0.4 * stress
            formants[part] = _VOWELS[rng.integers(len(_VOWELS))]
            accent[part] = 2.0 * stress - 2.5 * position / syllables
            clock += length
        clock += rng.uniform(0.25, 0.9) * (1.0 - 0.4 * np.interp(clock, times, arousal))
    kernel = np.hanning(9) / np.hanning(9).sum()  # 80 ms: how fast lips and tongue move

    def smooth(values: np.ndarray) -> np.ndarray:
        return np.convolve(np.pad(values, 4, mode="edge"), kernel, mode="valid")

    voicing, breath, accent = smooth(voicing), smooth(breath), smooth(accent)
    formants = np.stack([smooth(column) for column in formants.T], axis=1)
    opening = (voicing * (formants[:, 0] - 250.0) / 500.0).clip(0.0, 1.0)
    return Speech(voicing, breath, formants, accent, opening)


def speak(
    voice: Voice, speech: Speech, affect: Affect, seconds: float, difficulty: float, rng: np.random.Generator
) -> np.ndarray:
    """The sound, float32 [seconds * RATE] in (-1, 1). ``difficulty`` scales what is unrelated to affect and to what is
    said."""
    times = speech.times
    arousal, valence = affect.arousal(times), affect.valence(times)
    shown = voice.expression * arousal
    mood = difficulty * np.stack([wander(rng, 3.0, 15.0)(times) for _ in range(4)])
    pitch = voice.pitch * 2.0 ** ((3.5 * shown + 0.8 * valence + speech.accent + 2.2 * mood[0]) / 12.0)
    level = 10.0 ** ((4.5 * shown + 3.5 * mood[1]) / 20.0)
    cutoff = 500.0 * 2.0 ** (voice.brightness + 0.7 * shown + 0.5 * mood[2])  # Hz, of the glottal source
    stretch = 1.0 + np.stack([0.10 * shown + 0.03 * mood[3], 0.03 * valence, 0.02 * valence], axis=1)

    moments = np.arange(len(times) * STEP)
    per_sample = np.interp(moments / RATE, times, pitch * (1.0 + 0.01 * rng.standard_normal(len(times))))
    noise = rng.standard_normal(len(moments))
    glottis = _pulses(per_sample) * np.sqrt(RATE / per_sample) + _ASPIRATION * noise  # of power 1
    frequency = np.fft.rfftfreq(_FFT, 1.0 / RATE).astype(np.float32)
    voicing, breath = (column.astype(np.float32)[:, None] for column in (speech.voicing * level, speech.breath * level))
    source = 1.0 / (1.0 + (frequency / cutoff.astype(np.float32)[:, None]) ** 2)  # -12 dB an octave above the cutoff
    lips = frequency / 1000.0  # they radiate +6 dB an octave
    tract = _tract(voice.tract * stretch * speech.formants, frequency) * lips
    hiss = np.exp(-(((frequency - 4500.0) / 1800.0) ** 2))
    voiced = _filtered(glottis, voicing * source * tract)
    voiced *= _SPEECH_LEVEL / max(float(np.sqrt(np.mean(voiced**2))), 1e-9)  # the recording level, set once a session
    fricative = _FRICATIVE * _SPEECH_LEVEL * _filtered(noise, breath * hiss)
    sound = voiced + fricative + _ROOM * rng.standard_normal(len(moments))
    return np.asarray(np.tanh(sound[: round(seconds * RATE)]), dtype=np.float32)


def _pulses(pitch: np.ndarray) -> np.ndarray:
    """A pulse at every period of ``pitch`` (Hz at each sample), split between the two nearest samples."""
    phase = np.cumsum(pitch / RATE)
    at = np.flatnonzero(np.diff(np.floor(phase), prepend=0.0))
    late = (phase[at] - np.floor(phase[at])) * RATE / pitch[at]  # samples since the pulse
    pulses = np.zeros(len(pitch))
    pulses[at] += 1.0 - late.clip(0.0, 1.0)
    pulses[np.maximum(at - 1, 0)] += late.clip(0.0, 1.0)
    return pulses


def _tract(formants: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """Response complex64 [N, K] of three moving resonators and a fixed one at 3500 Hz, each 1 at 0 Hz."""
    delay = np.exp(-2j * np.pi * frequency / RATE).astype(np.complex64)
    response = np.ones((len(formants), len(frequency)), dtype=np.complex64)
    centers = np.concatenate([formants, np.full((len(formants), 1), 3500.0)], axis=1).astype(np.float32)
    for center, width in zip(centers.T, _BANDWIDTHS, strict=True):
        radius = float(np.exp(-np.pi * width / RATE))
        linear = (-2.0 * radius * np.cos(2.0 * np.pi / RATE * center))[:, None]
        response *= (1.0 + radius**2 + linear) / (1.0 + radius**2 * delay**2 + linear * delay)
    return response


def _filtered(signal: np.ndarray, response: np.ndarray) -> np.ndarray:
    """``signal`` [N * STEP] through the moving filter ``response`` [N, K]: windowed pieces, overlapped and added."""
    padded = np.pad(signal, _WINDOW // 2).astype(np.float32)
    pieces = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::STEP][: len(response)]
    window = (np.hanning(_WINDOW + 1)[:-1] / 2.0).astype(np.float32)  # four overlapping Hann windows sum to 2
    filtered = np.fft.irfft(np.fft.rfft(pieces * window, _FFT) * response, _FFT).reshape(len(response), -1, STEP)
    sound = np.zeros((len(response) + filtered.shape[1], STEP), dtype=np.float32)
    for block in range(filtered.shape[1]):
        sound[block : block + len(response)] += filtered[:, block]
    return sound.reshape(-1)[_WINDOW // 2 :][: len(signal)]
