"""The command `lasca bench`: what it prints, saves and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lasca_core.cli import main as cli
from lasca_core.cli.common import Settings
from lasca_core.testing import write_recording


def lasca(capsys: pytest.CaptureFixture[str], *arguments: str, cache: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    settings = Settings(cache=cache, offline=True)
    import sys

    before, sys.argv = sys.argv, ["lasca", *arguments]
    try:
        code = cli._guarded(settings)
    finally:
        sys.argv = before
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_benchmarks_are_listed_with_their_references(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = lasca(capsys, "bench", "--list", cache=here)
    assert code == 0
    assert "librosa.feature.mfcc" in out
    code, out, _ = lasca(capsys, "bench", "--list", "--json", cache=here)
    names = [one["name"] for one in json.loads(out)]
    assert {"face", "mfcc", "otsu", "encode", "train", "grid", "window-new", "path-cold"} <= set(names)


def test_a_quick_run_prints_a_table_and_saves_what_it_can_show_again(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("librosa")
    media = write_recording(here / "talk.avi", seconds=2)
    arguments = ("--only", "mfcc", "--quick", "--media", str(media), "--device", "cpu")
    code, out, _ = lasca(capsys, "bench", *arguments, cache=here)
    assert code == 0
    (saved,) = (here / "runs").glob("bench-*.json")
    assert out.splitlines()[-1] == f"saved: {saved.relative_to(here)}"
    found = json.loads(saved.read_text())
    assert found["command"][-5:] == ["--quick", "--media", "talk.avi", "--device", "cpu"]
    (result,) = found["results"]
    assert result["status"] == "measured"
    assert "librosa" in found["versions"]
    code, again, _ = lasca(capsys, "bench", "--show", str(saved), cache=here)
    assert code == 0
    assert again.splitlines() == out.splitlines()[:-2]


def test_tables_are_written_into_a_page(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("librosa")
    media = write_recording(here / "talk.avi", seconds=2)
    options = ("--only", "mfcc", "--quick", "--media", str(media), "--output", "mine.json", "--json")
    code, out, _ = lasca(capsys, "bench", *options, cache=here)
    assert code == 0
    assert json.loads(out) == json.loads((here / "mine.json").read_text())
    (here / "page.md").write_text("# Speed\n\n<!-- bench: mine.json -->\n<!-- /bench -->\n")
    code, out, _ = lasca(capsys, "bench", "--show", "mine.json", "--into", "page.md", cache=here)
    assert (code, out) == (0, "written: page.md\n")
    assert "`lasca bench --only mfcc`" in (here / "page.md").read_text()


def test_a_recording_without_a_picture_is_refused_before_any_work(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    media = write_recording(here / "voice.avi", seconds=1, video=False)
    code, _, err = lasca(capsys, "bench", "--media", str(media), "--device", "cpu", cache=here)
    assert code == 2
    assert "voice.avi: it holds no video; name a recording of a face and a voice" in err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--only", "otso"), "--only otso: there is no such benchmark; did you mean otsu"),
        (("--media", "none.mp4"), "none.mp4: does not exist"),
        (("--hours", "soon"), "'soon' is not a positive number"),
        (("--hours", "1", "--only", "face"), "--only does not go with --hours"),
        (("--hours", "1", "--quick"), "--quick does not go with --hours"),
        (("--into", "page.md"), "--into goes with --show FILE"),
        (("--show", "none.json"), "none.json does not exist"),
        (("--repeats", "1"), "--repeats"),
        (("--device", "cuda:99"), "cuda:99"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    arguments: tuple[str, ...], problem: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = lasca(capsys, "bench", *arguments, cache=here)
    assert (code, out) == (2, "")
    assert problem in err.splitlines()[-1]
    assert not (here / "runs").exists()


def test_a_wrong_result_is_exit_code_1(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from lasca_core.bench import run
    from lasca_core.bench.record import Result

    def differs(chosen: list[object], *_: object, **__: object) -> list[Result]:
        return [Result.of(one.spec, "differs", problem="it differs") for one in chosen]  # type: ignore[attr-defined]

    monkeypatch.setattr(run, "run", differs)
    code, out, err = lasca(capsys, "bench", "--only", "mfcc", "--device", "cpu", cache=here)
    assert code == 1
    assert "differs: it differs" in out
    assert "mfcc went wrong" in err.splitlines()[-1]
