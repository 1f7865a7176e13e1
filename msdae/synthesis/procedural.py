"""Plays notes by additive and FM synthesis with random parameters, for timbres that no SoundFont has."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.fft import irfft, next_fast_len

from msdae.audio import temperament
from msdae.config import require_ranges
from msdae.errors import UserError
from msdae.limits import Range, Share, check
from msdae.symbolic.notes import Note
from msdae.synthesis.effects import logarithmic
from msdae.synthesis.soundfont import SAMPLE_RATE

PARTIALS, BANK = 128, 16  # largest number of harmonic partials; of inharmonic ones, which cost more
TABLE, KNOTS = 4096, 20  # samples in a table of one period; times at which its spectrum is computed
# Partials of struck bars, tuned bars, tubes, bells and plates, in multiples of the note's frequency.
MODES = (
    (1, 2.756, 5.404, 8.933, 13.34),
    (1, 3.99, 9.6, 16.2),
    (1, 1.5, 2.76, 3.46, 4.6, 5.9),
    (0.5, 1, 1.19, 1.5, 2, 2.51, 2.66, 3.01, 4.17, 5.43),
    (1, 1.61, 2.2, 2.9, 3.41, 4.4, 5.3, 6.7),
    (1, 4, 10.2),
)
RELEASE = 0.06  # seconds added to the release of each tone

# Each is a range (from, to) that a parameter is drawn from.
Positive = tuple[Annotated[float, Range(0, 1e5, above=True)], ...]
Level = tuple[Annotated[float, Range(0, 1000)], ...]
OneIn = Annotated[int, Range(1, 1000, reason="a sound so rare is in no data set")]


@dataclass(frozen=True)
class PatchConfig:
    """The distributions that the sounds of formulas are drawn from; a pair is a range (from, to).

    struck: share of the sounds that die away while a note is held.
    slope: how the partials' amplitudes fall, in dB an octave.
    even_one_in: one sound in so many has weak even partials, like a clarinet.
    rough: standard deviation of each partial's amplitude around the slope, in dB.
    plucked_one_in: one sound in so many lacks the partials with a node at the plucking point.
    unison_one_in: one sound in so many consists of three detuned copies.
    unison_cents: detuning of the copies.
    stretched_one_in: one sound in so many has stretched partials, as stiff strings have.
    stretch: inharmonicity coefficient of the stretched partials.
    modes_one_in: one sound in so many has the partials of bars, tubes, bells or plates.
    knock_one_in: one sound in so many begins with a burst of noise.
    knock: level of the burst.
    knock_seconds: time in which the burst falls to 37 %.
    formants: number of fixed resonances.
    formant_hertz: centres of the resonances.
    formant_octaves: widths of the resonances.
    formant_gain: how much a resonance adds to the amplitude.
    cutoff: cutoff of the low-pass filter, in multiples of the note's frequency.
    struck_attack: seconds of the attack of a struck sound.
    held_attack: seconds of the attack of any other sound.
    decay: seconds in which the envelope falls by 63 % of the way to its sustain level.
    sustain: sustain level of sounds that are not struck.
    release: seconds in which a released note falls to 37 %.
    dull_one_in: one sound in so many has high partials that die away faster than low ones.
    dullness: decay rate added to each partial, per second, in multiples of its number.
    breath_one_in: one sound in so many has steady noise in it.
    breath: level of the steady noise.
    noise_centre: centre of the noises, in multiples of the note's frequency.
    noise_octaves: width of the noises.
    ratios: frequencies of the FM modulator in multiples of the note's, to be chosen with equal probability.
    fm_one_in: one sound in so many is FM with two operators.
    fm_index: modulation index.
    """

    struck: Share = 0.5
    slope: tuple[Annotated[float, Range(-200, 200)], ...] = (-15, -2)
    even_one_in: OneIn = 3
    rough: Level = (0, 9)
    plucked_one_in: OneIn = 3
    unison_one_in: OneIn = 6
    unison_cents: Positive = (3, 20)
    stretched_one_in: OneIn = 8
    stretch: Positive = (3e-5, 3e-3)
    modes_one_in: OneIn = 10
    knock_one_in: OneIn = 3
    knock: Level = (0.02, 0.5)
    knock_seconds: Positive = (0.003, 0.05)
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
    breath: Positive = (10**-2.5, 10**-0.6)
    noise_centre: Positive = (1, 24)
    noise_octaves: Positive = (0.5, 3)
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
    """The parameters of one sound: filtered partials, or FM with two operators. See `PatchConfig`.

    FM takes precedence over stretched partials and modes, and these over unison.

    slope: dB an octave by which the partials' amplitudes fall (negative). even: level of the even partials.
    rough: gains of the partials. pluck: plucking point as a share of the string; 0 for none.
    unison: cents between three copies; 0 for a single one. stretch: inharmonicity coefficient.
    modes: frequencies of the partials in multiples of the note's; empty for harmonic partials.
    knock: level of a noise burst at the onset, and the seconds in which it falls to 37 %.
    formants: (centre in Hz, width in octaves, gain) of each fixed resonance.
    cutoff: cutoff of a low-pass, in multiples of the note's frequency, at the onset and after the decay.
    attack, decay, sustain, release: the envelope, in seconds, seconds, level and seconds.
    dullness: decay rate added to each partial, per second, in multiples of its number.
    breath: level of steady noise. noise: centre of all noise in multiples of the note's frequency, and its
    width in octaves. ratio, index: frequency ratio and modulation index of FM; an index of 0 means no FM.
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
    rough: tuple[float, ...] = ()
    pluck: float = 0.0
    unison: float = 0.0
    stretch: float = 0.0
    modes: tuple[float, ...] = ()
    knock: tuple[float, float] = (0.0, 0.01)
    noise: tuple[float, float] = (8.0, 2.0)

    @staticmethod
    def draw(rng: random.Random, config: PatchConfig = PatchConfig()) -> "Patch":
        """A sound with random parameters from the ranges of `config`."""
        c = config
        struck, spread = rng.random() < c.struck, rng.uniform(*c.rough)
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
            rough=tuple(10 ** (rng.gauss(0, spread) / 20) for _ in range(PARTIALS)),
            pluck=_seldom(rng, c.plucked_one_in, 0.0, rng.uniform(0.05, 0.5)),
            unison=_seldom(rng, c.unison_one_in, 0.0, logarithmic(rng, c.unison_cents)),
            stretch=_seldom(rng, c.stretched_one_in, 0.0, logarithmic(rng, c.stretch)),
            modes=rng.choice(MODES) if rng.randrange(c.modes_one_in) == 0 else (),
            knock=(
                _seldom(rng, c.knock_one_in, 0.0, rng.uniform(*c.knock)),
                logarithmic(rng, c.knock_seconds),
            ),
            noise=(logarithmic(rng, c.noise_centre), rng.uniform(*c.noise_octaves)),
        )


