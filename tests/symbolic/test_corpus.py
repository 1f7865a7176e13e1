import pytest

from msdae.symbolic import corpus
from msdae.symbolic.musicxml import tones


def test_the_list_of_pieces_is_fixed_and_has_every_collection():
    pieces = corpus.pieces()
    assert len(pieces) == len(set(pieces)) > 500
    assert {piece.split("/")[0] for piece in pieces} == set(corpus.COLLECTIONS)


def test_a_chorale_has_four_parts_in_time_order():
    parts = corpus.parts("bach/bwv10.7.mxl")
    assert len(parts) == 4
    for part in parts:
        assert list(part) == sorted(part)
        assert all(note.duration > 0 and 30 < note.pitch < 90 for note in part)
    soprano, bass = parts[0], parts[-1]
    assert min(note.pitch for note in soprano) > min(note.pitch for note in bass)


def test_a_fiddle_tune_has_one_part():
    (part,) = corpus.parts("ryansMammoth/7thRegimentReel.abc")
    assert part[0].pitch == 69  # A2 in sixteenths: the A above middle C, an eighth long
    assert part[0].duration == 0.5


def test_ties_are_joined_as_music21_joins_those_of_a_copy():
    """Rendered data sets and SwapBench's cases depend on it."""
    music21 = pytest.importorskip("music21")
    piece = next(piece for piece in corpus.pieces() if piece.startswith("palestrina"))
    score = music21.converter.parse(corpus._corpus_root() / piece, forceSource=True)
    joined = [sorted(note for note, _ in tones(part.stripTies())) for part in score.parts]
    apart = [[note for note, _ in tones(part)] for part in score.parts]
    assert corpus._read(piece) == joined and sum(map(len, joined)) < sum(map(len, apart))
