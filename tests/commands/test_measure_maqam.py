import json

import pytest

from msdae.commands import measure_maqam
from msdae.errors import UserError

pytest.importorskip("swift_f0")


def test_tables_of_rendered_pieces(tmp_path, capsys):
    out = tmp_path / "maqam.json"
    measure_maqam.main(["--pieces", "2", "--seed", "3", "--out", str(out)])
    printed = capsys.readouterr().out
    first, difference, ornaments = json.loads(out.read_text())
    assert first["title"] in printed and difference["title"] in printed
    assert len(first["rows"]) == 4 and len(difference["rows"]) == 2
    assert [row[0] for row in ornaments["rows"]] == ["vibrato", "trill", "slide"]
    tonic = {(row[0], row[1]): row[2]["value"] for row in first["rows"]}
    assert tonic["pitch histogram", "first and last third"] == 1
    found = {row[0]: row[2]["value"] for row in ornaments["rows"]}
    assert found["vibrato"] > 0.6


def test_bad_outputs(tmp_path):
    with pytest.raises(UserError, match="txt"):
        measure_maqam.main(["--pieces", "2", "--out", str(tmp_path / "a.txt")])
