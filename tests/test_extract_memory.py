"""`lasca extract` takes no more memory for an hour than for a minute."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lasca_core.host.runtime import default_cache

pytestmark = pytest.mark.slow

FPS, RATE = 10, 16_000
MEASURED = """
import sys
from lasca_core.cli.main import main
try:
    main()
finally:
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print("peak", int(peak.split()[1]) // 1024)
"""


def write_recording(path: Path, minutes: int) -> Path:
    """A video of moving bars with a tone; each second after the first repeats its packets."""
    import av

    ramp = np.arange(160) * 255 // 159
    bars = [np.broadcast_to(np.roll(ramp, 16 * place)[None, :, None], (120, 160, 3)) for place in range(FPS)]
    tone = (np.sin(np.arange(RATE) * 2 * np.pi * 220 / RATE) * 8000).astype(np.int16)
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("mjpeg", rate=FPS)
        video.width, video.height, video.pix_fmt = 160, 120, "yuvj420p"
        audio: Any = container.add_stream("pcm_s16le", rate=RATE)
        audio.layout = "mono"
        pictures = [
            packet
            for image in bars
            for packet in video.encode(av.VideoFrame.from_ndarray(image.astype(np.uint8), format="rgb24"))
        ]
        for second in range(60 * minutes):
            for place, packet in enumerate(pictures):
                packet.pts = packet.dts = FPS * second + place
                packet.time_base = Fraction(1, FPS)
                container.mux(packet)
            sound = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = RATE, RATE * second, Fraction(1, RATE)
            container.mux(audio.encode(sound))
    return path


def peak_megabytes(path: Path, extractor: str) -> int:
    """Peak memory of a process that extracts from ``path`` into an empty cache."""
    cache = path.parent / f"cache-{path.stem}-{extractor}"
    cache.mkdir()
    (cache / "weights").symlink_to(default_cache() / "weights")
    output = path.parent / f"features-{path.stem}"
    arguments = ["extract", str(path), "--extractor", extractor, "--output", str(output), "--device", "cpu"]
    environment = {**os.environ, "LASCA_CACHE": str(cache), "LASCA_OFFLINE": "1"}
    command = [sys.executable, "-c", MEASURED, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=3600)
    if "lasca weights pull" in done.stderr:
        pytest.skip(f"the weights of {extractor} are absent")
    assert done.returncode == 0, done.stderr
    assert (output / f"{path.stem}.{extractor}.parquet").is_file()
    return int(done.stdout.split("peak")[1])


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("recordings")
    return write_recording(folder / "minute.avi", 1), write_recording(folder / "hour.avi", 60)


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the system does not tell a process's peak memory")
@pytest.mark.parametrize("extractor", ["mfcc", "blendshape"])
def test_an_hour_takes_at_most_200_megabytes_more_than_a_minute(
    recordings: tuple[Path, Path], extractor: str, record_property: Any
) -> None:
    minute, hour = (peak_megabytes(path, extractor) for path in recordings)
    record_property("peak_megabytes", f"{extractor}: a minute {minute}, an hour {hour}")
    assert hour - minute < 200, f"{extractor}: a minute takes {minute} MB, an hour {hour} MB"
