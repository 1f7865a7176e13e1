"""Measures the ornaments of a line (vibrato, trills, slides) frame by frame, from its pitch."""

from typing import NamedTuple

import numpy as np

from msdae.audio.pitch import FRAMES

WINDOW = 25  # frames, 0.4 s, in which an oscillation is looked for
RATES = np.arange(4.0, 11.01, 0.25)  # Hz of the oscillations that are tried
SINUSOIDAL = 0.7  # smallest share of the variance about a straight line that the sinusoid must explain
FEWEST, TRILL = 8.0, 55.0  # smallest amplitude in cents of a vibrato and of a trill
WIDEST = 250.0  # largest amplitude in cents
DRIFT = 1.5  # amplitudes by which the pitch may drift within a window; more is a slide
REACH = 8  # frames to either side of the middle of a window that its result is assigned to
STEP = 5  # frames over which a slope is measured
SLOPE = 300.0  # smallest slope of a slide in cents a second
# Shortest slide in frames (a step between keys is smeared over five), and its smallest and largest size in
# cents; a larger one is an octave error.
SLIDE_FRAMES, SLIDE_CENTS, WIDEST_SLIDE = 7, 80.0, 700.0


class Ornaments(NamedTuple):
    """The ornaments of each frame, 0 where it has none: (frames,) each.

    vibrato_rate: Hz. vibrato_extent: cents up and down. slide: semitones a second, negative if it falls.
    trill_rate: Hz. trill_interval: cents between the two tones.
    """

    vibrato_rate: np.ndarray
    vibrato_extent: np.ndarray
    slide: np.ndarray
    trill_rate: np.ndarray
    trill_interval: np.ndarray

    def features(self, frames: int) -> np.ndarray:
        """Features for a network at another frame rate, as means over each frame: float32, (4, frames)

        They are the vibrato's rate and extent, the slide and the trill's rate, scaled to about 1.
        """
        rows = (self.vibrato_rate / 6, self.vibrato_extent / 30, self.slide / 20, self.trill_rate / 8)
        bounds = np.linspace(0, len(self.slide), frames + 1)
        starts = np.minimum(bounds[:-1].astype(int), max(0, len(self.slide) - 1))
        ends = np.maximum(np.ceil(bounds[1:]).astype(int), starts + 1)
        if not len(self.slide):
            return np.zeros((len(rows), frames), np.float32)
        means = [[row[start:end].mean() for start, end in zip(starts, ends, strict=True)] for row in rows]
        return np.array(means, np.float32)


def ornaments(cents: np.ndarray) -> Ornaments:
    """The ornaments of a line.

    cents: the pitch at 62.5 frames a second, NaN where there is none, (frames,); see `pitch.track`.
    """
    rate, extent = _swings(cents)
    trill = extent >= TRILL
    vibrato = (extent >= FEWEST) & ~trill
    slide = np.where(extent > 0, 0.0, _slides(cents))
    return Ornaments(
        np.where(vibrato, rate, 0.0),
        np.where(vibrato, extent, 0.0),
        slide / 100,
        np.where(trill, rate, 0.0),
        np.where(trill, extent * np.pi / 2, 0.0),  # a square wave's fundamental has 4 / pi of its amplitude
    )


def _swings(cents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rate in Hz and the amplitude in cents of the best sinusoid around each frame, 0 without one."""
    rate, extent = np.zeros(len(cents)), np.zeros(len(cents))
    if len(cents) < WINDOW:
        return rate, extent
    windows = np.lib.stride_tricks.sliding_window_view(cents, WINDOW)
    whole = np.isfinite(windows).all(axis=1)
    windows = windows[whole]
    time = (np.arange(WINDOW) - WINDOW // 2) / FRAMES
    line, _ = np.linalg.qr(np.stack([np.ones(WINDOW), time], axis=1))
    around = windows - windows @ line @ line.T
    variance = np.maximum((around**2).sum(axis=1), 1e-9)
    best, place = np.zeros(len(windows)), np.zeros(len(windows), int)
    amplitude = np.zeros(len(windows))
    for index, hertz in enumerate(RATES):
        waves = np.stack([np.sin(2 * np.pi * hertz * time), np.cos(2 * np.pi * hertz * time)], axis=1)
        fit = np.linalg.pinv(waves - line @ line.T @ waves)
        levels = around @ fit.T
        share = 1 - ((around - levels @ (waves - line @ line.T @ waves).T) ** 2).sum(axis=1) / variance
        better = share > best
        best[better], place[better] = share[better], index
        amplitude[better] = np.hypot(*levels[better].T)
    drift = np.abs(windows @ line[:, 1]) / np.linalg.norm(time) * (time[-1] - time[0])
    swinging = (
        (best >= SINUSOIDAL) & (drift <= DRIFT * amplitude) & (amplitude >= FEWEST) & (amplitude <= WIDEST)
    )
    share = np.zeros(len(cents))
    for middle, quality, number, level in zip(
        np.flatnonzero(whole)[swinging] + WINDOW // 2,
        best[swinging],
        place[swinging],
        amplitude[swinging],
        strict=True,
    ):
        near = slice(middle - REACH, middle + REACH + 1)
        better = quality > share[near]
        share[near][better] = quality
        rate[near][better], extent[near][better] = RATES[number], level
    return rate, extent


def _slides(cents: np.ndarray) -> np.ndarray:
    """The slope at each frame in cents a second, 0 outside of slides: (frames,)"""
    slope = np.zeros(len(cents))
    if len(cents) < STEP:
        return slope
    half = STEP // 2
    slope[half:-half] = (cents[STEP - 1 :] - cents[: 1 - STEP]) / (STEP - 1) * FRAMES
    slope = np.nan_to_num(slope)
    direction = np.where(np.abs(slope) >= SLOPE, np.sign(slope), 0)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(direction)) + 1, [len(cents)]])
    for start, end in zip(edges[:-1], edges[1:], strict=True):
        moved = abs(slope[start:end].sum()) / FRAMES
        if not direction[start] or end - start < SLIDE_FRAMES or not SLIDE_CENTS <= moved <= WIDEST_SLIDE:
            slope[start:end] = 0
    return slope
