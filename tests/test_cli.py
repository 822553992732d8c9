"""The command line: exit codes, one-sentence errors, where output goes, and what the help says."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from lasca_core.cli import main as cli
from lasca_core.cli.common import Settings

Lasca = Callable[..., tuple[int, str, str]]


@pytest.fixture
def lasca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lasca:
    """Call ``lasca`` in this process with a cache of its own: exit code, stdout, stderr."""
    monkeypatch.setenv("LASCA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LASCA_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lasca", *map(str, arguments)])
        code = cli._guarded(Settings())
        out, err = capsys.readouterr()
        return code, out, err

    return call


def errors(err: str) -> list[str]:
    """The error lines on stderr, without warnings and notes."""
    return [line for line in err.splitlines() if re.match(r"lasca: (?!warning)", line)]


def test_help_lists_every_command_with_its_own_first_line(lasca: Lasca) -> None:
    code, out, _ = lasca("--help")
    assert code == 0
    for name, (_, summary) in cli.COMMANDS.items():
        command = cli.lasca.get_command(cli.lasca.make_context("lasca", ["doctor"], obj=Settings()), name)
        assert command is not None
        assert command.get_short_help_str(limit=200) == summary
        assert re.search(rf"^  {name}\s", out, re.MULTILINE), name


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(cli.lasca, [name, "--help"], obj=Settings())
    assert result.exit_code == 0
    assert "Usage: lasca" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rnu"], "there is no command 'rnu'; did you mean run?"),
        (["run", "--encoder", "minilmm"], "there is no encoder 'minilmm'; did you mean minilm"),
        (["run", "--extractor", "gaze"], "there is no extractor 'gaze'; installed: blendshape, compare, egemaps, mfcc"),
        (["run", "--dataset", "nope"], "there is no dataset 'nope'"),
        (["run", "-o", "windows.lenght=3"], "option windows.lenght does not exist; did you mean windows.length?"),
        (["run", "-o", "windows"], "-o windows: expected stage.key=value"),
        (["run", "-o", "windows.length=long"], "option windows.length = 'long'"),
        (["run", "--dataset", "manifest"], "option manifest.path is required"),
        (["run", "--dataset", "manifest", "-o", "dataset.path=gone.csv"], "gone.csv"),
        (["run", "--preset", "pepper"], "there is no preset 'pepper'; known: best, paper"),
        (["run", "--config", "none.toml"], "configuration file none.toml does not exist"),
        (["run", "--device", "cuda:99"], "--device cuda:99"),
        (["run", "--device", "quantum"], "--device quantum"),
        (["predict", "gone.mp4", "--model", "runs/latest"], "gone.mp4: does not exist"),
        (["predict", "gone.mp4"], "give --model RUN (lasca run makes one) or --zero-shot valence,arousal"),
        (["predict", "--model", "runs/latest"], "give a recording, or --live camera"),
        (["predict", "gone.mp4", "--live", "camera", "--model", "x"], "give either gone.mp4 or --live camera"),
        (["predict", "gone.mp4", "--realtime", "--model", "x"], "--realtime goes with --live FILE"),
        (["predict", "--live", "gone.mp4", "--csv", "--model", "x"], "--csv is not for --live"),
        (["predict", "--live", "gone.mp4", "--model", "x"], "gone.mp4: does not exist"),
        (["predict", "gone.mp4", "--model", "x", "--min-confidence", "0.3"], "0.3 is not in the range 0.5<=x<=1.0"),
        (["predict", "gone.mp4", "--model", "x", "--encoder", "mpnet"], "--encoder goes with --zero-shot"),
        (["extract", "gone.mp4"], "gone.mp4: does not exist"),
        (["plugins", "show", "otsy"], "no component is named 'otsy'"),
        (["weights", "pull", "nothing"], "no installed component needs weights named 'nothing'"),
        (["weights", "pull", "minilm"], "`lasca weights pull minilm` once with the network on"),
        (["weights", "verify", "minilm"], "minilm: not as pinned"),
        (["lexicon", "show", "llm", "--language", "tlh"], "tlh"),
        (["data", "make", "manifest"], "holds real recordings and cannot be made"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(lasca: Lasca, arguments: list[str], words: str) -> None:
    code, _, err = lasca(*arguments)
    assert code == 2
    (message,) = errors(err)
    assert words in message
    assert "Traceback" not in err


def test_an_error_of_ours_is_exit_code_1_and_offers_the_traceback(
    lasca: Lasca, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("lasca_core.experiment.config.resolve", broken)
    code, _, err = lasca("run")
    assert code == 1
    assert errors(err) == [
        "lasca: internal error: ZeroDivisionError: a bug (run `lasca --debug ...` for the traceback)"
    ]
    with pytest.raises(ZeroDivisionError):
        lasca("run", "--debug")


def test_an_interrupted_command_ends_with_130(lasca: Lasca, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lasca_core.experiment.config.resolve", interrupted)
    code, _, err = lasca("run")
    assert code == 130
    assert "interrupted" in err


def test_settings_may_stand_before_or_after_the_command(lasca: Lasca) -> None:
    for arguments in (
        ["--disable-plugin", "lasca-saliency", "plugins", "list"],
        ["plugins", "list", "--disable-plugin", "lasca-saliency"],
    ):
        code, out, _ = lasca(*arguments)
        assert code == 0
        assert "plugin 'lasca-saliency' (lasca-saliency 0.1.0) is disabled" in out
        assert "otsu" not in out


def test_plugins_list_is_readable_by_programs(lasca: Lasca) -> None:
    code, out, _ = lasca("plugins", "list", "--json")
    found = json.loads(out)
    assert code == 0
    assert {"kind": "saliency", "name": "otsu"}.items() <= next(
        c for c in found["components"] if c["name"] == "otsu"
    ).items()
    assert all(plugin["status"] == "loaded" for plugin in found["plugins"] if plugin["name"].startswith("lasca-"))


def test_plugins_show_gives_options_licence_and_weights(lasca: Lasca) -> None:
    _, out, _ = lasca("plugins", "show", "minilm")
    assert "license: Apache-2.0" in out
    assert "weights: minilm" in out
    assert "-o minilm.batch_size=" in out
    _, out, _ = lasca("plugins", "show", "mlp", "--json")
    (found,) = json.loads(out)
    alpha = next(option for option in found["options"] if option["name"] == "alpha")
    assert alpha["default"] == 1.0
    assert alpha["changes_results"] is True


def test_lexicon_check_covers_every_installed_extractor(lasca: Lasca) -> None:
    code, out, _ = lasca("lexicon", "check")
    assert code == 0
    assert "llm: 58 descriptions cover extractor blendshape" in out
    assert "llm: 15 descriptions cover extractor mfcc" in out


def test_lexicon_show_prints_the_entries_of_one_extractor(lasca: Lasca) -> None:
    _, out, _ = lasca("lexicon", "show", "--extractor", "mfcc", "--json")
    found = json.loads(out)
    assert list(found["entries"]) == [f"mfcc_{index}" for index in range(15)]
    assert len(found["checksum"]) == 64


def test_doctor_names_the_fix_of_what_is_missing(lasca: Lasca) -> None:
    code, out, err = lasca("doctor", "--device", "cuda:99")
    assert code == 2
    assert re.search(r"^FIX  device cuda:99: ", out, re.MULTILINE)
    assert "lasca weights pull minilm" in out
    assert "need a fix" in err


def test_data_check_counts_pairs_without_extracting(
    lasca: Lasca, tmp_path: Path, write_media: Callable[..., Path]
) -> None:
    import numpy as np

    rows = io.StringIO()
    writer = csv.writer(rows)
    writer.writerow(["session", "subject", "media", "annotation"])
    image = np.zeros((16, 16, 3), dtype=np.uint8)
    for number in range(2):
        write_media(tmp_path / f"s{number}.mp4", [image] * 300, rate=10)
        values = "\n".join(f"{index / 10},{(index % 100) / 100}" for index in range(300))
        (tmp_path / f"s{number}.csv").write_text(f"time,valence\n{values}\n")
        writer.writerow([f"s{number}", f"p{number}", f"s{number}.mp4", f"s{number}.csv"])
    writer.writerow(["s2", "p2", "broken.mp4", "s1.csv"])
    (tmp_path / "broken.mp4").write_text("not a video")
    (tmp_path / "m.csv").write_text(rows.getvalue())
    code, out, err = lasca(
        "data",
        "check",
        "manifest",
        "-o",
        "dataset.path=m.csv",
        "-o",
        "dataset.targets=['valence']",
        "--window",
        5,
        "--tau",
        0.1,
        "--json",
    )
    assert code == 0, err
    found = json.loads(out)
    assert (found["sessions"], found["usable"], found["subjects"]) == (3, 2, 3)
    assert "broken.mp4" in found["problems"]["s2"]
    (counted,) = found["pairs"]
    assert counted["windows"] == 12
    assert counted["pairs"] == 10  # within each session of 6 windows, every change (0.5) exceeds 0.1 of the range
    assert list((tmp_path / "cache" / "store").glob("**/*.track")) == []
