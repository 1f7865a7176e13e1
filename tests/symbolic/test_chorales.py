from msdae.symbolic import chorales
from msdae.symbolic.notes import ScoreNote


def test_the_split_is_disjoint_and_knows_paths():
    assert not set(chorales.TEST) & set(chorales.VALIDATION)
    assert (len(set(chorales.TEST)), len(set(chorales.VALIDATION))) == (71, 69)
    assert chorales.split_of("bach/bwv102.7.mxl") == "test"
    assert chorales.split_of("bach/bwv10.7.mxl") == "valid"
    assert chorales.split_of("bach/bwv1.6.mxl") == "train"


def test_chords_are_no_line():
    assert chorales.is_line([ScoreNote(0, 1, 60), ScoreNote(1, 1, 62)])
    assert not chorales.is_line([ScoreNote(0, 2, 60), ScoreNote(1, 1, 62)])
