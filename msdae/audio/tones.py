"""Plain struck tones: notes that models read well."""

from collections.abc import Sequence

import torch

from msdae.audio import temperament

SLOPE = -9.0  # dB an octave by which partials are softer
HIGHEST = 16000.0  # Hz of the highest partial, at most
PARTIALS = 20
ATTACK = 0.004  # seconds in which a tone rises
DECAY, RELEASE = 0.9, 0.12  # seconds in which a tone falls to 1 / e while it is held, and after its end
FADE = 5 * RELEASE  # seconds after its end in which a tone is heard
POWER = 1.5  # of the velocity
TABLE = 2048  # samples of a period


def played(notes: Sequence[Sequence[float]], samples: int, rate: int) -> torch.Tensor:
    """Notes played by struck tones: (samples,); the loudest possible note has an amplitude of about 1.

    notes: (onset in s, offset in s, MIDI pitch, velocity) each; of one that began before 0 the rest is heard.
    rate: in Hz.
    """
    out = torch.zeros(samples)
    for onset, offset, pitch, velocity in notes:
        start = max(0, round(onset * rate))
        end = min(samples, round((offset + FADE) * rate))
        if start < end:
            seconds = torch.arange(start, end, dtype=torch.float64) / rate - onset
            rise = (seconds / ATTACK).clamp(0, 1)
            fall = torch.exp(-seconds / DECAY - (seconds - (offset - onset)).clamp(min=0) / RELEASE)
            loudness = (velocity / 127) ** POWER
            out[start:end] += loudness * (rise * fall).float() * _tone(pitch, seconds, rate)
    return out


def _tone(pitch: float, seconds: torch.Tensor, rate: int) -> torch.Tensor:
    """The partials of a pitch at some times, with an amplitude of about 1: (times,)"""
    base = temperament.hertz(pitch)
    count = max(1, min(PARTIALS, int(min(HIGHEST, 0.45 * rate) / base)))
    number = torch.arange(1, count + 1)
    levels = 10 ** (SLOPE * number.log2() / 20)
    period = torch.arange(TABLE) / TABLE
    table = (levels[:, None] * torch.sin(2 * torch.pi * number[:, None] * period)).sum(dim=0) / levels.sum()
    places = (seconds.clamp(min=0) * base * TABLE) % TABLE
    before = places.long()
    return torch.lerp(table[before % TABLE], table[(before + 1) % TABLE], (places - before).float())
