"""Notes to sound by formulas whose parameters are drawn at random: timbres that no SoundFont has."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from msdae.config import require_ranges
from msdae.errors import UserError
from msdae.limits import SHARE, Range, check
from msdae.symbolic.notes import Note
from msdae.synthesis.effects import logarithmic
from msdae.synthesis.soundfont import SAMPLE_RATE

PARTIALS = 48
RELEASE = 0.06  # seconds, at least

# Each is a range that a parameter is drawn from, from and to.
Positive = tuple[Annotated[float, Range(0, 1e5, above=True)], ...]
Level = tuple[Annotated[float, Range(0, 1000)], ...]
OneIn = Annotated[int, Range(1, 1000, reason="a sound so rare is in no data set")]


@dataclass(frozen=True)
class PatchConfig:
    """What the sounds that come from formulas are drawn from.

    struck: share of the sounds that die away while a note is held.
    slope: how the partials' amplitudes fall, in dB an octave.
    even_one_in: one sound in so many has weak even partials, as a clarinet.
    formants: number of fixed resonances.
    formant_hertz: centres of the resonances.
    formant_octaves: widths of the resonances.
    formant_gain: how much a resonance adds to the amplitude.
    cutoff: of the low-pass filter, in multiples of the note's frequency.
    struck_attack: seconds in which a struck sound begins.
    held_attack: seconds in which any other sound begins.
    decay: seconds in which the envelope falls by 63 % towards its level at rest.
    sustain: level at rest of sounds that are not struck.
    release: seconds in which a released note falls to 37 %.
    dull_one_in: one sound in so many has high partials that die away faster than low ones.
    dullness: how much faster, per second and partial.
    breath_one_in: one sound in so many has noise in it.
    breath: level of the noise.
    ratios: frequencies of the modulator of FM in multiples of the note's, each as likely as the next.
    fm_one_in: one sound in so many is FM of two operators.
    fm_index: strength of the modulation.
    """

    struck: Annotated[float, SHARE] = 0.5
    slope: tuple[Annotated[float, Range(-200, 200)], ...] = (-15, -2)
    even_one_in: OneIn = 3
    formants: tuple[Annotated[int, Range(0, 64, reason="no more are heard apart")], ...] = (0, 3)
    formant_hertz: Positive = (200, 200 * 2**4.5)
    formant_octaves: Positive = (0.2, 0.8)
    formant_gain: Level = (1, 8)
    cutoff: Positive = (2, 64)
    struck_attack: Positive = (1e-3, 1e-2)
    held_attack: Positive = (10**-2.2, 10**-0.9)
    decay: Positive = (0.1, 10**0.5)
    sustain: Level = (0.4, 1.0)
    release: Positive = (10**-1.3, 10**-0.5)
    dull_one_in: OneIn = 2
    dullness: Positive = (10**-1.5, 10**0.3)
    breath_one_in: OneIn = 3
    breath: Positive = (10**-2.5, 10**-1.2)
    ratios: Positive = (0.5, 1, 1, 2, 3, 4, 1.41, 3.5, 5.1)
    fm_one_in: OneIn = 3
    fm_index: Level = (0.3, 5)

    def __post_init__(self):
        check(self)
        pairs = (name for name, value in vars(self).items() if isinstance(value, tuple) and name != "ratios")
        require_ranges(self, *pairs)
        if not self.ratios:
            raise UserError("ratios is empty; give one number or more")


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
    def draw(rng: random.Random, config: PatchConfig = PatchConfig()) -> "Patch":
        """A sound with parameters at random from the ranges of `config`."""
        c = config
        struck = rng.random() < c.struck
        return Patch(
            slope=rng.uniform(*c.slope),
            even=_seldom(rng, c.even_one_in, 1.0, rng.random()),
            formants=tuple(
                (
                    logarithmic(rng, c.formant_hertz),
                    rng.uniform(*c.formant_octaves),
                    rng.uniform(*c.formant_gain),
                )
                for _ in range(rng.randint(*c.formants))
            ),
            cutoff=(logarithmic(rng, c.cutoff), logarithmic(rng, c.cutoff)),
            attack=logarithmic(rng, c.struck_attack if struck else c.held_attack),
            decay=logarithmic(rng, c.decay),
            sustain=0.0 if struck else rng.uniform(*c.sustain),
            release=logarithmic(rng, c.release),
            dullness=_seldom(rng, c.dull_one_in, 0.0, logarithmic(rng, c.dullness)),
            breath=_seldom(rng, c.breath_one_in, 0.0, logarithmic(rng, c.breath)),
            ratio=rng.choice(c.ratios),
            index=_seldom(rng, c.fm_one_in, 0.0, rng.uniform(*c.fm_index)),
        )


def _seldom(rng: random.Random, one_in: int, usual: float, other: float) -> float:
    """`other` once in `one_in` draws, else `usual`."""
    return rng.choice([*[usual] * (one_in - 1), other])


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
