"""Pictures of recordings: frames, their times, and which way is up."""

from __future__ import annotations

import gc
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

from lasca_core.api import Frames, MediaError, Source, open_media

Write = Callable[..., Path]
CREMA = Path(__file__).parents[2] / "shared/data/crema-d"
VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".flv", ".mpg", ".ts")


def grey(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Frames that tell their own number: frame i is all 20 + 8 i."""
    return [np.full((height, width, 3), 20 + 8 * index, np.uint8) for index in range(count)]


def quarters(height: int = 48, width: int = 64) -> np.ndarray:
    """Red, green / blue, white."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2, 0] = 255
    image[: height // 2, width // 2 :, 1] = 255
    image[height // 2 :, : width // 2, 2] = 255
    image[height // 2 :, width // 2 :] = 255
    return image


def save_image(path: Path, image: np.ndarray) -> Path:
    from PIL import Image

    path.parent.mkdir(exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def times_of(batches: Sequence[Frames]) -> list[float]:
    return torch.cat([part.times for part in batches]).tolist()


def numbers_of(batches: Sequence[Frames]) -> list[int]:
    """The numbers that ``grey`` frames tell."""
    return [round((float(image.float().mean()) - 20) / 8) for part in batches for image in part.images]


def numbers(source: Source, fps: float | None = None) -> list[int]:
    return numbers_of(list(source.frames(fps=fps)))


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
def test_every_container_gives_all_frames_in_order_with_their_size_and_times(
    tmp_path: Path, write_media: Write, suffix: str
) -> None:
    source = open_media(write_media(tmp_path / f"clip{suffix}", grey(25)))
    batches = list(source.frames(batch=8))
    assert (source.has_video, source.has_audio) == (True, False)
    assert [len(part) for part in batches] == [8, 8, 8, 1]
    assert all(part.images.shape[1:] == (48, 64, 3) and part.images.dtype == torch.uint8 for part in batches)
    assert numbers_of(batches) == list(range(25))
    assert times_of(batches) == pytest.approx([index / 25 for index in range(25)], abs=1e-3)
    assert source.duration == pytest.approx(
        1.0, abs=0.21
    )  # MPEG program streams do not say how long the last frames are


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_variable_frame_rate_keeps_each_frames_own_time(tmp_path: Path, write_media: Write, suffix: str) -> None:
    stamps = [0.0, 0.04, 0.08, 0.2, 0.24, 1.0, 1.04]
    source = open_media(write_media(tmp_path / f"clip{suffix}", grey(7), times=stamps))
    assert times_of(list(source.frames())) == pytest.approx(stamps, abs=1e-3)


def test_times_count_from_the_first_frame_of_the_video(tmp_path: Path, write_media: Write) -> None:
    source = open_media(write_media(tmp_path / "clip.mkv", grey(4), times=[3.0, 3.04, 3.08, 3.12]))
    assert times_of(list(source.frames())) == pytest.approx([0.0, 0.04, 0.08, 0.12], abs=1e-3)


def test_recordings_joined_end_to_end_go_on_in_time_where_the_clock_begins_anew(
    tmp_path: Path, write_media: Write
) -> None:
    part = write_media(tmp_path / "part.ts", grey(25) * 2).read_bytes()
    joined = tmp_path / "joined.ts"
    joined.write_bytes(part + part)
    assert times_of(list(open_media(joined).frames())) == pytest.approx([i / 25 for i in range(100)], abs=1e-3)


def test_frames_can_be_read_again(tmp_path: Path, write_media: Write) -> None:
    source = open_media(write_media(tmp_path / "clip.mp4", grey(5)))
    assert numbers(source) == numbers(source) == list(range(5))


def test_one_frame_is_a_video(tmp_path: Path, write_media: Write) -> None:
    assert times_of(list(open_media(write_media(tmp_path / "clip.mp4", grey(1))).frames())) == [0.0]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 2), (1, 7), (33, 17)])
def test_the_smallest_and_odd_sizes_come_through_exactly(
    tmp_path: Path, write_media: Write, height: int, width: int
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    path = write_media(tmp_path / "clip.avi", [image, 255 - image], codec="rawvideo", pixels="bgr24")
    images = torch.cat([part.images for part in open_media(path).frames()]).numpy()
    np.testing.assert_array_equal(images, [image, 255 - image])


def test_large_frames_make_smaller_batches_so_that_memory_stays_bounded(tmp_path: Path) -> None:
    from PIL import Image

    for index in range(3):
        Image.new("RGB", (7000, 3500)).save(tmp_path / f"{index}.png")
    assert [len(part) for part in open_media(tmp_path).frames(batch=32)] == [1, 1, 1]


def test_a_batch_of_a_video_ends_where_the_size_of_its_frames_changes(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        larger: Any = av.CodecContext.create("mjpeg", "w")
        larger.width, larger.height, larger.pix_fmt, larger.time_base = 128, 96, "yuvj420p", Fraction(1, 25)
        images = [*grey(5), *grey(3, height=96, width=128)]
        for place, image in enumerate(images):
            encoder = stream if image.shape[0] == 48 else larger
            (packet,) = encoder.encode(av.VideoFrame.from_ndarray(image, format="rgb24"))
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = place
            container.mux(packet)
    batches = list(open_media(path).frames(batch=4))
    assert [(len(part), *part.images.shape[1:3]) for part in batches] == [(4, 48, 64), (1, 48, 64), (3, 96, 128)]
    assert numbers_of(batches) == [0, 1, 2, 3, 4, 0, 1, 2]
    assert times_of(batches) == pytest.approx([place / 25 for place in range(8)])


def test_frames_are_gone_when_their_batch_is_without_help_of_the_garbage_collector(
    tmp_path: Path, write_media: Write
) -> None:
    source = open_media(write_media(tmp_path / "clip.mp4", grey(25) * 4))
    gc.collect()
    gc.disable()
    try:
        count = sum(len(part) for part in source.frames(batch=8))
        alive = sum(type(thing) is av.VideoFrame for thing in gc.get_objects())
    finally:
        gc.enable()
    assert count == 100
    assert alive < 10


# --- which way is up --------------------------------------------------------------------------------------------------


def turned(path: Path, matrix: tuple[int, int, int, int], target: Path) -> Path:
    """An mp4 with the entries a, b, c, d of the display matrix in its track header replaced."""
    content = bytearray(path.read_bytes())
    header = content.index(b"tkhd") + 4
    place = header + 4 + (32 if content[header] == 1 else 20) + 16
    a, b, c, d = (value * 65536 for value in matrix)
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    target.write_bytes(content)
    return target


@pytest.mark.parametrize(
    "matrix",
    [
        (1, 0, 0, 1),
        (0, 1, -1, 0),
        (-1, 0, 0, -1),
        (0, -1, 1, 0),
        (-1, 0, 0, 1),
        (1, 0, 0, -1),
        (0, 1, 1, 0),
        (0, -1, -1, 0),
    ],
    ids=["as stored", "90", "180", "270", "mirrored", "upside down mirrored", "transposed", "anti-transposed"],
)
def test_the_display_matrix_of_an_mp4_says_which_corner_is_where(
    tmp_path: Path, write_media: Write, matrix: tuple[int, int, int, int]
) -> None:
    stored = quarters()
    plain = write_media(tmp_path / "plain.mp4", [stored, stored])
    shown = next(open_media(turned(plain, matrix, tmp_path / "turned.mp4")).frames()).images[0].numpy()

    # ISO/IEC 14496-12: the stored pixel (x, y) is shown at (a x + c y, b x + d y), moved so that all are positive
    a, b, c, d = matrix
    height, width = stored.shape[:2]
    corners = [(3, 3), (width - 4, 3), (3, height - 4), (width - 4, height - 4)]
    left = min(a * x + c * y for x in (0, width - 1) for y in (0, height - 1))
    top = min(b * x + d * y for x in (0, width - 1) for y in (0, height - 1))
    assert shown.shape == (stored.shape if a or d else (width, height, 3))
    for x, y in corners:
        found = shown[b * x + d * y - top, a * x + c * y - left]
        np.testing.assert_array_equal(found > 128, stored[y, x] > 128)


def test_an_mp4_turned_clockwise_shows_its_bottom_left_corner_at_the_top_left(
    tmp_path: Path, write_media: Write
) -> None:
    path = turned(write_media(tmp_path / "plain.mp4", [quarters()]), (0, 1, -1, 0), tmp_path / "turned.mp4")
    blue = next(open_media(path).frames()).images[0, 3, 3] > 128
    assert blue.tolist() == [False, False, True]


@pytest.mark.parametrize(("orientation", "corner"), [(1, "red"), (3, "white"), (6, "blue"), (8, "green")])
def test_a_photographs_exif_orientation_is_applied(tmp_path: Path, orientation: int, corner: str) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(quarters()).save(tmp_path / "1.jpg", exif=exif, quality=95)
    image = next(open_media(tmp_path).frames()).images[0]
    expected = {"red": [1, 0, 0], "green": [0, 1, 0], "blue": [0, 0, 1], "white": [1, 1, 1]}[corner]
    assert (image[5, 5] > 128).int().tolist() == expected


# --- fewer frames -----------------------------------------------------------------------------------------------------


def nearest(times: Sequence[float], fps: float) -> list[int]:
    """For each moment k / fps the nearest time, the earlier one of two equally near; the last lasts half a step."""
    moments = np.arange(0, times[-1] + (times[-1] - times[-2]) / 2 + 1e-9, 1 / fps)
    chosen = [int(np.argmin(np.round(np.abs(np.asarray(times) - moment), 6))) for moment in moments]
    return sorted(set(chosen))


@pytest.mark.parametrize("fps", [1, 3, 5, 7.5, 10, 12.5, 15, 24, 25, 30])
def test_fewer_frames_are_the_nearest_to_the_moments_of_the_rate_asked_for(
    tmp_path: Path, write_media: Write, fps: float
) -> None:
    source = open_media(write_media(tmp_path / "clip.mkv", grey(25)))
    assert numbers(source, fps) == nearest([index / 25 for index in range(25)], fps)


@pytest.mark.parametrize("fps", [2, 5, 12.5, 25])
def test_fewer_frames_of_a_variable_rate_are_the_nearest_too(tmp_path: Path, write_media: Write, fps: float) -> None:
    stamps = [0.0, 0.03, 0.1, 0.13, 0.2, 0.21, 0.22, 0.5, 0.61, 0.64, 0.7, 1.2]
    source = open_media(write_media(tmp_path / "clip.mkv", grey(12), times=stamps))
    assert numbers(source, fps) == nearest(stamps, fps)


def test_a_folder_and_a_video_of_the_same_images_are_thinned_alike(tmp_path: Path, write_media: Write) -> None:
    video = open_media(write_media(tmp_path / "clip.mkv", grey(25), rate=30))
    for index, image in enumerate(grey(25)):
        save_image(tmp_path / "folder" / f"{index}.png", image)
    folder = open_media(tmp_path / "folder", fps=30)
    for fps in (5, 12.5, 25):
        assert numbers(folder, fps) == numbers(video, fps)
    assert len(numbers(folder, 25)) == pytest.approx(25 * 25 / 30, abs=1)


# --- folders of images ------------------------------------------------------------------------------------------------


def test_numbered_images_count_from_one_and_a_missing_number_keeps_its_time(tmp_path: Path) -> None:
    for number in (1, 2, 5, 10, 11):
        save_image(tmp_path / f"{number:05d}.png", np.full((4, 4, 3), number, np.uint8))
    source = open_media(tmp_path, fps=10)
    batches = list(source.frames())
    assert times_of(batches) == pytest.approx([0.0, 0.1, 0.4, 0.9, 1.0])
    assert [int(image[0, 0, 0]) for part in batches for image in part.images] == [1, 2, 5, 10, 11]
    assert source.duration == pytest.approx(1.1)


def test_a_folder_whose_first_images_are_missing_does_not_move_the_others_forward(tmp_path: Path) -> None:
    save_image(tmp_path / "00031.png", quarters())
    assert times_of(list(open_media(tmp_path, fps=30).frames())) == [1.0]


def test_numbers_are_ordered_as_numbers_and_may_begin_at_zero(tmp_path: Path) -> None:
    for number in (0, 2, 10):
        save_image(tmp_path / f"{number}.png", np.full((4, 4, 3), number, np.uint8))
    batches = list(open_media(tmp_path, fps=1).frames())
    assert times_of(batches) == [0.0, 2.0, 10.0]


def test_other_names_count_in_their_order_at_thirty_frames_a_second(tmp_path: Path) -> None:
    for name in ("b", "a", "c2"):
        save_image(tmp_path / f"{name}.png", quarters())
    assert times_of(list(open_media(tmp_path).frames())) == pytest.approx([0, 1 / 30, 2 / 30])


def test_files_that_are_no_images_and_hidden_files_are_passed_over(tmp_path: Path) -> None:
    save_image(tmp_path / "1.png", quarters())
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "._1.png").write_bytes(b"left by another system")
    assert times_of(list(open_media(tmp_path, fps=5).frames())) == [0.0]


def test_a_batch_ends_where_the_size_of_the_images_changes(tmp_path: Path) -> None:
    for number, size in enumerate([8, 8, 8, 6, 6, 8], start=1):
        save_image(tmp_path / f"{number}.png", np.zeros((size, size, 3), np.uint8))
    batches = list(open_media(tmp_path, fps=1).frames(batch=2))
    assert [(len(part), part.images.shape[1]) for part in batches] == [(2, 8), (1, 8), (2, 6), (1, 8)]
    assert times_of(batches) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "I;16"])
def test_images_of_every_kind_of_pixel_become_rgb(tmp_path: Path, mode: str) -> None:
    from PIL import Image

    Image.new(mode, (6, 4)).save(tmp_path / "1.png")
    assert next(open_media(tmp_path).frames()).images.shape == (1, 4, 6, 3)


def test_a_folder_without_images_two_images_of_one_number_and_a_rate_of_zero_are_errors(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="without images"):
        open_media(tmp_path)
    save_image(tmp_path / "1.png", quarters())
    with pytest.raises(MediaError, match="frame rate above 0"):
        open_media(tmp_path, fps=0)
    save_image(tmp_path / "01.png", quarters())
    with pytest.raises(MediaError, match="same number"):
        open_media(tmp_path)


# --- real clips -------------------------------------------------------------------------------------------------------


def test_a_real_clip_has_its_386_frames_and_its_sound(tmp_path: Path) -> None:
    path = CREMA / "crema_1001_NEU-HAP-ANG-SAD-FEA-DIS.mp4"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    source = open_media(path)
    times = times_of(list(source.frames()))
    assert len(times) == 386
    assert source.duration == pytest.approx(12.87, abs=0.01)
    assert np.allclose(np.diff(times), 1 / 30, atol=0.002)
    assert sum(len(part.values) for part in source.audio()) / 16_000 == pytest.approx(12.87, abs=0.1)


def test_real_flash_video_gives_as_many_frames_as_it_lasts(tmp_path: Path) -> None:
    path = CREMA / "1001_DFA_ANG_XX.flv"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    times = times_of(list(open_media(path).frames()))
    assert len(times) == pytest.approx(30 * times[-1], rel=0.05)
    assert (np.diff(times) > 0).all()
