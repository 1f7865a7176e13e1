"""Notes to sound by formulas whose parameters are drawn at random: timbres that no SoundFont has."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from msdae.symbolic.notes import Note
from msdae.synthesis.soundfont import SAMPLE_RATE

PARTIALS = 48
RELEASE = 0.06  # seconds, at least


@dataclass(frozen=True)
class Patch:
    """Parameters of one sound: partials through a filter, or two operators of FM.

    slope: of the partials' amplitudes, dB an octave. even: level of the even partials.
    formants: (centre in Hz, width in octaves, gain) of fixed resonances.
    cutoff: of a low-pass, in multiples of the note's frequency, at the onset and at rest.
    attack, decay, sustain, release: of the envelope; s, s, level, s.
    dullness: how much faster high partials die away, per second and partial.
    breath: level of noise. ratio, index: of FM; an index of 0 is none.
    """

    slope: float
    even: float
    formants: tuple[tuple[float, float, float], ...]
    cutoff: tuple[float, float]
    attack: float
    decay: float
    sustain: float
    release: float
    dullness: float
    breath: float
    ratio: float
    index: float

    @staticmethod
    def draw(rng: random.Random) -> "Patch":
        struck = rng.random() < 0.5
        return Patch(
            slope=rng.uniform(-15, -2),
            even=rng.choice([1.0, 1.0, rng.random()]),
            formants=tuple(
                (200 * 2 ** rng.uniform(0, 4.5), rng.uniform(0.2, 0.8), rng.uniform(1, 8))
                for _ in range(rng.randint(0, 3))
            ),
            cutoff=(2 ** rng.uniform(1, 6), 2 ** rng.uniform(1, 6)),
            attack=10 ** (rng.uniform(-3, -2) if struck else rng.uniform(-2.2, -0.9)),
            decay=10 ** rng.uniform(-1, 0.5),
            sustain=0.0 if struck else rng.uniform(0.4, 1.0),
            release=10 ** rng.uniform(-1.3, -0.5),
            dullness=rng.choice([0.0, 10 ** rng.uniform(-1.5, 0.3)]),
            breath=rng.choice([0.0, 0.0, 10 ** rng.uniform(-2.5, -1.2)]),
            ratio=rng.choice([0.5, 1, 1, 2, 3, 4, 1.41, 3.5, 5.1]),
            index=rng.choice([0.0, 0.0, rng.uniform(0.3, 5)]),
        )


def render(notes: Sequence[Note], patch: Patch, samples: int) -> np.ndarray:
    """Play `notes` with `patch`; (samples,), float32, mono at 44 100 Hz, peaks about 1."""
    out = np.zeros(samples, np.float32)
    for onset, offset, pitch, velocity in notes:
        start = max(0, round(onset * SAMPLE_RATE))
        length = min(samples - start, round((offset - onset + 3 * patch.release + RELEASE) * SAMPLE_RATE))
        if length > 0:
            tone = _tone(440 * 2 ** ((pitch - 69) / 12), offset - onset, length, velocity / 127, patch)
            out[start : start + length] += tone
    return out / max(float(np.abs(out).max()), 1e-3)


def _tone(hertz: float, held: float, length: int, velocity: float, patch: Patch) -> np.ndarray:
    seconds = np.arange(length, dtype=np.float32) / SAMPLE_RATE
    tone = _fm(hertz, seconds, velocity, patch) if patch.index else _partials(hertz, seconds, velocity, patch)
    if patch.breath:
        seed = np.random.default_rng(round(hertz * 100))
        tone = tone + patch.breath * seed.standard_normal(length).astype(np.float32)
    return tone * _envelope(seconds, held, patch) * velocity**1.5


def _partials(hertz: float, seconds: np.ndarray, velocity: float, patch: Patch) -> np.ndarray:
    """The harmonics below 18 kHz, as powers of one rotating phasor."""
    turn = np.exp(2j * np.pi * hertz * seconds).astype(np.complex64)
    opening = np.exp(-seconds / patch.decay)
    cutoff = (patch.cutoff[1] + (patch.cutoff[0] - patch.cutoff[1]) * opening) * (0.4 + 0.6 * velocity)
    phasor, tone = np.ones_like(turn), np.zeros_like(seconds)
    for k in range(1, min(PARTIALS, int(18000 / hertz)) + 1):
        phasor = phasor * turn
        level = 10 ** (patch.slope * np.log2(k) / 20) * (1 if k % 2 else patch.even) * _body(k * hertz, patch)
        if level > 1e-3:
            tone += phasor.imag * (level * np.exp(-patch.dullness * k * seconds) / (1 + (k / cutoff) ** 4))
    return tone


def _fm(hertz: float, seconds: np.ndarray, velocity: float, patch: Patch) -> np.ndarray:
    strength = patch.index * velocity * (0.3 + 0.7 * np.exp(-seconds / patch.decay))
    strength = min(1.0, 9000 / (hertz * (1 + patch.ratio * (patch.index + 1)))) * strength  # no aliasing
    modulator = np.sin(2 * np.pi * patch.ratio * hertz * seconds)
    return (np.sin(2 * np.pi * hertz * seconds + strength * modulator)).astype(np.float32)


def _body(hertz: float, patch: Patch) -> float:
    """Gain of the resonances at a frequency."""
    return 1 + sum(g * np.exp(-0.5 * (np.log2(hertz / c) / w) ** 2) for c, w, g in patch.formants)


def _envelope(seconds: np.ndarray, held: float, patch: Patch) -> np.ndarray:
    level = patch.sustain + (1 - patch.sustain) * np.exp(-seconds / patch.decay)
    released = np.exp(-np.clip(seconds - held, 0, None) / patch.release)
    return np.clip(seconds / patch.attack, 0, 1) * level * released
