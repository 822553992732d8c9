"""Video decoded on a GPU: the same pictures at the same times, or FFmpeg's and a note that says why.

No GPU is needed but for the last test: a stand-in for PyNvVideoCodec decodes with FFmpeg what it is given as NVDEC is
given it, and hands out surfaces that it uses again, as NVDEC does.
"""

from __future__ import annotations

import contextlib
import ctypes
import platform
import re
import struct
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import torch

from lasca_core.api import Frames, open_media
from lasca_core.host.runtime import SilentReporter
from lasca_core.steps.media import nvdec

Write = Callable[..., Path]


class Surface:
    """A decoded frame as PyNvVideoCodec hands it out: NV12 planes of the decoder's own memory, and a time stamp."""

    def __init__(self, planes: torch.Tensor, stamp: int) -> None:
        self._planes, self._stamp = planes, stamp

    def getPTS(self) -> int:  # noqa: N802
        return self._stamp

    def __dlpack__(self, **options: Any) -> Any:
        return self._planes.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._planes.__dlpack_device__()


class Decoder:
    """Decodes an Annex B byte stream; its two surfaces are written anew with each call."""

    def __init__(self, codec: str) -> None:
        self._context = av.CodecContext.create(codec, "r")
        self._memory: dict[int, torch.Tensor] = {}

    def Decode(self, unit: Any) -> list[Surface]:  # noqa: N802
        packet = None
        if unit.bsl:
            content = ctypes.string_at(unit.bsl_data, unit.bsl)
            assert content.startswith((b"\0\0\1", b"\0\0\0\1")), "NVDEC reads Annex B"
            packet = av.Packet(content)
            packet.pts = unit.pts
        surfaces = []
        for place, frame in enumerate(self._context.decode(packet)):
            planes = torch.from_numpy(frame.reformat(format="nv12").to_ndarray().copy())
            surfaces.append(Surface(self._memory.setdefault(place, planes).copy_(planes), frame.pts))
        return surfaces


class Lane:
    """A stream of no device."""

    handle = 7

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def __enter__(self) -> None: ...

    def __exit__(self, *exception: object) -> None: ...

    def batch(self, images: list[torch.Tensor]) -> Callable[[], torch.Tensor]:
        return lambda: torch.stack(images)


@pytest.fixture
def codec(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The stand-in for the module PyNvVideoCodec."""

    def create(*, codec: str, cudastream: int, usedevicememory: bool, **more: Any) -> Decoder:
        assert (cudastream, usedevicememory) == (Lane.handle, True)
        return Decoder(codec)

    module = SimpleNamespace(
        cudaVideoCodec=SimpleNamespace(H264="h264", HEVC="hevc"), PacketData=SimpleNamespace, CreateDecoder=create
    )
    monkeypatch.setitem(sys.modules, "PyNvVideoCodec", module)
    monkeypatch.setattr(nvdec, "_Lane", Lane)
    return module


class Gpu:
    """A runtime with a CUDA device, as far as ``open_media`` looks at it."""

    def __init__(self) -> None:
        self.device = torch.device("cuda", 0)
        self.report = SilentReporter()

    def frames(self, path: Path, batch: int = 8, fps: float | None = None) -> list[Frames]:
        return list(open_media(path, runtime=self).frames(batch, fps))  # type: ignore[arg-type]


def assert_same(path: Path, found: list[Frames], batch: int = 8, fps: float | None = None) -> None:
    """The batches are those that FFmpeg gives."""
    expected = list(open_media(path).frames(batch, fps))
    images, times = torch.cat([part.images for part in found]), torch.cat([part.times for part in found])
    torch.testing.assert_close(times, torch.cat([part.times for part in expected]), rtol=0, atol=0)
    tolerance = 0 if platform.machine() in ("x86_64", "AMD64") else nvdec._ROUNDING
    torch.testing.assert_close(images, torch.cat([part.images for part in expected]), rtol=0, atol=tolerance)


def moving(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Coloured noise that drifts, so that every frame and every corner differs."""
    field = np.random.default_rng(0).integers(0, 256, (height + count, width + count, 3), np.uint8)
    return [field[index : index + height, index : index + width] for index in range(count)]


@pytest.mark.parametrize("fps", [None, 10.0])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".flv"])
def test_a_video_with_frames_that_are_predicted_both_ways_gives_the_same_pictures_at_the_same_times(
    tmp_path: Path, write_media: Write, codec: SimpleNamespace, suffix: str, fps: float | None
) -> None:
    path = write_media(tmp_path / f"clip{suffix}", moving(40), codec="libx264")
    gpu = Gpu()
    assert_same(path, gpu.frames(path, fps=fps), fps=fps)
    assert gpu.report.notes == []