def _seldom(rng: random.Random, one_in: int, usual: float, other: float) -> float:
    """`other` with probability 1 / `one_in`, otherwise `usual`."""
    return rng.choice([*[usual] * (one_in - 1), other])


def render(notes: Sequence[Note], patch: Patch, samples: int) -> np.ndarray:
    """The sound of `notes`: float32, (samples,), mono at 44 100 Hz, with a peak of 1."""
    out = tones(notes, patch, samples)
    return out / max(float(np.abs(out).max()), 1e-3)


def tones(notes: Sequence[Note], patch: Patch, samples: int) -> np.ndarray:
    """`render` at the level that follows from the velocities."""
    out = np.zeros(samples, np.float32)
    for onset, offset, pitch, velocity in notes:
        start = max(0, round(onset * SAMPLE_RATE))
        length = min(samples - start, round((offset - onset + 3 * patch.release + RELEASE) * SAMPLE_RATE))
        if length > 0:
            tone = _tone(temperament.hertz(pitch), offset - onset, length, velocity / 127, patch)
            out[start : start + length] += tone
    return out


def _tone(hertz: float, held: float, length: int, velocity: float, patch: Patch) -> np.ndarray:
    seconds = np.arange(length, dtype=np.float32) / SAMPLE_RATE
    if patch.index:
        tone = _fm(hertz, seconds, velocity, patch)
    elif patch.stretch or patch.modes:
        tone = _bank(hertz, seconds, velocity, patch)
    else:
        tone = _periods(hertz, seconds, velocity, patch)
    if patch.breath or patch.knock[0]:
        level, fall = patch.knock
        tone = tone + (patch.breath + level * np.exp(-seconds / fall)) * _noise(hertz, length, patch)
    return tone * _envelope(seconds, held, patch) * velocity**1.5


def _levels(hertz: float, seconds: np.ndarray, velocity: float, patch: Patch) -> np.ndarray:
    """The amplitudes of the partials below 18 kHz at some times: (times, partials)"""
    k = np.array(patch.modes or range(1, PARTIALS + 1), np.float32)
    k = k[: max(1, int((k * hertz < 18000).sum()))]
    level = 10 ** (patch.slope * np.log2(np.maximum(k, 1)) / 20) * _body(k * hertz, patch)
    if patch.rough:
        level *= patch.rough[: len(k)]
    if not patch.modes:
        level[1::2] *= patch.even
        level *= np.abs(np.sin(np.pi * k * patch.pluck)) + 0.02 if patch.pluck else 1
    opening = np.exp(-seconds / patch.decay)
    cutoff = (patch.cutoff[1] + (patch.cutoff[0] - patch.cutoff[1]) * opening) * (0.4 + 0.6 * velocity)
    levels = level * np.exp(-patch.dullness * seconds[:, None] * k) / (1 + (k / cutoff[:, None]) ** 4)
    return levels / max(1.0, float(np.sqrt((levels[0] ** 2).sum())))


