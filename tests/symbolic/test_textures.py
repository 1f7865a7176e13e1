import random
from collections import Counter

import pytest

from msdae.errors import UserError
from msdae.symbolic.textures import LOWEST_OCTAVE, TextureConfig, draw


def _sounding(notes, time):
    return [note for note in notes if note.onset <= time < note.offset]


def _draws(count, polyphonic=True, **settings):
    config = TextureConfig(**settings)
    return [draw(48, 84, polyphonic, 3.0, random.Random(seed), config) for seed in range(count)]


def test_notes_are_in_range_in_time_and_no_pitch_sounds_twice():
    for name, notes in _draws(200):
        assert notes, name
        for note in notes:
            assert 48 <= note.pitch <= 84 and 0 <= note.onset < note.offset <= 3 and 1 <= note.velocity <= 127
            same = [other for other in _sounding(notes, note.onset) if other.pitch == note.pitch]
            assert same == [note], name
    assert set(Counter(name.split()[0] for name, _ in _draws(200))) == {"chords", "arpeggios", "runs", "long"}


def test_sounds_of_one_voice_play_one_note_at_a_time():
    for name, notes in _draws(100, polyphonic=False):
        assert not name.startswith("chords")
        assert all(len(_sounding(notes, note.onset)) == 1 for note in notes), name


def test_chords_have_the_notes_and_the_silence_that_they_are_asked_for():
    only = {"arpeggios": 0.001, "runs": 0, "long_notes": 0, "chord_notes": (4, 4), "low": 0}
    chords = [notes for _, notes in _draws(40, rests=0, **only)]
    sizes = Counter(max(len(_sounding(notes, note.onset)) for note in notes) for notes in chords)
    assert sizes.most_common(1)[0][0] == 4
    resting = [notes for _, notes in _draws(40, rests=1, chord_seconds=(0.5, 0.5), **only)]
    silent = sum(not _sounding(notes, t / 20) for notes in resting for t in range(60)) / 60 / 40
    assert 0.3 < silent < 0.8


def test_low_textures_keep_to_the_lowest_octave():
    config = TextureConfig(low=1)
    for seed in range(30):
        _, notes = draw(48, 84, True, 3.0, random.Random(seed), config)
        assert all(note.pitch <= 48 + LOWEST_OCTAVE for note in notes)


def test_pedals_hold_what_arpeggios_begin():
    only = {"chords": 0, "runs": 0, "long_notes": 0, "low": 0}
    held = [max(len(_sounding(notes, t / 20)) for t in range(60)) for _, notes in _draws(20, pedal=1, **only)]
    loose = [
        max(len(_sounding(notes, t / 20)) for t in range(60)) for _, notes in _draws(20, pedal=0, **only)
    ]
    assert max(loose) == 1 < min(held)


def test_textures_of_nothing_are_refused():
    with pytest.raises(UserError, match="nothing to play"):
        TextureConfig(arpeggios=0, runs=0, long_notes=0)
    with pytest.raises(UserError, match="chord_notes.*the lower one first"):
        TextureConfig(chord_notes=(5, 3))