def test_a_variable_frame_rate_and_a_late_start_are_kept(
    tmp_path: Path, write_media: Write, codec: SimpleNamespace
) -> None:
    stamps = [3.0, 3.03, 3.1, 3.13, 3.2, 3.21, 3.5, 3.61, 4.2]
    path = write_media(tmp_path / "clip.mkv", moving(9), codec="libx264", times=stamps)
    gpu = Gpu()
    assert_same(path, gpu.frames(path))
    assert gpu.report.notes == []


def test_hevc_is_decoded_too(tmp_path: Path, write_media: Write, codec: SimpleNamespace) -> None:
    path = write_media(tmp_path / "clip.mp4", moving(12, 128, 160), codec="libx265")
    gpu = Gpu()
    assert_same(path, gpu.frames(path))
    assert gpu.report.notes == []


def test_pictures_that_an_edit_list_hides_stay_hidden(
    tmp_path: Path, write_media: Write, codec: SimpleNamespace
) -> None:
    path = write_media(tmp_path / "clip.mp4", moving(20), codec="libx264")
    content = bytearray(path.read_bytes())
    entry = content.index(b"elst") + 4 + 4 + 4
    length, begin = struct.unpack(">Ii", content[entry : entry + 8])
    content[entry : entry + 8] = struct.pack(">Ii", length, begin + 5 * 512)  # 512 units of 1/12800 s are one frame
    path.write_bytes(content)
    assert sum(len(part) for part in open_media(path).frames()) == 15
    gpu = Gpu()
    assert_same(path, gpu.frames(path))
    assert gpu.report.notes == []


