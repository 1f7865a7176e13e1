import pytest

from msdae.analysis.probes.splits import group, open_split
from msdae.errors import UserError


def test_no_group_is_on_both_sides_of_a_split(data):
    for path in (data, data / "train"):
        split = open_split(path)
        fit = {group(split.fit.clips[i]) for i in split.fit_indices}
        test = {group(split.test.clips[i]) for i in split.test_indices}
        assert fit and test and not fit & test
    whole = open_split(data)
    assert len(whole.test_indices) == len(whole.test)  # what is shared is taken from the fit alone
    assert len(whole.fit_indices) < len(whole.fit)


def test_velocities_of_a_note_and_stems_of_a_piece_are_one_group():
    note = {"name": "a", "piece": "reed_1-060-025", "instrument": "reed_1", "pitch": 60}
    assert group(note) == group({**note, "name": "b", "piece": "reed_1-060-127"})
    assert group(note) != group({**note, "pitch": 61})
    stem = {"name": "c", "piece": "bach", "stem": "S00", "instrument": "reed_1"}
    assert group(stem) == group({**stem, "name": "d", "stem": "S01", "instrument": "bass_1"})


def test_missing_data_is_refused(tmp_path):
    with pytest.raises(UserError, match="neither a cache nor"):
        open_split(tmp_path)
