"""Plays notes with a SoundFont; the result does not depend on what was rendered before."""

import functools
import importlib.util
import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from msdae.audio.files import SAMPLE_RATE
from msdae.errors import UserError, printable, required
from msdae.files import digest, reading
from msdae.symbolic.instruments import Voice
from msdae.symbolic.notes import Note
from msdae.synthesis import sf2

if TYPE_CHECKING:
    import tinysoundfont

logger = logging.getLogger(__name__)
SILENCE = 1e-3  # a note with a lower peak is out of the instrument's range
CHANNELS = 16  # channels over which notes of different tunings are spread
# Where Linux packages install SoundFonts.
FOLDERS = ("/usr/share/sounds/sf2", "/usr/share/sounds/sf3", "/usr/share/soundfonts")

_OFF, _ON = 0, 1  # in this order, so that at one sample notes end before others begin
_rendering = threading.Lock()  # cached synthesisers can play only one piece at a time


def default() -> Path:
    """The path of TimGM6mb.sf2, which is part of the `pretty_midi` package.

    Raises:
        UserError: pretty_midi is not installed or came without the file.
    """
    spec = importlib.util.find_spec("pretty_midi")
    path = Path(spec.origin).parent / "TimGM6mb.sf2" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise UserError("no default SoundFont: pip install pretty_midi, or name one with --soundfont FILE")
    return path


def locate(name: str | Path) -> Path:
    """The path of the SoundFont `name`.

    name: a path, or the name of a file in pretty_midi or in one of `FOLDERS`.

    Raises:
        UserError: there is no such SoundFont.
    """
    path = Path(name)
    if path.is_file():
        return path
    if path.name == str(name):
        for place in (default(), *(Path(folder) / path for folder in FOLDERS)):
            if place.name == path.name and place.is_file():
                return place
    raise UserError(
        f"{printable(name)}: no such SoundFont; give the path of an sf2 or sf3 file, or install it (Debian "
        "has FluidR3_GM.sf2 in fluid-soundfont-gm, MuseScore_General_Full.sf3 in musescore-general-soundfont)"
    )


def render(notes: Sequence[Note], soundfont: str | Path, program: int, samples: int) -> torch.Tensor:
    """The sound of `notes`, played dry with one General MIDI program of a SoundFont (sf2 or sf3).

    Returns the waveform (samples,), float32, mono at 44 100 Hz; loud chords may exceed [-1, 1].

    notes: in any order; they may overlap. Pitches may have fractions. A note that begins after `samples` is
        left out.
    program: 0-127, in bank 0.

    Raises:
        UserError: no such SoundFont or program, or tinysoundfont is not installed.
    """
    events = _events(notes)
    channels = range(1 + max((event.channel for event in events), default=0))
    with _rendering:
        synth, font = _load(str(soundfont))
        for channel in channels:
            try:
                synth.program_select(channel, font, 0, program)
            except RuntimeError as error:
                reason = f"program {program} is not in this SoundFont"
                raise UserError(f"{printable(soundfont)}: {reason}") from error
        try:
            return torch.from_numpy(np.concatenate(list(_played(synth, events, samples))))
        finally:
            _silence(synth, channels)


def check(soundfont: str | Path) -> None:
    """Raise a UserError unless the file is a complete and valid sf2 or sf3 file."""
    with reading(soundfont, "give another sf2 or sf3 file"):
        sf2.check(Path(soundfont))


def able(voices: Sequence[Voice]) -> list[Voice]:
    """The voices whose programs their SoundFonts have; logs the number of the others.

    Raises:
        UserError: as in `check`, or a SoundFont has none of its voices' programs.
    """
    there = {}
    for font in {voice.soundfont for voice in voices}:
        check(font)
        there[font] = sf2.programs(Path(font))
        wanted = {voice.instrument.program for voice in voices if voice.soundfont == font}
        if not wanted & there[font]:
            raise UserError(f"{printable(font)}: has no General MIDI instrument in bank 0; give another")
        if missing := len(wanted - there[font]):
            logger.info(
                "%s: lacks %d of %d instruments; the others play", printable(font), missing, len(wanted)
            )
    return [voice for voice in voices if voice.instrument.program in there[voice.soundfont]]


