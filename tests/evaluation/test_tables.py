import json
import os
import re

import pytest

from msdae.errors import UserError
from msdae.evaluation import tables
from msdae.evaluation.tables import Table, Value

HEADER, ROWS = ["name", "F1"], [["a", Value(0.5, digits=1)], ["longer name", "1"]]


def test_a_value_is_printed_with_its_digits_its_interval_or_in_per_cent():
    assert str(Value(0.33333)) == "0.333" and str(Value(24, digits=0)) == "24"
    assert str(Value(0.335, 0.2268, 0.419)) == "0.335 [0.227, 0.419]"
    assert str(Value(0.5, 0.4, 0.6, digits=0, percent=True)) == "50 [40, 60]"


def test_one_thing_is_counted_in_the_singular():
    assert tables.counted(1, "case") == "1 case" and tables.counted(0, "case") == "0 cases"
    assert tables.counted(1, "melody", "melodies") == "1 melody"
    assert tables.counted(2, "melody", "melodies") == "2 melodies"


def test_text_aligns_its_columns():
    lines = tables.text(HEADER, ROWS).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["name", "a", "longer name"]
    assert [line.split()[-1] for line in lines] == ["F1", "0.5", "1"]
    assert len({len(line) for line in lines}) == 1


def test_markdown_is_the_same_with_rules():
    lines = tables.markdown(HEADER, [*ROWS, ["a|b", "-"]]).splitlines()
    assert [[cell.strip() for cell in line.split(" |")] for line in lines[2:4]] == [
        ["| a", "0.5", ""],
        ["| longer name", "1", ""],
    ]
    assert re.fullmatch(r"\|:-+\|-+:\|", lines[1]) and r"a\|b" in lines[4]
    assert len({len(line) for line in lines}) == 1


def test_html_points_out_the_best_of_the_competing_rows():
    rows = (
        ("a", Value(0.9, digits=1), Value(1, 0, 2, 0), "1"),
        ("b", Value(0.7, digits=1), Value(4, 3, 5, 0), "2"),
        ("c", "-", Value(3, 2, 4, 0), "3"),
        ("d", Value(0.6, digits=1), Value(3.1, digits=0), "4"),
    )
    table = Table("T", ("row", "F1 ↑", "dB ↓", "n"), rows)
    html = table.html({"b", "c", "d"})
    assert re.findall(r"<b>(.*?)</b>", html) == ["0.7", "3", "3"]  # 3 and 3.1 read the same
    assert '<span class="interval">[2, 4]</span>' in html
    assert "<b>" not in table.html() + table.html({"c"})


def test_html_escapes():
    table = Table("<T>", ("row", "&"), (("<b>", "<i>"),), "<n>", "<c>")
    assert set(re.findall(r"<(?:T|n|c|i|b)>", table.html())) == set()


def test_a_column_is_found_by_its_heading():
    table = Table("T", ("row", "F1"), (("a", Value(1.0)), ("b", "-")))
    assert table.column("F1") == {"a": Value(1.0), "b": "-"}
    with pytest.raises(UserError, match="no column 'F2'; choose from row, F1"):
        table.column("F2")


def test_what_was_written_is_read_with_every_digit(tmp_path):
    rows = (("a", Value(1 / 3, 0.1, 2 / 3, 1)), ("b", "-"), ("c", Value(0.5, percent=True)))
    made = [Table("T", ("row", "n ↑"), rows, "note", "command"), Table("U", ("row",), ())]
    paths = tables.write_folder(tmp_path, made)
    assert [path.name for path in paths] == list(tables.FILES)
    assert tables.read(tmp_path / "tables.json") == made
    assert "0.3 [0.1, 0.7]" in (tmp_path / "tables.md").read_text()


def test_names_that_are_no_utf8_are_written_escaped(tmp_path):
    """Regression: the command line of an evaluation of such a folder was no text that could be written, and
    all of it was lost."""
    name = os.fsdecode(b"m\xe9lodies")
    made = [Table("T", ("row", "n"), ((name, Value(1.0)),), command=f"evaluate --pairs {name}")]
    tables.write_folder(tmp_path, made)
    assert tables.read(tmp_path / "tables.json") == made
    for form in ("tables.md", "tables.csv"):
        assert r"m\udce9lodies" in (tmp_path / form).read_text("utf-8")


def test_csv_holds_numbers_and_no_printed_cells(tmp_path):
    rows = (("x", Value(1 / 3, 0.25, 0.5, 1), "-"), ("y", "0.5 [a", Value(2.0)))
    tables.write(tmp_path / "a.csv", [Table("T", ("row", "a ↑", "b"), rows)])
    assert (tmp_path / "a.csv").read_text().splitlines()[1:] == [
        f"T,x,a ↑,{1 / 3},0.25,0.5",
        "T,x,b,-,,",
        "T,y,a ↑,0.5 [a,,",
        "T,y,b,2.0,,",
    ]
    with pytest.raises(UserError, match=r"a\.txt: tables are written as \.md, \.json, \.csv"):
        tables.write(tmp_path / "a.txt", [])


def test_cells_of_files_that_hold_text_alone_are_read(tmp_path):
    (tmp_path / "tables.json").write_text(
        json.dumps([{"title": "T", "header": ["a", "b"], "rows": [["1", "2 [1, 3]"]]}])
    )
    assert tables.read(tmp_path / "tables.json")[0].rows == (("1", "2 [1, 3]"),)


@pytest.mark.parametrize(
    "content",
    [
        "[",
        "[1]",
        "[{}]",
        '[{"title": "T", "header": ["a"], "rows": [["1", "2"]]}]',
        '[{"title": "T", "header": ["a"], "rows": [[{"valeu": 2}]]}]',
        '[{"titel": "T"}]',
        '[{"title": 1, "header": [], "rows": []}]',
        '[{"title": "T", "header": ["a"], "rows": [[{"value": "x"}]]}]',
        '[{"title": "T", "header": ["a"], "rows": [[{"value": 1, "digits": 1000000000}]]}]',
        '{"title": "T"}',
        "{}x",
    ],
)
def test_what_is_no_list_of_tables_is_refused(tmp_path, content):
    (tmp_path / "tables.json").write_text(content)
    with pytest.raises(UserError, match="tables.json: (damaged|expected a list).*; run the command"):
        tables.read(tmp_path / "tables.json")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="tables.json: no such file"):
        tables.read(tmp_path / "tables.json")
