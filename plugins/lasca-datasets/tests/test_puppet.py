"""The synthetic dataset: its files, that they repeat, resume and vary, and that faces and voices follow the affect."""

from __future__ import annotations

import csv
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
from filelock import FileLock
from lasca_datasets.options import ManifestOptions, PuppetOptions
from lasca_datasets.puppet import generate
from lasca_datasets.puppet.affect import Affect, feel, rate
from lasca_datasets.puppet.behaviour import move
from lasca_datasets.puppet.dataset import Puppet
from lasca_datasets.puppet.generate import Plan
from lasca_datasets.puppet.people import meet
from lasca_datasets.puppet.rig import CONTROLS, FRAME, Look, Motion, Rig, shared_rig
from lasca_datasets.puppet.voice import RATE, speak, utter

from lasca_core.api import StoreError
from lasca_core.testing import make_runtime


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Makes and reads datasets of one subject, one session, three seconds."""

    def build(cache: Path | None = None, **options) -> Puppet:
        puppet = Puppet(PuppetOptions(size="small", **options), make_runtime(cache or tmp_path_factory.mktemp("cache")))
        puppet.make()
        return puppet

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(generate.PLANS, "small", Plan(subjects=1, sessions=1, seconds=3.0))
        yield build


@pytest.fixture(scope="module")
def made(tiny):
    return tiny()


@pytest.fixture(scope="module")
def rig():
    return shared_rig()


def decoded(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with av.open(str(path)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    with av.open(str(path)) as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    return frames, sound


def still(count: int = 1, jaw: float = 0.0, lids: float = 0.0, **controls: float) -> Motion:
    columns = np.tile(np.array([controls.get(name, 0.0) for name in CONTROLS], np.float32), (count, 1))
    light = np.tile(np.array([1.0, 0.0, 0.0], np.float32), (count, 1))
    full = np.ones(count, np.float32)
    return Motion(columns, full * jaw, full * lids, np.zeros((count, 4), np.float32), light)


def picture(rig: Rig, **motion: float) -> np.ndarray:
    return next(iter(rig.draw(still(**motion), Look(), np.random.default_rng(0))))


def constant(valence: float, arousal: float) -> Affect:
    return Affect(lambda times: np.full(len(times), valence), lambda times: np.full(len(times), arousal))


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_session_is_an_h264_video_with_sound_of_the_planned_size_rate_and_duration(made):
    (recording,) = made.sessions()
    with av.open(str(recording.media)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert (video.width, video.height) == (FRAME, FRAME)
        assert video.average_rate == 10
        assert video.frames == 30
        assert (audio.rate, audio.channels) == (RATE, 1)
        assert container.duration / av.time_base == pytest.approx(3.0, abs=0.1)
    frames, sound = decoded(recording.media)
    assert len(frames) == 30
    assert len(sound) / RATE == pytest.approx(3.0, abs=0.1)
    assert frames.std() > 20
    assert 0.005 < sound.std() < 0.5


def test_the_recordings_are_called_synthetic_wherever_they_appear(made):
    (recording,) = made.sessions()
    assert recording.metadata["synthetic"] == "true"
    assert json.loads((made.folder / "dataset.json").read_text())["synthetic"] is True


def test_a_session_is_annotated_at_10_hz_on_both_targets_with_the_average_lag_undone(made):
    (recording,) = made.sessions()
    assert set(recording.annotations) == set(made.targets)
    for trace in recording.annotations.values():
        assert len(trace.times) == 30
        assert float(trace.times[0]) == pytest.approx(-0.4)
        assert float(trace.times.diff().max()) == pytest.approx(0.1)
        assert bool(trace.valid.all())
        assert trace.scale == (-1.0, 1.0)


def test_the_manifest_in_the_folder_can_be_read_by_the_manifest_dataset(made):
    from lasca_datasets.manifest import Manifest

    options = ManifestOptions(path=made.folder / "manifest.csv", lag=0.4)
    (read,) = Manifest(options, made.runtime).sessions()
    (direct,) = made.sessions()
    assert (read.session, read.subject, read.media) == (direct.session, direct.subject, direct.media)
    assert read.annotations["valence"].values.equal(direct.annotations["valence"].values)


# --- determinism and resumption ---------------------------------------------------------------------------------------


def test_the_same_seed_gives_identical_annotations_frames_and_sound(made, tiny):
    again = tiny(workers=1)
    (first,), (second,) = made.sessions(), again.sessions()
    assert first.media != second.media
    for ours, theirs in zip(decoded(first.media), decoded(second.media), strict=True):
        assert np.array_equal(ours, theirs)
    annotation = Path("annotations") / f"{first.session}.csv"
    assert (made.folder / annotation).read_bytes() == (again.folder / annotation).read_bytes()


def test_another_seed_gives_another_folder_face_voice_and_feeling(made, tiny):
    other = tiny(made.runtime.cache, seed=1)
    assert other.folder != made.folder
    (first,), (second,) = made.sessions(), other.sessions()
    assert not first.annotations["valence"].values.equal(second.annotations["valence"].values)
    for ours, theirs in zip(decoded(first.media), decoded(second.media), strict=True):
        assert not np.array_equal(ours, theirs)


def test_every_option_that_changes_the_files_changes_the_folder_and_workers_do_not(tmp_path):
    def folder(**options):
        return Puppet(PuppetOptions(**options), make_runtime(tmp_path)).folder

    variants = [{}, {"size": "small"}, {"seed": 1}, {"difficulty": 0.5}, {"annotation_noise": 0.1}, {"lag": 0.2}]
    assert len({folder(**options) for options in variants}) == len(variants)
    assert folder(workers=1) == folder()


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"")], ids=["deleted", "0 bytes"])
@pytest.mark.parametrize("kind", ["media", "annotations"])
def test_a_lost_file_is_made_again_as_it_was(tiny, monkeypatch, tmp_path, kind, damage):
    monkeypatch.setitem(generate.PLANS, "small", Plan(subjects=2, sessions=1, seconds=0.5))
    puppet = tiny(tmp_path)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in puppet.folder.glob("*/*")}
    lost = next((puppet.folder / kind).iterdir())
    damage(lost)
    assert len(list(puppet.sessions())) == 2
    assert lost.read_bytes() == before[lost][1]
    kept = [path for path in before if path.stem != lost.stem]
    assert kept
    assert all(path.stat().st_mtime_ns == before[path][0] for path in kept)


def test_an_interrupted_generation_keeps_what_was_finished_and_leaves_no_half_file(tiny, monkeypatch, tmp_path):
    monkeypatch.setitem(generate.PLANS, "small", Plan(subjects=3, sessions=1, seconds=0.5))
    whole = generate.write_movie

    def interrupted(path, frames, *rest):
        if "s02" in path.name:
            path.write_bytes(b"half")
            raise KeyboardInterrupt
        whole(path, frames, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(generate, "write_movie", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tiny(tmp_path, workers=1)
    (folder,) = (tmp_path / "datasets").iterdir()
    finished = sorted(path.name for path in (folder / "media").glob("*.mp4"))
    assert "s01-1.mp4" in finished
    assert "s02-1.mp4" not in finished
    stamp = (folder / "media/s01-1.mp4").stat().st_mtime_ns
    assert len(list(tiny(tmp_path).sessions())) == 3
    assert (folder / "media/s01-1.mp4").stat().st_mtime_ns == stamp
    assert not list(folder.glob("*/*.part"))


def test_two_users_of_one_cache_generate_each_session_once(monkeypatch, tmp_path):
    monkeypatch.setitem(generate.PLANS, "small", Plan(subjects=2, sessions=1, seconds=0.5))
    written = []
    whole = generate.write_movie
    monkeypatch.setattr(generate, "write_movie", lambda path, *rest: (written.append(path.name), whole(path, *rest)))
    users = [Puppet(PuppetOptions(size="small"), make_runtime(tmp_path)) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(Puppet.make, users))
    assert sorted(written) == ["s01-1.part", "s02-1.part"]


def test_waiting_for_another_process_is_said(tiny, monkeypatch, tmp_path):
    puppet = Puppet(PuppetOptions(size="small"), make_runtime(tmp_path))
    puppet.folder.mkdir(parents=True)
    other = FileLock(puppet.folder / ".lock")
    other.acquire()
    notes = []

    def end_the_other(message: str) -> None:
        notes.append(message)
        other.release()

    monkeypatch.setattr(puppet.runtime.report, "note", end_the_other)
    puppet.make()
    assert notes == ["waiting for another process that generates this puppet"]
    assert len(list(puppet.sessions())) == 1


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "datasets").write_text("in the way")
    with pytest.raises(StoreError, match="puppet cannot be written"):
        Puppet(PuppetOptions(size="small"), make_runtime(tmp_path)).make()


def test_an_unreadable_annotation_is_reported_and_its_session_left_out(tiny, tmp_path):
    puppet = tiny(tmp_path)
    (puppet.folder / "annotations/s01-1.csv").write_text("time,valence\n0,1\n")
    assert list(puppet.sessions()) == []
    assert any("s01-1.csv" in warning and "arousal" in warning for warning in puppet.runtime.report.warnings)


# --- affect and annotation --------------------------------------------------------------------------------------------


def test_affect_stays_in_range_and_changes_within_consecutive_windows():
    times = np.arange(0.0, 300.0, 0.1)
    for seed in range(5):
        affect = feel(np.random.default_rng(seed))
        for curve in (affect.valence(times), affect.arousal(times)):
            assert np.abs(curve).max() <= 1.0
            windows = curve.reshape(-1, 30).mean(axis=1)
            assert np.mean(np.abs(np.diff(windows)) > 0.1 * np.ptp(curve)) > 0.5


def test_affect_wanders_with_periods_of_7_to_24_seconds():
    times = np.arange(0.0, 960.0, 0.1)
    for seed in range(4):
        valence = np.arctanh(feel(np.random.default_rng(seed)).valence(times) / 0.85)
        power = np.abs(np.fft.rfft(valence * np.hanning(len(times)))) ** 2
        frequency = np.fft.rfftfreq(len(times), 0.1)
        band = (frequency > 1 / 24 - 0.003) & (frequency < 1 / 7 + 0.003)
        assert power[band].sum() > 0.999 * power.sum()


def test_raters_without_lag_and_noise_differ_from_the_affect_only_by_how_they_use_the_scale():
    times = np.arange(0.0, 60.0, 0.1)
    curve = feel(np.random.default_rng(0)).valence
    rated = rate(curve, times, lag=0.0, noise=0.0, rng=np.random.default_rng(1))
    assert np.corrcoef(rated, curve(times))[0, 1] > 0.99


def test_raters_lag_behind_and_their_noise_makes_a_perfect_score_impossible():
    times = np.arange(0.0, 600.0, 0.1)
    curve = feel(np.random.default_rng(0)).valence
    rated = rate(curve, times, lag=1.0, noise=0.0, rng=np.random.default_rng(1))
    shifts = np.arange(0, 30)
    match = [np.corrcoef(rated[shift:], curve(times)[: len(times) - shift])[0, 1] for shift in shifts]
    assert 5 <= shifts[np.argmax(match)] <= 15
    noisy = rate(curve, times, lag=0.0, noise=0.25, rng=np.random.default_rng(1))
    assert 0.7 < np.corrcoef(noisy, curve(times))[0, 1] < 0.98


# --- face -------------------------------------------------------------------------------------------------------------


def mouth_corner_shift(rig: Rig, **motion: float) -> tuple[int, int]:
    """How far the picture around the left mouth corner moved, pixels (right, down), by block matching."""
    column, row = np.round((rig.rest[61] * 105.0 / 80.0 + 1.0) / 2.0 * (FRAME - 1)).astype(int)
    before, after = picture(rig).mean(axis=2), picture(rig, **motion).mean(axis=2)
    patch = before[row - 6 : row + 7, column - 6 : column + 7]

    def distance(right: int, down: int) -> float:
        there = after[row + down - 6 : row + down + 7, column + right - 6 : column + right + 7]
        return float(np.abs(there - patch).mean())

    return min(((x, y) for x in range(-12, 13) for y in range(-12, 13)), key=lambda shift: distance(*shift))


def test_a_smile_pulls_the_mouth_corner_out_and_up_and_a_frown_pulls_it_down(rig):
    out, up = mouth_corner_shift(rig, smile=1.0)
    assert out < -2
    assert up < -2
    assert mouth_corner_shift(rig, frown=1.0)[1] > 2


def test_an_open_jaw_shows_a_dark_mouth_and_closed_lids_hide_the_dark_of_the_eyes(rig):
    rest = picture(rig).mean(axis=2)
    mouth = (slice(116, 150), slice(77, 112))
    assert np.mean(picture(rig, jaw=0.7).mean(axis=2)[mouth] < 60) > np.mean(rest[mouth] < 60) + 0.1
    eyes = (slice(60, 79), slice(51, 133))
    assert np.mean(picture(rig, lids=1.0).mean(axis=2)[eyes] < 70) < np.mean(rest[eyes] < 70)


def test_a_mirrored_person_is_the_mirror_image(rig):
    plain = np.stack(list(rig.draw(still(), Look(), np.random.default_rng(0)))).astype(int)
    mirrored = np.stack(list(rig.draw(still(), Look(mirrored=True), np.random.default_rng(0)))).astype(int)
    assert np.abs(plain - mirrored[:, :, ::-1]).mean() < 0.5


def test_without_difficulty_the_smile_follows_valence_and_the_brows_arousal():
    times = np.arange(0.0, 60.0, 0.1)
    for seed in range(4):
        random = np.random.default_rng(seed)
        subject, affect = meet(seed, random), feel(random)
        speech = utter(subject.voice, affect, 60.0, random)
        motion = move(subject, affect, speech, times, 0.0, random)
        smile, brow = (motion.controls[:, CONTROLS.index(name)] for name in ("smile", "brow_outer"))
        assert np.corrcoef(smile, affect.valence(times))[0, 1] > 0.95
        assert np.corrcoef(brow, affect.arousal(times))[0, 1] > 0.95


def test_without_difficulty_blinks_and_speech_remain_while_head_and_light_rest():
    times = np.arange(0.0, 60.0, 0.04)
    random = np.random.default_rng(0)
    subject, affect = meet(0, random), constant(0.0, 0.0)
    motion = move(subject, affect, utter(subject.voice, affect, 60.0, random), times, 0.0, random)
    assert motion.lids.max() > 0.8
    assert np.ptp(motion.jaw) > 0.2
    for still_part in (motion.pose, motion.light):
        assert np.ptp(still_part, axis=0).max() == 0.0


def test_difficulty_moves_the_face_for_reasons_other_than_affect():
    times = np.arange(0.0, 120.0, 0.1)

    def agreement(difficulty: float) -> float:
        random = np.random.default_rng(0)
        subject, affect = meet(0, random), feel(random)
        motion = move(subject, affect, utter(subject.voice, affect, 120.0, random), times, difficulty, random)
        return float(np.corrcoef(motion.controls[:, CONTROLS.index("smile")], affect.valence(times))[0, 1])

    assert agreement(0.0) > agreement(1.0) > agreement(3.0)


# --- voice ------------------------------------------------------------------------------------------------------------


def spoken(arousal: float, seconds: float = 12.0) -> np.ndarray:
    random = np.random.default_rng(3)
    voice = meet(0, random).voice
    affect = constant(0.0, arousal)
    return speak(voice, utter(voice, affect, seconds, random), affect, seconds, 0.0, random)


def median_pitch(sound: np.ndarray) -> float:
    """Hz, by the autocorrelation's highest peak in loud frames of 64 ms."""
    frames = sound[: len(sound) // 1024 * 1024].reshape(-1, 1024)
    loud = frames[frames.std(axis=1) > np.percentile(frames.std(axis=1), 60)]
    lags = np.arange(RATE // 400, RATE // 70)
    periods = [lags[np.argmax([np.dot(frame[lag:], frame[:-lag]) for lag in lags])] for frame in loud]
    return float(RATE / np.median(periods))


def test_an_aroused_voice_is_higher_brighter_and_pauses_less():
    calm, excited = spoken(-0.8), spoken(0.8)
    assert len(calm) == len(excited) == 12 * RATE
    assert median_pitch(excited) > 1.2 * median_pitch(calm)

    def high_share(sound: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(sound)) ** 2
        frequency = np.fft.rfftfreq(len(sound), 1.0 / RATE)
        return float(power[(frequency > 1000) & (frequency < 3500)].sum() / power[frequency < 3500].sum())

    def silent_share(sound: np.ndarray) -> float:
        level = sound.reshape(-1, 320).std(axis=1)
        return float(np.mean(level < 0.05 * np.percentile(level, 95)))

    assert high_share(excited) > high_share(calm)
    assert silent_share(excited) < silent_share(calm)


# --- what MediaPipe sees ----------------------------------------------------------------------------------------------


def face_landmarker() -> Path | None:
    """The weights of MediaPipe's Face Landmarker in the user's cache of LaScA, if they were fetched."""
    platformdirs = pytest.importorskip("platformdirs")
    cache = os.environ.get("LASCA_CACHE") or platformdirs.user_cache_dir("lasca", appauthor=False)
    return next((Path(cache).expanduser() / "weights").glob("*/face_landmarker.task"), None)


def test_mediapipe_finds_the_face_and_sees_smile_brow_and_open_mouth(rig):
    mediapipe = pytest.importorskip("mediapipe")
    weights = face_landmarker()
    if weights is None:
        pytest.skip("face_landmarker.task is not in the cache of LaScA; `lasca weights pull` fetches it")
    from mediapipe.tasks.python import BaseOptions, vision

    settings = vision.FaceLandmarkerOptions(BaseOptions(str(weights)), output_face_blendshapes=True)
    poses = {
        "neutral": {},
        "smile": {"smile": 1.2},
        "brow": {"brow_outer": 1.0},
        "open": {"jaw": 0.8},
        "turned": {"yaw": 0.1, "pitch": -0.1},
    }
    seen = {}
    with vision.FaceLandmarker.create_from_options(settings) as landmarker:
        for name, pose in poses.items():
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture(rig, **pose))
            found = landmarker.detect(image).face_blendshapes
            assert found, f"no face found: {name}"
            seen[name] = {shape.category_name: shape.score for shape in found[0]}
    assert seen["smile"]["mouthSmileLeft"] > seen["neutral"]["mouthSmileLeft"] + 0.4
    assert seen["brow"]["browOuterUpLeft"] > seen["neutral"]["browOuterUpLeft"] + 0.2
    assert seen["open"]["jawOpen"] > seen["neutral"]["jawOpen"] + 0.3


def test_the_annotation_file_has_one_row_every_tenth_of_a_second(made):
    with (made.folder / "annotations/s01-1.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["time"]) for row in rows] == pytest.approx(np.arange(30) / 10)
    assert all(-1.0 <= float(row[name]) <= 1.0 for row in rows for name in ("valence", "arousal"))
