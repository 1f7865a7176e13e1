import json
import re

import pytest

from msdae.errors import UserError
from msdae.evaluation import tables

HEADER, ROWS = ["name", "F1"], [["a", "0.5"], ["longer name", "1"]]


def test_text_aligns_its_columns():
    assert tables.text(HEADER, ROWS) == "name          F1\na            0.5\nlonger name    1"


def test_markdown_is_the_same_with_rules():
    assert tables.markdown(HEADER, ROWS).splitlines() == [
        "| name        |  F1 |",
        "| ----------- | --: |",
        "| a           | 0.5 |",
        "| longer name |   1 |",
    ]


def test_html_points_out_the_best_of_the_competing_rows():
    rows = (
        ("a", "0.9", "1 [0, 2]", "1"),
        ("b", "0.7", "4 [3, 5]", "2"),
        ("c", "-", "3 [2, 4]", "3"),
        ("d", "0.6", "3", "4"),
    )
    table = tables.Table("T", ("row", "F1 ↑", "dB ↓", "n"), rows)
    html = table.html({"b", "c", "d"})
    assert re.findall(r"<b>(.*?)</b>", html) == ["0.7", "3", "3"]
    assert '<span class="interval">[2, 4]</span>' in html
    assert "<b>" not in table.html() + table.html({"c"})


def test_html_escapes():
    table = tables.Table("<T>", ("row", "&"), (("<b>", "<i>"),), "<n>", "<c>")
    assert set(re.findall(r"<(?:T|n|c|i|b)>", table.html())) == set()


def test_load_gives_what_was_stored(tmp_path):
    table = tables.Table("T", ("row", "n"), (("a", "1"),), "note", "command")
    (tmp_path / "tables.json").write_text(json.dumps([vars(table)]))
    assert tables.load(tmp_path / "tables.json") == [table]


@pytest.mark.parametrize(
    "content",
    [
        "[",
        "[1]",
        "[{}]",
        '[{"title": "T", "header": ["a"], "rows": [["1", "2"]]}]',
        '[{"titel": "T"}]',
        "{}x",
    ],
)
def test_load_refuses_what_is_no_list_of_tables(tmp_path, content):
    (tmp_path / "tables.json").write_text(content)
    with pytest.raises(UserError, match="tables.json: not a list of tables"):
        tables.load(tmp_path / "tables.json")


def test_load_says_what_is_missing(tmp_path):
    with pytest.raises(UserError, match="tables.json: cannot be read"):
        tables.load(tmp_path / "tables.json")
