"""Effects that change the timbre of a waveform but not its notes; each draws its own parameters."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
import torchaudio.functional as AF
from scipy.signal import fftconvolve

from msdae.config import require_ranges
from msdae.limits import Range, Share, check
from msdae.symbolic.notes import Note
from msdae.synthesis.soundfont import SAMPLE_RATE

# Each is a range (from, to) that a parameter is drawn from.
Seconds = tuple[Annotated[float, Range(1e-3, 60, reason="longer than any clip")], ...]
Hertz = tuple[Annotated[float, Range(0, SAMPLE_RATE / 2, above=True, reason="half the sample rate")], ...]
Cents = tuple[Annotated[float, Range(0, 1200, above=True, reason="an octave")], ...]
Decibels = tuple[Annotated[float, Range(-120, 120)], ...]
Level = tuple[Annotated[float, Range(0, 10)], ...]
Depth = tuple[Annotated[float, Range(0, 0.5, reason="which falls silent in between")], ...]
Quality = tuple[Annotated[float, Range(0, 100, above=True)], ...]
Number = tuple[Annotated[int, Range(1, 16, reason="more are not heard apart")], ...]


@dataclass(frozen=True)
class EffectsConfig:
    """How often a processed sound has each effect, and the ranges that their parameters are drawn from.

    envelope: share of the processed sounds whose notes get another attack or decay.
    vibrato: share with a vibrato of the pitch.
    chorus: share that is mixed with detuned copies of itself.
    drive: share that is clipped softly.
    tremolo: share with a tremolo of the loudness.
    equaliser: share with broad bell filters.
    low_pass: share with a resonant low-pass filter.
    room: share with reverberation.
    hiss: share with a noise floor.
    attack_seconds: duration of the attack of an envelope.
    decay_seconds: time in which a decaying envelope falls to 37 %.
    vibrato_cents: extent of a vibrato, up and down.
    vibrato_hertz: rate of a vibrato.
    chorus_copies: number of detuned copies in a chorus.
    chorus_level: level of each copy in a chorus.
    chorus_cents: largest detuning of a copy in a chorus.
    chorus_hertz: rate at which the detuning of a chorus oscillates.
    drive_gain: gain on a waveform of peak 1 before the clipping.
    tremolo_hertz: rate of a tremolo.
    tremolo_depth: extent of a tremolo, up and down, as a share of the amplitude.
    bells: number of bell filters of an equaliser.
    bell_hertz: centres of the bell filters.
    bell_decibels: gains of the bell filters.
    bell_quality: quality factors (Q) of the bell filters.
    cutoff_hertz: cutoff frequency of the low-pass filter.
    resonance: quality factor (Q) of the low-pass filter.
    room_seconds: time in which a reverberation falls by 60 dB.
    room_hertz: cutoff frequency of a reverberation.
    room_level: loudness of a reverberation, as a share of the sound's.
    hiss_decibels: how far a noise floor lies below the sound's peak.
    """

    envelope: Share = 0.3
    vibrato: Share = 0.3
    chorus: Share = 0.2
    drive: Share = 0.25
    tremolo: Share = 0.12
    equaliser: Share = 0.7
    low_pass: Share = 0.25
    room: Share = 0.4
    hiss: Share = 0.15
    attack_seconds: Seconds = (10**-2.5, 0.1)
    decay_seconds: Seconds = (10**-0.7, 10**0.5)
    vibrato_cents: Cents = (5, 40)
    vibrato_hertz: Hertz = (3.5, 7)
    chorus_copies: Number = (1, 2)
    chorus_level: Level = (0.4, 0.9)
    chorus_cents: Cents = (6, 18)
    chorus_hertz: Hertz = (0.2, 1.2)
    drive_gain: tuple[Annotated[float, Range(0, 1000, above=True)], ...] = (1, 10**1.3)
    tremolo_hertz: Hertz = (3, 9)
    tremolo_depth: Depth = (0.1, 0.45)
    bells: Number = (2, 4)
    bell_hertz: Hertz = (80, 10240)
    bell_decibels: Decibels = (-12, 12)
    bell_quality: Quality = (0.4, 1.5)
    cutoff_hertz: Hertz = (800, 12800)
    resonance: Quality = (0.5, 3)
    room_seconds: Seconds = (0.15, 1.2)
    room_hertz: Hertz = (2000, 9000)
    room_level: Level = (0.1, 0.6)
    hiss_decibels: Decibels = (35, 60)

    def __post_init__(self):
        check(self)
        require_ranges(self)


def envelope(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random, c: EffectsConfig) -> np.ndarray:
    """The sound with another envelope: from each onset on, it either fades in or decays exponentially."""
    attack, decay = logarithmic(rng, c.attack_seconds), logarithmic(rng, c.decay_seconds)
    onsets = sorted({round(note[0] * SAMPLE_RATE) for note in notes})
    since = np.arange(len(waveform), dtype=np.float32)
    for onset in onsets:
        since[max(0, onset) :] -= since[max(0, onset)] if onset < len(since) else 0
    since /= SAMPLE_RATE
    shape = np.clip(since / attack, 0, 1) if rng.random() < 0.5 else np.exp(-since / decay)
    return (waveform * shape).astype(np.float32)


def vibrato(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random, c: EffectsConfig) -> np.ndarray:
    """The sound with a periodic change of its pitch."""
    return _bend(waveform, rng.uniform(*c.vibrato_cents), rng.uniform(*c.vibrato_hertz), rng)


def chorus(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random, c: EffectsConfig) -> np.ndarray:
    """The sound mixed with copies whose detuning slowly oscillates."""
    for _ in range(rng.randint(*c.chorus_copies)):
        level, cents, hertz = (rng.uniform(*r) for r in (c.chorus_level, c.chorus_cents, c.chorus_hertz))
        waveform = waveform + level * _bend(waveform, cents, hertz, rng)
    return waveform


def drive(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random, c: EffectsConfig) -> np.ndarray:
    """The sound with soft clipping."""
    gain = logarithmic(rng, c.drive_gain) / max(float(np.abs(waveform).max()), 1e-3)
    return np.tanh(gain * waveform)


def tremolo(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random, c: EffectsConfig) -> np.ndarray:
    """The sound with a periodic change of its loudness."""
    seconds = np.arange(len(waveform)) / SAMPLE_RATE
    swing = np.sin(2 * np.pi * (rng.uniform(*c.tremolo_hertz) * seconds + rng.random()))
    return (waveform * (1 - rng.uniform(*c.tremolo_depth) * (1 + swing))).astype(np.float32)


def equaliser(
    waveform: np.ndarray, notes: Sequence[Note], rng: random.Random, c: EffectsConfig
) -> np.ndarray:
    """The sound through a few broad bell filters."""
    x = torch.from_numpy(waveform)
    for _ in range(rng.randint(*c.bells)):
        centre, gain = logarithmic(rng, c.bell_hertz), rng.uniform(*c.bell_decibels)
        x = AF.equalizer_biquad(x, SAMPLE_RATE, centre, gain, Q=rng.uniform(*c.bell_quality))
    return x.numpy()


def low_pass(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random, c: EffectsConfig) -> np.ndarray:
    """The sound through a resonant low-pass filter."""
    cutoff = logarithmic(rng, c.cutoff_hertz)
    x = AF.lowpass_biquad(torch.from_numpy(waveform), SAMPLE_RATE, cutoff, Q=rng.uniform(*c.resonance))
    return x.numpy()


def room(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random, c: EffectsConfig) -> np.ndarray:
    """The sound with reverberation, whose impulse response is low-passed, exponentially decaying noise."""
    seconds = rng.uniform(*c.room_seconds)
    noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(round(seconds * SAMPLE_RATE))
    tail = noise * np.exp(-6.9 * np.arange(len(noise)) / len(noise))
    cutoff = rng.uniform(*c.room_hertz)
    damped = AF.lowpass_biquad(torch.from_numpy(tail).float(), SAMPLE_RATE, cutoff).numpy()
    wet = fftconvolve(waveform, damped)[: len(waveform)]
    loudness = np.sqrt(np.mean(waveform**2) / max(np.mean(wet**2), 1e-9))
    return (waveform + rng.uniform(*c.room_level) * loudness * wet).astype(np.float32)


def hiss(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random, c: EffectsConfig) -> np.ndarray:
    """The sound with a floor of white noise."""
    noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(len(waveform)).astype(np.float32)
    return waveform + 10 ** (-rng.uniform(*c.hiss_decibels) / 20) * float(np.abs(waveform).max()) * noise


def logarithmic(rng: random.Random, bounds: Sequence[float]) -> float:
    """A random number between the bounds (low, high), uniform in its logarithm."""
    low, high = bounds
    return low * 2 ** rng.uniform(0, math.log2(high / low))


def upsampled(curve: np.ndarray, step: int, samples: int) -> np.ndarray:
    """A curve with a point every `step` samples, interpolated linearly: float32, (samples,)

    After the last point it keeps its value.
    """
    steps = np.arange(step, dtype=np.float32) / step
    lines = curve[:, None] + np.append(np.diff(curve), 0)[:, None] * steps
    missing = max(0, samples - lines.size)
    return np.pad(lines.reshape(-1), (0, missing), mode="edge")[:samples].astype(np.float32)


def _bend(waveform: np.ndarray, cents: float, hertz: float, rng: random.Random) -> np.ndarray:
    """The waveform read with an oscillating delay, so that its pitch varies by `cents` up and down."""
    depth = (2 ** (cents / 1200) - 1) / (2 * np.pi * hertz) * SAMPLE_RATE  # samples
    places = np.arange(len(waveform))
    swing = np.sin(2 * np.pi * (hertz * places / SAMPLE_RATE + rng.random()))
    return np.interp(places + depth * swing, places, waveform).astype(np.float32)


Effect = Callable[[np.ndarray, Sequence[Note], random.Random, Any], np.ndarray]

# The effects in the order of the signal path, each with the field of EffectsConfig that is its share.
CHAIN: tuple[tuple[str, Effect], ...] = (
    ("envelope", envelope),
    ("vibrato", vibrato),
    ("chorus", chorus),
    ("drive", drive),
    ("tremolo", tremolo),
    ("equaliser", equaliser),
    ("low_pass", low_pass),
    ("room", room),
    ("hiss", hiss),
)


def process(
    waveform: np.ndarray,
    notes: Sequence[Note],
    seed: str,
    config: Any = EffectsConfig(),
    chain: Sequence[tuple[str, Effect]] = CHAIN,
) -> np.ndarray:
    """`waveform` (samples,) through effects that `seed` selects and parametrises, as (samples,).

    A sound uses one seed for everything that it plays, so that its effects stay the same.

    notes: the notes that the waveform plays. config: has the share of each effect in `chain` under its name,
        and the ranges of the effects' parameters.
    """
    rng = random.Random(seed)
    drawn = [(effect, rng.getrandbits(32)) for name, effect in chain if rng.random() < getattr(config, name)]
    for effect, number in drawn:
        waveform = effect(waveform, notes, random.Random(number), config)
    return waveform
