"""Effects that change the sound of a waveform and not its notes; each draws its own parameters."""

import random
from collections.abc import Sequence

import numpy as np
import torch
import torchaudio.functional as AF
from scipy.signal import fftconvolve

from msdae.symbolic.notes import Note
from msdae.synthesis.soundfont import SAMPLE_RATE


def equalise(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random) -> np.ndarray:
    """Two to four broad bells, up to 12 dB either way."""
    x = torch.from_numpy(waveform)
    for _ in range(rng.randint(2, 4)):
        centre, gain = 80 * 2 ** rng.uniform(0, 7), rng.uniform(-12, 12)
        x = AF.equalizer_biquad(x, SAMPLE_RATE, centre, gain, Q=rng.uniform(0.4, 1.5))
    return x.numpy()


def low_pass(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random) -> np.ndarray:
    """A resonant low-pass well above the notes."""
    cutoff = 800 * 2 ** rng.uniform(0, 4)
    x = AF.lowpass_biquad(torch.from_numpy(waveform), SAMPLE_RATE, cutoff, Q=rng.uniform(0.5, 3))
    return x.numpy()


def drive(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random) -> np.ndarray:
    """Soft clipping."""
    gain = 10 ** rng.uniform(0, 1.3) / max(float(np.abs(waveform).max()), 1e-3)
    return np.tanh(gain * waveform)


def vibrato(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random) -> np.ndarray:
    """5 to 40 cents either way, 3.5 to 7 Hz."""
    return _bend(waveform, rng.uniform(5, 40), rng.uniform(3.5, 7), rng)


def chorus(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random) -> np.ndarray:
    """Mixed with one or two slowly detuned copies."""
    for _ in range(rng.randint(1, 2)):
        waveform = waveform + rng.uniform(0.4, 0.9) * _bend(
            waveform, rng.uniform(6, 18), rng.uniform(0.2, 1.2), rng
        )
    return waveform


def tremolo(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random) -> np.ndarray:
    """Loudness that swings at 3 to 9 Hz."""
    seconds = np.arange(len(waveform)) / SAMPLE_RATE
    swing = np.sin(2 * np.pi * (rng.uniform(3, 9) * seconds + rng.random()))
    return (waveform * (1 - rng.uniform(0.1, 0.45) * (1 + swing))).astype(np.float32)


def envelope(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random) -> np.ndarray:
    """Each onset fades in anew, or what follows it dies away."""
    attack, decay = 10 ** rng.uniform(-2.5, -1.0), 10 ** rng.uniform(-0.7, 0.5)
    onsets = sorted({round(note[0] * SAMPLE_RATE) for note in notes})
    since = np.arange(len(waveform), dtype=np.float32)
    for onset in onsets:
        since[max(0, onset) :] -= since[max(0, onset)] if onset < len(since) else 0
    since /= SAMPLE_RATE
    shape = np.clip(since / attack, 0, 1) if rng.random() < 0.5 else np.exp(-since / decay)
    return (waveform * shape).astype(np.float32)


def room(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random) -> np.ndarray:
    """Reverberation of 0.15 to 1.2 s: noise that dies away, darker with time."""
    seconds = rng.uniform(0.15, 1.2)
    noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(round(seconds * SAMPLE_RATE))
    tail = noise * np.exp(-6.9 * np.arange(len(noise)) / len(noise))
    damped = AF.lowpass_biquad(torch.from_numpy(tail).float(), SAMPLE_RATE, rng.uniform(2000, 9000)).numpy()
    wet = fftconvolve(waveform, damped)[: len(waveform)]
    loudness = np.sqrt(np.mean(waveform**2) / max(np.mean(wet**2), 1e-9))
    return (waveform + rng.uniform(0.1, 0.6) * loudness * wet).astype(np.float32)


def hiss(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random) -> np.ndarray:
    """A noise floor 35 to 60 dB below the peak."""
    noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(len(waveform)).astype(np.float32)
    return waveform + 10 ** (-rng.uniform(35, 60) / 20) * float(np.abs(waveform).max()) * noise


def _bend(waveform: np.ndarray, cents: float, hertz: float, rng: random.Random) -> np.ndarray:
    """Read at a swinging place, so that the pitch swings by `cents` either way."""
    depth = (2 ** (cents / 1200) - 1) / (2 * np.pi * hertz) * SAMPLE_RATE  # samples
    places = np.arange(len(waveform))
    swing = np.sin(2 * np.pi * (hertz * places / SAMPLE_RATE + rng.random()))
    return np.interp(places + depth * swing, places, waveform).astype(np.float32)


# With the probability that a processed sound has it, in the order of a signal path.
CHAIN = (
    (envelope, 0.3),
    (vibrato, 0.3),
    (chorus, 0.2),
    (drive, 0.25),
    (tremolo, 0.12),
    (equalise, 0.7),
    (low_pass, 0.25),
    (room, 0.4),
    (hiss, 0.15),
)


def process(waveform: np.ndarray, notes: Sequence[Note], seed: str) -> np.ndarray:
    """`waveform` (samples,) through effects that `seed` chooses: the same for all that a sound plays."""
    rng = random.Random(seed)
    chosen = [(effect, rng.getrandbits(32)) for effect, share in CHAIN if rng.random() < share]
    for effect, own in chosen:
        waveform = effect(waveform, notes, random.Random(own))
    return waveform
