"""The feature names of eGeMAPS v02 and ComParE 2016, in openSMILE's spelling and order, known without openSMILE.

Both sets are descriptors (LLD), measured every 10 ms, and statistics of those over a stretch of sound (functionals).
"""

from __future__ import annotations

from collections.abc import Iterable


def _crossed(descriptors: Iterable[str], functionals: Iterable[str]) -> tuple[str, ...]:
    functionals = tuple(functionals)
    return tuple(f"{descriptor}_{functional}" for descriptor in descriptors for functional in functionals)


def _numbered(name: str, numbers: range) -> tuple[str, ...]:
    return tuple(f"{name}[{number}]" for number in numbers)


# --- eGeMAPS v02 ------------------------------------------------------------------------------------------------------

_FORMANTS = tuple(
    f"F{number}{what}_sma3nz" for number in (1, 2, 3) for what in ("frequency", "bandwidth", "amplitudeLogRelF0")
)
_PHONATION = (
    "jitterLocal_sma3nz",
    "shimmerLocaldB_sma3nz",
    "HNRdBACF_sma3nz",
    "logRelF0-H1-H2_sma3nz",
    "logRelF0-H1-A3_sma3nz",
)
_CEPSTRUM = ("mfcc1", "mfcc2", "mfcc3", "mfcc4")

EGEMAPS_LLD: tuple[str, ...] = (
    "Loudness_sma3",
    "alphaRatio_sma3",
    "hammarbergIndex_sma3",
    "slope0-500_sma3",
    "slope500-1500_sma3",
    "spectralFlux_sma3",
    *(f"{name}_sma3" for name in _CEPSTRUM),
    "F0semitoneFrom27.5Hz_sma3nz",
    *_PHONATION,
    *_FORMANTS,
)
"""25 descriptors."""

EGEMAPS_FUNCTIONALS: tuple[str, ...] = (
    *_crossed(
        ("F0semitoneFrom27.5Hz_sma3nz", "loudness_sma3"),
        (
            *("amean", "stddevNorm", "percentile20.0", "percentile50.0", "percentile80.0", "pctlrange0-2"),
            *("meanRisingSlope", "stddevRisingSlope", "meanFallingSlope", "stddevFallingSlope"),
        ),
    ),
    *_crossed(
        (
            "spectralFlux_sma3",
            *(f"{name}_sma3" for name in _CEPSTRUM),
            *_PHONATION,
            *_FORMANTS,
            *("alphaRatioV_sma3nz", "hammarbergIndexV_sma3nz", "slopeV0-500_sma3nz", "slopeV500-1500_sma3nz"),
            "spectralFluxV_sma3nz",
            *(f"{name}V_sma3nz" for name in _CEPSTRUM),
        ),
        ("amean", "stddevNorm"),
    ),
    *_crossed(
        (
            *("alphaRatioUV_sma3nz", "hammarbergIndexUV_sma3nz", "slopeUV0-500_sma3nz", "slopeUV500-1500_sma3nz"),
            "spectralFluxUV_sma3nz",
        ),
        ("amean",),
    ),
    "loudnessPeaksPerSec",
    "VoicedSegmentsPerSec",
    "MeanVoicedSegmentLengthSec",
    "StddevVoicedSegmentLengthSec",
    "MeanUnvoicedSegmentLength",
    "StddevUnvoicedSegmentLength",
    "equivalentSoundLevel_dBp",
)
"""88 functionals; V: over voiced frames, UV: over unvoiced ones."""

# --- ComParE 2016 -----------------------------------------------------------------------------------------------------

_SOURCE = (
    "F0final_sma",
    "voicingFinalUnclipped_sma",
    "jitterLocal_sma",
    "jitterDDP_sma",
    "shimmerLocal_sma",
    "logHNR_sma",
)
_ENERGY = ("audspec_lengthL1norm_sma", "audspecRasta_lengthL1norm_sma", "pcm_RMSenergy_sma", "pcm_zcr_sma")
_SPECTRUM = (
    *_numbered("audSpec_Rfilt_sma", range(26)),
    "pcm_fftMag_fband250-650_sma",
    "pcm_fftMag_fband1000-4000_sma",
    *(f"pcm_fftMag_spectralRollOff{share}_sma" for share in ("25.0", "50.0", "75.0", "90.0")),
    *(
        f"pcm_fftMag_{name}_sma"
        for name in (
            *("spectralFlux", "spectralCentroid", "spectralEntropy", "spectralVariance", "spectralSkewness"),
            *("spectralKurtosis", "spectralSlope", "psySharpness", "spectralHarmonicity"),
        )
    ),
    *_numbered("mfcc_sma", range(1, 15)),
)


def _deltas(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.replace("_sma", "_sma_de") for name in names)


COMPARE_LLD: tuple[str, ...] = (*_SOURCE, *_ENERGY, *_SPECTRUM)
"""65 descriptors."""

COMPARE_DELTAS: tuple[str, ...] = _deltas(COMPARE_LLD)
"""Their 65 slopes over five frames."""

_DISTRIBUTION = (
    *("quartile1", "quartile2", "quartile3", "iqr1-2", "iqr2-3", "iqr1-3"),
    *("percentile1.0", "percentile99.0", "pctlrange0-1", "stddev", "skewness", "kurtosis"),
)
_EXTREMES = ("range", "maxPos", "minPos")
_SEGMENTS = ("meanSegLen", "maxSegLen", "minSegLen", "segLenStddev")
_TIMES = ("upleveltime25", "upleveltime50", "upleveltime75", "upleveltime90", "risetime", "leftctime")
_PREDICTION = ("lpgain", "lpc0", "lpc1", "lpc2", "lpc3", "lpc4")
_REGRESSION = ("linregc1", "linregc2", "linregerrQ", "qregc1", "qregc2", "qregc3", "qregerrQ", "centroid")
_PEAKS = (
    *("meanPeakDist", "peakDistStddev", "peakRangeAbs", "peakRangeRel", "peakMeanAbs", "peakMeanMeanDist"),
    *("peakMeanRel", "minRangeRel", "meanRisingSlope", "stddevRisingSlope", "meanFallingSlope", "stddevFallingSlope"),
)

COMPARE_FUNCTIONALS: tuple[str, ...] = (
    *_crossed(
        (*_ENERGY, *_deltas(_ENERGY), *_SPECTRUM, *_deltas(_SPECTRUM)),
        (*_EXTREMES, *_DISTRIBUTION, *_SEGMENTS, *_TIMES, *_PREDICTION),
    ),
    *_crossed(
        (*_SOURCE, *_deltas(_SOURCE)),
        ("amean", "flatness", "posamean", "rqmean", *_EXTREMES, *_REGRESSION, *_DISTRIBUTION, *_TIMES, *_PREDICTION),
    ),
    *_crossed(("F0final_sma_ff0",), ("nnz", *_SEGMENTS)),
    *_crossed((*_ENERGY, *_SPECTRUM), ("amean", "flatness", "rqmean", *_PEAKS, *_REGRESSION)),
    *_crossed(_deltas((*_ENERGY, *_SPECTRUM)), ("flatness", "posamean", "rqmean", *_PEAKS)),
)
"""6373 functionals, of the descriptors and of their deltas (``_de``)."""
