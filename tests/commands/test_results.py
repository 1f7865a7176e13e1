"""The documents are written from stored results, and a measurement replaces what is stored."""

import shutil
from pathlib import Path

import pytest

from msdae import folders
from msdae.commands import results
from msdae.errors import UserError
from msdae.evaluation import source_hash, tables
from msdae.evaluation.tables import Table, Value

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with the documents and results of the checkout."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "README.md", tmp_path)
    monkeypatch.setenv("MSDAE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def undrawn(monkeypatch):
    """No figures are drawn, which takes seconds."""
    monkeypatch.setattr(results, "draw", lambda stored, folder: None)


def test_writing_what_is_stored_changes_no_document_and_draws_the_figures(home):
    shutil.rmtree(home / "docs" / "figures")
    results.main(["--only-write"])
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        assert (home / document.relative_to(ROOT)).read_text() == document.read_text()
    drawn = {path.name for path in (home / "docs" / "figures").iterdir()}
    assert {"scores.svg", "interpolation.svg", "codecs.svg", "probes.svg"} <= drawn


def test_a_measurement_is_stored_below_the_line_that_repeats_it(home, undrawn, monkeypatch):
    measured = Table(
        "Swap speed", ("swap", "seconds"), (("10 s of sound", Value(123.0)),), "note", "x --out y"
    )
    monkeypatch.setitem(
        results.MEASUREMENTS,
        "speed",
        results.of_command("speed", "benchmark", lambda argv: tables.write(argv[-1], [measured])),
    )
    results.main(["speed"])
    [stored] = tables.read(home / "docs/results/speed.json")
    assert stored.command == "msdae benchmark"
    assert "123.000" in (home / "docs/results.md").read_text()


def test_what_is_unchanged_is_not_measured_again(home, undrawn, monkeypatch, capsys):
    calls, key = [], ["a"]
    monkeypatch.setitem(results.MEASUREMENTS, "speed", calls.append)
    monkeypatch.setattr(source_hash, "fingerprint", lambda names, with_imports: f"{names} {key[0]}")
    old = home / "runs" / "results" / "speed"
    old.mkdir(parents=True)
    results.main(["speed"])
    assert len(calls) == 1 and not old.exists()  # of unknown code
    results.main(["speed"])
    assert len(calls) == 1 and "speed: nothing has changed" in capsys.readouterr().out
    results.main(["speed", "--again"])
    assert len(calls) == 2
    key[0] = "b"
    results.main(["speed"])
    assert len(calls) == 3


def test_a_measurement_that_was_stopped_continues(home, undrawn, monkeypatch):
    def stopped(docs):
        (home / "runs" / "results" / "speed").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setitem(results.MEASUREMENTS, "speed", stopped)
    with pytest.raises(KeyboardInterrupt):
        results.main(["speed"])
    calls = []
    monkeypatch.setitem(results.MEASUREMENTS, "speed", calls.append)
    results.main(["speed"])
    assert len(calls) == 1 and (home / "runs" / "results" / "speed").is_dir()


def test_what_cannot_be_measured_is_refused(home, monkeypatch):
    with pytest.raises(UserError, match="speeed: no such measurement; choose from swapbench"):
        results.main(["speeed"])
    monkeypatch.setenv("MSDAE_HOME", str(home / "docs"))
    monkeypatch.setattr(folders, "CHECKOUT", home / "docs")
    with pytest.raises(UserError, match="run this in a checkout"):
        results.main(["--only-write"])


def test_documents_are_those_of_the_checkout_where_the_home_has_none(tmp_path, monkeypatch):
    monkeypatch.setenv("MSDAE_HOME", str(tmp_path))
    assert folders.docs() == ROOT / "docs"
