"""openSMILE at work: samples in, rows of features out, for one stretch of sound or for a sound without end."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lasca_core.api import ContractError, PluginError

if TYPE_CHECKING:
    from types import ModuleType

Samples16 = NDArray[np.int16]
Rows = NDArray[np.float32]

FRAME = 0.01
"""Seconds from one frame to the next, in all of openSMILE's sets."""
_HELD = 10
"""Seconds of sound that the engine may lag behind when the sound is streamed."""
_PATIENCE = 0.005
"""Seconds between two tries to hand over samples; the engine computes a third of a second of sound in that time."""
_SOURCE, _SINK = "extsource", "extsink"
_OWN = Path(__file__).parent / "config"


def functionals(feature_set: str, rate: int, samples: Samples16) -> Rows:
    """The functionals of one stretch of sound, float32 [1, F]; [0, F] if it is shorter than a frame of 60 ms.

    Equal to ``opensmile.Smile.process_signal`` on the same samples.
    """
    engine = _Engine(feature_set, "func", rate, endless=False)
    try:
        engine.write(samples)
        engine.end()
        engine.run()
        engine.check()
        return engine.take()
    finally:
        engine.free()


def stream(feature_set: str, level: str, rate: int, blocks: Iterable[Samples16]) -> Generator[Rows, None, None]:
    """The rows of ``level`` as they become known: after each of ``blocks`` those that are ready, then the rest.

    ``level`` is openSMILE's: ``lld``, several of them joined as in ``lld;lld_de``, or ``func`` for a single row at the
    end. One engine hears the whole sound, because its pitch tracker and filters remember what was before; so the rows
    joined do not depend on how the sound was cut into blocks, and equal ``opensmile.Smile.process_signal``. It runs in
    a thread of its own. Memory is constant for descriptors; for ``func`` openSMILE keeps all of them.
    """
    engine = _Engine(feature_set, level, rate, endless=level != "func")
    worker = threading.Thread(target=engine.run, name="openSMILE")
    worker.start()
    try:
        for block in blocks:
            for first in range(0, len(block), rate):
                while not engine.write(block[first : first + rate]):
                    worker.join(_PATIENCE)
                    engine.check(working=worker.is_alive())
            yield engine.take()
        engine.end()
        worker.join()
        engine.check()
        yield engine.take()
    finally:
        engine.end()
        worker.join()
        engine.free()


class _Engine:
    """One pass of openSMILE over one sound."""

    def __init__(self, feature_set: str, level: str, rate: int, *, endless: bool) -> None:
        lib, root = library()
        shared = root / "shared"
        options: dict[str, object] = {
            "source": shared / "standard_external_wave_input.conf.inc",
            "sink": shared / "standard_external_data_output_single.conf.inc",
            "sinkLevel": level,
            "bufferModeRbConf": shared / "BufferModeRb.conf.inc",
            "frameModeFunctionalsConf": shared / "FrameModeFunctionals.conf.inc",
            "sampleRate": rate,
            "nBits": 16,
        }
        if endless:
            options |= {
                "source": _OWN / "source.conf.inc",
                "held": _HELD * rate,
                "bufferModeConf": _OWN / "levels.conf.inc",
                "frameModeFunctionalsConf": _OWN / "functionals.conf.inc",
            }
        self._rows: deque[Rows] = deque()
        self._error: Exception | None = None
        self._ended = False
        self._smile = lib.OpenSMILE()
        try:
            self._smile.initialize(str(root / f"{feature_set}.conf"), options)
        except UnicodeEncodeError:
            raise PluginError(
                f"openSMILE cannot read its configuration in {root}, because the folder's path is not plain ASCII; "
                f"install the plugin in a folder with another path"
            ) from None
        self._width = self._smile.external_sink_get_num_elements(_SINK)
        self._smile.external_sink_set_callback_ex(_SINK, self._receive)

    def _receive(self, values: Rows, _: Any) -> None:
        self._rows.append(values.copy())  # the engine uses its memory again

    def write(self, samples: Samples16) -> bool:
        """Hand over samples; False if the engine holds too many to take these now."""
        written: bool = self._smile.external_audio_source_write_data(_SOURCE, samples.astype("<i2").tobytes())
        return written

    def end(self) -> None:
        """Say that the sound has ended."""
        if not self._ended:
            self._ended = True
            self._smile.external_audio_source_set_eoi(_SOURCE)

    def run(self) -> None:
        """Compute until the sound has ended. A failure is kept for ``check``, which the other thread calls."""
        try:
            self._smile.run()
        except Exception as error:
            self._error = error

    def check(self, *, working: bool = True) -> None:
        """Raise if the run has failed, or is no longer ``working`` although the sound goes on."""
        if self._error is not None or not working:
            reason = self._error or "it stopped before the end of the sound"
            raise ContractError(f"openSMILE failed: {reason}; please report it with the recording")

    def take(self) -> Rows:
        """The rows computed since the last time, float32 [T, F]."""
        ready = [self._rows.popleft() for _ in range(len(self._rows))]  # while the engine's thread may append
        return np.concatenate(ready) if ready else np.empty((0, self._width), np.float32)

    def free(self) -> None:
        """Give the engine's memory back."""
        self._smile.free()


def library() -> tuple[ModuleType, Path]:
    """openSMILE's interface and the folder of its configurations, imported when first asked for."""
    try:
        import opensmile
        from opensmile.core import lib
    except (ImportError, OSError) as error:
        raise PluginError(
            f"openSMILE cannot be loaded ({error}); install it anew: pip install --force-reinstall 'opensmile==2.6.*'"
        ) from None
    return lib, Path(opensmile.__file__).parent / "core" / "config"
