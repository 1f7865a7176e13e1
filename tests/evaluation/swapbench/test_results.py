import numpy as np
import pytest

from msdae.errors import UserError
from msdae.evaluation.swapbench.cases import plan
from msdae.evaluation.swapbench.results import CASES as CASES_FILE
from msdae.evaluation.swapbench.results import EMBEDDINGS, SCORES, Results
from msdae.evaluation.swapbench.systems import Output

CASES = plan("test", 0, {"note": 3})
MANIFEST = {
    "date": "2026-01-01",
    "seed": 0,
    "splits": {"test": {"note": 3}},
    "codec": {"name": "spectral", "fingerprint": "f"},
    "settings": {},
    "checkpoints": {"mine": {"hash": "abc"}},
    "outputs": {"theirs": {"hash": "abc"}},
}
MINE = Output("mine", "1,2")
LINE = '{"case": "a", "row": "mine", "levels": "", "embedding": "%s"}\n'
POINTS = np.arange(6, dtype=np.float32).reshape(3, 2) / 3


def filled(folder):
    results = Results.begin(folder, MANIFEST, CASES)
    results.add(MINE, CASES, [{"melody F1": i / 3} for i in range(3)], POINTS)
    return results


def test_what_is_added_is_there_again(tmp_path):
    filled(tmp_path)
    again = Results.begin(tmp_path, MANIFEST, CASES)
    assert again.complete(CASES, again.outputs) == [MINE]
    np.testing.assert_array_equal(again.embeddings(MINE, CASES), POINTS)
    np.testing.assert_array_equal(again.column(MINE, CASES[::-1], "melody F1"), [2 / 3, 1 / 3, 0])


@pytest.mark.parametrize("name", [SCORES, EMBEDDINGS])
def test_a_line_cut_short_is_done_again(tmp_path, name):
    filled(tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-10])
    again = Results.begin(tmp_path, MANIFEST, CASES)
    assert [again.has(case, MINE) for case in CASES] == [True, True, False]
    again.add(MINE, CASES, [{"melody F1": 0.5}] * 3, POINTS)
    last = Results.begin(tmp_path, MANIFEST, CASES)
    np.testing.assert_array_equal(last.column(MINE, CASES, "melody F1"), [0, 1 / 3, 0.5])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "another seed"),
        ({"codec": {"name": "spectral", "fingerprint": "e"}}, "another codec"),
        ({"settings": {"steps": 2}}, "another settings"),
        ({"checkpoints": {"mine": {"hash": "abd"}}}, "another checkpoint 'mine'"),
        ({"outputs": {"theirs": {"hash": "abd"}}}, "another set of recordings 'theirs'"),
        ({"outputs": {"mine": {"hash": "abd"}}}, "'mine' is one of the checkpoints and one of the outputs"),
        ({"functions": {"theirs": {"hash": ""}}}, "'theirs' is one of the outputs and one of the functions"),
    ],
)
def test_a_folder_of_other_results_is_refused(tmp_path, change, named):
    filled(tmp_path)
    with pytest.raises(UserError, match=f"{named}.*choose another --out"):
        Results.begin(tmp_path, MANIFEST | change, CASES)
    with pytest.raises(UserError, match="another cases"):
        Results.begin(tmp_path, MANIFEST, CASES[1:])


def test_further_checkpoints_join_a_folder(tmp_path):
    filled(tmp_path)
    joined = Results.begin(tmp_path, MANIFEST | {"checkpoints": {"other": {"hash": "x"}}}, CASES)
    assert set(joined.manifest["checkpoints"]) == {"mine", "other"} and joined.outputs == [MINE]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (SCORES, "nonsense\n", "line 1: damaged"),
        (SCORES, "[1]\n", "line 1: damaged"),
        (SCORES, '{"case": "a", "row": "b", "levels": "", "melody F1": "x"}\n', "line 1: damaged.*no number"),
        (EMBEDDINGS, '{"case": "a", "row": "b", "levels": "", "embedding": "AAA"}\n', "line 1: damaged"),
        (EMBEDDINGS, '{"case": "a", "row": "b", "levels": "", "embedding": "AADAfw=="}\n', "line 1.*NaN"),
        (EMBEDDINGS, LINE % "AAAAAA==" + LINE.replace("mine", "c") % "AAAAAAAAAAA=", "dimensions"),
        (CASES_FILE, "{}\n", "line 1: damaged"),
        ("manifest.json", "[", "damaged"),
        ("manifest.json", '{"checkpoints": 1}', "another format"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, content, reason):
    filled(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=f"{reason}.*choose another --out"):
        Results.begin(tmp_path, MANIFEST, CASES)


def test_a_score_that_is_missing_is_named(tmp_path):
    with pytest.raises(UserError, match="scores.jsonl: damaged .'timbre"):
        filled(tmp_path).column(MINE, CASES, "timbre top-1")
