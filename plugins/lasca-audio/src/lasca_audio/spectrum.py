"""From samples to mel levels in dB, and on to cepstral coefficients: batched torch, and librosa as the reference."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Protocol

import torch

from lasca_core.api import OptionError, float32_products

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_audio.options import MfccOptions
    from lasca_core.api import Reporter

_LOWEST_POWER = 1e-10
"""Power below which a level counts as -100 dB, as in ``librosa.power_to_db``."""


_FRAMES = {"cpu": 1024}
"""Frames transformed at a time: on a CPU as many as its cache holds with what is made of them (4 MB), elsewhere as many
as its memory surely does (130 MB)."""
_MANY_FRAMES = 32_768


class Spectrum(Protocol):
    """The two halves of an MFCC. Between them the extractor applies ``top_db``, which needs the whole recording."""

    def decibels(self, block: Tensor) -> Tensor:
        """``block`` float32 [S] on the CPU, a frame beginning at every hop -> mel levels in dB, float32 [T, n_mels]."""
        ...

    def cepstra(self, decibels: Tensor) -> Tensor:
        """Mel levels in dB, float32 [T, n_mels] -> coefficients float32 [T, n_mfcc]."""
        ...


class TorchSpectrum:
    """All frames of a block at once, on ``device``."""

    def __init__(self, options: MfccOptions, device: torch.device, report: Reporter) -> None:
        self._length, self._hop, self._device = options.window_samples, options.hop_samples, device
        self._window = torch.hann_window(self._length, dtype=torch.float64).to(device, torch.float32)
        bands = mel_bands(options.rate, self._length, options.n_mels, options.fmin, options.highest)
        empty = int((bands.amax(dim=1) == 0).sum())
        if empty:
            report.warn(
                f"mfcc: {empty} of the {options.n_mels} mel bands lie between two frequency bins and stay at -100 dB; "
                "set a lower mfcc.n_mels or a longer mfcc.window"
            )
        self._scratch = threading.local()
        self._bands = bands.T.to(device, torch.float32)
        self._cosines = cosines(options.n_mels, options.n_mfcc).T.to(device, torch.float32)

    def decibels(self, block: Tensor) -> Tensor:
        """See ``Spectrum.decibels``."""
        frames = block.to(self._device).unfold(0, self._length, self._hop)
        windowed, transform, power = self._scratch_for(len(frames))
        size = max(1, len(power))
        levels = self._window.new_empty(len(frames), self._bands.shape[1])
        with float32_products(self._device):
            for start in range(0, len(frames), size):
                part = frames[start : start + size]
                rows = slice(len(part))
                torch.mul(part, self._window, out=windowed[rows])
                torch.fft.rfft(windowed[rows], out=transform[rows])
                real, imaginary = transform[rows].real, transform[rows].imag
                torch.mul(real, real, out=power[rows]).addcmul_(imaginary, imaginary)
                torch.mm(power[rows], self._bands, out=levels[start : start + size])
        return levels.clamp_(min=_LOWEST_POWER).log10_().mul_(10)

    def _scratch_for(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Memory for windowed frames, their transforms and their power, where so many are to come: kept from one block
        to the next, since the first touch of fresh memory takes time."""
        count = min(count, _FRAMES.get(self._device.type, _MANY_FRAMES))
        kept: tuple[Tensor, Tensor, Tensor] | None = getattr(self._scratch, "kept", None)
        if kept is None or len(kept[0]) < count:
            bins = self._length // 2 + 1
            shapes = (self._length, torch.float32), (bins, torch.complex64), (bins, torch.float32)
            with torch.inference_mode(False):  # or nobody outside of that mode could write to it later
                windowed, transform, power = (
                    torch.empty(count, width, dtype=dtype, device=self._device) for width, dtype in shapes
                )
            kept = self._scratch.kept = (windowed, transform, power)
        return kept

    def cepstra(self, decibels: Tensor) -> Tensor:
        """See ``Spectrum.cepstra``."""
        with float32_products(self._device):
            return decibels @ self._cosines


class LibrosaSpectrum:
    """librosa's own functions, on the CPU. Raises ``OptionError`` if librosa is not installed."""

    def __init__(self, options: MfccOptions) -> None:
        try:
            import librosa  # here, because it takes seconds to import and only this backend needs it
        except ImportError:
            raise OptionError(
                "option mfcc.backend = 'librosa' needs the package librosa: pip install 'lasca-audio[librosa]', "
                "or use mfcc.backend = torch"
            ) from None
        self._librosa = librosa
        self._options = options

    def decibels(self, block: Tensor) -> Tensor:
        """See ``Spectrum.decibels``."""
        options = self._options
        power = self._librosa.feature.melspectrogram(
            y=block.numpy(),
            sr=options.rate,
            n_fft=options.window_samples,
            win_length=options.window_samples,
            hop_length=options.hop_samples,
            center=False,
            power=2.0,
            n_mels=options.n_mels,
            fmin=options.fmin,
            fmax=options.highest,
        )
        levels = self._librosa.power_to_db(power, ref=1.0, amin=_LOWEST_POWER, top_db=None)
        return torch.from_numpy(levels.T).contiguous()

    def cepstra(self, decibels: Tensor) -> Tensor:
        """See ``Spectrum.cepstra``."""
        coefficients = self._librosa.feature.mfcc(S=decibels.numpy().T, n_mfcc=self._options.n_mfcc)
        return torch.from_numpy(coefficients.T).contiguous()


def mel_bands(rate: int, length: int, count: int, lowest: float, highest: float) -> Tensor:
    """Triangular mel filters float64 [count, length // 2 + 1]: ``librosa.filters.mel`` with its defaults.

    Mel scale and area normalisation are those of Slaney's Auditory Toolbox (1998): linear below 1 kHz at 3 mel for
    200 Hz, logarithmic above with 27 mel for a factor of 6.4; each triangle has unit area in Hz.
    """
    bins = torch.arange(length // 2 + 1, dtype=torch.float64) * (rate / length)
    corners = _to_hertz(torch.linspace(_to_mel(lowest), _to_mel(highest), count + 2, dtype=torch.float64))
    left, middle, right = (corners[start : start + count, None] for start in range(3))
    rising = (bins - left) / (middle - left)
    falling = (right - bins) / (right - middle)
    return torch.minimum(rising, falling).clamp(min=0) * (2 / (right - left))


_KNEE_HERTZ = 1000.0
_HERTZ_PER_MEL = 200.0 / 3.0
_KNEE_MEL = _KNEE_HERTZ / _HERTZ_PER_MEL
_LOG_STEP = math.log(6.4) / 27.0


def _to_mel(hertz: float) -> float:
    if hertz < _KNEE_HERTZ:
        return hertz / _HERTZ_PER_MEL
    return _KNEE_MEL + math.log(hertz / _KNEE_HERTZ) / _LOG_STEP


def _to_hertz(mel: Tensor) -> Tensor:
    return torch.where(mel < _KNEE_MEL, mel * _HERTZ_PER_MEL, _KNEE_HERTZ * torch.exp(_LOG_STEP * (mel - _KNEE_MEL)))


def cosines(bands: int, count: int) -> Tensor:
    """The first ``count`` rows of the orthonormal DCT-II over ``bands`` values, float64 [count, bands]."""
    order = torch.arange(count, dtype=torch.float64)[:, None]
    place = torch.arange(bands, dtype=torch.float64) + 0.5
    basis = torch.cos(math.pi / bands * order * place) * math.sqrt(2 / bands)
    basis[0] /= math.sqrt(2)
    return basis
