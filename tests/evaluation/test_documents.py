"""The documents show the results that are committed beside them."""

from pathlib import Path

import pytest

from msdae.errors import UserError
from msdae.evaluation import tables
from msdae.evaluation.documents import sections, stale, update
from msdae.evaluation.tables import Table, Value

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = Table("Table 4: notes", ("model", "F1 ↑"), (("a", Value(0.5, 0.4, 0.6)),), "How to read it.")
DOCUMENT = """# Title

<!-- TODO: a comment that is no marker -->
<!-- scores/table-4-notes rows -->
something old
<!-- /scores/table-4-notes rows -->
between
<!-- scores -->
<!-- /scores -->
end
"""


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    tables.write(folder / "scores.json", [SHOWN, Table("Speed", ("codec", "x"), (("c", "1"),))])
    return folder


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "a.md"
    path.write_text(DOCUMENT)
    return path


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_no_document_is_stale(path):
    """`make results` mends it."""
    assert stale(path, sections(ROOT / "docs" / "results")) == []


def test_tables_are_written_between_markers_and_the_rest_stays(results, document):
    rendered = sections(results)
    assert stale(document, rendered) == ["scores/table-4-notes rows", "scores"]
    update(document, rendered)
    text = document.read_text()
    assert stale(document, rendered) == [] and "something old" not in text
    assert "| a       | 0.500 [0.400, 0.600] |" in text and "no marker" in text and "\nbetween\n" in text
    assert text.index("### Table 4: notes") < text.index("How to read it.") < text.index("### Speed")
    before = text
    update(document, rendered)
    assert document.read_text() == before


def test_a_document_is_stale_when_results_change(results, document):
    update(document, sections(results))
    tables.write(results / "scores.json", [Table("Table 4: notes", ("model", "F1 ↑"), (("a", Value(0.6)),))])
    assert stale(document, sections(results)) == ["scores/table-4-notes rows", "scores"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- score -->\n<!-- /score -->\n", "'score' names no results; did you mean 'scores'"),
        ("<!-- scores -->\n", "<!-- /scores -->' after"),
        ("<!-- /scores -->\n", "<!-- scores -->' before"),
        ("<!-- scores -->\n<!-- /score -->\n", "score"),
    ],
)
def test_wrong_markers_are_refused(results, document, text, message):
    document.write_text(text)
    with pytest.raises(UserError, match=message):
        update(document, sections(results))
    assert document.read_text() == text


def test_two_tables_of_one_name_are_refused(results):
    tables.write(results / "more.json", [SHOWN, SHOWN])
    with pytest.raises(UserError, match="more.json: two tables are called 'Table 4: notes'"):
        sections(results)
