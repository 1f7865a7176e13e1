"""A keyboard that plays a plain sound live, from MIDI messages."""

from typing import Protocol

import torch

from msdae.audio.files import SAMPLE_RATE
from msdae.symbolic.midi import EXPRESSION, NOTES_OFF, RESET, REST, SOUNDS_OFF, SUSTAIN, VOLUME
from msdae.synthesis import players, soundfont

MIDDLE = 60  # the key whose loudest note gets the peak `players.PEAK`


class Message(Protocol):
    """A MIDI message with the attributes of mido's."""

    type: str


class Keyboard:
    """Plays MIDI messages with a plain sound; calling it returns the next block, at `sample_rate` Hz.

    player: a key of `players.PROGRAMS`.

    Raises:
        UserError: tinysoundfont or pretty_midi is not installed.
    """

    def __init__(self, sample_rate: int = SAMPLE_RATE, player: str = players.PLAYER):
        font, program = soundfont.default(), players.PROGRAMS[player]
        self._synth, number = soundfont.synthesizer(str(font), sample_rate)
        self._synth.program_select(0, number, 0, program)
        self._pedal, self._held = False, set[int]()  # released keys that the pedal holds
        self._gain = players.PEAK / soundfont.level(font, program, MIDDLE)

    def tell(self, message: Message) -> None:
        """Handle one message: a key, a pitch bend or a controller. Others are ignored."""
        if message.type == "note_on" and message.velocity:
            if message.note in self._held:  # a key sounds only once at a time
                self._held.discard(message.note)
                self._synth.noteoff(0, message.note)
            self._synth.noteon(0, message.note, message.velocity)
        elif message.type in ("note_on", "note_off"):
            self._held.add(message.note)
            self._release()
        elif message.type == "pitchwheel":
            self._synth.pitchbend(0, message.pitch + 8192)
        elif message.type == "control_change":
            self._control(message.control, message.value)

    def _control(self, number: int, value: int) -> None:
        """Handle a controller: the sustain pedal, volume, expression, their reset, or a panic."""
        if number == SUSTAIN:
            self._pedal = value >= 64
            self._release()
        elif number in (VOLUME, EXPRESSION):
            self._synth.control_change(0, number, value)
        elif number == RESET:
            self._control(SUSTAIN, 0)
            self._control(EXPRESSION, REST[EXPRESSION])
            self._synth.pitchbend(0, 8192)
        elif number in (SOUNDS_OFF, NOTES_OFF):
            self._held.clear()
            if number == SOUNDS_OFF:
                self._synth.sounds_off(0)
            else:
                self._synth.notes_off(0)

    def _release(self) -> None:
        """End the released keys unless the pedal is down; the synthesiser itself ignores the pedal."""
        while self._held and not self._pedal:
            self._synth.noteoff(0, self._held.pop())

    def __call__(self, samples: int) -> torch.Tensor:
        """The next `samples` samples: (samples,), mono."""
        return torch.from_numpy(self._gain * soundfont.generate(self._synth, samples))
