"""Arabic maqamat as scales, and random pieces in them: ornamented lines in the manner of a taqsim.

A taqsim is a solo improvisation. Its lines move around the tonic and the ghammaz, a maqam's other centre.
"""

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from msdae.config import require_ranges
from msdae.limits import Range, Share, check

SLOWEST_SLIDE = 0.5  # the largest share of a tone that a slide may take
SHORTEST = 0.1  # seconds of the shortest tone
LAST = 2.5  # beats of the final tone of a section


@dataclass(frozen=True)
class Maqam:
    """A scale of seven degrees.

    degrees: cents above the tonic. ghammaz: the degree, counted from 0, on which the upper tetrachord begins
    and phrases rest.
    """

    name: str
    degrees: tuple[int, ...]
    ghammaz: int


# In 24 equal steps per octave, as they are notated (Marcus 1989, "Arab Music Theory in the Modern Period").
MAQAMAT = {
    maqam.name: maqam
    for maqam in (
        Maqam("rast", (0, 200, 350, 500, 700, 900, 1050), 4),
        Maqam("bayati", (0, 150, 300, 500, 700, 800, 1000), 3),
        Maqam("hijaz", (0, 100, 400, 500, 700, 800, 1000), 3),
        Maqam("saba", (0, 150, 300, 400, 700, 800, 1000), 2),
        Maqam("sikah", (0, 150, 350, 550, 700, 850, 1050), 2),
        Maqam("nahawand", (0, 200, 300, 500, 700, 800, 1000), 4),
        Maqam("ajam", (0, 200, 400, 500, 700, 900, 1100), 4),
        Maqam("kurd", (0, 100, 300, 500, 700, 800, 1000), 3),
    )
}

Numbers = tuple[Annotated[float, Range(0, 1e4)], ...]


@dataclass(frozen=True)
class TaqsimConfig:
    """The distributions that pieces are drawn from; a pair is a range (from, to).

    tonic: MIDI pitch of the tonic. tempo: beats a minute. modulated: share of the pieces whose middle third
    is in another maqam. moved: share of these in which that maqam's tonic is the ghammaz of the first.
    intonation: standard deviation, in cents, by which a section detunes each degree but the tonic.
    wander: standard deviation, in cents, of each single tone. slides, vibrato, trills: shares of the tones
    long enough for them. vibrato_rate: Hz. vibrato_extent: cents up and down. trill_rate: Hz of the
    alternation of both tones. slide_seconds: seconds of a slide from the tone before.
    """

    tonic: tuple[Annotated[float, Range(0, 127)], ...] = (48, 62)
    tempo: tuple[Annotated[float, Range(10, 400, reason="no line is slower or faster")], ...] = (60, 110)
    modulated: Share = 0.5
    moved: Share = 0.5
    intonation: Annotated[float, Range(0, 50)] = 8.0
    wander: Annotated[float, Range(0, 50)] = 5.0
    slides: Share = 0.2
    vibrato: Share = 0.5
    trills: Share = 0.15
    vibrato_rate: Numbers = (4.5, 7)
    vibrato_extent: Numbers = (12, 45)
    trill_rate: Numbers = (6.5, 10)
    slide_seconds: Numbers = (0.08, 0.2)

    def __post_init__(self):
        check(self)
        require_ranges(self)


@dataclass(frozen=True)
class Tone:
    """A note whose pitch may lie between the keys of a piano and may move.

    onset, offset: seconds. pitch: MIDI pitch, with any fraction. velocity: 1 to 127. slide: (semitones from
    `pitch` at which the tone begins, seconds until it reaches `pitch`). vibrato: (Hz, cents up and down).
    trill: (Hz, semitones up).
    """

    onset: float
    offset: float
    pitch: float
    velocity: int
    slide: tuple[float, float] = (0.0, 0.0)
    vibrato: tuple[float, float] = (0.0, 0.0)
    trill: tuple[float, float] = (0.0, 0.0)

    def pitches(self, seconds: np.ndarray) -> np.ndarray:
        """The MIDI pitch at the times `seconds` after the onset; an array of the shape of `seconds`."""
        curve = np.full(np.shape(seconds), float(self.pitch))
        if self.slide[1]:
            curve += self.slide[0] * 0.5 * (1 + np.cos(np.pi * np.clip(seconds / self.slide[1], 0, 1)))
        begun = np.maximum(seconds - self.slide[1], 0)
        curve += self.vibrato[1] / 100 * np.sin(2 * np.pi * self.vibrato[0] * begun)
        if self.trill[0]:
            curve += self.trill[1] * (begun * self.trill[0] % 1 > 0.5)
        return curve


@dataclass(frozen=True)
class Section:
    """A third of a piece, in one maqam on one tonic.

    tonic: MIDI pitch. start: seconds from the beginning of the piece.
    """

    maqam: str
    tonic: float
    start: float
    tones: tuple[Tone, ...] = field(default=())


