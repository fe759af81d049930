"""The notebook of examples/ runs from top to bottom, and shows what it says."""

from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples/digits.ipynb"


@pytest.mark.long
def test_it_runs_and_shows_pictures(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="needs nbformat, nbclient and ipykernel: extra test")
    nbclient = pytest.importorskip("nbclient", reason="needs nbformat, nbclient and ipykernel: extra test")
    book: Any = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in book.cells)  # it is kept without outputs
    for cell in book.cells:
        assert cell.source.count("trials=20") == (1 if "rl_nas.fit(\n" in cell.source else 0)
        cell.source = cell.source.replace("trials=20", "trials=2")
    nbclient.NotebookClient(book, timeout=None, resources={"metadata": {"path": str(tmp_path)}}).execute()

    shown = {
        cell.source.splitlines()[0]: {kind for output in cell.outputs for kind in output.get("data", {})}
        for cell in book.cells
        if cell.cell_type == "code"
    }
    assert "image/svg+xml" in shown["run.genotype()"]
    assert "image/png" in shown["run.plot()"]
    assert "text/html" in shown['run.trials_frame(decisions=False).sort_values("reward", ascending=False).head()']
    assert (tmp_path / "digits.keras").exists()
    assert book.cells[-1].source == 'run.report("digits.html")'  # it leads to the page
    assert (tmp_path / "digits.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    (space,) = next(cell for cell in book.cells if cell.source.startswith("rl_nas.nasnet")).outputs
    assert space.data["text/plain"].startswith("<SearchSpace nasnet: 20 decisions, ")
