"""Names of the 58 facial features, in the order of their columns."""

from __future__ import annotations

BLENDSHAPES: tuple[str, ...] = (
    "_neutral",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "eyeLookDownLeft",
    "eyeLookDownRight",
    "eyeLookInLeft",
    "eyeLookInRight",
    "eyeLookOutLeft",
    "eyeLookOutRight",
    "eyeLookUpLeft",
    "eyeLookUpRight",
    "eyeSquintLeft",
    "eyeSquintRight",
    "eyeWideLeft",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthClose",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthFunnel",
    "mouthLeft",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "noseSneerLeft",
    "noseSneerRight",
)
"""MediaPipe's blendshapes in MediaPipe's order, each in [0, 1]; left and right are the person's own."""

POSE: tuple[str, ...] = ("pitch", "roll", "yaw", "x", "y", "z")
"""Where the head is and where it looks; see ``pose.head_pose``."""

FEATURES: tuple[str, ...] = BLENDSHAPES + POSE
"""All 58 names."""

RESOLUTION: dict[str, float] = {
    **dict.fromkeys(BLENDSHAPES, 0.1),
    **dict.fromkeys(("pitch", "roll", "yaw"), 5.0),
    **dict.fromkeys(("x", "y", "z"), 2.0),
}
"""Range over a recording below which a feature does not visibly change: a tenth of a blendshape, 5 degrees, 2 cm.

On a real clip of acted emotions (window means) smiles and brows range over 0.4 to 0.5, while two thirds of the
blendshapes stay below 0.1: min-max alone would give their noise the weight of a smile.
"""
