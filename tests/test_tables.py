from msdae import tables

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
