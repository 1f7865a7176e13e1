import random
from dataclasses import replace

import numpy as np
import pytest

from msdae.symbolic.instruments import voices
from msdae.symbolic.notes import Note
from msdae.synthesis import pitch, procedural, soundfont
from msdae.synthesis.sound import Sound, SoundConfig

RATE = 44100
FLUTE, VIOLIN, PIANO = 73, 40, 0


def _voice(program):
    every, _ = voices((str(soundfont.default()),), ())
    return next(voice for voice in every if voice.instrument.program == program)


def _centroid(waveform):
    power = np.abs(np.fft.rfft(waveform)) ** 2
    return float((power * np.fft.rfftfreq(len(waveform), 1 / RATE)).sum() / power.sum())


@pytest.mark.parametrize("move", [-8.5, -3.25, 4.75, 9.0])
def test_moved_sounds_keep_pitch_and_time_and_change_their_spectrum(move):
    still = Sound("x", (_voice(VIOLIN),))
    moved = replace(still, move=move)
    notes = [Note(0.5, 1.5, 72, 100)]
    waveform, plain = moved.play(notes, 2 * RATE), still.play(notes, 2 * RATE)
    assert waveform.shape == (2 * RATE,) and waveform.dtype == np.float32
    assert pitch.measure(waveform, RATE, 72) == pytest.approx(72, abs=0.15)
    assert np.abs(waveform[: round(0.495 * RATE)]).max() < 0.01 * np.abs(waveform).max()
    assert abs(np.log2(_centroid(waveform) / _centroid(plain))) > 0.05
    assert (moved.low, moved.high) == (np.ceil(55 - move), np.floor(96 - move))


def test_fractions_of_pitches_are_played_by_all():
    notes = [Note(0.0, 0.9, 69.4, 100)]
    patch = replace(procedural.Patch.draw(random.Random(3)), index=0.0, modes=(), stretch=0.0, unison=0.0)
    for sound in (Sound("x", (_voice(FLUTE),)), Sound("x", patch=patch)):
        assert pitch.measure(sound.play(notes, RATE), RATE, 69.4) == pytest.approx(69.4, abs=0.12)


def test_layers_keep_their_balance_whatever_is_played():
    flute, piano = _voice(FLUTE), _voice(PIANO)
    notes = [Note(0.0, 0.9, 72, 100)]
    single = [Sound("x", (voice,)).play(notes, RATE) for voice in (flute, piano)]
    levels = [
        soundfont.level(v.soundfont, v.instrument.program, (v.instrument.low + v.instrument.high) // 2)
        for v in (flute, piano)
    ]
    both = Sound("x", (flute, piano), balance=0.5).play(notes, RATE)
    assert np.allclose(both, single[0] / levels[0] + 0.5 * single[1] / levels[1], atol=1e-4)


def test_a_sound_is_drawn_by_its_shares_and_a_dry_one_is_named_after_itself():
    every, _ = voices((str(soundfont.default()),), ())
    dressed = SoundConfig(formulas=0.3, processed=1, layered=1, moved=1, played=1, recorded=1)
    for seed in range(8):
        sound = Sound.draw(every, random.Random(seed), f"s{seed}", dressed)
        assert 1 <= abs(sound.move) <= 9 and sound.player and sound.recording and sound.seed == f"s{seed}"
        assert (sound.patch is None) == (len(sound.voices) == 2) and not sound.is_dry
        again = Sound.draw(every, random.Random(seed), f"s{seed}", dressed)
        notes = [Note(0.0, 0.9, (sound.low + sound.high) // 2, 100)]
        waveform = sound.play(notes, RATE)
        assert np.isfinite(waveform).all() and np.abs(waveform).max() > 1e-3
        assert np.array_equal(waveform, again.play(notes, RATE))
    dry = Sound.draw(every, random.Random(1), "x", SoundConfig(0, 0, 0, moved=0, played=0, recorded=0))
    assert dry.is_dry and dry.name.startswith("soundfont ")
    moved = Sound.draw(every, random.Random(1), "x", SoundConfig(0, 0, 0, moved=1, played=0, recorded=0))
    assert moved.name == "x"
