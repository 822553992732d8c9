"""The whole path as one glues it together from ready libraries: the script that `lasca predict` is timed beside.

Run as ``python -m lasca_core.bench.glued PARTS.json`` (see ``path.py``, which writes that file): a loop over frames
with MediaPipe, librosa, scikit-image, sentence-transformers and scikit-learn, for the published recipe. It prints the
probability of a rise for each window as JSON. It is meant to be read as such a script, and shares no code with LaScA.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

RATE = 16_000


def face_features(media: str, model: str) -> tuple[np.ndarray, np.ndarray]:
    """Times [T] and 58 features [T, 58] of the frames in which MediaPipe finds a face."""
    import av
    import mediapipe as mp

    vision = mp.tasks.vision
    options = vision.FaceLandmarkerOptions(
        base_options=mp.tasks.BaseOptions(model_asset_path=model),
        running_mode=vision.RunningMode.IMAGE,
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
    )
    times, rows = [], []
    with av.open(media) as container, vision.FaceLandmarker.create_from_options(options) as landmarker:
        stream = container.streams.video[0]
        origin = start_of(stream)
        for frame in container.decode(stream):
            image = mp.Image(image_format=mp.ImageFormat.SRGB, data=frame.to_ndarray(format="rgb24"))
            found = landmarker.detect(image)
            if found.face_blendshapes:
                shapes = [shape.score for shape in found.face_blendshapes[0]]
                rows.append(shapes + pose(found.facial_transformation_matrixes[0]))
                times.append(frame.time - origin)
    return np.array(times), np.array(rows, np.float32)


def start_of(stream: Any) -> float:
    """Seconds at which a stream begins."""
    return float((stream.start_time or 0) * stream.time_base)


def pose(matrix: Any) -> list[float]:
    """Pitch, roll, yaw in degrees and x, y, z."""
    rotation = matrix[:3, :3]
    pitch = math.atan2(rotation[2, 1], rotation[2, 2])
    roll = math.atan2(rotation[1, 0], rotation[0, 0])
    yaw = math.asin(-rotation[2, 0])
    return [math.degrees(pitch), math.degrees(roll), math.degrees(yaw), *(float(value) for value in matrix[:3, 3])]


def voice_features(media: str) -> tuple[np.ndarray, np.ndarray]:
    """Times [T] and 15 MFCCs [T, 15], every 10 ms."""
    import av
    import librosa

    pieces = []
    with av.open(media) as container:
        picture, stream = container.streams.video[0], container.streams.audio[0]
        start = start_of(stream) - start_of(picture)
        resampler = av.AudioResampler(format="fltp", rate=RATE)
        for frame in [*container.decode(stream), None]:
            pieces += [part.to_ndarray().mean(axis=0) for part in resampler.resample(frame)]
    sound = np.concatenate(pieces)
    rows = librosa.feature.mfcc(y=sound, sr=RATE, n_mfcc=15, n_fft=400, hop_length=160, n_mels=40).T
    return start + np.arange(len(rows)) * 160 / RATE, rows


def window_means(times: np.ndarray, rows: np.ndarray, length: float, count: int) -> np.ndarray:
    """The mean of the rows in each of the first ``count`` windows."""
    return np.stack([rows[(times >= k * length) & (times < (k + 1) * length)].mean(axis=0) for k in range(count)])


def threshold(row: np.ndarray) -> float:
    """Otsu's threshold of one window."""
    from skimage import filters

    otsu: Any = filters.threshold_otsu
    return float(otsu(row)) if row.min() < row.max() else math.inf


def sentence(salient: list[str], lexicon: dict[str, Any]) -> str:
    """The window's description."""
    if not salient:
        return str(lexicon["empty"])
    spoken = [lexicon["entries"][name] for name in salient]
    return str(lexicon["template"]).format(cues=lexicon["separator"].join(spoken))


def sentence_transformer(folder: Path | str, device: str = "cpu") -> Any:
    """The sentence encoder in ``folder``."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device=device, local_files_only=True)


def classifier(state: Any, hidden: tuple[int, ...]) -> Any:
    """scikit-learn's network with the weights of a head that was trained."""
    from sklearn.neural_network import MLPClassifier

    head = MLPClassifier(hidden, max_iter=1)
    width = state["coef_0"].shape[0]
    with np.errstate(all="ignore"):
        head.partial_fit(np.zeros((2, width)), [0, 1], classes=[0, 1])  # makes room for the weights
    head.coefs_ = [state[f"coef_{layer}"] for layer in range(len(hidden) + 1)]
    head.intercepts_ = [state[f"intercept_{layer}"] for layer in range(len(hidden) + 1)]
    return head


def main(parts_file: str) -> None:
    """Predict all windows of the recording that the file names."""
    parts = json.loads(Path(parts_file).read_text(encoding="utf-8"))
    lexicon, length = parts["lexicon"], parts["length"]
    face_times, face = face_features(parts["media"], parts["face_model"])
    voice_times, voice = voice_features(parts["media"])
    step = np.median(np.diff(face_times))
    end = min(face_times[-1] + step, voice_times[-1] + 160 / RATE)
    count = int((end - 0.98 * length) // length) + 1
    windows = np.hstack(
        [window_means(face_times, face, length, count), window_means(voice_times, voice, length, count)]
    ).astype(np.float32)

    low, high = windows.min(axis=0), windows.max(axis=0)
    median = np.sort(windows, axis=0)[(count - 1) // 2]
    distance = np.abs(windows - median)
    constant = high - low <= 1e-6 * np.maximum(np.abs(low), np.abs(high))
    features = np.where(constant, 0, (windows - low) / np.where(constant, 1, high - low))
    signed = np.isin(parts["names"], parts["signed"])
    reach = distance.max(axis=0)
    salience = np.where(signed, distance / np.where(reach > 0, reach, 1), features).astype(np.float64)

    model = sentence_transformer(parts["encoder"], parts["device"])
    texts = []
    for row in salience:
        salient = {name for name, high in zip(parts["names"], row > threshold(row), strict=True) if high}
        texts.append(sentence([name for name in lexicon["entries"] if name in salient], lexicon))
    vectors = model.encode(texts)

    representation = np.hstack([features, vectors])
    change = representation[1:] - representation[:-1]
    found: dict[str, list[float]] = {}
    for target, file in parts["heads"].items():
        state = np.load(file)
        head = classifier(state, tuple(parts["hidden"]))
        found[target] = head.predict_proba(change / state["scale"])[:, 1].tolist()
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
