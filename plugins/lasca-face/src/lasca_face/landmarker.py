"""MediaPipe's Face Landmarker: several of them over a batch of frames, in order, and without their chatter."""

from __future__ import annotations

import contextlib
import math
import os
import queue
import re
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lasca_core.api import PluginError
from lasca_face.choose import Face
from lasca_face.names import BLENDSHAPES
from lasca_face.pose import head_pose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lasca_core.api import Frames
    from lasca_face.options import BlendshapeOptions

_CHATTER = re.compile(
    rb"[IW]\d{4} [\d:. ]+\w+\.cc:\d+\] "
    rb"|INFO: Created TensorFlow Lite "
    rb"|WARNING: (Logging before InitGoogle|All log messages before absl)"
)
_stderr_lock = threading.Lock()


def load_mediapipe() -> Any:
    """The module ``mediapipe``, imported only when faces are looked for: it takes seconds and brings OpenCV along.

    Raises ``PluginError`` if a library it needs is absent, as on many servers without a display.
    """
    try:
        import mediapipe
    except (ImportError, OSError) as error:
        raise PluginError(_unloadable(error)) from None
    return mediapipe


class LandmarkerPool:
    """``count`` landmarkers, each used by one thread at a time; close it after use. Implements ``finder.Finder``.

    In mode image every frame is judged by itself, so neither the number of landmarkers nor that of the streams which
    share them changes a result. In mode video a landmarker remembers the frames before, so there must be one, for one
    stream, and the frames must come in order.

    A landmarker that is never closed can keep Python from ending. So a pool that nobody closed is closed when it is
    collected, and at the latest when Python ends.
    """

    def __init__(self, model: Path, options: BlendshapeOptions, count: int) -> None:
        self._free: queue.SimpleQueue[_Landmarker] = queue.SimpleQueue()
        with contextlib.ExitStack() as made:
            for _ in range(count):
                landmarker = _Landmarker(model, options)
                made.callback(landmarker.close)
                self._free.put(landmarker)
            self._threads = ThreadPoolExecutor(count, thread_name_prefix="face-landmarker")
            self._closing = weakref.finalize(self, _shut_down, self._threads, made.pop_all())

    def start(self, frames: Frames) -> _Answer:
        """Begin to find the faces in ``frames``; behind those that were begun before."""
        pairs = zip(frames.images.cpu().numpy(), frames.times.tolist(), strict=True)
        return _Answer([self._threads.submit(_detect, self._free, image, time) for image, time in pairs])

    def close(self) -> None:
        """Drop what is still queued, wait for what is running, and close every landmarker."""
        self._closing()


def _detect(free: queue.SimpleQueue[_Landmarker], image: NDArray[np.uint8], time: float) -> list[Face]:
    landmarker = free.get()
    try:
        return landmarker.detect(image, time)
    finally:
        free.put(landmarker)


def _shut_down(threads: ThreadPoolExecutor, landmarkers: contextlib.ExitStack) -> None:
    threads.shutdown(wait=True, cancel_futures=True)
    landmarkers.close()


class _Answer:
    """The faces in some frames, each of them one task of the pool. Implements ``finder.Answer``."""

    def __init__(self, tasks: list[Future[list[Face]]]) -> None:
        self._tasks = tasks

    def get(self) -> list[list[Face]]:
        """The faces in each frame, in their order."""
        return [task.result() for task in self._tasks]

    def cancel(self) -> None:
        """Drop the frames that no landmarker has begun."""
        for task in self._tasks:
            task.cancel()


class _Landmarker:
    """One Face Landmarker. Its ``detect`` releases the interpreter lock while it computes."""

    def __init__(self, model: Path, options: BlendshapeOptions) -> None:
        self._mediapipe = load_mediapipe()
        tasks = self._mediapipe.tasks
        self._video = options.mode == "video"
        self._clock = -1
        settings = tasks.vision.FaceLandmarkerOptions(
            # The content, not the path: MediaPipe passes paths on as UTF-8, which not every system's open() reads.
            base_options=tasks.BaseOptions(model_asset_buffer=model.read_bytes()),
            running_mode=tasks.vision.RunningMode.VIDEO if self._video else tasks.vision.RunningMode.IMAGE,
            num_faces=options.faces_sought,
            min_face_detection_confidence=options.min_detection,
            min_face_presence_confidence=options.min_presence,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        with without_chatter():
            try:
                self._task = tasks.vision.FaceLandmarker.create_from_options(settings)
            except OSError as error:  # the shared library is loaded here, not at import
                raise PluginError(_unloadable(error)) from None

    def detect(self, image: NDArray[np.uint8], time: float) -> list[Face]:
        """The faces in one frame uint8 [height, width, 3]; in mode video ``time`` must not go back."""
        frame = self._mediapipe.Image(self._mediapipe.ImageFormat.SRGB, np.ascontiguousarray(image))
        if self._video:
            # Whole milliseconds, which must ascend; frames closer together than that are told apart by one.
            self._clock = max(self._clock + 1, round(time * 1000))
            result = self._task.detect_for_video(frame, self._clock)
        else:
            result = self._task.detect(frame)
        height, width = image.shape[:2]
        found = zip(result.face_landmarks, result.face_blendshapes, result.facial_transformation_matrixes, strict=True)
        return [_face(*parts, aspect=height / width) for parts in found]

    def close(self) -> None:
        """Free what MediaPipe holds. May be called more than once."""
        self._task.close()


def _face(landmarks: Sequence[Any], shapes: Sequence[Any], matrix: NDArray[Any], aspect: float) -> Face:
    values = np.empty(len(BLENDSHAPES) + 6, dtype=np.float32)
    values[: len(BLENDSHAPES)] = [shape.score for shape in shapes]
    values[len(BLENDSHAPES) :] = head_pose(np.asarray(matrix))
    across = [point.x for point in landmarks]
    down = [point.y * aspect for point in landmarks]
    left, right, top, bottom = min(across), max(across), min(down), max(down)
    return Face(
        values,
        x=(left + right - 1) / 2,
        y=(top + bottom - aspect) / 2,
        size=math.sqrt((right - left) * (bottom - top)),
    )


def _unloadable(error: Exception) -> str:
    return (
        f"extractor blendshape: mediapipe cannot be loaded ({error}); where a system library is missing, install it "
        "(on Debian and Ubuntu: apt install libegl1 libgles2), otherwise run `pip install --force-reinstall lasca-face`"
    )


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Keep MediaPipe's greetings from the terminal.

    Its C++ code writes them to file descriptor 2 while a landmarker is created, before any log level can be set, and
    offers no switch. So the descriptor points to a temporary file for that moment; afterwards it is restored, and every
    line in the file that is not one of the greetings is passed on, so that no error and no other thread's line is lost.
    """
    with _stderr_lock, tempfile.TemporaryFile() as caught:
        try:
            terminal = os.dup(2)
        except OSError:  # a process without stderr has no terminal to keep clean
            terminal = None
        try:
            if terminal is not None:
                os.dup2(caught.fileno(), 2)
            yield
        finally:
            if terminal is not None:
                os.dup2(terminal, 2)
                os.close(terminal)
                caught.seek(0)
                for line in caught:
                    if not _CHATTER.match(line):
                        os.write(2, line)
