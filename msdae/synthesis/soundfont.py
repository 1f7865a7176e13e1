"""Notes to sound with a SoundFont, the same bytes whatever was rendered before."""

import functools
import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from msdae.errors import UserError, printable
from msdae.files import reading
from msdae.symbolic.notes import Note
from msdae.synthesis import sf2

SAMPLE_RATE = 44100
SILENCE = 1e-3  # peak below which an instrument does not reach a note
FOLDERS = ("/usr/share/sounds/sf2", "/usr/share/sounds/sf3", "/usr/share/soundfonts")  # of Linux packages


def default() -> Path:
    """TimGM6mb.sf2, which the `pretty_midi` package carries: no system package is needed.

    Raises:
        UserError: pretty_midi is not installed or came without the file.
    """
    spec = importlib.util.find_spec("pretty_midi")
    path = Path(spec.origin).parent / "TimGM6mb.sf2" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise UserError("no default SoundFont: pip install pretty_midi, or name one with --soundfont FILE")
    return path


def locate(name: str | Path) -> Path:
    """The SoundFont `name`: a path, or the name of a file that a package of the system or pretty_midi has.

    Raises:
        UserError: there is none of that name.
    """
    path = Path(name)
    if path.is_file():
        return path
    if path.name == str(name):
        for place in (*(Path(folder) / path for folder in FOLDERS), default()):
            if place.name == path.name and place.is_file():
                return place
    raise UserError(
        f"{printable(name)}: no such SoundFont; give the path of an sf2 or sf3 file, or install it (Debian "
        "has FluidR3_GM.sf2 in fluid-soundfont-gm, MuseScore_General_Full.sf3 in musescore-general-soundfont)"
    )


def render(notes: Sequence[Note], soundfont: str | Path, program: int, samples: int) -> torch.Tensor:
    """Play `notes` with one General MIDI program of a SoundFont (sf2 or sf3), dry.

    notes: in any order; they may overlap. A note that begins after `samples` is not heard.
    program: 0-127, of bank 0.
    Returns the waveform (samples,), float32, mono at 44 100 Hz; loud chords may exceed [-1, 1].

    Raises:
        UserError: no such SoundFont or program, or tinysoundfont is not installed.
    """
    synth, font = _load(str(soundfont))
    try:
        synth.program_select(0, font, 0, program)
    except RuntimeError as error:
        raise UserError(f"{printable(soundfont)}: program {program} is not in this SoundFont") from error
    pieces, now = [], 0
    for time, kind, pitch, velocity in _events(notes):
        if time >= samples:
            break
        if time > now:
            pieces.append(_generate(synth, time - now))
            now = time
        if kind == _ON:
            synth.noteon(0, pitch, velocity)
        else:
            synth.noteoff(0, pitch)
    pieces.append(_generate(synth, samples - now))
    _silence(synth)
    return torch.from_numpy(np.concatenate(pieces))


@functools.lru_cache(maxsize=64)
def fingerprint(soundfont: str | Path) -> str:
    """A hash of the SoundFont's bytes.

    Raises:
        UserError: the file cannot be read.
    """
    digest = hashlib.sha256()
    with reading(soundfont), open(soundfont, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


@functools.lru_cache(maxsize=1024)
def level(soundfont: str | Path, program: int, pitch: int) -> float:
    """Peak of one loud note (velocity 127, two seconds), by which an instrument is brought to a common level.

    Raises:
        UserError: as `render`.
    """
    note = (0.0, 2.0, pitch, 127)
    return float(render([note], soundfont, program, 2 * SAMPLE_RATE).abs().max())


_OFF, _ON = 0, 1  # a note that ends where the next begins is released first


def _events(notes: Sequence[Note]) -> list[tuple[int, int, int, int]]:
    """(sample, kind, pitch, velocity), in playing order."""
    events = []
    for onset, offset, pitch, velocity in notes:
        start = max(0, round(onset * SAMPLE_RATE))
        end = max(start + 1, round(offset * SAMPLE_RATE))
        events += [(start, _ON, pitch, velocity), (end, _OFF, pitch, 0)]
    return sorted(events)


def _generate(synth, samples: int) -> np.ndarray:
    """The next `samples` samples, the mid of left and right."""
    if samples == 0:
        return np.zeros(0, np.float32)
    stereo = np.frombuffer(synth.generate(samples), np.float32).reshape(samples, 2)
    return stereo.mean(axis=1)


def _silence(synth) -> None:
    """End every voice, so that the next rendering starts as a fresh synthesiser does."""
    synth.sounds_off(0)
    while np.any(_generate(synth, 4096)):
        pass


@functools.lru_cache(maxsize=4)
def _load(soundfont: str):
    """The synthesiser that holds this SoundFont, and its number there; large ones take seconds to load."""
    try:
        import tinysoundfont
    except ImportError as error:
        raise UserError(
            "rendering needs tinysoundfont: pip install --no-deps tinysoundfont "
            "(its PyAudio dependency is for live playback only)"
        ) from error
    with reading(soundfont, "give another sf2 or sf3 file"):
        sf2.check(Path(soundfont))
    synth = tinysoundfont.Synth(samplerate=SAMPLE_RATE)
    try:
        return synth, synth.sfload(soundfont)
    except RuntimeError as error:
        raise UserError(f"{printable(soundfont)}: not a SoundFont that can be read (sf2 or sf3)") from error
