"""The tables that feature extraction tools write: how each is recognised, and what its columns are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

_AU = r"AU\d{1,2}"
_SOME = 3
"""As many columns of a kind make a table a tool's."""


@dataclass(frozen=True)
class Layout:
    """One tool's table. Patterns match a whole feature name; column names are looked up whatever their case."""

    name: str
    recognise: Callable[[Sequence[str]], bool]
    """Whether a table with these columns is this tool's."""
    choose: Callable[[Sequence[str]], dict[str, str]] | None = None
    """Of a table's columns, those that are features by default, with each feature's name; None: every column of
    numbers that has no other role."""
    rename: Callable[[str], str] = str
    """A column's feature name, also for columns that are features only on demand."""
    signed: str = ""
    resolution: Mapping[str, float] = field(default_factory=dict)
    """Pattern -> range below which such a feature does not really change, in its unit."""
    checks: Mapping[str, float] = field(default_factory=dict)
    """Column -> value from which on a row is valid."""
    confidence: str = ""
    """The one of ``checks`` that is a matter of degree."""
    sessions: tuple[str, ...] = ()
    """Columns that may name the session: a path stands for the file's name without its ending."""
    subject: str = "subject"
    milliseconds: tuple[str, ...] = ()
    """Columns of time that count milliseconds."""
    present: str = ""
    """A column that is empty in rows of other sensors, which are not read."""
    estimates: Callable[[Sequence[str]], frozenset[str]] = lambda _: frozenset()
    """Columns that look like labels and are the tool's own guesses."""

    def is_signed(self, feature: str) -> bool:
        """Whether the feature's zero or minimum does not mean that it is absent."""
        return re.fullmatch(self.signed, feature) is not None

    def resolution_of(self, feature: str) -> float | None:
        """The range below which the feature does not really change, where it is known."""
        return next((size for pattern, size in self.resolution.items() if re.fullmatch(pattern, feature)), None)


def _matching(pattern: str, columns: Sequence[str]) -> list[str]:
    return [name for name in columns if re.fullmatch(pattern, name)]


# --- OpenFace 2: FeatureExtraction ------------------------------------------------------------------------------------


def _openface(columns: Sequence[str]) -> dict[str, str]:
    """The intensities, and the presence of action units of which there is no intensity (AU28)."""
    intensities = set(_matching(r"AU\d\d_r", columns))
    presences = [name for name in _matching(r"AU\d\d_c", columns) if f"{name[:-1]}r" not in intensities]
    return {name: name for name in columns if name in intensities or name in presences}


OPENFACE = Layout(
    "openface",
    recognise=lambda columns: len(_matching(r"AU\d\d_[rc]", columns)) >= _SOME,
    choose=_openface,
    signed=r"(pose|gaze|p)_.*",
    resolution={
        r"AU\d\d_r": 0.5,  # of 0 to 5
        r"AU\d\d_c": 0.2,
        r"pose_R[xyz]": 0.05,  # radians
        r"pose_T[xyz]": 10.0,  # millimetres
        r"gaze_.*": 0.05,
    },
    checks={"success": 0.5, "confidence": 0.7},
    confidence="confidence",
)

# --- py-feat: Detector ------------------------------------------------------------------------------------------------

PYFEAT = Layout(
    "pyfeat",
    recognise=lambda columns: len(_matching(r"AU\d\d", columns)) >= _SOME and not _matching(r"AU[1-9]", columns),
    choose=lambda columns: {name: name for name in _matching(r"AU\d\d", columns)},
    signed=r"Pitch|Roll|Yaw|[XYZ]|gaze_.*",
    resolution={r"AU\d\d": 0.1},  # of 0 to 1
    checks={"FaceScore": 0.5},
    confidence="FaceScore",
    sessions=("input",),
    estimates=lambda columns: frozenset({"valence", "arousal"} if "FaceScore" in columns else ()),
)

# --- iMotions: FACET (Emotient) ---------------------------------------------------------------------------------------


def _action_unit(column: str) -> str:
    """``AU1 Evidence``, or as R writes it ``AU1.Evidence`` -> ``AU1``."""
    return re.sub(rf"^({_AU})[ ._]Evidence$", r"\1", column)


