"""Plain sounds that play a score if no other sound is asked for."""

from collections.abc import Sequence

import numpy as np
import torch

from msdae.errors import UserError
from msdae.symbolic.notes import Note
from msdae.synthesis import procedural, soundfont
from msdae.synthesis.procedural import Patch
from msdae.synthesis.soundfont import SAMPLE_RATE

PLAYER = "piano"  # the default; docs/composers.md has the measurement behind it
PEAK = 0.5  # of what `play` returns
TAIL = 0.5  # seconds after the last note, for its release
PROGRAMS = {  # General MIDI programs, played by the SoundFont of pretty_midi
    "piano": 0,
    "electric piano": 4,
    "organ": 16,
    "guitar": 24,
    "violin": 40,
    "trumpet": 56,
    "clarinet": 71,
    "flute": 73,
    "square lead": 80,
}
PATCHES = {  # sounds of formulas
    "struck formula": Patch(-9.0, 1.0, (), (40.0, 12.0), 0.004, 0.9, 0.0, 0.12, 0.05, 0.0, 1.0, 0.0),
    "held formula": Patch(-9.0, 1.0, (), (40.0, 40.0), 0.02, 0.5, 0.8, 0.08, 0.0, 0.0, 1.0, 0.0),
}
PLAYERS = (*PROGRAMS, *PATCHES)


def play(notes: Sequence[Note], samples: int | None = None, player: str = PLAYER) -> torch.Tensor:
    """The notes played by a plain sound: float32, (samples,), mono at 44 100 Hz, with the peak `PEAK`.

    samples: length; by default up to `TAIL` after the last note. player: one of `PLAYERS`.

    Raises:
        UserError: there is no such player; tinysoundfont or pretty_midi is not installed.
    """
    return play_voices([notes], samples, player)[0]


def play_voices(
    voices: Sequence[Sequence[Note]], samples: int | None = None, player: str = PLAYER
) -> torch.Tensor:
    """`play` of several voices apart, whose sum has the peak `PEAK`: (voices, samples)"""
    if samples is None:
        samples = round((max(note[1] for notes in voices for note in notes) + TAIL) * SAMPLE_RATE)
    if player in PROGRAMS:
        font, program = soundfont.default(), PROGRAMS[player]
        waveforms = torch.stack([soundfont.render(notes, font, program, samples) for notes in voices])
    elif player in PATCHES:
        patch = PATCHES[player]
        waveforms = torch.from_numpy(np.stack([procedural.tones(notes, patch, samples) for notes in voices]))
    else:
        raise UserError(f"player '{player}': choose one of {', '.join(PLAYERS)}")
    return waveforms * (PEAK / max(float(waveforms.sum(dim=0).abs().max()), soundfont.SILENCE))
