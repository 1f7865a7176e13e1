"""The traces that recording leaves on a sound: room, microphone, breath noise, hum, background, lossy codec.

They belong to the sound and are the same in all of its clips, as one hears instrument and room as a whole;
only the noises differ from clip to clip.
"""

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import soundfile
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import lfilter, oaconvolve

from msdae.config import require_ranges
from msdae.limits import Range, Share, check
from msdae.symbolic.notes import Note
from msdae.synthesis.effects import Decibels, Effect, Hertz, Level, Seconds, logarithmic, upsampled
from msdae.synthesis.soundfont import SAMPLE_RATE

SOUND = 343.0  # speed of sound in metres a second
HOP = 256  # samples between two values of a loudness curve
FEWEST_BITS = 0.999  # the highest compression level of MP3; libsndfile fails at 1

Metres = tuple[Annotated[float, Range(0.1, 100, reason="larger than a concert hall")], ...]
Strength = tuple[Share, ...]
Slope = tuple[Annotated[float, Range(-24, 24)], ...]


@dataclass(frozen=True)
class RecordingConfig:
    """How often a recorded sound has each trace, and the ranges that their parameters are drawn from.

    breath: share of the recorded sounds with the noise of a bow or of breath.
    colour: share with a smooth frequency response, as microphones and bodies have.
    band: share with attenuated lows or highs.
    place: share in a room with walls.
    compression: share with dynamic range compression.
    saturation: share that is clipped softly.
    riding: share with slow random changes of the level.
    hum: share with mains hum.
    background: share with background noise.
    coded: share that was encoded as MP3 or Vorbis and decoded.
    breath_decibels: how far the breath noise lies below the sound.
    breath_hertz: centre of the breath noise.
    colour_decibels: standard deviation of the frequency response.
    low_cut: frequency below which lows are attenuated.
    high_cut: frequency above which highs are attenuated.
    cut_slope: slope of that attenuation, dB an octave.
    room_metres: edges of the room.
    room_distance: metres from the sound to the microphone.
    room_reflection: share of the sound pressure that a wall reflects.
    tail_seconds: time in which the diffuse reverberation falls by 60 dB.
    tail_level: loudness of the diffuse reverberation, as a share of the sound's.
    compression_strength: 0 leaves the loudness unchanged, 1 makes it constant.
    saturation_gain: gain on a waveform of peak 1 before the clipping.
    riding_decibels: extent of the level changes, up and down.
    hum_decibels: how far the hum lies below the peak.
    background_decibels: how far the background noise lies below the peak.
    background_slope: slope of the background noise's spectrum, dB an octave.
    coded_quality: compression level of the codec; 1 gives the fewest bits.
    """

    breath: Share = 0.25
    colour: Share = 0.7
    band: Share = 0.35
    place: Share = 0.6
    compression: Share = 0.2
    saturation: Share = 0.15
    riding: Share = 0.15
    hum: Share = 0.08
    background: Share = 0.3
    coded: Share = 0.08
    breath_decibels: Decibels = (18, 45)
    breath_hertz: Hertz = (400, 8000)
    colour_decibels: Level = (2, 8)
    low_cut: Hertz = (40, 350)
    high_cut: Hertz = (3000, 15000)
    cut_slope: Slope = (4, 18)
    room_metres: Metres = (2, 25)
    room_distance: Metres = (0.3, 8)
    room_reflection: Strength = (0.4, 0.93)
    tail_seconds: Seconds = (0.15, 2.2)
    tail_level: tuple[Annotated[float, Range(0, 10, above=True)], ...] = (0.03, 0.6)
    compression_strength: Strength = (0.2, 0.7)
    saturation_gain: Level = (0.5, 3)
    riding_decibels: Level = (1, 4)
    hum_decibels: Decibels = (40, 65)
    background_decibels: Decibels = (32, 65)
    background_slope: Slope = (-8, 0)
    coded_quality: Strength = (0, 0.9)

    def __post_init__(self):
        check(self)
        require_ranges(self)


def breath(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random, c: RecordingConfig) -> np.ndarray:
    """Adds noise that follows the sound's loudness."""
    centre, width = logarithmic(rng, c.breath_hertz), rng.uniform(0.4, 1.5)
    level = 10 ** (-rng.uniform(*c.breath_decibels) / 20)
    noise = _shaped(
        _noise(len(waveform), notes, rng),
        lambda hertz: np.exp(-0.5 * (np.log2(hertz / centre) / width) ** 2),
    )
    return waveform + np.float32(level / _loudness(noise)) * noise * _follow(waveform, 0.02)


def colour(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random, c: RecordingConfig) -> np.ndarray:
    """Applies a smooth random frequency response."""
    size = rng.uniform(*c.colour_decibels)
    octaves = np.arange(5, 15.1, rng.choice((0.5, 1.0, 2.0)))  # above 1 Hz: 32 Hz to 32 kHz
    gains = np.array([max(-20.0, min(20.0, rng.gauss(0, size))) for _ in octaves])

    def curve(hertz: np.ndarray) -> np.ndarray:
        return 10 ** (_smooth(np.log2(hertz), octaves, gains) / 20)

    return _shaped(waveform, curve)


