"""The expression of players: scoops, vibrato, drift, swells and overlapping notes, as real players have.

A player belongs to a sound and plays all excerpts with the same habits. Where the loudness grows and fades
belongs to the excerpt, so that all sounds swell at the same places. A note's tuning is off by at most 25
cents, and its pitch moves within 50 cents of that.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.signal import lfilter

from msdae.config import require_ranges
from msdae.limits import Range, Share, check
from msdae.symbolic.notes import Note
from msdae.synthesis.effects import upsampled
from msdae.synthesis.soundfont import SAMPLE_RATE

STEP = 64  # samples between two points of a curve
RETURN = 0.5  # time constant, in seconds, in which the time shift that comes with a pitch change dies away
TOUCH = 0.03  # seconds by which the notes of a single line may overlap
DETUNED = 25  # cents by which a note's tuning is off at most

# Each is a range (from, to) that a parameter is drawn from.
Detuning = tuple[Annotated[float, Range(0, DETUNED, reason="no note is out of tune by more")], ...]
Cents = tuple[Annotated[float, Range(0, 50, reason="notes stay the notes")], ...]
Seconds = tuple[Annotated[float, Range(0, 5, reason="longer than any clip")], ...]
Hertz = tuple[Annotated[float, Range(0.1, 20, reason="faster is no vibrato")], ...]
Decibels = tuple[Annotated[float, Range(0, 40)], ...]


@dataclass(frozen=True)
class PlayingConfig:
    """The distributions that the habits of a player are drawn from; a pair is a range (from, to).

    vibrato: share of the players with a vibrato.
    scoop: share who scoop into the notes of single lines, from below or above.
    drift: share whose pitch drifts.
    swell: share whose notes grow and fade while they are held.
    overlap: share whose notes overlap the next ones.
    detune_cents: standard deviation of a note's tuning.
    vibrato_cents: extent of a vibrato, up and down.
    vibrato_hertz: rate of a vibrato.
    vibrato_onset: seconds after a note's onset at which its vibrato begins.
    vibrato_rise: seconds in which a vibrato reaches its extent.
    scoop_cents: distance from the note at which a scoop begins.
    scoop_seconds: time in which that distance falls to 37 %.
    drift_cents: extent of a drift, up and down.
    swell_decibels: range of the loudness within a note.
    overlap_seconds: how much longer than written a note is held.
    """

    vibrato: Share = 0.4
    scoop: Share = 0.3
    drift: Share = 0.4
    swell: Share = 0.5
    overlap: Share = 0.3
    detune_cents: Detuning = (0, 8)
    vibrato_cents: Cents = (5, 35)
    vibrato_hertz: Hertz = (3.5, 7)
    vibrato_onset: Seconds = (0, 0.4)
    vibrato_rise: Seconds = (0.05, 0.5)
    scoop_cents: Cents = (10, 50)
    scoop_seconds: Seconds = (0.02, 0.12)
    drift_cents: Cents = (2, 8)
    swell_decibels: Decibels = (2, 12)
    overlap_seconds: Seconds = (0.02, 0.15)

    def __post_init__(self):
        check(self)
        require_ranges(self)


@dataclass(frozen=True)
class Player:
    """The habits of one player; a habit that it lacks is 0. See `PlayingConfig`.

    detune, vibrato, scoop, drift: cents; a negative scoop comes from below. swell: dB. overlap: seconds.
    hertz, onset, rise: rate (Hz), onset and rise (seconds) of the vibrato. scoop_seconds: seconds.
    seed: seeds what differs from note to note.
    """

    detune: float
    vibrato: float
    hertz: float
    onset: float
    rise: float
    scoop: float
    scoop_seconds: float
    drift: float
    swell: float
    overlap: float
    seed: str

    @staticmethod
    def draw(seed: str, config: PlayingConfig = PlayingConfig()) -> "Player":
        """A random player; the same seed gives the same player."""
        rng, c = random.Random(seed), config

        def seldom(share: float, bounds: Sequence[float]) -> float:
            value = rng.uniform(*bounds)
            return value if rng.random() < share else 0.0

        return Player(
            detune=rng.uniform(*c.detune_cents),
            vibrato=seldom(c.vibrato, c.vibrato_cents),
            hertz=rng.uniform(*c.vibrato_hertz),
            onset=rng.uniform(*c.vibrato_onset),
            rise=rng.uniform(*c.vibrato_rise),
            scoop=seldom(c.scoop, c.scoop_cents) * rng.choice((-1, -1, 1)),
            scoop_seconds=rng.uniform(*c.scoop_seconds),
            drift=seldom(c.drift, c.drift_cents),
            swell=seldom(c.swell, c.swell_decibels),
            overlap=seldom(c.overlap, c.overlap_seconds),
            seed=seed,
        )

    def touch(self, notes: Sequence[Note]) -> list[Note]:
        """The notes as they are fingered: held longer and slightly out of tune (pitches have fractions)."""
        rng, touched = random.Random(f"{self.seed}/{_mark(notes)}"), []
        for onset, offset, pitch, velocity in notes:
            cents = max(-DETUNED, min(DETUNED, rng.gauss(0, self.detune)))
            touched.append(Note(onset, offset + self.overlap, pitch + round(cents) / 100, velocity))
        return touched

    def express(self, waveform: np.ndarray, notes: Sequence[Note]) -> np.ndarray:
        """`waveform` (samples,), which plays the notes, with this player's curves of pitch and loudness."""
        if not notes or not (self.vibrato or self.scoop or self.drift or self.swell):
            return waveform
        points = -(-len(waveform) // STEP) + 1
        if self.vibrato or self.scoop or self.drift:
            waveform = _read(waveform, upsampled(_places(self._cents(notes, points)), STEP, len(waveform)))
        if self.swell:
            waveform = waveform * upsampled(10 ** (self._decibels(notes, points) / 20), STEP, len(waveform))
        return waveform.astype(np.float32)

    def _cents(self, notes: Sequence[Note], points: int) -> np.ndarray:
        """The deviation of the pitch in cents: (points,). It starts anew at each note of a single line."""
        rng = np.random.default_rng(list(f"{self.seed}/{_mark(notes)}".encode()))
        seconds = np.arange(points) * STEP / SAMPLE_RATE
        starts = sorted({note[0] for note in notes}) if _is_line(notes) else [min(note[0] for note in notes)]
        place = np.clip(np.searchsorted(starts, seconds, side="right") - 1, 0, None)
        since = np.clip(seconds - np.array(starts)[place], 0, None)
        cents = self.drift * _wander(points, 2.0, rng)
        if self.vibrato:
            turns = np.cumsum(self.hertz * (1 + 0.1 * _wander(points, 1.5, rng))) * STEP / SAMPLE_RATE
            depth = self.vibrato * np.clip((since - self.onset) / max(self.rise, 0.02), 0, 1)
            cents += depth * (1 + 0.3 * _wander(points, 1.0, rng)) * np.sin(2 * np.pi * turns)
        if len(starts) > 1 or len(notes) == 1:
            sizes = self.scoop * rng.uniform(0.3, 1, len(starts))
            cents += sizes[place] * np.exp(-since / max(self.scoop_seconds, 0.01))
        return np.clip(cents, -50, 50)

    def _decibels(self, notes: Sequence[Note], points: int) -> np.ndarray:
        """The loudness in dB, through two or three levels per note: (points,)

        Its shape depends on the notes alone, and only its size on the player.
        """
        rng = random.Random(_mark(notes))
        starts = sorted({round(note[0], 3) for note in notes})
        ends = [*starts[1:], max(note[1] for note in notes)]
        times, levels = [], []
        for start, end in zip(starts, ends, strict=True):
            shape = rng.choice(((0, -1), (-1, 0), (-1, 0, -1), (0, -0.7, 0), (0, 0), (-0.3, 0, -0.5)))
            size = self.swell * min(1.0, max(end - start, 0.0) / 0.4)  # short notes leave no time for a swell
            times += list(np.linspace(start, max(end, start), len(shape)))
            levels += [size * level for level in shape]
        curve = np.interp(np.arange(points) * STEP / SAMPLE_RATE, times, levels)
        return np.convolve(
            np.pad(curve, 14, mode="edge"), np.full(29, 1 / 29), mode="valid"
        )  # smoothed over 40 ms against clicks


def _mark(notes: Sequence[Note]) -> str:
    """A seed that depends on the onsets and pitches of an excerpt."""
    return str([(round(note[0], 3), note[2]) for note in notes])


def _is_line(notes: Sequence[Note]) -> bool:
    """Whether the notes are a single line: none overlaps the next by more than `TOUCH`."""
    ordered = sorted(notes)
    return all(one[1] <= other[0] + TOUCH for one, other in zip(ordered, ordered[1:], strict=False))


def _wander(points: int, hertz: float, rng: np.random.Generator) -> np.ndarray:
    """A smooth random curve from -1 to 1 with about `hertz` oscillations a second: (points,)"""
    knots = rng.uniform(-1, 1, 2 + int(points * STEP / SAMPLE_RATE * hertz * 2))
    x = np.linspace(0, len(knots) - 1.001, points)
    left, mix = x.astype(int), 0.5 - 0.5 * np.cos(np.pi * (x % 1))
    return knots[left] * (1 - mix) + knots[left + 1] * mix


def _places(cents: np.ndarray) -> np.ndarray:
    """How many samples ahead to read for a pitch curve in cents, decaying slowly to 0: (points,)"""
    ahead = (2 ** (cents / 1200) - 1) * STEP
    return lfilter([1.0], [1.0, -np.exp(-STEP / (RETURN * SAMPLE_RATE))], ahead)


def _read(waveform: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """The waveform read `ahead` (samples,) samples ahead, by cubic (Catmull-Rom) interpolation."""
    whole = np.floor(ahead)
    x = (ahead - whole).astype(np.float32)
    place = np.clip(np.arange(len(waveform)) + whole.astype(np.int64), 1, max(len(waveform) - 3, 1))
    a, b, c, d = (waveform[place + k] for k in (-1, 0, 1, 2))
    return b + 0.5 * x * (c - a + x * (2 * a - 5 * b + 4 * c - d + x * (3 * (b - c) + d - a)))
