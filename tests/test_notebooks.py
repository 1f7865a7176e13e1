"""The notebooks run from their first cell to their last, on tiny settings, and hold no outputs."""

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="notebooks need the extra docs")
nbclient = pytest.importorskip("nbclient", reason="notebooks need the extra docs")
pytest.importorskip("ipykernel", reason="notebooks need the extra docs")

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "notebooks"
TINY = {
    "swap_and_learn": "SECONDS, NOTES = 1, 4",
    "read_the_codes": 'NOTES, PROGRAMS = 4, {"piano": 0, "flute": 73, "organ": 19}',
}


@pytest.mark.parametrize("name", TINY)
def test_a_notebook_runs(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    [settings] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    settings.source = TINY[name]
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("audio" in str(output.get("data", {}).get("text/html", "")) for output in outputs)
    assert any("image/png" in output.get("data", {}) for output in outputs)


def test_all_notebooks_are_run_and_stored_without_outputs():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(TINY)
    for path in FOLDER.glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            assert cell.cell_type != "code" or not (cell.outputs or cell.execution_count)