def _periods(hertz: float, seconds: np.ndarray, velocity: float, patch: Patch) -> np.ndarray:
    """A harmonic tone by wavetables, one for each of `KNOTS` times: (samples,)"""
    knots = np.concatenate([[0], np.geomspace(0.005, max(0.01, float(seconds[-1])), KNOTS - 1)])
    levels = _levels(hertz, knots, velocity, patch)
    spectra = np.zeros((KNOTS, TABLE // 2 + 1), np.complex64)
    spectra[:, 1 : levels.shape[1] + 1] = -0.5j * TABLE * levels
    tables = irfft(spectra, TABLE, axis=1)
    tables = np.concatenate([tables, tables[:, :1]], axis=1).astype(np.float32).reshape(-1)
    after = np.interp(seconds, knots, np.arange(KNOTS)).astype(np.float32)
    row = np.minimum(after.astype(np.int32), KNOTS - 2)
    mix, start = after - row, row * (TABLE + 1)
    tone = np.zeros_like(seconds)
    for cents in (-patch.unison, 0.0, patch.unison) if patch.unison else (0.0,):
        place = (hertz * 2 ** (cents / 1200) * TABLE / SAMPLE_RATE) * np.arange(len(seconds)) % TABLE
        column = place.astype(np.int32)
        part, at = (place - column).astype(np.float32), start + column
        first = tables[at] + part * (tables[at + 1] - tables[at])
        at += TABLE + 1
        tone += first + mix * (tables[at] + part * (tables[at + 1] - tables[at]) - first)
    return tone


def _bank(hertz: float, seconds: np.ndarray, velocity: float, patch: Patch) -> np.ndarray:
    """An inharmonic tone as a sum of its `BANK` strongest partials: (samples,)"""
    knots = np.linspace(0, max(0.01, float(seconds[-1])), KNOTS)
    levels = _levels(hertz, knots, velocity, patch)
    ratios = np.array(patch.modes or range(1, PARTIALS + 1))[: levels.shape[1]]
    ratios = ratios * np.sqrt((1 + patch.stretch * ratios**2) / (1 + patch.stretch))
    tone, places = np.zeros_like(seconds), np.arange(len(seconds))
    for k in np.argsort(-levels.max(axis=0))[:BANK]:
        if ratios[k] * hertz < 18000:
            turn = (ratios[k] * hertz / SAMPLE_RATE * places % 1).astype(np.float32)
            level = np.interp(seconds, knots, levels[:, k]).astype(np.float32)
            tone += level * np.sin(np.float32(2 * np.pi) * turn)
    return tone


def _noise(hertz: float, length: int, patch: Patch) -> np.ndarray:
    """Band-limited noise around a multiple of the note's frequency, of standard deviation 1: (length,)"""
    size = next_fast_len(length, real=True)
    rng, centre = np.random.default_rng(round(hertz * 100)), min(patch.noise[0] * hertz, 12000.0)
    spectrum = rng.standard_normal((size // 2 + 1, 2), np.float32).view(np.complex64)[:, 0]
    octaves = np.log2(np.maximum(np.arange(len(spectrum)), 1) * (SAMPLE_RATE / size / centre))
    shape = np.exp(-0.5 * (octaves / patch.noise[1]) ** 2).astype(np.float32)
    wave = irfft(spectrum * shape, size)[:length]
    return wave / max(float(wave.std()), 1e-9)


def _fm(hertz: float, seconds: np.ndarray, velocity: float, patch: Patch) -> np.ndarray:
    strength = patch.index * velocity * (0.3 + 0.7 * np.exp(-seconds / patch.decay))
    strength = min(1.0, 9000 / (hertz * (1 + patch.ratio * (patch.index + 1)))) * strength  # against aliasing
    modulator = np.sin(2 * np.pi * patch.ratio * hertz * seconds)
    return (np.sin(2 * np.pi * hertz * seconds + strength * modulator)).astype(np.float32)


def _body(hertz: np.ndarray, patch: Patch) -> np.ndarray:
    """The gains of the resonances at some frequencies, in the shape of `hertz`."""
    return np.ones_like(hertz) + sum(
        g * np.exp(-0.5 * (np.log2(hertz / c) / w) ** 2) for c, w, g in patch.formants
    )


def _envelope(seconds: np.ndarray, held: float, patch: Patch) -> np.ndarray:
    level = patch.sustain + (1 - patch.sustain) * np.exp(-seconds / patch.decay)
    released = np.exp(-np.clip(seconds - held, 0, None) / patch.release)
    return np.clip(seconds / patch.attack, 0, 1) * level * released