@functools.lru_cache(maxsize=64)
def fingerprint(soundfont: str | Path) -> str:
    """`files.digest` of a SoundFont, cached. Raises as `files.digest`."""
    return digest(soundfont)


@functools.lru_cache(maxsize=1024)
def level(soundfont: str | Path, program: int, pitch: int) -> float:
    """The peak of one loud note (velocity 127, 2 s), by which instruments are brought to a common level.

    Raises:
        UserError: as in `render`.
    """
    note = (0.0, 2.0, pitch, 127)
    return float(render([note], soundfont, program, 2 * SAMPLE_RATE).abs().max())


class _Event(NamedTuple):
    """A note-on or note-off for the synthesiser; sorted as tuples, events are in playing order."""

    sample: int
    kind: int
    channel: int
    key: int
    velocity: int
    cents: int


def _events(notes: Sequence[Note]) -> list[_Event]:
    """The note-ons and note-offs of `notes`, in playing order.

    All notes are on one channel unless some have pitches between keys. Then they rotate over the channels,
    because the tuning of a channel applies to all of its notes: a channel that holds a note of another tuning
    is skipped, unless all channels do.
    """
    events = []
    tuned = any(note[2] != round(note[2]) for note in notes)
    held = [(0, 0)] * CHANNELS  # for each channel: the sample until which it holds a note, and its cents
    for number, (onset, offset, pitch, velocity) in enumerate(sorted(notes)):
        key = round(pitch)
        cents = round(100 * (pitch - key))
        start = max(0, round(onset * SAMPLE_RATE))
        end = max(start + 1, round(offset * SAMPLE_RATE))
        turns = [(number + turn) % CHANNELS * tuned for turn in range(CHANNELS)]
        free = (turn for turn in turns if held[turn][0] <= start or held[turn][1] == cents)
        channel = next(free, turns[0])
        held[channel] = max(end, held[channel][0]), cents
        events.append(_Event(start, _ON, channel, key, velocity, cents))
        events.append(_Event(end, _OFF, channel, key, 0, 0))
    return sorted(events)


def _played(synth: "tinysoundfont.Synth", events: Sequence[_Event], samples: int) -> Iterator[np.ndarray]:
    """Blocks of `samples` samples in all, between which the synthesiser receives the events."""
    now = 0
    for time, kind, channel, key, velocity, cents in events:
        if time >= samples:
            break
        if time > now:
            yield generate(synth, time - now)
            now = time
        if kind == _ON:
            synth.set_tuning(channel, cents / 100)
            synth.noteon(channel, key, velocity)
        else:
            synth.noteoff(channel, key)
    yield generate(synth, samples - now)


def generate(synth: "tinysoundfont.Synth", samples: int) -> np.ndarray:
    """The next `samples` samples of the synthesiser, with both channels averaged: float32, (samples,)"""
    if samples == 0:
        return np.zeros(0, np.float32)
    stereo = np.frombuffer(synth.generate(samples), np.float32).reshape(samples, 2)
    return stereo.mean(axis=1)


def _silence(synth, channels: range) -> None:
    """End every voice and reset the tuning, so that the next rendering starts from a fresh state."""
    for channel in channels:
        synth.sounds_off(channel)
        synth.set_tuning(channel, 0.0)
    while np.any(generate(synth, 4096)):
        pass


def synthesizer(soundfont: str, sample_rate: int = SAMPLE_RATE) -> "tuple[tinysoundfont.Synth, int]":
    """A synthesiser with this SoundFont loaded, and the number of the SoundFont in it.

    Large SoundFonts take seconds to load.

    sample_rate: of its output, in Hz.

    Raises:
        UserError: no such SoundFont, or tinysoundfont is not installed.
    """
    fix = "pip install --no-deps tinysoundfont (its PyAudio dependency is for live playback only)"
    tinysoundfont = required("tinysoundfont", f"rendering needs tinysoundfont: {fix}")
    check(soundfont)
    synth = tinysoundfont.Synth(samplerate=sample_rate)
    try:
        return synth, synth.sfload(soundfont)
    except RuntimeError as error:
        raise UserError(f"{printable(soundfont)}: not a SoundFont that can be read (sf2 or sf3)") from error


_load = functools.lru_cache(maxsize=8)(synthesizer)
