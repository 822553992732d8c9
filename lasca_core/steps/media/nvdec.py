"""Video decoded by an NVIDIA GPU (NVDEC, through PyNvVideoCodec): the pictures FFmpeg gives, already on the device.

H.264 and HEVC say exactly what a decoder must put out, and the conversion to RGB below is FFmpeg's own to the bit. So
where a picture was decoded is no part of a feature's identity. The first picture of every video is compared with
FFmpeg's all the same, and a video that NVDEC would give otherwise is left to FFmpeg.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from lasca_core.steps.media.files import open_container, video_stream
from lasca_core.steps.media.pictures import Picture, VideoPicture

if TYPE_CHECKING:
    import av
    import torch
    from torch import Tensor

_ROUNDING = 3
"""Of 255: how far the first picture may differ from FFmpeg's. It does not on x86-64, where the arithmetic is the same;
FFmpeg itself rounds otherwise on other processors. A wrong matrix, range or picture is tens off."""
_WEIGHTS = {
    1: (0.2126, 0.0722),
    2: (0.299, 0.114),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
"""Kr and Kb by matrix coefficients (ITU-T H.273, table 4), for those that are not stated (2) as FFmpeg assumes them."""
_FULL_RANGE = 2


class NvdecError(Exception):
    """NVDEC cannot be used for a video, or no further; the message says why. FFmpeg decodes it then."""


class _Codec(NamedTuple):
    """What NVDEC and FFmpeg call a codec, and which units of its bit stream say how large and what pictures are."""

    nvdec: str
    to_annex_b: str
    is_sequence_header: Callable[[int], bool]


_CODECS = {
    "h264": _Codec("H264", "h264_mp4toannexb", lambda header: header & 0x1F == 7),
    "hevc": _Codec("HEVC", "hevc_mp4toannexb", lambda header: header >> 1 & 0x3F == 33),
}


class Surface(Picture):
    """A picture on the GPU, uint8 RGB [H, W, 3], and its time in seconds of the file's clock."""

    def __init__(self, image: Tensor, time: float, lane: _Lane) -> None:
        self.image, self.time = image, time
        self._lane = lane

    @property
    def shape(self) -> tuple[int, int, int]:
        """[height, width, 3]."""
        height, width, channels = self.image.shape
        return height, width, channels

    @classmethod
    def join(cls, pictures: list[Self], converters: Executor) -> Callable[[], Tensor]:
        """One tensor of all, copied on the GPU."""
        return pictures[0]._lane.batch([picture.image for picture in pictures])


def surfaces(path: Path, device: torch.device) -> Generator[Surface, None, None]:
    """The pictures of a video in order, upright and on ``device``.

    Raises ``NvdecError`` as soon as they would not be FFmpeg's.
    """
    import torch

    nvc = _load()
    first = _first_picture(path)
    lane = _Lane(device)
    with open_container(path) as container:
        stream = video_stream(container)
        codec = _CODECS[stream.codec_context.name]
        to_rgb = _Conversion(first.frame)
        for number, (planes, stamp) in enumerate(_decode(nvc, codec, container, stream, lane)):
            try:
                with lane:
                    image = first.turn.on_gpu(to_rgb(planes))
                    if number == 0:
                        _compare(image, stamp, first)
            except torch.OutOfMemoryError:
                raise NvdecError("the GPU's memory is full") from None
            yield Surface(image, float(stamp * stream.time_base), lane)


def _load() -> Any:
    try:
        return importlib.import_module("PyNvVideoCodec")
    except ModuleNotFoundError:
        raise NvdecError("pip install PyNvVideoCodec lets the GPU decode it") from None
    except Exception as error:  # it looks for the driver when it is imported, and raises what it likes
        raise NvdecError(f"PyNvVideoCodec cannot be loaded ({_line(error)})") from None


def _first_picture(path: Path) -> VideoPicture:
    """FFmpeg's first picture. Raises ``NvdecError`` if the video is of a kind that NVDEC would decode otherwise."""
    import av

    try:
        with open_container(path) as container:
            stream = video_stream(container)
            name = stream.codec_context.name
            if name not in _CODECS:
                raise NvdecError(f"NVDEC is used for {' and '.join(_CODECS)}, not for {name}")
            frame = next(container.decode(stream), None)
    except av.error.FFmpegError as error:
        raise NvdecError(f"its first picture is damaged ({error.strerror})") from None
    if frame is None:
        raise NvdecError("it has no picture")
    if frame.format.name not in ("yuv420p", "yuvj420p"):
        raise NvdecError(f"NVDEC is used for 8-bit 4:2:0 pictures, not for {frame.format.name}")
    if frame.interlaced_frame:
        raise NvdecError("NVDEC deinterlaces interlaced video, and FFmpeg does not")
    if int(frame.colorspace) not in _WEIGHTS:
        raise NvdecError(f"its colour matrix (number {int(frame.colorspace)}) is not known here")
    return VideoPicture(frame)


