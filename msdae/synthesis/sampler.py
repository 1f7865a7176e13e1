"""Plays notes with libraries of recorded samples: SFZ files, and folders with pitches in file names."""

import logging
import math
import os
import random
import re
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import soxr

from msdae import audio, files
from msdae.errors import UserError, printable
from msdae.symbolic.notes import Note
from msdae.synthesis import sample_folder, sfz
from msdae.synthesis.sfz import Envelope, Region
from msdae.synthesis.soundfont import SAMPLE_RATE, SILENCE

logger = logging.getLogger(__name__)
KEPT = 400_000_000  # bytes of decoded samples that are kept in memory
FADE = 0.005  # seconds of the fade at the end of a tone
RELEASE = 0.03  # seconds of the shortest release
LEGATO, OVERLAP = 0.02, 0.03  # seconds: notes closer than the first are slurred, and overlap by the second
FALL = math.log(10 ** (78 / 20))  # the time of a release or decay is that of a fall by 78 dB
OCTAVES = 3  # largest transposition of a sample, up or down

# Words in the name of an instrument that may play several notes at once.
POLYPHONIC = re.compile(
    "(?<![a-z])(?:piano|keys|rhodes|wurli|organ|clavi|harps|harp|guitar|banjo|mandolin|ukulele|lute|strings|ensemble|choir"
    "|marimba|vibra|xylo|celest|glock|bell|kalimba|dulcimer|accordion|pad)"
)
# Words in the name of an SFZ file whose keys play sounds of their own, not pitches.
KIT = re.compile(r"drum.?(?:kit|set)|(?<!steel)(?<!steel.)drums|(?<![a-z])kit(?![a-z])|percussion$")


@dataclass(frozen=True)
class SampledInstrument:
    """A reference to an instrument of a library; `render` reads its files.

    Attributes:
        name: "LIBRARY/INSTRUMENT".
        path: an SFZ file or a folder of samples.
        articulation: one of the folder's, "" for its only one or for an SFZ file.
        root: the library's folder, which no path may leave.
        low, high: its range in MIDI pitches, both included.
        fingerprint: of the samples, see `sample_folder.fingerprint`.
    """

    name: str
    path: str
    articulation: str
    root: str
    low: int
    high: int
    fingerprint: str

    @property
    def polyphonic(self) -> bool:
        """Whether its name is that of an instrument that may play several notes at once."""
        return bool(POLYPHONIC.search(self.name.lower().rpartition("/")[2]))


def instruments(library: str | Path) -> list[SampledInstrument]:
    """The instruments of a library; logs those that are left out, as drum kits, which play no pitches.

    library: an SFZ file, or a folder that contains SFZ files or folders of samples.

    Raises:
        UserError: there is no such file or folder, or no usable instrument in it.
    """
    library = Path(library).expanduser()
    if library.is_file() and library.suffix.lower() == ".sfz":
        texts, folders, root = [library.absolute()], [], library.absolute().parent
    elif library.is_dir():
        root = library.absolute()
        texts, folders = _found(root)
    else:
        raise UserError(f"{printable(library)}: no such library; give a folder of samples or an SFZ file")
    every, used, errors = [], set(), []
    for path in [*texts, *folders]:
        if path in used:
            continue
        try:
            names = [""] if path in texts else list(_folder(str(path)))
            for name in names:
                regions, named = _contents(str(path), name, str(root))
                used |= named | {region.sample.parent for region in regions}
                if path in texts and _is_kit(path, regions):
                    reason = "a drum kit, whose keys are no pitches; give instruments that play melodies"
                    errors.append(UserError(f"{printable(path)}: {reason}"))
                    continue
                every.append(_instrument(path, name, root, regions))
        except UserError as error:
            errors.append(error)
            if path in texts:  # which folders are its own cannot be known
                used |= {folder for folder in folders if folder.is_relative_to(path.parent)}
    if not every:
        reason = "neither SFZ files nor samples are in it"
        raise errors[0] if errors else UserError(f"{printable(library)}: {reason}; give another folder")
    for error in errors:
        logger.info("left out: %s", error)
    return every


@lru_cache(maxsize=64)
def fingerprint(library: str | Path) -> str:
    """A hash of a library's files, see `sample_folder.fingerprint`.

    Raises:
        UserError: as in `instruments`.
    """
    samples = [region.sample for i in instruments(library) for region in regions_of(i)]
    texts = [Path(i.path) for i in instruments(library) if i.path.lower().endswith(".sfz")]
    return sample_folder.fingerprint([*samples, *texts])


def shared(one: SampledInstrument, other: SampledInstrument) -> bool:
    """Whether two instruments share recordings: all of them, by fingerprint, or any file."""
    files = (
        {os.path.realpath(region.sample) for region in regions_of(instrument)} for instrument in (one, other)
    )
    return one.fingerprint == other.fingerprint or not set.isdisjoint(*files)