def _facet(columns: Sequence[str]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for column in columns:
        name = _action_unit(column)
        if re.fullmatch(_AU, name) and name not in chosen.values():
            chosen[column] = name
    return chosen


FACET = Layout(
    "facet",
    recognise=lambda columns: (
        bool(_matching(rf"AU[1-9]|{_AU}[ ._]Evidence", columns)) and len(_facet(columns)) >= _SOME
    ),
    choose=_facet,
    rename=_action_unit,
    signed=r"(Yaw|Pitch|Roll) Degrees",
    resolution={_AU: 0.25},  # evidence is a decimal logarithm of odds
    checks={"NoOfFaces": 0.5},
    subject="Name",
    milliseconds=("Timestamp", "MediaTime", "FrameTime"),
    present="FrameNo",
)

# --- MediaPipe: blendshapes -------------------------------------------------------------------------------------------

_SIDED = (
    "browDown", "browOuterUp", "cheekSquint", "eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp",
    "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown", "mouthLowerDown", "mouthPress", "mouthSmile", "mouthStretch",
    "mouthUpperUp", "noseSneer",
)  # fmt: skip
_WHOLE = (
    "_neutral", "browInnerUp", "cheekPuff", "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthFunnel",
    "mouthLeft", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "tongueOut",
)  # fmt: skip
_BLENDSHAPES = {
    name.casefold(): name for name in (*_WHOLE, *(side + end for side in _SIDED for end in ("Left", "Right")))
}
_POSE = ("pitch", "yaw", "roll", "x", "y", "z")


def _blendshape(column: str) -> str:
    """The category as MediaPipe spells it: ARKit tools begin it with a capital letter."""
    return _BLENDSHAPES.get(column.casefold(), column)


def _mediapipe(columns: Sequence[str]) -> dict[str, str]:
    return {name: _blendshape(name) for name in columns if name.casefold() in _BLENDSHAPES or name in _POSE}


MEDIAPIPE = Layout(
    "mediapipe",
    recognise=lambda columns: sum(name.casefold() in _BLENDSHAPES for name in columns) >= 10,
    choose=_mediapipe,
    rename=_blendshape,
    signed="|".join(_POSE),
    resolution={
        "|".join(_BLENDSHAPES.values()): 0.1,  # of 0 to 1
        "pitch|yaw|roll": 5.0,  # degrees
        "x|y|z": 2.0,  # centimetres
    },
)

# --- openSMILE: SMILExtract and the Python package --------------------------------------------------------------------


def _is_opensmile(columns: Sequence[str]) -> bool:
    """Names end in what openSMILE did to a contour: smoothed it (``_sma``), then perhaps took a functional of it."""
    smoothed = sum("_sma" in name for name in columns)
    return smoothed >= _SOME or (smoothed > 0 and {"name", "frameTime"} <= set(columns))


_DECIBELS = r"(alphaRatio|hammarbergIndex|HNRdBACF|logRelF0-H1-(H2|A3)|F[123]amplitudeLogRelF0)"
OPENSMILE = Layout(
    "opensmile",
    recognise=_is_opensmile,
    signed=".*",
    resolution={  # of eGeMAPS, for contours and for functionals in their unit
        r"F0semitoneFrom27\.5Hz_sma3nz(_amean|_percentile\d+\.0|_pctlrange0-2)?": 1.0,  # semitones
        rf"{_DECIBELS}(U?V)?_sma3(nz)?(_amean)?|equivalentSoundLevel_dBp": 3.0,
    },
    sessions=("file", "name"),
)

# --- anything else ----------------------------------------------------------------------------------------------------

PLAIN = Layout("plain", recognise=lambda columns: True)

LAYOUTS = {layout.name: layout for layout in (OPENFACE, PYFEAT, FACET, MEDIAPIPE, OPENSMILE, PLAIN)}
"""All layouts by name, in the order in which they are tried: some tools write columns of another's as well."""


def recognise(columns: Sequence[str]) -> Layout:
    """The layout of a table with these columns."""
    return next(layout for layout in LAYOUTS.values() if layout.recognise(columns))
