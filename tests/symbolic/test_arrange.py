import random

import pytest

from msdae.symbolic import instruments
from msdae.symbolic.arrange import arrange, loosen
from msdae.symbolic.corpus import ScoreNote
from msdae.symbolic.instruments import POLYPHONIC
from msdae.symbolic.notes import Note

SECONDS = 12.0


def _line(low, step):
    return [ScoreNote(0.5 * index, 0.5, low + step * (index % 5)) for index in range(120)]


PARTS = [_line(72, 2), _line(60, 1), _line(48, 2)]


@pytest.fixture(scope="module")
def voices():
    return instruments.voices(["font.sf2"], ["font.sf2"])[0]


def _arrangements(voices, count=30):
    return [arrange(PARTS, voices, SECONDS, random.Random(seed)) for seed in range(count)]


def test_notes_lie_in_the_excerpt_and_in_the_instrument(voices):
    for stems in _arrangements(voices):
        assert 1 <= len(stems) <= 3
        for stem in stems:
            kind = stem.voice.instrument
            for onset, offset, pitch, velocity in stem.notes:
                assert 0 <= onset < offset <= SECONDS
                assert kind.low <= pitch <= kind.high
                assert 1 <= velocity <= 127


def test_only_polyphonic_instruments_play_two_notes_at_once_and_no_pitch_twice(voices):
    chords = 0
    for stem in (stem for stems in _arrangements(voices) for stem in stems):
        for index, (onset, _, pitch, _) in enumerate(stem.notes):
            sounding = [note for note in stem.notes[:index] if note[1] > onset + 1e-9]
            assert pitch not in [note[2] for note in sounding]
            if sounding:
                chords += 1
                assert stem.voice.instrument.family in POLYPHONIC
    assert chords > 0


def test_tempo_key_and_dynamics_vary(voices):
    first = [stems[0].notes for stems in _arrangements(voices)]
    assert len({notes[1][0] - notes[0][0] for notes in first}) > 20
    assert len({notes[0][2] for notes in first}) > 8
    assert len({notes[0][3] for notes in first}) > 15


def test_same_seed_same_arrangement(voices):
    one, two = (arrange(PARTS, voices, SECONDS, random.Random(3)) for _ in range(2))
    assert one == two


def test_a_piece_with_too_few_notes_gives_nothing(voices):
    assert arrange([PARTS[0][:4]], voices, SECONDS, random.Random(0)) == []
    assert arrange([], voices, SECONDS, random.Random(0)) == []


def test_loose_notes_are_early_or_late_and_stay_in_the_excerpt():
    notes = [Note(0.5 * k, 0.5 * k + 0.4, 60, 90) for k in range(6)]
    loose = loosen(notes, 2.8, 0.01, random.Random(0))
    moves = [one.onset - other.onset for one, other in zip(loose, notes, strict=True)]
    assert min(moves) < 0 < max(moves) and max(map(abs, moves)) <= 0.02
    assert all(0 <= note.onset < note.offset <= 2.8 for note in loose)
    assert loosen(notes, 3.0, 0.0, random.Random(0)) == notes