def band(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random, c: RecordingConfig) -> np.ndarray:
    """Attenuates lows, highs or both."""
    low, high = logarithmic(rng, c.low_cut), logarithmic(rng, c.high_cut)
    slopes = rng.uniform(*c.cut_slope), rng.uniform(*c.cut_slope)
    sides = rng.choice(((1, 0), (0, 1), (1, 1)))

    def curve(hertz: np.ndarray) -> np.ndarray:
        octaves = (
            sides[0] * slopes[0] * np.log2(1 + low / hertz),
            sides[1] * slopes[1] * np.log2(1 + hertz / high),
        )
        return 10 ** (-(octaves[0] + octaves[1]) / 20)

    return _shaped(waveform, curve)


def place(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random, c: RecordingConfig) -> np.ndarray:
    """Adds a room: early reflections from its six surfaces, and a diffuse tail whose highs decay faster."""
    early = _reflections(rng, c)
    seconds, level = logarithmic(rng, c.tail_seconds), logarithmic(rng, c.tail_level)
    chance = np.random.default_rng(rng.getrandbits(32))
    noise = chance.standard_normal(round(seconds * SAMPLE_RATE)).astype(np.float32)
    time = np.arange(len(noise), dtype=np.float32) / SAMPLE_RATE
    low = lfilter([0.2], [1, -0.8], noise)  # below 1.5 kHz
    tail = low * np.exp(-6.9 / seconds * time) + (noise - low) * np.exp(-6.9 / (0.4 * seconds) * time)
    tail *= np.minimum(1, time / 0.02) * level / max(float(np.sqrt(np.sum(tail**2))), 1e-9)
    impulse = np.zeros(max(len(early), len(tail)), np.float32)
    impulse[: len(early)] += early
    impulse[: len(tail)] += tail
    return oaconvolve(waveform, impulse)[: len(waveform)].astype(np.float32)


def compression(
    waveform: np.ndarray, notes: Sequence[Note], rng: random.Random, c: RecordingConfig
) -> np.ndarray:
    """Compresses the dynamic range: divides by a power of the loudness."""
    strength, seconds = rng.uniform(*c.compression_strength), logarithmic(rng, (0.02, 0.3))
    follow = _follow(waveform, seconds)
    return waveform * np.float32(np.maximum(follow, 0.05 * follow.max() + 1e-9) ** -strength)


def saturation(
    waveform: np.ndarray, notes: Sequence[Note], rng: random.Random, c: RecordingConfig
) -> np.ndarray:
    """Clips softly."""
    gain = max(rng.uniform(*c.saturation_gain), 1e-3) / _peak(waveform)
    return np.tanh(np.float32(gain) * waveform)


def riding(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random, c: RecordingConfig) -> np.ndarray:
    """Changes the level slowly and at random, differently in each clip."""
    size, knots = rng.uniform(*c.riding_decibels), rng.randint(3, 8)
    chance = _chance(notes, rng)
    at = np.linspace(0, len(waveform), knots)
    curve = _smooth(np.arange(0, len(waveform) + HOP, HOP), at, chance.uniform(-size, size, knots))
    return waveform * upsampled(10 ** (curve / 20), HOP, len(waveform))


def hum(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random, c: RecordingConfig) -> np.ndarray:
    """Adds mains hum with some harmonics."""
    hertz, level = rng.choice((50, 60)), 10 ** (-rng.uniform(*c.hum_decibels) / 20) * _peak(waveform)
    time = np.arange(len(waveform), dtype=np.float32) / SAMPLE_RATE
    added = np.zeros_like(waveform)
    for k in (1, 2, 3, 5):
        turn = 2 * np.pi * (hertz * k * time + rng.random())
        added += np.float32(level * rng.random() / k) * np.sin(turn, dtype=np.float32)
    return waveform + added


def background(
    waveform: np.ndarray, notes: Sequence[Note], rng: random.Random, c: RecordingConfig
) -> np.ndarray:
    """Adds steady coloured noise."""
    slope, level = rng.uniform(*c.background_slope), 10 ** (-rng.uniform(*c.background_decibels) / 20)
    noise = _shaped(
        _noise(len(waveform), notes, rng), lambda hertz: 10 ** (slope * np.log2(hertz / 1000) / 20)
    )
    return waveform + np.float32(level * _peak(waveform) / _loudness(noise)) * noise


