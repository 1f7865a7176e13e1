import dataclasses
import json
import os

import pytest

from msdae.analysis.probes import report
from msdae.analysis.probes.separation import separation
from msdae.errors import UserError
from msdae.evaluation.tables import FILES


@pytest.fixture
def two_models(results):
    of_a = results("a", "MSDAE", pitch=(0.1, 0.5, 0.8), instrument=(0.6, 0.5, 0.4), melody=(0.2, 0.5, 0.75))
    of_b = results("b", "HDAE", pitch=(0.9, 0.5, 0.1), instrument=(0.9, 0.5, 0.1), melody=(0.8, 0.5, 0.1))
    return of_a + [result for result in of_b if result.checkpoint == "b"]


def test_tables_2_and_3_hold_the_thesis_beside_several_models(two_models):
    names = ["HDAE, thesis", "MSDAE, thesis", "MSDAE, a", "random MSDAE, a", "HDAE, b", "random HDAE, b"]
    for clips in ("notes", "melodies"):
        (table,) = report.thesis_tables(two_models, clips)
        assert [row[0] for row in table.rows] == names
        assert all(len(row) == len(table.header) == 9 for row in table.rows)
        found = dict(zip(table.header, zip(*table.rows, strict=True), strict=True))
        levels = found["instrument % h2"]
        assert tuple(map(str, levels[:2])) == (("83", "94") if clips == "notes" else ("47", "86"))
        assert str(levels[2]) == str(levels[4]) == "50 [40, 60]" and str(levels[3]) == "10 [0, 20]"
    assert tuple(map(str, found["melody BCE h3"][1:3])) == ("0.006", "0.010 [0.000, 0.050]")
    assert "log-mel 0.004" in table.note and "best constant answer 0.040" in table.note


def test_a_data_set_without_the_labels_of_another_has_a_narrower_table(two_models):
    """Regression: an IndexError after all of the fitting."""
    other = [
        dataclasses.replace(result, data="other") for result in two_models if result.task != "instrument"
    ]
    first, second = report.thesis_tables(two_models + other, "melodies")
    assert "instrument % h1" in first.header and "instrument % h1" not in second.header
    assert len(second.header) == 5 and {len(row) for row in second.rows} == {5}


def test_the_full_tables_hold_every_result_once(two_models):
    full = report.full_tables(two_models)
    cells = [cell for table in full for row in table.rows[:-1] for cell in row[1:]]
    melodies = [result for result in two_models if result.metric == "F1"]
    assert len(cells) == len(two_models) + len(melodies)  # F1 and BCE


def test_a_model_of_four_levels_has_them_all(results):
    """Regression: its tables ended in a StopIteration after all of the fitting, and h4 was no level."""
    of_four = results(pitch=(0.1, 0.2, 0.3, 0.9), melody=(0.1, 0.1, 0.6, 0.2))
    (found,) = separation(of_four)
    assert [factor.holder for factor in found.factors] == [4, 3]
    (notes, *_), melodies = report.full_tables(of_four), report.summary(found)
    codes = [row[0].partition(",")[0] for row in notes.rows]
    assert codes[:4] == ["h1", "h2", "h3", "h4"] and codes[4].startswith("random")
    assert str(dict(zip(melodies.header, melodies.rows[0], strict=True))["h4"]) == "0.90"


def test_the_summary_names_the_level_that_holds_each_factor(two_models):
    first, second = (report.summary(found) for found in separation(two_models))
    rows = {row[0]: dict(zip(first.header, row, strict=True)) for row in first.rows}
    assert rows["pitch, notes"]["most in"] == "h3" and rows["instrument, notes"]["most in"] == "h1"
    assert str(rows["pitch, notes"]["h3 - random"]) == "0.70"
    assert rows["pitch, notes"]["gap"].value == pytest.approx(0.3)
    assert "of b on known" in second.title


def test_a_folder_that_cannot_be_written_is_refused_and_one_of_probes_is_complete(two_models, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file: file exists"):
        report.write(two_models, [], {}, tmp_path / "file")
    paths = report.write(two_models, separation(two_models), {"seed": 0}, tmp_path / "out")
    assert {path.name for path in paths} == {"probes.csv", "probes.json", *FILES}
    document = json.loads((tmp_path / "out" / "probes.json").read_text())
    assert len(document["results"]) == len(two_models) and document["seed"] == 0


def test_a_data_set_whose_name_is_no_utf8_is_written_escaped(two_models, tmp_path):
    renamed = [dataclasses.replace(result, data=os.fsdecode(b"m\xe9")) for result in two_models]
    report.write(renamed, [], {}, tmp_path)
    assert r"m\udce9" in (tmp_path / "probes.csv").read_text("utf-8")