def _decode(
    nvc: Any, codec: _Codec, container: av.container.InputContainer, stream: Any, lane: _Lane
) -> Iterator[tuple[Tensor, int]]:
    """Y and interleaved UV uint8 [3 H / 2, W] and the time stamp of each picture, in order.

    The planes are the decoder's own memory: they change with the next step.
    """
    from torch.utils.dlpack import from_dlpack

    try:
        decoder = nvc.CreateDecoder(
            gpuid=lane.device.index or 0,
            codec=getattr(nvc.cudaVideoCodec, codec.nvdec),
            cudacontext=0,
            cudastream=lane.handle,
            usedevicememory=True,
        )
        hidden = set()
        for packet in _packets(codec, container, stream):
            unit = nvc.PacketData()
            unit.bsl_data, unit.bsl, unit.decode_flag = 0, 0, 0  # no bytes: the end, and what is left comes out
            if packet is not None:
                unit.bsl_data, unit.bsl, unit.pts = packet.buffer_ptr, packet.buffer_size, packet.pts
                if packet.is_discard:  # before the beginning of an edit list: others are predicted from it
                    hidden.add(packet.pts)
            for frame in decoder.Decode(unit):
                stamp = frame.getPTS()
                if stamp not in hidden:
                    with lane:
                        planes = from_dlpack(frame)
                    yield planes, stamp
    except NvdecError:
        raise
    except Exception as error:  # PyNvVideoCodec's exceptions have no base of their own
        raise NvdecError(f"decoding on the GPU failed ({_line(error)})") from None


def _packets(codec: _Codec, container: av.container.InputContainer, stream: Any) -> Iterator[av.Packet[Any] | None]:
    """The packets of a stream as NVDEC reads them, then None.

    Raises ``NvdecError`` before a damaged packet, one without a time stamp, and a change of the pictures' format.
    """
    from av.bitstream import BitStreamFilterContext

    to_annex_b = BitStreamFilterContext(codec.to_annex_b, stream)
    known: set[bytes] = set()
    for packet in container.demux(stream):
        for part in to_annex_b.filter(packet if packet.size else None):
            if part.is_corrupt:
                raise NvdecError("a packet is damaged")
            if part.pts is None:
                raise NvdecError("its packets do not say when they are shown")
            if part.is_keyframe:
                found = set(_sequence_headers(bytes(part), codec))
                if known and not found <= known:
                    raise NvdecError("the format of its pictures changes, and NVDEC would scale them to the first size")
                known |= found
            yield part
    yield None


def _sequence_headers(unit: bytes, codec: _Codec) -> Iterator[bytes]:
    """The sequence parameter sets in a byte stream (ITU-T H.264 and H.265, annex B)."""
    for part in re.split(b"\0\0\1", unit)[1:]:
        if part and codec.is_sequence_header(part[0]):
            yield part.rstrip(b"\0")


class _Conversion:
    """8-bit 4:2:0 pictures to RGB as FFmpeg converts them (libswscale, unscaled, on x86-64), to the bit.

    Samples times 8 are multiplied with coefficients of 13 bits, and each product is cut to its upper 16 bits before the
    sum. The four pixels of a chroma sample share it.
    """

    def __init__(self, frame: av.VideoFrame) -> None:
        full = frame.format.name == "yuvj420p" or int(frame.color_range) == _FULL_RANGE
        red, blue = _WEIGHTS[int(frame.colorspace)]
        green = 1 - red - blue
        chroma = 8192 * 2 * (1 if full else 255 / 224)
        self._black = 0 if full else 16 * 8
        self._luma = round(8192 * (1 if full else 255 / 219))
        self._red_of_v = round(chroma * (1 - red))
        self._blue_of_u = round(chroma * (1 - blue))
        self._green_of_u = -round(chroma * (1 - blue) * blue / green)
        self._green_of_v = -round(chroma * (1 - red) * red / green)

    def __call__(self, planes: Tensor) -> Tensor:
        """uint8 [3 H / 2, W]: Y, below it U and V interleaved -> uint8 [H, W, 3]. H and W are even."""
        import torch

        rows, width = planes.shape
        height = rows * 2 // 3
        samples = planes.int() * 8
        y = (samples[:height] - self._black) * self._luma >> 16
        u, v = (samples[height:].reshape(height // 2, width // 2, 2) - 128 * 8).unbind(-1)

        def pixels(chroma: Tensor) -> Tensor:
            return chroma.repeat_interleave(2, 0).repeat_interleave(2, 1)

        red = y + pixels(v * self._red_of_v >> 16)
        green = y + pixels((u * self._green_of_u >> 16) + (v * self._green_of_v >> 16))
        blue = y + pixels(u * self._blue_of_u >> 16)
        return torch.stack((red, green, blue), -1).clamp_(0, 255).to(torch.uint8)


def _compare(image: Tensor, stamp: int, first: VideoPicture) -> None:
    """Raise ``NvdecError`` unless NVDEC's first picture is FFmpeg's."""
    import torch

    expected = torch.from_numpy(first.rgb().copy())
    if stamp != first.frame.pts or image.shape != expected.shape:
        raise NvdecError("its first picture is another one than FFmpeg's")
    difference = int((image.cpu().int() - expected.int()).abs().max())
    if difference > _ROUNDING:
        raise NvdecError(f"its first picture differs from FFmpeg's by up to {difference} of 255")


class _Lane:
    """A CUDA stream of its own, so that decoding does not wait for what a model computes; a context that uses it."""

    def __init__(self, device: torch.device) -> None:
        import torch

        self.device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._inside: list[Any] = []

    @property
    def handle(self) -> int:
        """The stream as a number."""
        handle: int = self._stream.cuda_stream
        return handle

    def __enter__(self) -> None:
        import torch

        self._inside.append(torch.cuda.stream(self._stream))
        self._inside[-1].__enter__()

    def __exit__(self, *exception: object) -> None:
        self._inside.pop().__exit__(*exception)

    def batch(self, images: list[Tensor]) -> Callable[[], Tensor]:
        """One tensor of all ``images``, to be asked for in the thread, and for the stream, that will use it."""
        import torch

        with self:
            joined = torch.stack(images)
            ready = self._stream.record_event()

        def taken() -> Tensor:
            user = torch.cuda.current_stream(self.device)
            user.wait_event(ready)
            joined.record_stream(user)
            return joined

        return taken


def _line(error: Exception) -> str:
    """The first line of an error's message, or its kind."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
