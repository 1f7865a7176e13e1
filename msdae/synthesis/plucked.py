"""Physical models of plucked strings whose pitch may bend: a plain string and an oud.

A string is a delay line with a loss filter (Karplus and Strong 1983, Jaffe and Smith 1983), plucked at some
place of its length and read at a speed that follows its pitch. An oud has courses of two slightly detuned
strings, plectrum noise, and a body whose resonances do not move with the pitch.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torchaudio.functional as AF
from scipy.signal import lfilter

from msdae.audio import temperament
from msdae.symbolic.maqam import Tone
from msdae.synthesis import effects
from msdae.synthesis.effects import EffectsConfig, logarithmic
from msdae.synthesis.soundfont import SAMPLE_RATE

KINDS = ("oud", "plucked string")
# {name: (range of seconds, range of levels)} of the reverberation.
ROOMS = {"dry": None, "room": ((0.25, 0.7), (0.1, 0.35)), "hall": ((1.2, 2.6), (0.2, 0.6))}
RELEASE = 0.08  # seconds in which a damped string falls to 37 %
DRONE = 0.35  # velocity of the drone, as a share of 100


@dataclass(frozen=True)
class PluckedString:
    """The parameters of a plucked instrument.

    kind: one of `KINDS`. decay: seconds in which the lowest partials of a 220 Hz string fall by 60 dB.
    damping: how much faster high partials decay, 0 to 0.5. place: the plucking point, as a share of the
    string. hardness: cutoff of the pluck's low-pass, in multiples of the pitch. detuning: cents between the
    two strings of a course; None for a single string. plectrum: level of the plectrum noise. body: (Hz, Q,
    dB) of each resonance.
    """

    kind: str
    decay: float
    damping: float
    place: float
    hardness: float
    detuning: float | None = None
    plectrum: float = 0.0
    body: tuple[tuple[float, float, float], ...] = field(default=())

    @staticmethod
    def draw(kind: str, rng: random.Random) -> "PluckedString":
        """An instrument of the given kind with random parameters."""
        if kind == "oud":
            body = [(95, 5, 9), (190, 5, 7), (310, 4, 5), (480, 3, 4), (780, 2, 3)]
            return PluckedString(
                kind,
                rng.uniform(1.5, 3.0),
                rng.uniform(0.3, 0.5),
                rng.uniform(0.1, 0.22),
                logarithmic(rng, (8, 20)),
                rng.uniform(1.0, 6.0),
                rng.uniform(0.05, 0.3),
                tuple((hertz * rng.uniform(0.85, 1.2), q, gain + rng.gauss(0, 2)) for hertz, q, gain in body),
            )
        body = [(logarithmic(rng, (150, 3000)), 1.5, rng.uniform(-6, 6)) for _ in range(3)]
        return PluckedString(
            kind,
            rng.uniform(2.0, 6.0),
            rng.uniform(0.05, 0.3),
            rng.uniform(0.05, 0.4),
            logarithmic(rng, (12, 60)),
            body=tuple(body),
        )


def render(tones: Sequence[Tone], string: PluckedString, samples: int, seed: str) -> np.ndarray:
    """The sound of `tones`: float32, (samples,), mono at 44 100 Hz, with a peak of 1.

    seed: seeds the noise of the plucks.
    """
    rng = np.random.default_rng(list(seed.encode()))
    out = np.zeros(samples, np.float32)
    for tone in tones:
        start = round(tone.onset * SAMPLE_RATE)
        length = min(samples - start, round((tone.offset - tone.onset + 5 * RELEASE) * SAMPLE_RATE))
        if length > 0:
            out[start : start + length] += _tone(tone, string, length, rng)
    wave = torch.from_numpy(out)
    for hertz, quality, gain in string.body:
        wave = AF.equalizer_biquad(wave, SAMPLE_RATE, hertz, gain, quality)
    out = wave.numpy()
    return out / max(float(np.abs(out).max()), 1e-6)


def drone(tonic: float, seconds: float, every: float) -> list[Tone]:
    """Soft tones an octave below `tonic` (MIDI pitch), `every` seconds apart, for `seconds`."""
    onsets = np.arange(0, seconds, every)
    return [Tone(float(t), float(min(t + every, seconds)), tonic - 12, round(DRONE * 100)) for t in onsets]


def place(waveform: np.ndarray, room: str, rng: random.Random) -> np.ndarray:
    """`waveform` (samples,) in one of `ROOMS`, with a peak of 1; a dry room leaves it unchanged."""
    if ROOMS[room] is None:
        return waveform
    seconds, level = ROOMS[room]
    wet = effects.room(waveform, (), rng, EffectsConfig(room_seconds=seconds, room_level=level))
    return wet / max(float(np.abs(wet).max()), 1e-6)


def _tone(tone: Tone, string: PluckedString, length: int, rng: np.random.Generator) -> np.ndarray:
    seconds = np.arange(length) / SAMPLE_RATE
    hertz = temperament.hertz(tone.pitches(np.minimum(seconds, tone.offset - tone.onset)))
    period = round(SAMPLE_RATE / float(hertz.mean()))
    cents = (0.0,) if string.detuning is None else (-string.detuning / 2, string.detuning / 2)
    wave = np.zeros(length, np.float32)
    for detuning in cents:
        places = np.cumsum(hertz) * (2 ** (detuning / 1200) * period / SAMPLE_RATE)
        vibration = _vibration(period, int(places[-1]) + 2, string, tone.velocity / 127, rng)
        wave += np.interp(places, np.arange(len(vibration)), vibration).astype(np.float32)
    held = np.exp(-np.maximum(seconds - (tone.offset - tone.onset), 0) / RELEASE)
    softer = 0.5 if tone.slide[1] else 1.0  # a slide reaches it without another pluck
    return (wave * held * softer * (tone.velocity / 127) ** 1.5 / len(cents)).astype(np.float32)


def _vibration(
    period: int, samples: int, string: PluckedString, velocity: float, rng: np.random.Generator
) -> np.ndarray:
    """A string with a period of `period` samples, plucked once: float64, (samples,)"""
    if string.kind == "oud":
        burst = string.plectrum * rng.standard_normal(period) / np.sqrt(period)
        burst[0] += 1.0
    else:
        burst = rng.standard_normal(period) / np.sqrt(period)
    pole = np.exp(-2 * np.pi * min(0.45, string.hardness * (0.4 + 0.6 * velocity) / period))
    burst = lfilter([1 - pole], [1, -pole], burst)
    burst = burst - np.roll(burst, max(1, round(string.place * period)))
    burst -= burst.mean()
    y = np.zeros(samples + period + 1, np.float64)
    y[1 : period + 1] = burst
    hertz = SAMPLE_RATE / period
    gain = 10 ** (-3 / (hertz * string.decay * (220 / hertz) ** 0.5))
    middle, side = gain * (1 - string.damping), gain * string.damping / 2
    for start in range(period + 1, len(y), period - 1):
        end = min(start + period - 1, len(y))
        a, b = start - period, end - period
        y[start:end] = middle * y[a:b] + side * (y[a - 1 : b - 1] + y[a + 1 : b + 1])
    return y[1 : samples + 1] / max(float(np.abs(burst).max()), 1e-9)