def regions_of(instrument: SampledInstrument) -> tuple[Region, ...]:
    """The regions of an instrument: its samples and the notes that they play."""
    return _contents(instrument.path, instrument.articulation, instrument.root)[0]


def render(notes: Sequence[Note], instrument: SampledInstrument, samples: int, seed: str = "") -> np.ndarray:
    """The sound of `notes`: float32, (samples,), mono at 44 100 Hz, at the library's own level.

    A note that no sample covers is played by the nearest one. Pitches may have fractions.

    seed: seeds the choice of takes that alternate (round robin) or are drawn at random.

    Raises:
        UserError: a sample cannot be read.
    """
    out = np.zeros(samples, np.float32)
    regions, onsets = regions_of(instrument), np.array([note.onset for note in map(Note._make, notes)])
    first = random.Random(f"{seed}/{instrument.fingerprint}").randrange(10**6)
    for index, note in enumerate(map(Note._make, notes)):
        start = max(0, round(note.onset * SAMPLE_RATE))
        if start >= samples:
            continue
        slurred = bool((np.abs(onsets - note.offset) < LEGATO).any())
        held = max(note.offset - note.onset, 0.01) + OVERLAP * slurred
        chance = random.Random(f"{seed}/{index}").random()
        for region in choose(regions, round(note.pitch), note.velocity, first + index, chance):
            tone = _tone(region, note, held, samples - start)
            out[start : start + len(tone)] += tone
    return out


