"""Which scale on which tonic fits pitches: histograms of 10 cents against the eight maqamat."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from msdae.audio.pitch import FRAMES
from msdae.symbolic.maqam import MAQAMAT, Maqam

BIN = 10.0  # cents
BINS = 120  # of an octave
SPREAD = 20.0  # cents around a degree, standard deviation
ELSEWHERE = 0.15  # share of what lies on no degree
TONIC, GHAMMAZ = 2.0, 1.5  # weights of these degrees, of any other 1
ENDING = 1.5  # seconds of the last pitches near the tonic, which tell its octave
STEADY = 200.0  # cents a second above which a pitch is on its way
INSIDE = 35  # cents around a degree that are of it
NEAR = 40.0  # cents around the tonic that it is refined from


@dataclass(frozen=True)
class Fit:
    """A scale on a tonic.

    tonic: cents above MIDI pitch 0, below 1200. score: mean log-likelihood in nats; 0 for even spread.
    inside: share of the pitches within `INSIDE` of a degree.
    """

    maqam: str
    tonic: float
    score: float
    inside: float


def steady(cents: np.ndarray) -> np.ndarray:
    """The pitches of the frames that stay where they are; cents: (frames,), NaN where no pitch is."""
    if len(cents) < 2:
        return cents[:0]
    moves = np.abs(np.gradient(cents)) * FRAMES
    return cents[np.isfinite(cents) & (moves < STEADY)]


def histogram(cents: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """(120,) shares of the octave's bins of 10 cents, whatever the octave; the first is around pitch class C.

    cents: (pitches,). weights: (pitches,), of each.
    """
    places = np.round(cents / BIN).astype(int) % BINS
    counts = np.bincount(places, weights, BINS).astype(float)
    return counts / max(counts.sum(), 1e-12)


def fits(counts: np.ndarray) -> list[Fit]:
    """The best tonic of each maqam, the maqam that fits best first.

    counts: histogram of the pitches.
    """
    ranking = []
    for maqam in MAQAMAT.values():
        scale = np.log(_of(maqam) * BINS)
        scores = np.array([counts @ np.roll(scale, tonic) for tonic in range(BINS)])
        tonic = int(scores.argmax())
        inside = _inside(maqam, tonic)
        ranking.append(Fit(maqam.name, tonic * BIN, float(scores[tonic]), float(counts[inside].sum())))
    return sorted(ranking, key=lambda fit: -fit.score)


def refined(tonic: float, cents: np.ndarray) -> float:
    """The tonic, in cents of any octave, as the median of the pitches near it; cents: (pitches,)."""
    off = _above(cents, tonic)
    near = off[np.abs(off) < NEAR]
    return tonic + float(np.median(near)) if len(near) else tonic


def octave(tonic: float, cents: np.ndarray) -> float:
    """The tonic in the octave in which the last pitches near it are, or the most of all pitches."""
    off = _above(cents, tonic)
    near = cents[np.abs(off) < NEAR]
    place = float(np.median(near[-round(ENDING * FRAMES) :] if len(near) else cents))
    return tonic + 1200 * round((place - tonic) / 1200)


def distance(a: float, b: float) -> float:
    """Cents between two pitch classes, 0 to 600."""
    return abs(_above(a, b))


def _above(cents: Any, other: Any) -> Any:
    """Cents, -600 to 600, by which a pitch class is above another; numbers or arrays."""
    return (cents - other + 600) % 1200 - 600


def _of(maqam: Maqam) -> np.ndarray:
    weights = np.ones(len(maqam.degrees))
    weights[0], weights[maqam.ghammaz] = TONIC, GHAMMAZ
    return _template(np.array(maqam.degrees, float), weights)


def _template(degrees: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(120,) how likely each bin above the tonic is."""
    off = np.abs(_above(np.arange(BINS) * BIN, degrees[:, None]))
    bells = np.exp(-0.5 * (off / SPREAD) ** 2)
    density = (weights / weights.sum()) @ (bells / bells.sum(axis=1, keepdims=True))
    return (1 - ELSEWHERE) * density + ELSEWHERE / BINS


def _inside(maqam: Maqam, tonic: int) -> np.ndarray:
    off = _above((np.arange(BINS) - tonic) * BIN, np.array(maqam.degrees)[:, None])
    return (np.abs(off) <= INSIDE).any(axis=0)
