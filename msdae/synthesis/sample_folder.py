"""Folders of recorded notes whose file names carry pitch and dynamics: `cello_As3_15_forte_arco.mp3`."""

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
LONGEST = 1 << 20  # frames of a sample that are read: 24 s at 44.1 kHz
LEVEL = 0.5  # peak of a note of velocity 127
RELEASE = 0.25  # seconds in which a released note falls by 78 dB
EXTEND = 2  # semitones below the lowest sample and above the highest that it plays too
LEAST = 4  # pitches of an articulation that is an instrument of its own
SILENCE, ONSET = 1e-3, 1 / 30  # peak of a sample that is silent; share of its peak at which a note begins
EARLIER = 0.01  # seconds of a sample before its onset
DOUBTED = 0.1  # share of samples whose names the sound does not confirm, above which they are believed
FEW = 5  # samples by which it is seen what numbers in names mean
FINGER, BRIEF = 1 / 3, 0.01  # of a sudden level: what is softer before it is no note; seconds of a level
VERSION = 2  # of what is kept of measured samples
NUMBERS = range(12, 121)  # MIDI pitches that a number in a name may mean
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
    """The MIDI pitch of a sample, the frame of its onset, its peak and its length in seconds."""

    pitch: float
    start: int
    peak: float
    seconds: float


@dataclass(frozen=True)
class _Sample:
    """A file that is played: what was measured, and what its name says of the playing."""

    path: Path
    heard: _Heard
    velocity: int
    words: tuple[str, ...]

    @property
    def key(self) -> int:
        """The key that is nearest to its pitch."""
        return round(self.heard.pitch)


def read(folder: str | Path) -> dict[str, list[Region]]:
    """{articulation: regions} of the samples in `folder` itself; "" where there is one articulation.

    Pitches are measured the first time, and kept in the cache folder.

    Raises:
        UserError: no sample that can be read, or none of known pitch.
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
    """Seconds of a sample by its header; 0 where it cannot be read."""
    try:
        return soundfile.info(path).duration
    except (soundfile.SoundFileError, OSError, TypeError):
        return 0.0


def load(path: Path) -> tuple[np.ndarray, int]:
    """(frames,), float32, mono, `LONGEST` at most, of a sample, and its rate in Hz.

    Raises:
        UserError: it cannot be read.
    """
    recording = audio.open_recording(path)
    recording = replace(recording, sample_rate=recording.rate, samples=recording.frames)
    return recording.part(0, min(recording.frames, LONGEST)).numpy(), recording.rate


def fingerprint(paths: Iterable[Path]) -> str:
    """A hash of the names and sizes of files and of a few bytes from the middle of each."""
    return hashlib.sha256(repr(sorted({_entry(path) for path in paths})).encode()).hexdigest()[:16]


@lru_cache(maxsize=1 << 16)
def _entry(path: Path) -> tuple[str, int, bytes]:
    with files.reading(path), open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(size // 2)
        return path.name, size, hashlib.sha256(file.read(4096)).digest()


def _samples(folder: Path, paths: Sequence[Path]) -> list[_Sample]:
    layers = sorted({int(match.group(1)) for path in paths if (match := _LAYER.search(path.stem))})
    # the last word of each name, unless an earlier one differs more: "piano" also names instruments
    words = _column([_DYNAMICS.findall(path.stem)[::-1] for path in paths])
    dynamics = dict(zip(paths, words, strict=True))
    return [
        _Sample(path, heard, _velocity(path.stem, layers, dynamics[path]), _words(path.stem))
        for path, heard in _heard(folder, paths).items()
    ]


def _heard(folder: Path, paths: Sequence[Path]) -> dict[Path, _Heard]:
    """What was heard of each sample that has a pitch; measured once, then cached."""
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
    if moved and count > octaves.total() / 2:  # the names count octaves in another way
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
    """What is heard of a sample; None: it is silent, unreadable or of no sure pitch."""
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
    """The frame at which a note begins; the noise of a finger or plectrum before it is left out."""
    frame = max(1, round(BRIEF * rate))
    brief = level[: len(level) // frame * frame].reshape(-1, frame).max(axis=1, initial=0)
    loud = int(np.argmax(brief >= peak / 2)) if len(brief) else 0
    if loud and brief[:loud].max() < FINGER * brief[loud]:
        return loud * frame
    return int(np.argmax(level > ONSET * peak))


def _named(paths: Sequence[Path]) -> list[int | None]:
    """The MIDI pitch that each name says; numbers beside the notes of all settle the octaves."""
    stems = [path.stem for path in paths]
    notes = _column([[note_number(*n[:2], int(n[2])) for n in _NOTE.findall(stem)] for stem in stems])
    numbers = _column([[int(n) for n in _NUMBER.findall(stem) if int(n) in NUMBERS] for stem in stems])
    if not any(notes):
        return numbers if _are_pitches(paths, numbers) else [None] * len(paths)
    shifts = {number - note if number else None for note, number in zip(notes, numbers, strict=True) if note}
    shift = shifts.pop() if len(shifts) == 1 else None
    return [note + shift if note and shift and shift % 12 == 0 else note for note in notes]


def _are_pitches(paths: Sequence[Path], numbers: Sequence[int | None]) -> bool:
    """Whether numbers in names are MIDI pitches, and not of takes: by some of the samples, of any octave."""
    some = [pair for pair in zip(paths, numbers, strict=True) if pair[1] is not None]
    heard = [(_measure(path, None), number) for path, number in some[:: -(-len(some) // FEW) or 1]]
    off = [abs((value.pitch - number + 6) % 12 - 6) for value, number in heard if value]
    return sum(semitones < pitch.NEAR for semitones in off) >= len(off) / 2


def _column(rows: Sequence[Sequence[T]]) -> list[T | None]:
    """Of what each name offers, what differs most from name to name: the first of each, or the second, ..."""
    columns = [
        [row[index] if index < len(row) else None for row in rows]
        for index in range(max(map(len, rows), default=0))
    ]
    return max(columns, key=lambda column: len(set(column)), default=[None] * len(rows))


def _velocity(stem: str, layers: Sequence[int], dynamics: str | None) -> int:
    """The velocity that a sample was played with, by the number of the layer or the dynamics in its name."""
    if layers and (match := _LAYER.search(stem)):
        return round(127 * (layers.index(int(match.group(1))) + 1) / len(layers))
    if dynamics:
        word = re.sub("[-_ ]", "", dynamics.lower())
        return MARKS[WORDS.get(word, word)]
    return 127


def _words(stem: str) -> tuple[str, ...]:
    """The words of a name that say how the note is played."""
    for pattern in (_NOTE, _TAKE, _LAYER, _DYNAMICS):
        stem = pattern.sub(" ", stem)
    return tuple(word for word in re.findall(r"[^\W\d_]+", stem.lower()) if word not in LENGTHS)


def _regions(samples: Iterable[_Sample]) -> list[Region]:
    """Each key is played by the sample of the nearest pitch; each velocity by the nearest layer.

    All have one peak: layers bring their timbre, and the velocity the level.
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
    """(value, (first, last)): each number up to `beyond` the ends, in 0 to 127, goes to the nearest value."""
    edges = [max(0, values[0] - beyond)]
    edges += [(low + high) // 2 + 1 for low, high in zip(values, values[1:], strict=False)]
    edges.append(min(127, values[-1] + beyond) + 1)
    return [(value, (edges[i], edges[i + 1] - 1)) for i, value in enumerate(values)]
