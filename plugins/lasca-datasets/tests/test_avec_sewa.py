"""SEWA as in the AVEC challenges, generated small: labels and features with and without header, three cultures."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lasca_datasets.corpora.avec_sewa import AvecSewa
from lasca_datasets.corpora.options import AvecSewaOptions

from lasca_core.api import DatasetError, Recording
from lasca_core.experiment.config import resolve
from lasca_core.experiment.survey import survey
from lasca_core.testing import make_runtime

NAMES = ("Train_DE_01", "Train_HU_02", "Devel_DE_01", "Devel_HU_14")
BAGS = "audio_features_xbow_6s"


def labels(name: str, rows: int = 60) -> np.ndarray:
    """Arousal, valence and liking [T, 3], rounded as in the files."""
    rng = np.random.default_rng(len(name) + sum(map(ord, name)))
    return np.round(np.clip(np.cumsum(rng.normal(0, 0.03, (rows, 3)), axis=0), -1, 1), 6)


def features(name: str, rows: int = 60, count: int = 4) -> np.ndarray:
    return np.round(np.random.default_rng(sum(map(ord, name))).normal(0, 3, (rows, count)), 6)


def write_sheet(
    path: Path, values: np.ndarray, *, header: tuple[str, ...] | None = None, mark: str = ";", step: float = 0.1
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        mark.join([f"'{path.stem}'", f"{place * step:.6f}", *(f"{value:.6f}" for value in row)])
        for place, row in enumerate(values)
    ]
    path.write_text("\n".join([mark.join(("name", "timestamp", *header)), *rows] if header else rows) + "\n")


def read(folder: Path, **options: object) -> tuple[dict[str, Recording], list[str]]:
    runtime = make_runtime(folder.parent / "cache")
    recordings = list(AvecSewa(AvecSewaOptions(path=folder, **options), runtime).sessions())
    return {recording.session: recording for recording in recordings}, runtime.report.warnings


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """AVEC 2019: labels with a header, bags of words without one, functionals with commas and a header."""
    root = tmp_path / "AVEC2019_CES"
    for name in NAMES:
        write_sheet(root / f"labels/{name}.csv", labels(name), header=("arousal", "valence", "liking"))
    for name in (*NAMES, "Test_CN_01"):
        write_sheet(root / f"{BAGS}/{name}.csv", features(name))
        write_sheet(
            root / f"egemaps/{name}.csv", features(name, 590), header=("F0", "loud", "jit", "shim"), mark=",", step=0.01
        )
    return root


def test_sessions_splits_people_cultures_values_and_times_are_the_generators(corpus: Path) -> None:
    found, warnings = read(corpus)
    assert [(i.session, i.subject, i.split, i.metadata["culture"]) for i in found.values()] == [
        ("Devel_DE_01", "Devel_DE_01", "validation", "DE"),
        ("Devel_HU_14", "Devel_HU_14", "validation", "HU"),
        ("Train_DE_01", "Train_DE_01", "train", "DE"),
        ("Train_HU_02", "Train_HU_02", "train", "HU"),
    ]
    for name, item in found.items():
        assert item.media is None
        for target, place in (("arousal", 0), ("valence", 1)):
            trace = item.annotations[target]
            np.testing.assert_allclose(trace.values.numpy(), labels(name)[:, place], atol=1e-6)
            np.testing.assert_allclose(trace.times.numpy(), np.arange(60) * 0.1 - 2.0, atol=1e-9)  # 2 s lag
    assert warnings == []


def test_features_with_and_without_header_are_served_as_tracks(corpus: Path) -> None:
    found, _ = read(corpus)
    for name, item in found.items():
        bags, lld = item.features[BAGS], item.features["egemaps"]
        assert bags.names == tuple(f"{BAGS}_{number:03d}" for number in (1, 2, 3, 4))
        assert lld.names == ("F0", "loud", "jit", "shim")
        np.testing.assert_allclose(bags.values.numpy(), features(name), rtol=1e-5)
        np.testing.assert_allclose(lld.values.numpy(), features(name, 590), rtol=1e-5)
        np.testing.assert_allclose(lld.times.numpy(), np.arange(590) * 0.01, atol=1e-9)
        assert lld.signed == set(lld.names)  # nothing says that a minimum means "absent"
        assert bool(bags.valid.all())


def test_the_feature_sets_are_known_before_a_session_is_read(corpus: Path) -> None:
    sets = AvecSewa(AvecSewaOptions(path=corpus), make_runtime(corpus.parent / "cache")).feature_sets()
    found, _ = read(corpus)
    assert {name: known.names for name, known in sets.items()} == {
        name: track.names for name, track in found["Train_DE_01"].features.items()
    }
    assert sets["egemaps"].signed == {"F0", "loud", "jit", "shim"}


def test_a_faulty_feature_file_leaves_out_its_session_alone(corpus: Path) -> None:
    (corpus / f"{BAGS}/Devel_DE_01.csv").write_bytes(b"'Devel_DE_01';0.0;\xe9;1;2;3\n")
    sets = AvecSewa(AvecSewaOptions(path=corpus), make_runtime(corpus.parent / "cache")).feature_sets()
    assert len(sets[BAGS].names) == 4
    found, warnings = read(corpus)
    assert sorted(found) == ["Devel_HU_14", "Train_DE_01", "Train_HU_02"]
    assert any(f"{BAGS}/Devel_DE_01.csv, row 1: not UTF-8 text" in w and w.endswith("left out") for w in warnings)


def test_only_the_features_asked_for_are_read_and_an_unknown_folder_is_an_error(corpus: Path) -> None:
    found, _ = read(corpus, features=("egemaps",))
    assert {tuple(item.features) for item in found.values()} == {("egemaps",)}
    with pytest.raises(DatasetError, match=rf"no folder 'mfcc' of features \(there are: {BAGS}, egemaps\)"):
        read(corpus, features=("mfcc",))


def test_labels_of_2018_have_no_header_and_names_of_2017_no_culture(tmp_path: Path) -> None:
    root = tmp_path / "AVEC_17"
    for name in ("Train_01", "Devel_03"):
        write_sheet(root / f"labels/{name}.csv", labels(name))
        write_sheet(root / f"video_features/{name}.csv", features(name))
    found, _ = read(root, targets=("valence", "liking"))
    assert {i.session: (i.split, i.metadata["culture"]) for i in found.values()} == {
        "Train_01": ("train", "DE"), "Devel_03": ("validation", "DE"),
    }  # fmt: skip
    for name, item in found.items():
        np.testing.assert_allclose(item.annotations["valence"].values.numpy(), labels(name)[:, 1], atol=1e-6)
        np.testing.assert_allclose(item.annotations["liking"].values.numpy(), labels(name)[:, 2], atol=1e-6)


def test_sound_is_used_where_it_lies_beside(corpus: Path, write_sound: Callable[..., Path]) -> None:
    path = write_sound(corpus / "audio/Train_DE_01.wav", 6.0)
    found, _ = read(corpus)
    assert found["Train_DE_01"].media == path
    assert found["Train_HU_02"].media is None


def test_test_labels_in_a_folder_of_their_own_are_the_split_test(corpus: Path) -> None:
    write_sheet(corpus / "labels_test/Test_CN_01.csv", labels("Test_CN_01"), header=("arousal", "valence", "liking"))
    item = read(corpus)[0]["Test_CN_01"]
    assert (item.split, item.metadata["culture"]) == ("test", "CN")


def test_missing_features_are_counted_and_a_session_without_any_is_left_out(corpus: Path) -> None:
    (corpus / f"{BAGS}/Train_DE_01.csv").unlink()
    (corpus / f"{BAGS}/Train_HU_02.csv").unlink()
    (corpus / "egemaps/Train_HU_02.csv").unlink()
    found, warnings = read(corpus)
    assert sorted(found) == ["Devel_DE_01", "Devel_HU_14", "Train_DE_01"]
    assert any("Train_HU_02.csv: there are neither features nor media of 'Train_HU_02'" in w for w in warnings)
    assert any(f"the features {BAGS} are missing in 2 sessions (Train_DE_01, Train_HU_02)" in w for w in warnings)


def test_repeated_times_and_empty_cells_of_features_are_reported(corpus: Path) -> None:
    file = corpus / f"{BAGS}/Train_DE_01.csv"
    lines = file.read_text().splitlines()
    lines[3] = lines[3].replace("0.300000", "0.200000", 1)
    lines[5] = lines[5].rsplit(";", 1)[0] + ";"
    file.write_text("\n".join(lines))
    found, warnings = read(corpus)
    track = found["Train_DE_01"].features[BAGS]
    assert len(track) == 59
    np.testing.assert_allclose(track.values[2].numpy(), features("Train_DE_01")[3], rtol=1e-5)
    assert track.valid.tolist() == [place != 4 for place in range(59)]
    assert any("Train_DE_01.csv, row 4: the time 0.2 is already in row 3" in warning for warning in warnings)
    assert any("1 of 59 rows have an empty or infinite cell and count as not valid" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"name;timestamp;arousal;valence\n'x';0.0;0.1;0.2\n'x';0.1;\xe9;0.2\n", r"row 3: not UTF-8 text"),
        (b"name;timestamp;joy\n'x';0.0;0.1\n", r"no column 'arousal' \(found 'name', 'timestamp', 'joy'\)"),
        (b"name;timestamp\n'x';0.0\n", r"2 columns, but labels have a name, a time and a value at least"),
        (b"name;timestamp;arousal;valence\n'x';0.0;nan;\n", r"no valid value in 1 rows"),
    ],
)
def test_a_faulty_label_file_is_named_and_left_out(corpus: Path, content: bytes, sentence: str) -> None:
    (corpus / "labels/Train_DE_01.csv").write_bytes(content)
    found, warnings = read(corpus, targets=("arousal", "valence"))
    assert "Train_DE_01" not in found
    assert [w for w in warnings if re.search(rf"Train_DE_01\.csv.*{sentence}", w) and w.endswith("is left out")] != []


def test_other_files_among_the_labels_are_reported_and_no_labels_at_all_are_an_error(corpus: Path) -> None:
    (corpus / "labels/readme.csv").write_text("hello\n")
    _, warnings = read(corpus)
    assert any("readme.csv: not called like Train_DE_01.csv; it is left out" in warning for warning in warnings)
    with pytest.raises(DatasetError, match="no folder 'labels'"):
        read(corpus / "egemaps")


def test_the_survey_needs_no_media(corpus: Path) -> None:
    found, _ = read(corpus)
    counted = survey(list(found.values()), resolve(), [1.0], [0.1])
    assert (counted["sessions"], counted["usable"], counted["subjects"], counted["problems"]) == (4, 4, 4, {})
    assert counted["hours"] * 3600 == pytest.approx(4 * 6, abs=0.5)
    values = np.concatenate([labels(name)[:, 1] for name in NAMES])
    assert counted["targets"]["valence"]["lowest"] == pytest.approx(values.min(), abs=1e-6)
