"""A keyboard that a plain sound plays while its keys are pressed."""

from typing import Protocol

import torch

from msdae.audio.files import SAMPLE_RATE
from msdae.symbolic.midi import SUSTAIN
from msdae.synthesis import players, soundfont

SOUNDS_OFF, NOTES_OFF = 120, 123  # MIDI's numbers of a panic button
MIDDLE = 60  # the key whose loudest note has the peak of a score that is played


class Message(Protocol):
    """A MIDI message, as mido's."""

    type: str


class Keyboard:
    """The notes of MIDI messages by the sound that plays scores, block by block at `sample_rate` Hz.

    Raises:
        UserError: what plays SoundFonts is not installed.
    """

    def __init__(self, sample_rate: int = SAMPLE_RATE, player: str = players.PLAYER):
        font, program = soundfont.default(), players.PROGRAMS[player]
        self._synth, number = soundfont.synthesizer(str(font), sample_rate)
        self._synth.program_select(0, number, 0, program)
        self._pedal, self._held = False, set[int]()  # keys that the pedal alone holds
        self._gain = players.PEAK / soundfont.level(font, program, MIDDLE)

    def tell(self, message: Message) -> None:
        """Press or release a key or the pedal, bend the pitch or end all; other messages say nothing."""
        if message.type == "note_on" and message.velocity:
            if message.note in self._held:  # a string that is struck again sounds once
                self._held.discard(message.note)
                self._synth.noteoff(0, message.note)
            self._synth.noteon(0, message.note, message.velocity)
        elif message.type in ("note_on", "note_off"):
            self._held.add(message.note)
            self._release()
        elif message.type == "pitchwheel":
            self._synth.pitchbend(0, message.pitch + 8192)
        elif message.type == "control_change" and message.control == SUSTAIN:
            self._pedal = message.value >= 64
            self._release()
        elif message.type == "control_change" and message.control in (SOUNDS_OFF, NOTES_OFF):
            self._held.clear()
            if message.control == SOUNDS_OFF:
                self._synth.sounds_off(0)
            else:
                self._synth.notes_off(0)

    def _release(self) -> None:
        """End what nothing holds; the synthesiser knows no pedal."""
        while self._held and not self._pedal:
            self._synth.noteoff(0, self._held.pop())

    def __call__(self, samples: int) -> torch.Tensor:
        """The next `samples` samples: (samples,), mono."""
        return torch.from_numpy(self._gain * soundfont.generate(self._synth, samples))