@lru_cache(maxsize=1024)
def level(instrument: SampledInstrument) -> float:
    """The peak of a loud note (velocity 127, 1 s) in the middle of the range. Raises as `render`."""
    note = Note(0.0, 1.0, (instrument.low + instrument.high) // 2, 127)
    return float(np.abs(render([note], instrument, SAMPLE_RATE)).max())


def choose(
    regions: Sequence[Region], key: int, velocity: int, turn: int = 0, chance: float = 0.0
) -> list[Region]:
    """The regions that play a note: those that cover it, or else the nearest in pitch, then in velocity.

    turn: number of the note, by which takes alternate. chance: number from 0 to 1 by which takes are drawn.
    """
    distances = [(_outside(key, region.keys), _outside(velocity, region.velocities)) for region in regions]
    nearest = min(distances)
    near = [region for region, distance in zip(regions, distances, strict=True) if distance == nearest]
    playing = [
        region
        for region in near
        if turn % region.turn[1] == region.turn[0] and region.chance[0] <= chance < region.chance[1]
    ]
    return playing or near[:1]


def _found(root: Path) -> tuple[list[Path], list[Path]]:
    """The SFZ files in a folder tree that no other one includes, and the folders with samples but no SFZ."""
    texts, folders, included = [], [], set()
    with files.reading(root):
        for place, names, members in os.walk(root):
            names.sort()
            folder, suffixes = Path(place), {Path(member).suffix.lower() for member in members}
            if ".sfz" in suffixes:
                texts += [folder / member for member in sorted(members) if member.lower().endswith(".sfz")]
            elif suffixes & set(audio.SUFFIXES):
                folders.append(folder)
    for text in texts:
        with suppress(UserError):  # reported when it is read
            included |= sfz.included(text)
    return [text for text in texts if text not in included] or texts, folders


def _is_kit(path: Path, regions: Sequence[Region]) -> bool:
    """Whether an SFZ file is a drum kit: by its name, or as each sample sounds the same at several keys."""
    same = all(region.track == 0 and region.keys[0] < region.keys[1] for region in regions)
    return same or bool(KIT.search(path.stem.lower()))


def _instrument(path: Path, articulation: str, root: Path, regions: Sequence[Region]) -> SampledInstrument:
    place = path.with_suffix("") if path.suffix.lower() == ".sfz" else path
    parts = [root.name, *place.relative_to(root).parts, *filter(None, [articulation])]
    low, high = min(region.keys[0] for region in regions), max(region.keys[1] for region in regions)
    mark = sample_folder.fingerprint([region.sample for region in regions])
    return SampledInstrument("/".join(parts), str(path), articulation, str(root), low, high, mark)


@lru_cache(maxsize=256)
def _folder(path: str) -> dict[str, tuple[Region, ...]]:
    return {name: tuple(regions) for name, regions in sample_folder.read(path).items()}


@lru_cache(maxsize=1024)
def _contents(path: str, articulation: str, root: str) -> tuple[tuple[Region, ...], set[Path]]:
    """The playable regions of an instrument, and the folders of all samples that its SFZ file names.

    A region is playable if its sample can be read and its keys and velocities are MIDI's.

    Raises:
        UserError: no region is playable.
    """
    if not path.lower().endswith(".sfz"):
        return _folder(path)[articulation], set()
    (regions, folders), unreadable, kept = sfz.read(path, root), set(), []
    readable = {sample: sample_folder.duration(sample) > 0 for sample in {r.sample for r in regions}}
    for region in regions:
        keys = max(0, region.keys[0]), min(127, region.keys[1])
        if not readable[region.sample]:
            unreadable.add(region.sample)
        elif keys[0] <= keys[1] and region.velocities[0] <= region.velocities[1]:
            kept.append(replace(region, keys=keys))
    if unreadable:
        example = printable(min(unreadable).name)
        logger.info("%s: %d samples cannot be read, such as %s", printable(path), len(unreadable), example)
    if not kept:
        reason = "no region whose sample can be read and that a note plays with all controllers at rest"
        raise UserError(f"{printable(path)}: {reason}; {sfz.FIX}")
    return tuple(kept), folders


def _outside(value: int, span: tuple[int, int]) -> int:
    return max(span[0] - value, value - span[1], 0)


_kept: OrderedDict[Path, tuple[np.ndarray, int]] = OrderedDict()  # least recently used first


def _decoded(sample: Path) -> tuple[np.ndarray, int]:
    """The waveform (frames,) of a sample and its rate in Hz; recently used samples are kept in memory."""
    if sample not in _kept:
        waveform, rate = sample_folder.load(sample)
        if np.abs(waveform).max() < SILENCE:
            logger.warning("%s: is silent; take it out of its library", printable(sample))
        _kept[sample] = waveform, rate
        while len(_kept) > 1 and sum(kept.nbytes for kept, _ in _kept.values()) > KEPT:
            _kept.popitem(last=False)
    _kept.move_to_end(sample)
    return _kept[sample]


def _tone(region: Region, note: Note, held: float, room: int) -> np.ndarray:
    """One note played by one region: float32, (samples,) at 44 100 Hz.

    held: seconds until the note is released. room: largest number of samples.
    """
    waveform, rate = _decoded(region.sample)
    semitones = min(max(region.semitones(note.pitch), -12 * OCTAVES), 12 * OCTAVES)
    envelope = region.envelope
    release = max(envelope.release, RELEASE)
    if region.mode == "one_shot":
        held = len(waveform) / rate * 2**OCTAVES
    length = min(room, math.ceil((held + release) * SAMPLE_RATE))
    speed = 2 ** (semitones / 12) * rate / SAMPLE_RATE  # frames of the sample per sample of the tone
    count = math.ceil(length * speed) + 64
    part = waveform[_frames(region, len(waveform), count, held * speed * SAMPLE_RATE)]
    if len(part) == 0:
        return np.zeros(0, np.float32)
    tone = soxr.resample(part, speed * SAMPLE_RATE, SAMPLE_RATE)[:length]
    gain = region.gain * _velocity(region, note.velocity)
    tone = tone * _level(len(tone), held, envelope, release) * np.float32(gain)
    if len(tone) < room:
        fade = min(len(tone), round(FADE * SAMPLE_RATE))
        tone[len(tone) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return tone


def _frames(region: Region, size: int, count: int, held: float) -> np.ndarray:
    """The indices of the frames of a sample that a note plays, with its loop: at most (count,)

    size: number of frames of the sample. held: frames until the note is released.
    """
    end = min(region.end or size, size)
    frames = region.start + np.arange(count)
    first, last = region.loop or (0, 0)
    last = min(last, end - 1)
    if region.mode.startswith("loop") and first < last:
        turning = frames if region.mode == "loop_continuous" else frames[: math.ceil(held)]
        looped = np.where(turning > last, first + (turning - first) % (last + 1 - first), turning)
        rest = looped[-1] + 1 + np.arange(count - len(looped)) if len(looped) else frames
        frames = np.concatenate([looped, rest])
    return frames[frames < end]


def _level(length: int, held: float, envelope: Envelope, release: float) -> np.ndarray:
    """The envelope of a note that is released after `held` seconds: float32, (length,)"""
    seconds = np.arange(length, dtype=np.float32) / SAMPLE_RATE
    level = np.minimum(1, seconds / envelope.attack) if envelope.attack else np.ones_like(seconds)
    fallen = np.clip(seconds - envelope.attack - envelope.hold, 0, None)
    if envelope.decay:
        level = level * np.maximum(np.exp(-FALL / envelope.decay * fallen), envelope.sustain)
    elif envelope.sustain < 1:
        level = level * np.where(fallen > 0, envelope.sustain, 1)
    return (level * np.exp(-FALL / release * np.clip(seconds - held, 0, None))).astype(np.float32)


def _velocity(region: Region, velocity: int) -> float:
    """The gain of a region at a velocity."""
    curve = (velocity / 127) ** 2
    if region.curve:
        curve = float(np.interp(velocity, *zip(*region.curve, strict=True)))
    fall = 1 - curve if region.veltrack >= 0 else curve
    return 1 - abs(region.veltrack) * fall
