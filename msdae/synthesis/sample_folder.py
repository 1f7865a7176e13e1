"""Reads folders of recorded notes with pitch and dynamics in their names: `cello_As3_15_forte_arco.mp3`."""

import hashlib
import json
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import soundfile

from msdae import audio, files, folders
from msdae.errors import UserError, printable
from msdae.symbolic.dynamics import MARKS
from msdae.synthesis import pitch
from msdae.synthesis.sfz import Envelope, Region, note_number

logger = logging.getLogger(__name__)
LONGEST = 1 << 20  # largest number of frames that are read of a sample: 24 s at 44.1 kHz
LEVEL = 0.5  # peak of a note of velocity 127
RELEASE = 0.25  # seconds in which a released note falls by 78 dB
EXTEND = 2  # semitones by which the range exceeds the lowest and highest sample
LEAST = 4  # number of pitches from which on an articulation is an instrument of its own
SILENCE, ONSET = 1e-3, 1 / 30  # peak below which a sample is silent; share of the peak at which a note begins
EARLIER = 0.01  # seconds of a sample that are played before its onset
DOUBTED = 0.1  # share of samples without a clear pitch below which they are dropped, else their names count
FEW = 5  # samples that are measured to find out what numbers in names mean
FINGER, BRIEF = 1 / 3, 0.01  # noise before an onset is softer than this share of it; seconds of a level frame
VERSION = 2  # of the cached measurements
NUMBERS = range(12, 121)  # numbers in names that can be MIDI pitches
WORDS = {
    "pianississimo": "ppp",
    "pianissimo": "pp",
    "piano": "p",
    "mezzopiano": "mp",
    "mezzoforte": "mf",
    "forte": "f",
    "fortissimo": "ff",
    "fortississimo": "fff",
}
LENGTHS = {"short", "long", "very", "phrase"}  # words that say how long a sample is, not how it is played

_NOTE = re.compile(r"(?<![A-Za-z])([A-Ga-g])(sharp|flat|[#♯♭sb]?)(\d)(?!\d)")
_NUMBER = re.compile(r"(?<![\dA-Za-z])(\d{2,3})(?!\d)")
_DYNAMICS = re.compile(
    r"(?<![a-z])((?:mezzo[-_ ]?)?(?:piano|forte)|pian(?:iss)?issimo|fort(?:iss)?issimo|p{1,3}|f{1,3}|m[pf])"
    r"(?![a-z\d#♯♭])",
    re.IGNORECASE,
)
_LAYER = re.compile(r"(?<![a-z])v(?:l|el|elocity)?[-_]?(\d{1,3})(?!\d)", re.IGNORECASE)
_TAKE = re.compile(r"(?<![a-z])(?:rr|take|alt)[-_]?\d+", re.IGNORECASE)

T = TypeVar("T")


class _Heard(NamedTuple):
    """The measurements of a sample: MIDI pitch, frame at which it is to begin, peak, length in seconds."""

    pitch: float
    start: int
    peak: float
    seconds: float


@dataclass(frozen=True)
class _Sample:
    """A sample file with its measurements, its velocity and the words in its name for how it is played."""

    path: Path
    heard: _Heard
    velocity: int
    words: tuple[str, ...]

    @property
    def key(self) -> int:
        """The MIDI key nearest to its pitch."""
        return round(self.heard.pitch)


def read(folder: str | Path) -> dict[str, list[Region]]:
    """{articulation: regions} of the samples in `folder`, without its subfolders.

    Articulations with fewer than `LEAST` pitches are left out. If all are so small, or there is only one, ""
    stands for all samples. Pitches are measured the first time and kept in the cache folder.

    Raises:
        UserError: no sample can be read, or none has a known pitch.
    """
    folder = Path(folder)
    with files.reading(folder):
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in audio.SUFFIXES and p.is_file())
    samples = _samples(folder, paths)
    if left := len(paths) - len(samples):
        reason = "are silent, cannot be read or have no sure pitch"
        logger.info("%s: %d of %d samples %s", printable(folder), left, len(paths), reason)
    if not samples:
        reason = "no sample that can be read and has a pitch"
        raise UserError(f"{printable(folder)}: {reason}; name them as in cello_C4.wav")
    articulations = defaultdict(list)
    common = set.intersection(*(set(sample.words) for sample in samples))
    for sample in samples:
        articulations["-".join(word for word in sample.words if word not in common)].append(sample)
    several = {name: group for name, group in articulations.items() if len({s.key for s in group}) >= LEAST}
    if len(articulations) == 1 or not several:
        return {"": _regions(samples)}
    return {name: _regions(group) for name, group in sorted(several.items())}


