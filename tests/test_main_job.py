"""The main job as a user runs it: real media, real pretrained weights, a real clip of acted emotions, and bad input."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lasca_core.cli import main as cli
from lasca_core.cli.common import Settings
from lasca_core.contract.errors import WeightsError
from lasca_core.host.plugins import discover
from lasca_core.host.runtime import HostRuntime, default_cache

CREMA = Path(__file__).parents[2] / "shared/data/crema-d"
CLIP = CREMA / "crema_1001_NEU-HAP-ANG-SAD-FEA-DIS.mp4"
JOB = ("run", "--extractor", "blendshape", "--extractor", "mfcc", "--encoder", "minilm")
SMALL = ("-o", "puppet.size=small", "-o", "evaluate.folds=2", "-o", "evaluate.bootstrap=100")

needs_clip = pytest.mark.skipif(not CLIP.exists(), reason=f"the CREMA-D clips are not at {CREMA}")


@dataclass(frozen=True)
class Lasca:
    """Calls ``lasca`` offline in a working folder and with a cache of its own."""

    cache: Path
    work: Path

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            patch.setenv("LASCA_CACHE", str(self.cache))
            patch.setenv("LASCA_OFFLINE", "1")
            patch.chdir(self.work)
            patch.setattr(sys, "argv", ["lasca", *map(str, arguments)])
            code = cli._guarded(Settings())
        return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def lasca(tmp_path_factory: pytest.TempPathFactory) -> Lasca:
    """A cache that shares nothing with the user's but the pretrained files."""
    users = HostRuntime(cache=default_cache())
    registry = discover()
    try:
        for kind, name in (("extractor", "blendshape"), ("encoder", "minilm")):
            for weights in registry.spec(kind, name).weights:
                users.fetch(weights)
    except WeightsError as error:
        pytest.skip(f"the pretrained files cannot be had: {error}")
    cache = tmp_path_factory.mktemp("cache")
    (cache / "weights").symlink_to(users.cache / "weights")
    return Lasca(cache, tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def first(lasca: Lasca) -> tuple[str, str]:
    """The main job on the small built-in dataset: stdout and stderr."""
    code, out, err = lasca(*JOB, *SMALL)
    assert code == 0, err
    return out, err


@pytest.fixture(scope="module")
def folder(first: tuple[str, str], lasca: Lasca) -> Path:
    """That run's folder."""
    found = re.search(r"^run: (.+)$", first[0], re.MULTILINE)
    assert found
    return lasca.work / found[1]


def test_the_main_job_ends_with_the_table_and_the_path_of_the_run(first: tuple[str, str], folder: Path) -> None:
    out, err = first
    for variant in ("majority", "features", "mask", "text", "fused", "shuffled"):
        assert len(re.findall(rf"^{variant} +0\.\d+ ± 0\.\d+", out, re.MULTILINE)) == 2, f"{variant} for both targets"
    assert re.search(r"fused - features = [+-]0\.\d+ \[", out)
    assert "synthetic" in out
    assert "no --dataset given: using the built-in puppet" in err
    assert folder.parent.name == "runs"
    assert {"run.json", "metrics.json", "predictions.parquet", "model"} <= {path.name for path in folder.iterdir()}


def test_the_record_names_weights_licences_versions_and_device(folder: Path) -> None:
    record = json.loads((folder / "run.json").read_text())
    encoder = next(part for part in record["components"] if part["kind"] == "encoder")
    assert encoder["weights"]["minilm"]["sha256"]["model.safetensors"].startswith("53aa51172d142c89")
    assert record["licenses"]["weights face-landmarker"].startswith("Apache-2.0")
    assert record["versions"]["torch"]
    assert record["device"]
    assert record["synthetic"] is True


def test_a_second_run_with_the_network_off_computes_nothing_that_is_stored(
    lasca: Lasca, first: tuple[str, str]
) -> None:
    code, out, err = lasca(*JOB, *SMALL, "--json")
    assert code == 0, err
    stages = json.loads(out)["run"]["stages"]
    assert stages["extract"]["computed"] == 0
    assert stages["extract"]["stored"] == 8
    assert stages["encode"]["computed"] == 0
    assert "generate" not in err


@needs_clip
def test_without_model_and_label_the_words_tell_the_acted_emotions(lasca: Lasca) -> None:
    """Neutral to happy: valence rises; happy to angry: it falls; sad to fearful: arousal rises (METHOD: acted)."""
    code, out, err = lasca("predict", CLIP, "--zero-shot", "valence,arousal,dominance", "--window", 2, "--json")
    assert code == 0, err
    said = json.loads(out)
    by_start = {window["start"]: window for window in said["windows"]}
    happy, angry, fearful = by_start[2.0], by_start[4.0], by_start[8.0]
    assert happy["directions"]["valence"]["direction"] == "rises"
    assert {reason["feature"] for reason in happy["reasons"]["valence"][:2]} == {"mouthSmileLeft", "mouthSmileRight"}
    assert all(reason["more"] and reason["contribution"] > 0 for reason in happy["reasons"]["valence"][:2])
    assert angry["directions"]["valence"]["direction"] == "falls"
    assert fearful["directions"]["arousal"]["direction"] == "rises"
    assert list(said["abstains"]) == ["dominance"]
    assert "dominance is not told: only 0 of these features speak of dominance" in err
    assert "dominance" not in happy["directions"]


@needs_clip
def test_the_words_reasons_are_printed_with_their_share(lasca: Lasca) -> None:
    code, out, err = lasca("predict", CLIP, "--zero-shot", "valence", "--window", 2, "--cues", 1)
    assert code == 0, err
    assert re.search(
        r"2\.00-4\.00 s  valence rises \(0\.\d\d\)\n +valence \+0\.\d\d: more mouthSmile(Left|Right): ", out
    )
    assert "arousal" not in out


def test_zero_shot_needs_its_own_options_only(lasca: Lasca, tmp_path: Path) -> None:
    clip = tmp_path / "talk.wav"
    import wave

    with wave.open(str(clip), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((np.random.default_rng(0).normal(0, 3000, 16_000 * 8)).astype("<i2").tobytes())
    for arguments, words in (
        ((), "give --model RUN (lasca run makes one) or --zero-shot valence,arousal, which needs none"),
        (("--zero-shot", "valence", "--model", "runs/x"), "choose one of them"),
        (("--zero-shot", " , "), "--zero-shot names no affect dimension"),
        (("--zero-shot", "valence", "--target", "joy"), "--target joy is not among --zero-shot valence"),
        (("--model", "runs/x", "--lexicon", "names"), "--lexicon goes with --zero-shot; a model brings its own"),
        (("--zero-shot", "valence", "--extractor", "gaze"), "there is no extractor 'gaze'"),
    ):
        code, _, err = lasca("predict", clip, *arguments)
        assert code == 2
        assert words in err
    code, out, err = lasca("predict", clip, "--zero-shot", "valence,arousal")
    assert code == 0, err
    assert "valence is not told: only 0 of these features speak of valence in lexicon 'llm'" in err
    assert re.search(r"3\.00-6\.00 s  arousal (rises|falls) \(0\.\d\d\)", out)
    code, _, err = lasca("predict", clip, "--zero-shot", "valence", "--lexicon", "names")
    assert code == 0
    assert "valence is not told" in err


@needs_clip
def test_the_cues_fit_the_acted_emotions(lasca: Lasca, folder: Path) -> None:
    code, out, err = lasca("predict", CLIP, "--model", folder, "--window", 2, "--json")
    assert code == 0, err
    windows = {row["start"]: row for row in json.loads(out)["windows"]}
    happy, angry = (
        [cue["feature"] for cue in windows[start]["cues"][:4] if cue["new"]] for start in (2.0, 4.0)
    )  # happy from 2.07 to 3.97 s, angry from 3.97 to 6.23 s
    assert {"mouthSmileLeft", "mouthSmileRight"} <= set(happy)
    assert {"browDownLeft", "browDownRight"} <= set(angry)
    assert "smile" in windows[2.0]["sentence"]
    for row in list(windows.values())[1:]:
        assert set(row["directions"]) == {"valence", "arousal"}
        assert all(0.5 <= said["probability"] <= 1 for said in row["directions"].values())
    assert windows[0.0]["directions"] == {}


@needs_clip
def test_predictions_are_printed_for_people_and_as_csv(lasca: Lasca, folder: Path) -> None:
    _, out, err = lasca("predict", CLIP, "--model", folder, "--cues", 2)
    assert re.search(r"3\.00-6\.00 s +valence (rises|falls) \(0\.\d+\) +arousal (rises|falls)", out)
    assert "+ = salient now" in err
    _, out, _ = lasca("predict", CLIP, "--model", folder, "--csv", "--target", "arousal")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 4
    assert "valence" not in rows[0]
    assert rows[1]["arousal"] in ("rises", "falls")


@needs_clip
def test_extract_writes_named_columns_with_a_time_index(lasca: Lasca, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    code, out, err = lasca("extract", CLIP, "--extractor", "blendshape", "--extractor", "mfcc", "--output", tmp_path)
    assert code == 0, err
    assert len(out.split()) == 2
    table = pq.read_table(tmp_path / f"{CLIP.stem}.blendshape.parquet")
    assert table.column_names[:4] == ["time", "valid", "_neutral", "browDownLeft"]
    assert table.num_columns == 60
    assert table["valid"].to_pylist() == [True] * 386
    assert np.allclose(np.diff(table["time"].to_numpy()), 1 / 30, atol=1e-3)
    sound = pq.read_table(tmp_path / f"{CLIP.stem}.mfcc.parquet")
    assert sound.column_names[2:] == [f"mfcc_{index}" for index in range(15)]
    assert sound.num_rows / 100 == pytest.approx(12.88, abs=0.05)


WriteMedia = Callable[..., Path]


def _grey(count: int, size: tuple[int, int] = (120, 160)) -> list[np.ndarray]:
    return [np.full((*size, 3), 90, dtype=np.uint8)] * count


def _tone(seconds: float) -> np.ndarray:
    return np.sin(np.arange(int(16_000 * seconds)) / 5)[None].astype(np.float32) * 0.3


def _text(path: Path, _: WriteMedia) -> Path:
    path = path / "text.mp4"
    path.write_text("not a video\n" * 20)
    return path


def _empty(path: Path, _: WriteMedia) -> Path:
    (path / "empty.mp4").touch()
    return path / "empty.mp4"


def _no_face(path: Path, write: WriteMedia) -> Path:
    return write(path / "wall.mp4", _grey(250), sound=_tone(10))


def _no_sound(path: Path, write: WriteMedia) -> Path:
    return write(path / "silent.mp4", _grey(250))


def _one_frame(path: Path, write: WriteMedia) -> Path:
    return write(path / "one.mp4", _grey(1), sound=_tone(0.04))


def _one_pixel(path: Path, write: WriteMedia) -> Path:
    return write(path / "dot.mkv", _grey(250, (1, 1)), codec="ffv1", pixels="bgr0", sound=_tone(10))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_text, "text.mp4: is not a video"),
        (_empty, "empty.mp4: is empty (0 bytes)"),
        (_no_face, "wall.mp4: no face was found in any of its 250 frames"),
        (_no_sound, "silent.mp4: has no audio stream, which the extractor mfcc needs"),
        (_one_frame, "one.mp4: no face was found in any of its 1 frames"),
        (_one_pixel, "dot.mkv: no face was found in any of its 250 frames"),
    ],
)
def test_bad_media_is_one_sentence_that_names_the_file(
    lasca: Lasca, folder: Path, tmp_path: Path, write_media: WriteMedia, make: Any, words: str
) -> None:
    path = make(tmp_path, write_media)
    code, out, err = lasca("predict", path, "--model", folder)
    assert code == 2
    (message,) = [line for line in err.splitlines() if line.startswith("lasca: ")]
    assert words in message
    assert out == ""