def coded(waveform: np.ndarray, notes: Sequence[Note], rng: random.Random, c: RecordingConfig) -> np.ndarray:
    """Encodes as MP3 or Vorbis and decodes again."""
    kind = rng.choice((("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS")))
    peak, buffer = _peak(waveform), io.BytesIO()
    quality = min(FEWEST_BITS, rng.uniform(*c.coded_quality))
    loud = waveform * np.float32(0.9 / peak)
    soundfile.write(buffer, loud, SAMPLE_RATE, kind[1], format=kind[0], compression_level=quality)
    buffer.seek(0)
    read, _ = soundfile.read(buffer, dtype="float32")
    return np.float32(peak / 0.9) * np.pad(read, (0, max(0, len(waveform) - len(read))))[: len(waveform)]


# The traces in the order of the signal path, each with the field of RecordingConfig that is its share.
CHAIN: tuple[tuple[str, Effect], ...] = (
    ("breath", breath),
    ("colour", colour),
    ("place", place),
    ("band", band),
    ("background", background),
    ("hum", hum),
    ("riding", riding),
    ("compression", compression),
    ("saturation", saturation),
    ("coded", coded),
)


def _reflections(rng: random.Random, c: RecordingConfig) -> np.ndarray:
    """The impulse response of a random box-shaped room: direct sound and image sources up to order three."""
    room = np.array([rng.uniform(*c.room_metres) for _ in range(3)])
    room[2] = min(room[2], rng.uniform(2.2, 8))
    reflection, distance = rng.uniform(*c.room_reflection), rng.uniform(*c.room_distance)
    heard = room * [rng.uniform(0.15, 0.85) for _ in range(3)]
    direction = np.array([rng.gauss(0, 1), rng.gauss(0, 1), rng.gauss(0, 0.3)])
    source = np.clip(heard + distance * direction / np.linalg.norm(direction), 0.1 * room, 0.9 * room)
    axes = [
        [(2 * n * room[k] + sign * source[k] - heard[k], abs(2 * n - (sign < 0)))
         for n in (-1, 0, 1) for sign in (1, -1)]
        for k in range(3)
    ]  # fmt: skip
    offsets = [np.array([place for place, _ in axis]) for axis in axes]
    counts = [np.array([count for _, count in axis]) for axis in axes]
    away = np.sqrt(sum(np.meshgrid(*(o**2 for o in offsets), indexing="ij"))).reshape(-1)
    walls = sum(np.meshgrid(*counts, indexing="ij")).reshape(-1)
    direct = max(float(np.linalg.norm(source - heard)), 0.1)
    kept = (walls <= 3) & (away >= direct - 1e-6)
    delays = np.round((away[kept] - direct) / SOUND * SAMPLE_RATE).astype(int)
    impulse = np.zeros(delays.max() + 1, np.float32)
    np.add.at(impulse, delays, reflection ** walls[kept] * direct / np.maximum(away[kept], 0.1))
    return impulse


def _chance(notes: Sequence[Note], rng: random.Random) -> np.random.Generator:
    """A generator for what differs between the clips of a sound: it depends on the times of their notes."""
    times = [round(1000 * abs(time)) for note in notes for time in note[:2]]
    return np.random.default_rng([rng.getrandbits(32), *times])


def _noise(samples: int, notes: Sequence[Note], rng: random.Random) -> np.ndarray:
    return _chance(notes, rng).standard_normal(samples, np.float32)


def _shaped(waveform: np.ndarray, curve) -> np.ndarray:
    """`waveform` (samples,) with its spectrum multiplied by `curve`, a function of frequencies in Hz."""
    size = next_fast_len(len(waveform) + SAMPLE_RATE // 10, real=True)
    hertz = np.maximum(np.arange(size // 2 + 1, dtype=np.float32) * (SAMPLE_RATE / size), 10)
    coarse = np.geomspace(10, SAMPLE_RATE / 2, 400)
    gains = np.interp(hertz, coarse, curve(coarse)).astype(np.float32)
    return irfft(rfft(waveform, size) * gains, size)[: len(waveform)].astype(np.float32)


def _smooth(x: np.ndarray, knots: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A smooth curve (cosine interpolation) through `values` at `knots`, evaluated at `x`."""
    place = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, len(knots) - 2)
    mix = np.clip((x - knots[place]) / (knots[place + 1] - knots[place]), 0, 1)
    mix = 0.5 - 0.5 * np.cos(np.pi * mix)
    return values[place] * (1 - mix) + values[place + 1] * mix


def _follow(waveform: np.ndarray, seconds: float) -> np.ndarray:
    """An envelope follower: the RMS over about the last `seconds`, as (samples,)."""
    power = np.pad(waveform**2, (0, -len(waveform) % HOP)).reshape(-1, HOP).mean(axis=1)
    keep = np.exp(-HOP / (seconds * SAMPLE_RATE))
    return upsampled(np.sqrt(np.maximum(lfilter([1 - keep], [1, -keep], power), 0)), HOP, len(waveform))


def _peak(waveform: np.ndarray) -> float:
    return max(float(np.abs(waveform).max()), 1e-4)


def _loudness(waveform: np.ndarray) -> float:
    return max(float(np.sqrt(np.mean(waveform**2))), 1e-9)