def taqsim(
    maqam: str, seconds: float, rng: random.Random, config: TaqsimConfig = TaqsimConfig()
) -> list[Section]:
    """A piece of three sections of `seconds` each, which begins around the tonic and ends on it.

    The first section stays around the tonic. The second stays around the ghammaz and above or, if the piece
    modulates, is in another maqam. The third descends from the octave.
    """
    tonic = rng.uniform(*config.tonic)
    home, away = MAQAMAT[maqam], MAQAMAT[maqam]
    beat, shift = 60 / rng.uniform(*config.tempo), 0.0
    if rng.random() < config.modulated:
        away = MAQAMAT[rng.choice([name for name in MAQAMAT if name != maqam])]
        shift = home.degrees[home.ghammaz] / 100 if rng.random() < config.moved else 0.0
    modulated = away is not home
    high = (0, 6, away.ghammaz) if modulated else (home.ghammaz - 1, 8, home.ghammaz)
    plans = (
        (home, tonic, (-1, home.ghammaz + 1, 0)),
        (away, tonic + shift, high),
        (home, tonic, (-1, 7, 0)),
    )
    sections = []
    for index, (scale, root, bounds) in enumerate(plans):
        line = _Line(scale, root, bounds, rng, config, beat, down=index == 2, home=modulated or index != 1)
        sections.append(
            Section(scale.name, root, index * seconds, tuple(line.tones(index * seconds, seconds)))
        )
    return sections


class _Line:
    """A random walk over the degrees between two bounds, in phrases that each lead to a goal."""

    def __init__(
        self,
        maqam: Maqam,
        tonic: float,
        bounds: tuple[int, int, int],
        rng: random.Random,
        config: TaqsimConfig,
        beat: float,
        down: bool,
        home: bool,
    ):
        self.maqam, self.tonic, self.rng, self.config, self.beat = maqam, tonic, rng, config, beat
        self.low, self.high, start = bounds
        self.degree = self.high if down else start
        self.rests = (0, maqam.ghammaz) if home else (maqam.ghammaz, maqam.ghammaz, 7)
        self.end = 0 if home else maqam.ghammaz
        self.deviation = [0.0] + [rng.gauss(0, config.intonation) for _ in maqam.degrees[1:]]

    def pitch(self, degree: int) -> float:
        """The MIDI pitch of a degree; degrees below 0 and above 6 are in other octaves."""
        octave, step = divmod(degree, len(self.maqam.degrees))
        return self.tonic + 12 * octave + (self.maqam.degrees[step] + self.deviation[step]) / 100

    def tones(self, start: float, seconds: float) -> Iterator[Tone]:
        """The tones of a section of `seconds` from `start`; the last is on the tonic or the ghammaz."""
        time, before, end = start, None, start + seconds
        last = end - min(LAST * self.beat, seconds / 3)
        while last - time >= SHORTEST:
            goal = self.end if last - time < 8 * self.beat else self.rng.choice(self.rests)
            for degree, beats in self._phrase(goal):
                length = min(beats * self.beat, last - time)
                if length >= SHORTEST:
                    yield self._tone(time, length, degree, before)
                    time, before = time + length, degree
            time = min(last, time + self.rng.choice((0.0, 0.5, 1.0)) * self.beat)
        yield self._tone(time, end - time, self.end, before)

    def _phrase(self, goal: int) -> Iterator[tuple[int, float]]:
        """The (degree, beats) of a phrase that ends with a long tone on the goal."""
        rhythm = self.rng.choice(((0.5, 0.5), (1.0, 0.5, 0.5), (0.25,) * 4, (0.75, 0.25), (1.0,)))
        steps, count = itertools.cycle(rhythm), self.rng.randint(4, 9)
        for _ in range(count):
            yield self.degree, next(steps)
            self._walk(goal)
        while abs(self.degree - goal) > 1:
            self.degree += int(math.copysign(1, goal - self.degree))
            yield self.degree, next(steps)
        self.degree = goal
        yield goal, self.rng.choice((2.0, 3.0))

    def _walk(self, goal: int) -> None:
        pull = 0.15 * (goal - self.degree)
        step = self.rng.choice((-2, -1, -1, -1, 0, 1, 1, 1, 2)) + round(pull + self.rng.gauss(0, 0.4))
        self.degree = min(max(self.degree + step, self.low), self.high)

    def _tone(self, onset: float, length: float, degree: int, before: int | None) -> Tone:
        rng, config = self.rng, self.config
        pitch = self.pitch(degree) + rng.gauss(0, config.wander) / 100
        slide = vibrato = trill = (0.0, 0.0)
        if before not in (None, degree) and length > 0.3 and rng.random() < config.slides:
            seconds = min(rng.uniform(*config.slide_seconds), SLOWEST_SLIDE * length)
            slide = (max(-4.0, min(4.0, self.pitch(before) - pitch)), seconds)
        if length > 0.5:
            kind = rng.random()
            if kind < config.trills:
                trill = (rng.uniform(*config.trill_rate), self.pitch(degree + 1) - pitch)
            elif kind < config.trills + config.vibrato:
                vibrato = (rng.uniform(*config.vibrato_rate), rng.uniform(*config.vibrato_extent))
        return Tone(onset, onset + length, pitch, rng.randint(60, 115), slide, vibrato, trill)