@needs_clip
def test_a_clip_shorter_than_two_windows_says_what_to_do(lasca: Lasca, folder: Path) -> None:
    code, _, err = lasca("predict", CREMA / "1001_DFA_HAP_XX.flv", "--model", folder)
    assert code == 2
    assert "is too short: two windows of 3 s are needed to say what changes; try --window with less" in err


def test_a_damaged_recording_in_a_dataset_is_reported_and_the_rest_goes_on(
    lasca: Lasca, first: tuple[str, str], tmp_path: Path
) -> None:
    puppet = next((lasca.cache / "datasets").glob("puppet-*"))
    study = shutil.copytree(puppet, tmp_path / "study")
    victim = sorted((study / "media").glob("*.mp4"))[1]
    victim.write_bytes(victim.read_bytes()[:2000])
    arguments = ("--dataset", "manifest", "-o", f"dataset.path={study / 'manifest.csv'}", "-o", "evaluate.folds=2")
    code, out, err = lasca(*JOB, *arguments, "-o", "evaluate.variants=['majority', 'features']", "--json")
    assert code == 0, err
    record = json.loads(out)["run"]
    assert [victim.name in reason for reason in record["data"]["skipped"].values()] == [True]
    assert record["data"]["sessions"] == 3
    assert record["stages"]["extract"]["computed"] == 0, "the whole recordings were known from puppet by their content"
    assert re.search(rf"warning: session .* is left out: .*{victim.name}", err)


@needs_clip
def test_a_recording_that_was_cut_off_is_used_with_a_warning(lasca: Lasca, tmp_path: Path) -> None:
    whole = (CREMA / "1001_DFA_HAP_XX.flv").read_bytes()  # FLV states its duration at the start
    (tmp_path / "cut.flv").write_bytes(whole[: len(whole) // 3])
    code, _, err = lasca("extract", tmp_path / "cut.flv", "--output", tmp_path)
    assert code == 0
    assert re.search(r"warning: .*cut\.flv ends at 0\.\d s although its header says 1\.9 s", err)
