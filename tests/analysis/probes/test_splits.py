import pytest

from msdae.analysis.probes.splits import group, lot, open_split
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


def test_notes_of_sounds_without_an_instrument_are_groups_of_their_sounds():
    """Regression: a pitch was one group of all sounds, and no probe of pitch had a class to be scored on."""
    note = {"name": "a", "sound": "own 1", "pitch": 60}
    assert group(note) == group({**note, "name": "b", "velocity": 100})
    assert group(note) != group({**note, "sound": "own 2"})
    assert group({**note, "instrument": "oud"}) == group({**note, "instrument": "oud", "sound": "own 2"})


def test_missing_data_is_refused(tmp_path):
    with pytest.raises(UserError, match="neither a cache nor"):
        open_split(tmp_path)


def test_lots_of_one_name_with_two_beginnings_are_independent():
    names = [f"piece {i:04d}" for i in range(2000)]
    firsts, seconds = ([lot(f"{start}{name}") for name in names] for start in ("", "validation "))
    assert 0.45 < sum(firsts) / len(names) < 0.55
    both = sum(a < 0.3 and b < 0.3 for a, b in zip(firsts, seconds, strict=True)) / len(names)
    assert 0.07 < both < 0.11  # .09