@pytest.mark.parametrize("matrix", [(0, 1, -1, 0), (-1, 0, 0, 1), (0, -1, -1, 0)], ids=["90", "mirrored", "both"])
def test_a_turned_video_is_upright(
    tmp_path: Path, write_media: Write, codec: SimpleNamespace, matrix: tuple[int, ...]
) -> None:
    path = write_media(tmp_path / "clip.mp4", moving(6), codec="libx264")
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 4 + 20 + 16
    a, b, c, d = (value * 65536 for value in matrix)
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    gpu = Gpu()
    assert_same(path, gpu.frames(path))
    assert gpu.report.notes == []


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", sorted(nvdec._WEIGHTS))
def test_the_conversion_to_rgb_is_that_of_libswscale(matrix: int, full: bool) -> None:
    height, width = 34, 46
    planes = np.random.default_rng(matrix).integers(0, 256, (height * 3 // 2, width), np.uint8)
    frame = av.VideoFrame(width, height, "nv12")
    for plane, content in zip(frame.planes, np.split(planes, [height]), strict=True):
        padded = np.zeros((plane.buffer_size // plane.line_size, plane.line_size), np.uint8)
        padded[: len(content), :width] = content
        plane.update(padded)
    stored = frame.reformat(format="yuv420p")
    stored.colorspace, stored.color_range = matrix, 2 if full else 1
    found = nvdec._Conversion(stored)(torch.from_numpy(planes)).numpy()
    difference = np.abs(found.astype(int) - stored.to_ndarray(format="rgb24"))
    assert difference.max() <= (0 if platform.machine() in ("x86_64", "AMD64") else nvdec._ROUNDING)


# --- left to FFmpeg ---------------------------------------------------------------------------------------------------


def failing(*_: object, **__: object) -> Any:
    raise RuntimeError("NVDEC is busy\nin many more words")


def pixels(name: str) -> dict[str, str]:
    return {"codec": "libx264", "pixels": name}


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ({"codec": "mpeg4"}, "NVDEC is used for h264 and hevc, not for mpeg4"),
        (pixels("yuv444p"), "NVDEC is used for 8-bit 4:2:0 pictures, not for yuv444p"),
        (pixels("yuv420p10le"), "NVDEC is used for 8-bit 4:2:0 pictures, not for yuv420p10le"),
    ],
    ids=["codec", "chroma", "depth"],
)
def test_a_video_that_nvdec_cannot_decode_or_would_decode_otherwise_is_left_to_ffmpeg(
    tmp_path: Path, write_media: Write, codec: SimpleNamespace, written: dict[str, str], reason: str
) -> None:
    path = write_media(tmp_path / "clip.mp4", moving(12), **written)
    gpu = Gpu()
    assert_same(path, gpu.frames(path))
    assert gpu.report.notes == [f"video is decoded by the CPU: {reason}"]


def test_interlaced_video_which_nvdec_would_deinterlace_is_left_to_ffmpeg(
    tmp_path: Path, codec: SimpleNamespace
) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25, options={"x264-params": "interlaced=1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for image in moving(6, 64, 64):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    gpu = Gpu()
    assert_same(path, gpu.frames(path))
    assert gpu.report.notes == ["video is decoded by the CPU: NVDEC deinterlaces interlaced video, and FFmpeg does not"]


def test_where_the_gpus_memory_is_full_ffmpeg_goes_on(
    tmp_path: Path, write_media: Write, codec: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, planes: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(nvdec._Conversion, "__call__", full)
    path = write_media(tmp_path / "clip.mp4", moving(6), codec="libx264")
    gpu = Gpu()
    assert_same(path, gpu.frames(path))
    assert gpu.report.notes == ["video is decoded by the CPU: the GPU's memory is full"]


def test_without_the_package_one_note_says_how_to_get_it(
    tmp_path: Path, write_media: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PyNvVideoCodec", None)
    gpu = Gpu()
    for name in ("a.mp4", "b.mp4"):
        path = write_media(tmp_path / name, moving(5), codec="libx264")
        assert_same(path, gpu.frames(path))
    assert gpu.report.notes == ["video is decoded by the CPU: pip install PyNvVideoCodec lets the GPU decode it"]


def test_a_package_that_finds_no_driver_is_named(
    tmp_path: Path, write_media: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "PyNvVideoCodec.py").write_text("raise RuntimeError('libnvidia-encode.so.1 is absent\\n=== STEPS ===')")
    monkeypatch.delitem(sys.modules, "PyNvVideoCodec", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    path = write_media(tmp_path / "clip.mp4", moving(5), codec="libx264")
    gpu = Gpu()
    assert_same(path, gpu.frames(path))
    assert gpu.report.notes == [
        "video is decoded by the CPU: PyNvVideoCodec cannot be loaded (libnvidia-encode.so.1 is absent)"
    ]


def test_a_decoder_that_cannot_be_made_is_a_note(tmp_path: Path, write_media: Write, codec: SimpleNamespace) -> None:
    codec.CreateDecoder = failing
    path = write_media(tmp_path / "clip.mp4", moving(5), codec="libx264")
    gpu = Gpu()
    assert_same(path, gpu.frames(path))
    assert gpu.report.notes == ["video is decoded by the CPU: decoding on the GPU failed (NVDEC is busy)"]


def test_a_decoder_that_gives_no_picture_is_a_note(tmp_path: Path, write_media: Write, codec: SimpleNamespace) -> None:
    codec.CreateDecoder = lambda **_: SimpleNamespace(Decode=lambda unit: [])
    path = write_media(tmp_path / "clip.mp4", moving(5), codec="libx264")
    gpu = Gpu()
    assert_same(path, gpu.frames(path))
    assert gpu.report.notes == ["video is decoded by the CPU: NVDEC gives no picture"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda surface: Surface(surface._planes // 2, surface.getPTS()), r"differs from FFmpeg's by up to \d+ of 255"),
        (lambda surface: Surface(surface._planes, surface.getPTS() + 1), "is another one than FFmpeg's"),
        (lambda surface: Surface(surface._planes[:, :32], surface.getPTS()), "is another one than FFmpeg's"),
    ],
    ids=["darker", "later", "smaller"],
)
def test_a_first_picture_that_is_not_ffmpegs_leaves_the_video_to_ffmpeg(
    tmp_path: Path,
    write_media: Write,
    codec: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Surface], Surface],
    reason: str,
) -> None:
    decode = Decoder.Decode
    monkeypatch.setattr(Decoder, "Decode", lambda self, unit: [change(surface) for surface in decode(self, unit)])
    path = write_media(tmp_path / "clip.mp4", moving(12), codec="libx264")
    gpu = Gpu()
    assert_same(path, gpu.frames(path))
    assert len(gpu.report.notes) == 1
    assert re.search(reason, gpu.report.notes[0])


def test_where_nvdec_fails_in_mid_stream_ffmpeg_goes_on_without_a_gap_or_a_repetition(
    tmp_path: Path, write_media: Write, codec: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode, calls = Decoder.Decode, iter(range(100))
    monkeypatch.setattr(Decoder, "Decode", lambda self, unit: decode(self, unit) if next(calls) < 25 else failing())
    path = write_media(tmp_path / "clip.mp4", moving(40), codec="libx264")
    gpu = Gpu()
    batches = gpu.frames(path)
    assert 0 < len(batches[0]) == 8, "the GPU has given some pictures"
    assert_same(path, batches)
    assert gpu.report.notes == ["video is decoded by the CPU: decoding on the GPU failed (NVDEC is busy)"]


def two_sizes(path: Path) -> Path:
    """One H.264 stream of 20 small and 20 larger frames."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        context: Any = stream.codec_context
        for part in (moving(20, 48, 64), moving(20, 96, 128)):
            start = 0 if context is stream.codec_context else 20
            for index, image in enumerate(part):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = start + index, Fraction(1, 25)
                mux(container, stream, context.encode(frame))
            mux(container, stream, context.encode(None))
            context = av.CodecContext.create("libx264", "w")
            context.width, context.height, context.pix_fmt = 128, 96, "yuv420p"
            context.time_base, context.framerate = Fraction(1, 25), 25
    return path


def mux(container: Any, stream: Any, packets: Any) -> None:
    for packet in packets:
        packet.stream = stream
        container.mux(packet)


def joined(path: Path, write_media: Write) -> Path:
    """Two files end to end: the first packets of the second are marked as damaged, because the count has a jump."""
    part = write_media(path.with_stem("part"), moving(20), codec="libx264").read_bytes()
    path.write_bytes(part + part)
    return path


@pytest.mark.parametrize("reason", ["the format of its pictures changes", "a packet is damaged"])
def test_where_nvdec_would_give_other_pictures_ffmpeg_goes_on(
    tmp_path: Path, write_media: Write, codec: SimpleNamespace, reason: str
) -> None:
    path = two_sizes(tmp_path / "a.ts") if "format" in reason else joined(tmp_path / "a.ts", write_media)
    gpu = Gpu()
    found, expected = gpu.frames(path), list(open_media(path).frames(8))
    images = [image for part in found for image in part.images]
    torch.testing.assert_close(images, [image for part in expected for image in part.images], rtol=0, atol=3)
    assert len({image.shape for image in images}) == (2 if "format" in reason else 1)
    assert torch.cat([part.times for part in found]).tolist() == torch.cat([p.times for p in expected]).tolist()
    assert len(gpu.report.notes) == 1
    assert reason in gpu.report.notes[0]


def test_an_iterator_that_is_left_early_ends_its_decoder(
    tmp_path: Path, write_media: Write, codec: SimpleNamespace
) -> None:
    path = write_media(tmp_path / "clip.mp4", moving(40), codec="libx264")
    batches: Iterator[Frames] = open_media(path, runtime=Gpu()).frames(4)  # type: ignore[arg-type]
    with contextlib.closing(batches):  # type: ignore[type-var]
        assert len(next(batches)) == 4
    assert next(batches, None) is None


def test_a_cpu_runtime_does_not_look_for_nvdec(
    tmp_path: Path, write_media: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PyNvVideoCodec", None)
    path = write_media(tmp_path / "clip.mp4", moving(5), codec="libx264")
    runtime = Gpu()
    runtime.device = torch.device("cpu")
    assert_same(path, runtime.frames(path))
    assert runtime.report.notes == []


@pytest.mark.gpu
def test_nvdec_itself_gives_ffmpegs_pictures_on_the_device(tmp_path: Path, write_media: Write) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    pytest.importorskip("PyNvVideoCodec", exc_type=Exception)
    path = write_media(tmp_path / "clip.mp4", moving(90, 240, 320), codec="libx264")
    gpu = Gpu()
    batches = gpu.frames(path, batch=16)
    assert gpu.report.notes == []
    assert all(part.images.device == gpu.device for part in batches)
    assert_same(path, [part.to("cpu") for part in batches], batch=16)
