"""How far a feature must vary over a session to have really changed, in its own unit, where that is known.

- Spectral balance and harmonics in dB (alpha ratio, Hammarberg index, HNR, H1-H2, H1-A3, formant amplitudes), and the
  level: 3 dB, as for the level in ``mfcc``; spectral slopes: 3 dB from end to end of their band.
- Loudness: what 3 dB make of 0.2, the loudness of quiet speech here: openSMILE raises the power to 0.33.
- Pitch: one semitone. In sentences, a difference of F0 must be 10 to 50 times as large to be heard as in a sustained
  vowel, where 0.3 Hz do: half a semitone to two (Harris & Umeda 1987, JASA 81; Flanagan & Saslow 1958, JASA 30).
- Formants: 14 Hz for the first, 1.5 % for the others (Kewley-Port & Watson 1994, JASA 95), taken at 1.5 and 2.5 kHz.
- Jitter and shimmer: the thresholds of a normal voice in the Multi-Dimensional Voice Program (Deliyski 1993,
  Eurospeech).
- MFCC: a ripple of 2 dB across the mel bands, as for ``mfcc``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

_DECIBELS = 3.0
_MEL_BANDS = 26
_LIFTER = 22


def _mfcc(order: int) -> float:
    """A cosine of 2 dB over the mel bands as coefficient ``order``: HTK's DCT, natural logarithm and lifter."""
    ripple = 2.0 * math.log(10) / 10
    lifter = 1 + _LIFTER / 2 * math.sin(math.pi * order / _LIFTER)
    return ripple * math.sqrt(_MEL_BANDS / 2) * lifter


_LOUDNESS = 0.2 * (10 ** (_DECIBELS / 10 * 0.33) - 1)

_RESOLUTION: dict[str, float] = {
    # eGeMAPS
    "Loudness": _LOUDNESS,
    "loudness": _LOUDNESS,
    "alphaRatio": _DECIBELS,
    "hammarbergIndex": _DECIBELS,
    "slope0-500": _DECIBELS / 500,
    "slope500-1500": _DECIBELS / 1000,
    "F0semitoneFrom27.5Hz": 1.0,
    "jitterLocal": 0.0104,
    "shimmerLocaldB": 0.35,
    "HNRdBACF": _DECIBELS,
    "logRelF0-H1-H2": _DECIBELS,
    "logRelF0-H1-A3": _DECIBELS,
    "F1frequency": 14.0,
    "F2frequency": 22.5,
    "F3frequency": 37.5,
    **{f"F{number}amplitudeLogRelF0": _DECIBELS for number in (1, 2, 3)},
    **{f"mfcc{order}": _mfcc(order) for order in range(1, 5)},
    "equivalentSoundLevel_dBp": _DECIBELS,
    # ComParE
    "audspec_lengthL1norm": _LOUDNESS,
    "F0final": 9.0,  # Hz: one semitone from 150 Hz
    "jitterDDP": 0.0204,
    "shimmerLocal": 0.0381,
    **{f"mfcc[{order}]": _mfcc(order) for order in range(1, 15)},
}
"""By the descriptor's name without openSMILE's mark of smoothing."""

_SAME_UNIT = frozenset(
    {
        *("", "amean", "stddev", "range"),
        *("percentile20.0", "percentile50.0", "percentile80.0", "pctlrange0-2"),
        *("quartile1", "quartile2", "quartile3", "iqr1-2", "iqr2-3", "iqr1-3"),
        *("percentile1.0", "percentile99.0", "pctlrange0-1"),
    }
)
"""Functionals in the unit of their descriptor; ``""`` is the descriptor itself."""


def resolution(features: Iterable[str]) -> dict[str, float]:
    """The resolution of those ``features`` that have a known one."""
    found = {}
    for feature in features:
        descriptor, functional = _parts(feature)
        if descriptor in _RESOLUTION and functional in _SAME_UNIT:
            found[feature] = _RESOLUTION[descriptor]
    return found


def _parts(feature: str) -> tuple[str, str]:
    """``alphaRatioUV_sma3nz_amean`` -> ``alphaRatio``, ``amean``; ``mfcc_sma[2]_range`` -> ``mfcc[2]``, ``range``."""
    base, _, rest = feature.partition("_sma")
    mark, _, functional = rest.partition("_")
    index = mark if mark.startswith("[") else ""
    return base.replace("UV", "").replace("V", "") + index, functional
