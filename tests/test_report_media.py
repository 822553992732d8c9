"""The page of a recording: what it says of each window, how it shows the recording, and the annotation it reads."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lasca_core.cli import main as cli
from lasca_core.cli.common import Settings
from lasca_core.contract.errors import DatasetError, OptionError
from lasca_core.contract.types import Trace, Track
from lasca_core.experiment.predict import Cue
from lasca_core.report import media_player
from lasca_core.report.media_annotation import read_annotation
from lasca_core.report.media_lanes import clock
from lasca_core.report.media_page import media_page
from lasca_core.report.media_player import Player, player
from lasca_core.report.media_timeline import Timeline, reduced
from lasca_core.steps.media import open_media
from lasca_core.testing import make_registry

sys.path.append(str(Path(__file__).parent))  # what two test files share is no package that is installed

from made_up_timeline import FEATURES, TARGETS, timeline

HOSTILE = "</script><script>window.owned = 1</script><!-- <img src=x onerror='window.owned = 1'> & \u202e"


class Page(HTMLParser):
    """What a page holds: its elements with their attributes, its text, and the data of its script."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.data: Any = None
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        tag, found = self.elements[-1] if self.elements else ("", {})
        if tag == "script" and found.get("id") == "windows":
            self.data = json.loads(data)
        elif tag not in ("style", "script"):
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of a name."""
        return [found for name, found in self.elements if name == tag]


def page_of(about: Timeline) -> Page:
    return Page(media_page(about))


# --- what the page says -----------------------------------------------------------------------------------------------


def test_the_page_counts_windows_and_directions_and_warns_of_synthetic_training() -> None:
    about = timeline()
    page = page_of(about)
    rises = sum(window.directions["valence"][0] for window in about.windows if window.directions)
    assert "12 windows of 2 s over 0:24 minutes" in page.words
    assert "1 of them was not measured" in page.words
    assert f"Predicted: valence rises in {rises} and falls in {9 - rises}" in page.words
    assert page.words.index("Trained on synthetic data. puppet is generated") < page.words.index("Timeline")
    assert "lasca report talk.mp4 --model runs/latest" in page.words


def test_a_model_of_real_data_is_not_called_synthetic_and_cautions_and_abstentions_are_told() -> None:
    about = timeline()
    predictor = replace(about.predictor, synthetic=None, cautions=("the windows are others than in training",))
    page = page_of(replace(about, predictor=predictor, abstains={"dominance": "the words know nothing of it"}))
    assert "synthetic" not in page.words
    assert "The windows are others than in training." in page.words
    assert "Of dominance nothing is told: the words know nothing of it." in page.words


def test_all_lines_of_a_windows_reasons_are_its_logit_and_the_residual_is_stated() -> None:
    about = timeline()
    for window, found in zip(about.windows, page_of(about).data["windows"], strict=True):
        assert set(found["why"]) == set(window.explanations)
        for target, why in found["why"].items():
            assert len(why["features"]) == 6
            named = sum(part[1] for part in why["features"])
            told = why["bias"] + named + why["otherFeatures"][1] + why["text"] + why["residual"]
            assert told == pytest.approx(window.explanations[target].logit, abs=1e-3)
            words = sum(part[1] for part in why["cues"]) + why["otherCues"][1] + why["interaction"]
            assert words == pytest.approx(why["text"], abs=1e-3)
            assert why["residual"] == pytest.approx(0.0004, abs=1e-4)


def test_what_would_be_shown_as_nothing_is_counted_among_the_others() -> None:
    about = timeline(count=2, unmeasured=-9)
    found = about.windows[1].explanations["valence"]
    weak = replace(found, features=tuple(replace(part, contribution=0.004) for part in found.features), cues=())
    windows = [about.windows[0], replace(about.windows[1], explanations={"valence": weak})]
    why = page_of(replace(about, windows=windows)).data["windows"][1]["why"]["valence"]
    assert why["features"] == []
    assert why["otherFeatures"] == [len(FEATURES), pytest.approx(0.004 * len(FEATURES))]


def test_bars_of_all_windows_have_one_scale_that_holds_every_line() -> None:
    data = page_of(timeline()).data
    for target in TARGETS:
        lines = [
            abs(value)
            for window in data["windows"]
            if (why := window["why"].get(target))
            for value in (why["bias"], why["text"], why["interaction"], why["otherFeatures"][1], why["otherCues"][1],
                          *(part[1] for part in (*why["features"], *why["cues"])))
        ]  # fmt: skip
        assert data["largest"][target] == pytest.approx(max(lines), abs=1e-3)


def test_no_text_is_written_twice() -> None:
    texts = page_of(timeline(count=40)).data["texts"]
    assert len(texts) == len(set(texts))
    assert len(texts) < 2 * len(FEATURES) + 40, "the words of a feature once, and a sentence for each window"


def test_the_table_says_what_the_lanes_draw() -> None:
    about = timeline()
    page = page_of(about)
    (start,) = (found for found in page.of("button") if found.get("data-window") == "3")
    assert start["class"] == "go"
    rises, probability = about.windows[3].directions["valence"]
    mean = about.annotated["valence"][3]
    assert f"0:06.00 0:08.00 {'rises' if rises else 'falls'} {probability:.2f} {mean:+.3f}" in page.words
    assert "0:10.00 0:12.00 not measured – " in page.words
    assert "0:12.00 0:14.00 not told – " in page.words


def test_each_lane_is_a_drawing_of_few_paths_however_many_windows_there_are() -> None:
    few, many = page_of(timeline()), page_of(timeline(count=1000))
    assert len(many.of("path")) == len(few.of("path")) <= 4 * 2 + 2 * 3 + 6
    assert sum(len(found["d"] or "") for found in many.of("path")) < 400_000


def test_bars_stand_where_the_windows_are_and_are_as_high_as_they_are_sure() -> None:
    about = timeline()
    paths = {found["class"]: found["d"] or "" for found in page_of(about).of("path")[:5]}
    bars = [re.findall(r"M(\d+) 50h(\d+)v(-?\d+)", paths[kind]) for kind in ("rises", "falls")]
    drawn = {int(left) // 2000: int(high) for kind in bars for left, _, high in kind}
    told = {place: window.directions["arousal"] for place, window in enumerate(about.windows) if window.directions}
    shown = {place: window.directions["valence"] for place, window in enumerate(about.windows) if window.directions}
    assert set(drawn) == set(told) == set(shown)
    for place, (rises, probability) in shown.items():
        assert (drawn[place] < 0) == rises
        assert abs(drawn[place]) == max(3, round(2 * (probability - 0.5) * 46))
    assert paths["unmeasured"] == "M10000 0h2000v100h-2000z"
    assert len(re.findall("M", paths["untold"])) == 2


def test_the_page_asks_for_nothing_and_says_why_the_recording_is_not_shown() -> None:
    page = page_of(timeline())
    (policy,) = (found["content"] or "" for found in page.of("meta") if found.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "media-src" not in policy, "nothing is played"
    assert not page.of("video")
    assert "The recording is not shown: it was never made." in page.words


def test_names_and_sentences_cannot_become_markup() -> None:
    about = timeline()
    windows = [replace(window, sentence=HOSTILE) for window in about.windows]
    tracks = [replace(track, names=(HOSTILE, *track.names[1:])) for track in about.tracks]
    content = media_page(replace(about, windows=windows, tracks=tracks, path=Path(HOSTILE.replace("/", ":"))))
    page = Page(content)
    assert content.count("<script") == len(page.of("script")) == 3
    assert not page.of("img")
    assert HOSTILE in page.data["texts"]


# --- windows and what they are compared with --------------------------------------------------------------------------


def test_windows_meet_at_their_bounds_and_overlapping_ones_half_way_between_their_middles() -> None:
    about = timeline(count=3)
    assert about.edges == [0.0, 2.0, 4.0, 6.0]
    halved = [replace(window, start=float(place), end=place + 2.0) for place, window in enumerate(about.windows)]
    assert replace(about, windows=halved).edges == [0.5, 1.5, 2.5, 3.5]


def test_an_overlapping_window_is_compared_with_the_last_one_that_ends_before_it_begins() -> None:
    about = timeline(count=6, unmeasured=-9)
    windows = [
        replace(window, start=float(place), end=place + 2.0, compared=place >= 2)
        for place, window in enumerate(about.windows)
    ]
    assert replace(about, windows=windows).compared_with == [None, None, 0, 1, 2, 3]


def test_agreement_counts_windows_whose_annotated_mean_went_the_way_that_was_told() -> None:
    about = timeline(count=4, unmeasured=-9)
    told = [{}, {"valence": (True, 0.9)}, {"valence": (True, 0.9)}, {"valence": (False, 0.9)}]
    windows = [replace(window, directions=one) for window, one in zip(about.windows, told, strict=True)]
    times = torch.arange(8, dtype=torch.float64)
    values = torch.tensor([0.0, 0.0, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1])  # rises, falls, stays
    trace = Trace(times, values, torch.ones(8, dtype=torch.bool))
    changed = replace(about, windows=windows, annotations={"valence": trace})
    assert changed.annotated["valence"] == pytest.approx([0.0, 0.5, 0.1, 0.1])
    assert changed.agreement("valence") == (1, 2)


def test_a_window_of_which_less_than_half_is_annotated_has_no_annotated_value() -> None:
    about = timeline(count=2)
    times = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5], dtype=torch.float64)
    valid = torch.tensor([True] * 4 + [True, False, False, False])
    trace = Trace(times, torch.ones(8), valid)
    assert replace(about, annotations={"valence": trace}).annotated["valence"] == [1.0, None]


def test_the_features_drawn_are_those_that_contribute_most_over_all_windows() -> None:
    about = timeline()
    weight = dict.fromkeys(FEATURES, 0.0)
    for window in about.windows:
        for found in window.explanations.values():
            for part in (*found.features, *found.cues):
                weight[part.feature] += abs(part.contribution)
    assert [name for name, *_ in about.foremost] == sorted(weight, key=lambda name: -weight[name])[:6]


def test_where_nothing_is_explained_the_features_that_stand_out_most_often_are_drawn() -> None:
    about = timeline()
    cues = [[4, 7], [7], [7, 2], [2]]
    windows = [
        replace(window, explanations={}, cues=tuple(Cue(FEATURES[cue], 1.0, 1.0, "", True) for cue in salient))
        for window, salient in zip(about.windows, cues, strict=False)
    ]
    found = replace(about, windows=windows).foremost
    assert [name for name, *_ in found] == [FEATURES[7], FEATURES[2], FEATURES[4]]


def test_the_spread_of_a_feature_is_drawn_as_the_feature_once() -> None:
    about = timeline(count=2, unmeasured=-9)
    found = about.windows[1].explanations["valence"]
    spread = replace(found.features[0], feature=f"{FEATURES[3]}_std", contribution=99.0)
    windows = [
        about.windows[0],
        replace(about.windows[1], explanations={"valence": replace(found, features=(spread,))}),
    ]
    names = [name for name, *_ in replace(about, windows=windows).foremost]
    assert names[0] == FEATURES[3]
    assert names.count(FEATURES[3]) == 1


def test_a_long_curve_keeps_its_extremes_and_its_holes() -> None:
    values = np.random.default_rng(0).normal(size=10_000)
    values[4000:5000] = np.nan
    times, kept = reduced(np.arange(10_000.0), values, 200)
    assert len(times) <= 200
    assert np.nanmax(kept) == np.nanmax(values)
    assert np.nanmin(kept) == np.nanmin(values)
    assert (np.diff(times) > 0).all()
    assert np.isnan(kept[(times > 4100) & (times < 4900)]).all()


def test_a_feature_that_was_not_measured_is_a_hole_in_its_curve() -> None:
    valid = torch.tensor([True, True, False, True, True])
    track = Track(("feature 0",), torch.zeros(5, 1), torch.arange(5, dtype=torch.float64), valid)
    (curve,) = (found["d"] or "" for found in page_of(timeline(tracks=[track], annotations={})).of("path")[-1:])
    assert curve == "M0 97L1000 97M3000 97L4000 97"


@pytest.mark.parametrize(("seconds", "said"), [(0, "0:00"), (7.4, "0:07"), (59.9, "1:00"), (3725, "62:05")])
def test_moments_are_told_as_a_player_tells_them(seconds: float, said: str) -> None:
    assert clock(seconds) == said


# --- how the recording is shown ---------------------------------------------------------------------------------------

PICTURES = [np.full((32, 32, 3), 40 * place, dtype=np.uint8) for place in range(5)]
SOUND = np.zeros((1, 8000), dtype=np.float32)


@pytest.mark.parametrize(
    ("name", "pictures", "kind"),
    [("a.mp4", True, "video/mp4"), ("a.webm", True, "video/webm"), ("a.wav", False, "audio/wav"),
     ("a.flac", False, "audio/flac"), ("a.mp3", False, "audio/mpeg")],
)  # fmt: skip
def test_small_files_that_browsers_play_are_put_into_the_page(
    write_media: Callable[..., Path], tmp_path: Path, name: str, pictures: bool, kind: str
) -> None:
    rate = 48_000 if name.endswith("webm") else 16_000
    path = write_media(tmp_path / name, PICTURES if pictures else (), sound=SOUND, sound_rate=rate)
    found = player(open_media(path), tmp_path / "page.html")
    head, _, content = (found.address or "").partition(",")
    assert head == f"data:{kind};base64"
    assert base64.b64decode(content) == path.read_bytes()
    assert found.element == kind.split("/")[0]
    assert found.embedded
    assert "This page holds the recording itself" in found.said


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "reason"),
    [
        ("a.avi", "mpeg4", "yuv420p", "browsers do not play avi files"),
        ("a.mkv", "ffv1", "yuv420p", "browsers do not play matroska files"),
        ("a.mov", "mpeg4", "yuv420p", "browsers do not play mpeg4 in mp4 files"),
        ("a.mp4", "libx264", "yuv444p", "browsers do not play h264 with pixels of the kind yuv444p"),
    ],
)
def test_what_browsers_do_not_play_is_not_shown_and_the_page_says_why(
    write_media: Callable[..., Path], tmp_path: Path, name: str, codec: str, pixels: str, reason: str
) -> None:
    opened = open_media(write_media(tmp_path / name, PICTURES, codec=codec, pixels=pixels))
    found = player(opened, tmp_path / "page.html")
    assert found.address is None
    assert found.said == f"The recording is not shown: {reason}."
    with pytest.raises(OptionError, match=re.escape(f"--link: {opened.path} cannot be played in a page: {reason}")):
        player(opened, tmp_path / "page.html", "link")


def test_a_folder_of_images_is_not_shown(write_media: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    write_media(tmp_path / "frames" / "1.png", PICTURES[:1], codec="png", pixels="rgb24")
    assert "it is a folder of images" in player(open_media(tmp_path / "frames"), tmp_path / "page.html").said


def test_a_large_file_is_shown_only_if_asked_for(
    write_media: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_media(write_media(tmp_path / "a.wav", sound=SOUND))
    monkeypatch.setattr(media_player, "EMBEDDED_BYTES", 1000)
    found = player(opened, tmp_path / "page.html")
    assert found.address is None
    assert "0.0161 MB, and more than 0.001 MB are put into a page only with --embed" in found.said
    assert player(opened, tmp_path / "page.html", "embed").embedded


def test_a_link_leads_from_the_pages_folder_to_the_file(write_media: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "my clips").mkdir()
    opened = open_media(write_media(tmp_path / "my clips" / "a#1.wav", sound=SOUND))
    found = player(opened, tmp_path / "pages" / "page.html", "link")
    assert found.address == "../my%20clips/a%231.wav"
    assert not found.embedded
    assert "must stay where it lies" in found.said


def test_a_picture_that_begins_later_than_the_sound_moves_the_players_time(
    write_media: Callable[..., Path], tmp_path: Path
) -> None:
    times = [0.4 + place / 25 for place in range(10)]
    path = write_media(tmp_path / "a.mp4", PICTURES * 2, times=times, sound=np.zeros((1, 16_000), dtype=np.float32))
    assert player(open_media(path), tmp_path / "page.html").offset == pytest.approx(0.4, abs=0.03)


def test_the_player_and_its_policy_admit_the_recording_alone() -> None:
    page = page_of(timeline(player=Player("said", "data:video/mp4;base64,AAAA", "video/mp4", 0.25)))
    (video,) = page.of("video")
    assert video["aria-label"] == "Recording talk.mp4"
    assert page.of("source") == [{"src": "data:video/mp4;base64,AAAA", "type": "video/mp4"}]
    assert page.data["offset"] == 0.25
    (policy,) = (found["content"] or "" for found in page.of("meta") if found.get("http-equiv"))
    assert "media-src data: 'self' file:;" in policy


# --- the annotation ---------------------------------------------------------------------------------------------------


def annotation(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "talk.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "time,valence,arousal\n0,0.5,0\n1,-5,0\n2,,0\n3,0.25,0\n",
        "\ufeffTime;Valence;Arousal\r\n0;0,5;0\r\n1;-5;0\r\n2;;0\r\n3;0,25;0\r\n",
        "time\tvalence_r1\tvalence_r2\n0\t0.25\t0.75\n1\t\t\n2\t\t2\n3\t0.25\t\n",
    ],
    ids=("commas", "semicolons and decimal commas", "tabs and raters"),
)
def test_tables_are_read_as_programs_write_them(tmp_path: Path, text: str) -> None:
    trace = read_annotation(annotation(tmp_path, text), TARGETS)["valence"]
    assert trace.times.tolist() == [0, 1, 2, 3]
    assert trace.valid.tolist() == [True, False, False, True]
    assert trace.values.tolist() == [0.5, 0, 0, 0.25]


def test_a_single_target_may_be_called_value_and_other_scales_are_stated(tmp_path: Path) -> None:
    path = annotation(tmp_path, "time,value\n0,7\n1,3\n")
    assert read_annotation(path, ["valence"], (1, 9))["valence"].values.tolist() == [7, 3]
    with pytest.raises(DatasetError, match=r"state the annotation's scale with --scale LOW HIGH"):
        read_annotation(path, ["valence"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seconds,valence\n0,1\n", "no column 'time' (found 'seconds', 'valence')"),
        ("time,joy\n0,1\n", "no column is named valence or arousal (found 'time', 'joy')"),
        ("time,valence\n0,0\n1,high\n", "row 3: valence is 'high', which is not a number"),
        ("time,valence\n0,0\n1\n", "row 3: 1 cells, but the header names 2 columns"),
        ("time,valence\n", "there is no row below the header"),
        ("", "there is no row below the header"),
    ],
)
def test_what_is_wrong_with_a_table_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = annotation(tmp_path, text)
    with pytest.raises(DatasetError, match=re.escape(said)) as raised:
        read_annotation(path, TARGETS)
    assert str(path) in str(raised.value)


def test_an_annotation_that_is_no_text_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no such file"):
        read_annotation(tmp_path / "none.csv", TARGETS)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DatasetError, match="is not a text file"):
        read_annotation(tmp_path / "binary.csv", TARGETS)


# --- as a user runs it ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lasca:
    """Calls ``lasca`` in a working folder, with the toy plugin beside the installed ones."""

    work: Path

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        import toy_plugin

        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            patch.chdir(self.work)
            patch.setattr(sys, "argv", ["lasca", *map(str, arguments)])
            settings = Settings(cache=self.work / "cache", offline=True)
            settings.registry = make_registry(toy_plugin)
            code = cli._guarded(settings)
        return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def lasca(tmp_path_factory: pytest.TempPathFactory, write_media: Callable[..., Path]) -> Lasca:
    """A folder with a model in runs/latest, trained on voices whose loudness is their arousal."""
    pytest.importorskip("librosa", reason="the extractor mfcc needs librosa")
    work = tmp_path_factory.mktemp("work")
    seconds, rate, steps = 24, 16_000, 8
    rows = ["session,subject,media,annotation"]
    for person in range(4):
        random = np.random.default_rng(person)
        loud = random.uniform(0.1, 0.9, steps)
        level = np.repeat(loud, seconds // steps * rate)
        wave = level * random.normal(size=len(level)) * 0.2
        write_media(work / f"{person}.wav", sound=wave[None].astype(np.float32), sound_rate=rate)
        lines = [f"{time},{loud[time * steps // seconds]:.3f}" for time in range(seconds)]
        (work / f"{person}.csv").write_text("time,arousal\n" + "\n".join(lines) + "\n")
        rows.append(f"s{person},p{person},{person}.wav,{person}.csv")
    (work / "voices.csv").write_text("\n".join(rows) + "\n")
    called = Lasca(work)
    code, _, err = called(
        *("run", "--dataset", "manifest", "--extractor", "mfcc", "--encoder", "hashing", "--device", "cpu", "-q"),
        *("-o", "manifest.path=voices.csv", "-o", "manifest.targets=['arousal']", "-o", "evaluate.folds=2"),
        *("-o", "evaluate.variants=['features','fused']", "-o", "evaluate.bootstrap=0"),
    )
    assert code == 0, err
    return called


def test_a_timeline_of_a_recording_is_written_and_says_what_the_model_predicts(lasca: Lasca) -> None:
    code, out, err = lasca(
        *("report", "3.wav", "--model", "runs/latest", "--annotation", "3.csv", "--device", "cpu", "-q")
    )
    assert (code, out, err) == (0, "report: 3-timeline.html\n", "")
    page = Page((lasca.work / "3-timeline.html").read_text(encoding="utf-8"))
    _, told, _ = lasca("predict", "3.wav", "--model", "runs/latest", "--json", "--device", "cpu", "-q")
    for window, found in zip(page.data["windows"], json.loads(told)["windows"], strict=True):
        said = {target: ("rises" if rises else "falls", p) for target, (rises, p) in window["told"].items()}
        assert said == {target: tuple(one.values()) for target, one in found["directions"].items()}
        for target, (rises, probability) in window["told"].items():
            logit = window["why"][target]["logit"]
            assert 1 / (1 + math.exp(-logit)) == pytest.approx(probability if rises else 1 - probability, abs=1e-3)
    assert len(page.of("audio")) == 1
    assert "Annotation: 3.csv; the annotated mean of arousal changes the same way in" in page.words
    assert "ynthetic" not in page.words
    assert "lasca report 3.wav --model runs/latest --annotation 3.csv" in page.words
    assert re.search(r"mfcc extractor \d+ lasca-audio", page.words)


def test_windows_of_another_length_are_told_to_be_others_than_in_training(lasca: Lasca) -> None:
    arguments = ("3.wav", "--model", "runs/latest", "--window", 1.5, "--output", "out/short.html", "--link", "-q")
    code, out, err = lasca("report", *arguments)
    assert (code, out, err) == (0, "report: out/short.html\n", "")
    page = Page((lasca.work / "out/short.html").read_text(encoding="utf-8"))
    assert "The model was trained on windows of 3 s and is used on windows of 1.5 s." in page.words
    assert page.of("source")[0]["src"] == "../3.wav"
    assert page.data["windows"][1]["end"] == 3.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["3.wav"], "3.wav is not the folder of a run; to show one say what predicts: --model RUN"),
        (["runs/latest", "--window", "2"], "--window is for a recording; to show one say what predicts"),
        (["runs/latest", "--device", "cpu"], "--device is for a recording; to show one say what predicts"),
        (["runs/latest", "--link"], "--link is for a recording; to show one say what predicts"),
        (["3.wav", "--model", "runs/latest", "--zero-shot", "valence"], "--model and --zero-shot: choose one of them"),
        (["3.wav", "--model", "runs/latest", "--figures", "f"], "--figures: figures are drawn of a run"),
        (["3.wav", "--model", "runs/latest", "--encoder", "mpnet"], "--encoder goes with --zero-shot"),
        (["3.wav", "--model", "runs/latest", "--scale", "1", "9"], "--scale is that of an annotation"),
        (["3.wav", "--model", "runs/latest", "--annotation", "3.csv", "--scale", "9", "1"], "the lowest value"),
        (["3.wav", "--model", "runs/latest", "--annotation", "gone.csv"], "gone.csv: there is no such file"),
        (["3.wav", "--model", "runs/latest", "--target", "valence"], "the model knows arousal"),
        (["gone.wav", "--model", "runs/latest"], "gone.wav"),
        (["3.wav", "--zero-shot", " , "], "--zero-shot names no affect dimension"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_one_sentence_and_no_page(lasca: Lasca, arguments: list[str], said: str) -> None:
    code, out, err = lasca("report", *arguments, "-q", "--output", "refused.html")
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert not (lasca.work / "refused.html").exists()
