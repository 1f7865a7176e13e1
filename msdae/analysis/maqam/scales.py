"""Which scale on which tonic fits pitches: histograms in bins of 10 cents, compared with eight maqamat."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from msdae.audio.pitch import FRAMES
from msdae.symbolic.maqam import MAQAMAT, Maqam

BIN = 10.0  # cents
BINS = 120  # of an octave
SPREAD = 20.0  # standard deviation of pitches around a degree, in cents
ELSEWHERE = 0.15  # share of pitches that belong to no degree
TONIC, GHAMMAZ = 2.0, 1.5  # weights of these degrees; any other has 1
ENDING = 1.5  # seconds of the last pitches near the tonic, which tell its octave
STEADY = 200.0  # cents per second; a pitch that changes faster is in transition
INSIDE = 35  # cents; pitches at most this far from a degree count as inside the scale
NEAR = 40.0  # cents; pitches less than this from the tonic refine it


@dataclass(frozen=True)
class Fit:
    """A scale on a tonic, and how well it fits.

    tonic: in cents above MIDI pitch 0; its octave says nothing. score: mean log-likelihood of the pitches in
    nats, above that of evenly spread pitches. inside: share of the pitches within `INSIDE` of a degree.
    """

    maqam: str
    tonic: float
    score: float
    inside: float


def steady(cents: np.ndarray) -> np.ndarray:
    """The pitches of those frames in which it is steady. cents: (frames,), NaN where there is no pitch."""
    if len(cents) < 2:
        return cents[:0]
    moves = np.abs(np.gradient(cents)) * FRAMES
    return cents[np.isfinite(cents) & (moves < STEADY)]


def histogram(cents: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The shares of pitches in the octave's bins of 10 cents, (120,); the first bin is centred on C.

    cents: (pitches,), of any octave. weights: (pitches,); by default all have the same.
    """
    places = np.round(cents / BIN).astype(int) % BINS
    counts = np.bincount(places, weights, BINS).astype(float)
    return counts / max(counts.sum(), 1e-12)


def fits(counts: np.ndarray) -> list[Fit]:
    """Each maqam on the tonic that fits best, in the order of their scores, best first.

    counts: histogram of the pitches, (120,).
    """
    ranking = []
    for maqam in MAQAMAT.values():
        scale = np.log(_distribution(maqam) * BINS)
        scores = np.array([counts @ np.roll(scale, tonic) for tonic in range(BINS)])
        tonic = int(scores.argmax())
        inside = _inside(maqam, tonic)
        ranking.append(Fit(maqam.name, tonic * BIN, float(scores[tonic]), float(counts[inside].sum())))
    return sorted(ranking, key=lambda fit: -fit.score)


def refined(tonic: float, cents: np.ndarray) -> float:
    """The tonic moved by the median deviation of the pitches near it; unchanged if there are none.

    tonic, cents (pitches,): in cents, of any octave.
    """
    off = _above(cents, tonic)
    near = off[np.abs(off) < NEAR]
    return tonic + float(np.median(near)) if len(near) else tonic


def octave(tonic: float, cents: np.ndarray) -> float:
    """The tonic in the octave nearest to the last pitches near it or, without such, to the median pitch."""
    off = _above(cents, tonic)
    near = cents[np.abs(off) < NEAR]
    place = float(np.median(near[-round(ENDING * FRAMES) :] if len(near) else cents))
    return tonic + 1200 * round((place - tonic) / 1200)


def distance(a: float, b: float) -> float:
    """Cents between two pitch classes, 0 to 600."""
    return abs(_above(a, b))


def _above(cents: Any, other: Any) -> Any:
    """The cents, from -600 to 600, by which one pitch class is above another; of numbers or arrays."""
    return (cents - other + 600) % 1200 - 600


def _distribution(maqam: Maqam) -> np.ndarray:
    """The probability of each bin above the tonic in a maqam, (120,)."""
    weights = np.ones(len(maqam.degrees))
    weights[0], weights[maqam.ghammaz] = TONIC, GHAMMAZ
    return _template(np.array(maqam.degrees, float), weights)


def _template(degrees: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The probability of each bin above the tonic, (120,), for degrees in cents with their weights."""
    off = np.abs(_above(np.arange(BINS) * BIN, degrees[:, None]))
    bells = np.exp(-0.5 * (off / SPREAD) ** 2)
    density = (weights / weights.sum()) @ (bells / bells.sum(axis=1, keepdims=True))
    return (1 - ELSEWHERE) * density + ELSEWHERE / BINS


def _inside(maqam: Maqam, tonic: int) -> np.ndarray:
    off = _above((np.arange(BINS) - tonic) * BIN, np.array(maqam.degrees)[:, None])
    return (np.abs(off) <= INSIDE).any(axis=0)