def duration(path: Path) -> float:
    """The duration of a sample in seconds, from its header; 0 if it cannot be read."""
    try:
        return soundfile.info(path).duration
    except (soundfile.SoundFileError, OSError, TypeError):
        return 0.0


def load(path: Path) -> tuple[np.ndarray, int]:
    """The waveform of a sample, float32, mono, (frames,) with at most `LONGEST` frames; and its rate in Hz.

    Raises:
        UserError: the sample cannot be read.
    """
    recording = audio.open_recording(path)
    recording = replace(recording, sample_rate=recording.rate, samples=recording.frames)
    return recording.part(0, min(recording.frames, LONGEST)).numpy(), recording.rate


def fingerprint(paths: Iterable[Path]) -> str:
    """A hash of the names and sizes of files, and of 4 kB from the middle of each."""
    return hashlib.sha256(repr(sorted({_entry(path) for path in paths})).encode()).hexdigest()[:16]


@lru_cache(maxsize=1 << 16)
def _entry(path: Path) -> tuple[str, int, bytes]:
    with files.reading(path), open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(size // 2)
        return path.name, size, hashlib.sha256(file.read(4096)).digest()


def _samples(folder: Path, paths: Sequence[Path]) -> list[_Sample]:
    layers = sorted({int(match.group(1)) for path in paths if (match := _LAYER.search(path.stem))})
    # The last such word of each name counts, or an earlier one that varies more: "piano" may also be the
    # instrument.
    words = _column([_DYNAMICS.findall(path.stem)[::-1] for path in paths])
    dynamics = dict(zip(paths, words, strict=True))
    return [
        _Sample(path, heard, _velocity(path.stem, layers, dynamics[path]), _words(path.stem))
        for path, heard in _heard(folder, paths).items()
    ]


def _heard(folder: Path, paths: Sequence[Path]) -> dict[Path, _Heard]:
    """The measurements of each sample that has a pitch, from the cache if there are any."""
    record = folders.cache() / "samples" / f"{VERSION}-{fingerprint(paths)}.json"
    if record.is_file():
        values = files.read_json(record, fix="delete it")
        with files.reading(record, "delete it"):
            return {path: _Heard(*map(float, values[path.name])) for path in paths if path.name in values}
    names = _named(paths)
    logger.info("%s: measuring the pitches of %d samples", printable(folder), len(paths))
    heard = {path: _measure(path, name) for path, name in zip(paths, names, strict=True)}
    octaves = Counter(
        12 * round((value.pitch - name) / 12)
        for name, value in zip(names, heard.values(), strict=True)
        if value and name is not None
    )
    moved, count = octaves.most_common(1)[0] if octaves else (0, 0)
    if moved and count > octaves.total() / 2:  # the names count octaves from another number
        names = [name and name + moved for name in names]
        heard = {path: _measure(path, name) for path, name in zip(paths, names, strict=True)}
    heard = {path: value for path, value in heard.items() if value}
    unsure = {
        path for path, name in zip(paths, names, strict=True) if path in heard and heard[path].pitch == name
    }
    if len(unsure) < DOUBTED * len(heard):
        heard = {path: value for path, value in heard.items() if path not in unsure}
    if pitch.load_librosa() is not None:
        with files.atomic(record) as temporary:
            temporary.write_text(json.dumps({path.name: value for path, value in heard.items()}))
    return heard


def _measure(path: Path, name: int | None) -> _Heard | None:
    """The measurements of a sample; None if it is silent or unreadable or has no clear pitch.

    name: the MIDI pitch in its name; None if there is none.
    """
    try:
        waveform, rate = load(path)
    except UserError:
        return None
    peak = float(np.abs(waveform).max())
    heard = pitch.measure(waveform, rate, name) if peak >= SILENCE else None
    if heard is None:
        return None
    onset = _onset(np.abs(waveform), peak, rate)
    return _Heard(heard, max(0, onset - round(EARLIER * rate)), peak, len(waveform) / rate)


def _onset(level: np.ndarray, peak: float, rate: int) -> int:
    """The frame at which a note begins, after any noise of a finger or plectrum."""
    frame = max(1, round(BRIEF * rate))
    brief = level[: len(level) // frame * frame].reshape(-1, frame).max(axis=1, initial=0)
    loud = int(np.argmax(brief >= peak / 2)) if len(brief) else 0
    if loud and brief[:loud].max() < FINGER * brief[loud]:
        return loud * frame
    return int(np.argmax(level > ONSET * peak))


def _named(paths: Sequence[Path]) -> list[int | None]:
    """The MIDI pitch that each name gives, or None.

    If all names have a number beside the note, and it differs from the note by the same number of octaves in
    all of them, the number is the MIDI pitch.
    """
    stems = [path.stem for path in paths]
    notes = _column([[note_number(*n[:2], int(n[2])) for n in _NOTE.findall(stem)] for stem in stems])
    numbers = _column([[int(n) for n in _NUMBER.findall(stem) if int(n) in NUMBERS] for stem in stems])
    if not any(notes):
        return numbers if _are_pitches(paths, numbers) else [None] * len(paths)
    shifts = {number - note if number else None for note, number in zip(notes, numbers, strict=True) if note}
    shift = shifts.pop() if len(shifts) == 1 else None
    return [note + shift if note and shift and shift % 12 == 0 else note for note in notes]


def _are_pitches(paths: Sequence[Path], numbers: Sequence[int | None]) -> bool:
    """Whether the numbers in names are MIDI pitches rather than, say, numbers of takes.

    They are if at least half of the measurable ones among about `FEW` samples agree, octaves aside. Without
    librosa, which measures, they are believed.
    """
    if pitch.load_librosa() is None:
        return True
    some = [pair for pair in zip(paths, numbers, strict=True) if pair[1] is not None]
    heard = [(_measure(path, None), number) for path, number in some[:: -(-len(some) // FEW) or 1]]
    off = [abs((value.pitch - number + 6) % 12 - 6) for value, number in heard if value]
    return bool(off) and sum(semitones < pitch.NEAR for semitones in off) >= len(off) / 2


def _column(rows: Sequence[Sequence[T]]) -> list[T | None]:
    """The column of `rows` with the most different values; a row that is too short has None there.

    rows: for each name, the candidates that it offers, in order.
    """
    columns = [
        [row[index] if index < len(row) else None for row in rows]
        for index in range(max(map(len, rows), default=0))
    ]
    return max(columns, key=lambda column: len(set(column)), default=[None] * len(rows))


def _velocity(stem: str, layers: Sequence[int], dynamics: str | None) -> int:
    """The velocity of a sample, by the number of its layer or the dynamics in its name; 127 without either.

    layers: the numbers of all layers, in order.
    """
    if layers and (match := _LAYER.search(stem)):
        return round(127 * (layers.index(int(match.group(1))) + 1) / len(layers))
    if dynamics:
        word = re.sub("[-_ ]", "", dynamics.lower())
        return MARKS[WORDS.get(word, word)]
    return 127


def _words(stem: str) -> tuple[str, ...]:
    """The words of a name other than note, take, layer, dynamics and length: how the note is played."""
    for pattern in (_NOTE, _TAKE, _LAYER, _DYNAMICS):
        stem = pattern.sub(" ", stem)
    return tuple(word for word in re.findall(r"[^\W\d_]+", stem.lower()) if word not in LENGTHS)


def _regions(samples: Iterable[_Sample]) -> list[Region]:
    """Regions in which each key plays the sample of the nearest pitch, each velocity the nearest layer.

    All samples get the same peak: layers differ in timbre, and the velocity alone sets the level.
    """
    pitches: dict[int, dict[int, list[_Sample]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        pitches[sample.key][sample.velocity].append(sample)
    regions = []
    for key, keys in _spans(sorted(pitches), EXTEND):
        for velocity, velocities in _spans(sorted(pitches[key]), 127):
            longest = max(sample.heard.seconds for sample in pitches[key][velocity])
            takes = [s for s in pitches[key][velocity] if s.heard.seconds > longest / 2]
            for index, take in enumerate(takes):
                heard = take.heard
                regions.append(
                    Region(
                        take.path,
                        keys,
                        velocities,
                        heard.pitch,
                        gain=LEVEL / heard.peak,
                        start=int(heard.start),
                        turn=(index, len(takes)),
                        envelope=Envelope(release=RELEASE),
                    )
                )
    return regions


def _spans(values: Sequence[int], beyond: int) -> list[tuple[int, tuple[int, int]]]:
    """(value, (first, last)) for each value: the span of numbers from 0 to 127 to which it is the nearest.

    The outer spans reach `beyond` further than the outer values. values: in order.
    """
    edges = [max(0, values[0] - beyond)]
    edges += [(low + high) // 2 + 1 for low, high in zip(values, values[1:], strict=False)]
    edges.append(min(127, values[-1] + beyond) + 1)
    return [(value, (edges[i], edges[i + 1] - 1)) for i, value in enumerate(values)]
