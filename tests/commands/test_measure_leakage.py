import json

import pytest

from msdae.commands import measure_leakage
from msdae.errors import UserError


def test_tables_of_the_model_that_ships(tmp_path, capsys):
    out = tmp_path / "leakage.json"
    measure_leakage.main(["--cases", "24", "--out", str(out)])
    printed = capsys.readouterr().out
    told, changed = json.loads(out.read_text())
    assert told["title"] in printed and changed["title"] in printed
    assert [row[0] for row in told["rows"]][2:5] == ["h3", "h2 + h3", "h1 + h2 + h3"]
    family = {row[0]: row[1]["value"] for row in told["rows"]}
    assert family["h1"] > 0.5 > family["h3"] and family["best constant answer"] < 0.4
    cosines = {row[0]: [cell["value"] for cell in row[1:5]] for row in changed["rows"]}
    pitch, tempo, instrument, another = 0, 1, 2, 3
    assert cosines["h1"][pitch] > 0.8 > 0.4 > cosines["h1"][instrument]
    assert cosines["h3"][instrument] > 0.7 > 0.5 > cosines["h3"][pitch]
    assert all(cosines[level][tempo] > 0.8 and abs(cosines[level][another]) < 0.4 for level in ("h1", "h3"))


def test_bad_outputs_and_models(tmp_path):
    with pytest.raises(UserError, match="txt"):
        measure_leakage.main(["--cases", "2", "--out", str(tmp_path / "a.txt")])
    with pytest.raises(UserError, match="--cases 2: leaves fewer than 3 pieces"):
        measure_leakage.main(["--cases", "2"])
    with pytest.raises(UserError, match="nothing.safetensors"):
        measure_leakage.main(["--checkpoint", "nothing.safetensors"])
