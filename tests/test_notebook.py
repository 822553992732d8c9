"""The example notebook runs, and what is stored in it is what it gives."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "examples/notebooks/quick-start.ipynb"
PAGE = "run.report()"
"""The cell whose output, a whole page, is not stored."""


def kinds(cell: Any) -> list[set[str]]:
    """The kinds of each output of a cell."""
    return [set(output.get("data", {output.output_type: None})) for output in cell.get("outputs", [])]


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    folder = str(tmp_path_factory.mktemp("notebook"))
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}}).execute()
    return notebook


def test_every_cell_shows_what_is_stored_in_the_notebook(executed: Any) -> None:
    stored = nbformat.read(NOTEBOOK, as_version=4)
    code = [(old, new) for old, new in zip(stored.cells, executed.cells, strict=True) if new.cell_type == "code"]
    assert len(code) >= 7
    for old, new in code:
        if new.source != PAGE:
            assert kinds(new) == kinds(old), new.source


def test_the_report_shows_itself(executed: Any) -> None:
    (output,) = next(cell.outputs for cell in executed.cells if cell.source == PAGE)
    assert output.data["text/html"].startswith("<iframe srcdoc=")


def test_the_stored_notebook_names_no_path_of_a_machine_and_says_that_data_is_synthetic() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert str(Path.home()) not in text
    assert tempfile.gettempdir() not in text
    assert "synthetic" in text
