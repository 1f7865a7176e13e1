import random

import pytest

from msdae.symbolic.notes import Note
from msdae.symbolic.voice_separation import separate


def test_a_tune_and_its_bass_are_two_voices():
    tune = [Note(0.5 * n, 0.5 * n + 0.5, 72 + n % 5, 90) for n in range(8)]
    bass = [Note(float(n), n + 0.95, 40 + n % 3, 80) for n in range(4)]
    assert sorted(separate([*bass, *tune], 4), key=len) == [bass, tune]


def test_a_line_is_one_voice_even_if_its_notes_overlap_a_little():
    legato = [Note(0.4 * n, 0.4 * n + 0.42, 60 + n, 90) for n in range(10)]
    assert separate(legato[::-1], 4) == [legato]


@pytest.mark.parametrize("most", [1, 2, 4])
def test_no_note_is_lost_and_voices_are_few(most):
    rng = random.Random(0)
    notes = [
        Note(t := rng.uniform(0, 9), t + rng.uniform(0.1, 2), rng.randint(30, 90), 90) for _ in range(99)
    ]
    voices = separate(notes, most)
    assert len(voices) == most and all(voices)
    assert sorted(note for voice in voices for note in voice) == sorted(notes)
    assert all(voice == sorted(voice) for voice in voices)
