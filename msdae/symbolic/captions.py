"""Writes captions for clips, and reads from a text what music it asks for.

A trait is one property that a caption names: instrument, family, register, density, tempo, mode, room,
dynamics or articulation. Traits come from a clip's labels and notes; templates and synonyms turn them into
several captions per clip.
"""

import itertools
import random
import re
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msdae.errors import UserError, printable
from msdae.symbolic.phrases import CLAUSES, PHRASES, Phrases

# How a number becomes a value of a trait: (value, lowest number that has it).
REGISTERS = (("low", 0), ("middle", 53), ("high", 72))  # median MIDI pitch
DENSITIES = (("sparse", 0.0), ("moderate", 1.5), ("dense", 4.0))  # notes a second
TEMPI = (("slow", 0.0), ("medium", 80.0), ("fast", 130.0))  # beats a minute
DYNAMICS = (("soft", 0), ("medium", 55), ("loud", 95))  # mean velocity
ARTICULATIONS = (("staccato", 0.0), ("detached", 0.5), ("legato", 0.9))  # share of the time to the next note
MODE_NOTES = 8  # fewer notes are too few to tell the mode
TOGETHER = 0.03  # seconds; onsets this close belong to one chord

# How well each pitch class, counted from the tonic, fits a key (Krumhansl and Kessler 1982).
PROFILES = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}
EXCLUSIVE = ("register", "density", "tempo", "room", "dynamics", "articulation")  # one value at a time
PIECES = 1.9  # tokens per word from which a text without any of `PHRASES` does not count as English
SAID = 0.55  # probability that a caption names a trait other than its instrument


@dataclass(frozen=True)
class Traits:
    """What a caption can say about a clip; a trait that is None is unknown and left out.

    instrument: any name. family: one of NSynth's, `instruments.FAMILIES`. mode: "major", "minor" or the name
    of a maqam. room: "dry", "room" or "hall". register, density, tempo, dynamics, articulation: a value from
    the table of that trait, such as `REGISTERS`.
    """

    instrument: str | None = None
    family: str | None = None
    register: str | None = None
    density: str | None = None
    tempo: str | None = None
    mode: str | None = None
    room: str | None = None
    dynamics: str | None = None
    articulation: str | None = None


def traits(labels: Mapping[str, Any]) -> Traits:
    """The traits of a clip, from its labels and from the notes in `labels["notes"]` if there are any.

    labels: a clip's labels in a cache or data set; `tempo` in beats a minute, `mode`, `maqam` and `room` by
        name, `notes` as rows of `Note`.
    """
    notes = sorted(labels.get("notes", ()))
    tempo = labels.get("tempo")
    return Traits(
        instrument=_plain(labels.get("instrument")),
        family=labels.get("family"),
        register=value_of(REGISTERS, statistics.median(note[2] for note in notes)) if notes else None,
        density=_density(notes),
        tempo=value_of(TEMPI, tempo) if tempo is not None else _tempo(notes),
        mode=labels.get("maqam") or labels.get("mode") or _mode(notes),
        room=labels.get("room"),
        dynamics=value_of(DYNAMICS, statistics.fmean(note[3] for note in notes)) if notes else None,
        articulation=_articulation(notes),
    )


def captions(clip: Traits, count: int, seed: int | str, phrases: Phrases = PHRASES) -> list[str]:
    """`count` captions, all different as far as the synonyms allow; the same seed gives the same captions.

    phrases: the synonyms to choose from.

    Raises:
        UserError: all traits are None.
    """
    if clip == Traits():
        raise UserError("captions: nothing is known of this clip; give it an instrument, a family or notes")
    rng = random.Random(f"captions/{seed}")
    texts: dict[str, None] = {}
    for _ in range(20 * count):
        if len(texts) < count:
            texts[_caption(clip, rng, phrases)] = None
    return (list(texts) * count)[:count]


def request(text: str) -> dict[str, set[str]]:
    """{trait: values that `text` names}; of overlapping phrases only the longest counts."""
    words, values = _words(text), {}
    free = set(range(len(words)))
    for phrase, trait, value in _by_length():
        for start in range(len(words) - len(phrase) + 1):
            places = set(range(start, start + len(phrase)))
            if words[start : start + len(phrase)] == phrase and places <= free:
                free -= places
                values.setdefault(trait, set()).add(value)
    return values


def require_one_value(text: str) -> None:
    """Raise a UserError if `text` asks for two values that exclude each other, such as slow and fast."""
    for trait, values in request(text).items():
        if trait in EXCLUSIVE and len(values) > 1:
            both = " and ".join(sorted(values))
            raise UserError(f"text {printable(text)[:40]!r}: the {trait} cannot be {both}; ask for one")


def require_request(text: str, pieces: Callable[[str], int]) -> None:
    """Check that a text asks for music, and for nothing contradictory.

    pieces: counts the tokens into which an English tokenizer splits a text.

    Raises:
        UserError: the words are not English, or two of the values that it asks for exclude each other.
    """
    words = _words(text)
    if not request(text) and pieces(" ".join(words)) >= PIECES * len(words):
        raise UserError(
            f"text {printable(text)[:40]!r}: no English words of music; say what plays and how, in English, "
            "for example 'slow low oud, dry room'"
        )
    require_one_value(text)


def _caption(clip: Traits, rng: random.Random, phrases: Phrases) -> str:
    values = {name: value for name, value in vars(clip).items() if value is not None}
    first = "instrument" if clip.instrument else rng.choice(list(values))
    said = {name: value for name, value in values.items() if name == first or rng.random() < SAID}
    noun = _noun(clip, said, rng, phrases)
    before, after = [], []
    for trait, value in rng.sample(sorted(said.items()), len(said)):
        adjectives = phrases.get(trait, {}).get(value, (value,))
        clauses = CLAUSES.get(trait)
        if clauses and (len(before) > 1 or rng.random() < 0.5):
            after.append(rng.choice(clauses).format(rng.choice(adjectives)))
        else:
            before.append(rng.choice(adjectives))
    described = " ".join([*before, noun])
    opening = rng.choice(("{}", "{}", "a {} melody", "recording of {}", "{} music", "{} alone"))
    return re.sub(r"\ba (?=[aeiou])", "an ", ", ".join([opening.format(described), *after]))


def _noun(clip: Traits, said: dict[str, str], rng: random.Random, phrases: Phrases) -> str:
    """The noun of a caption: instrument, family or both; both traits are removed from `said`."""
    family = said.pop("family", None) if clip.instrument else said.pop("family", clip.family)
    family = rng.choice(phrases["family"].get(family, (family,))) if family else None
    instrument = said.pop("instrument", None)
    if instrument is None:
        return family or rng.choice(("line", "sound", "instrument"))
    name = rng.choice(phrases["instrument"].get(instrument, (instrument,)))
    if family is None or family in name:
        return name
    return rng.choice((family, f"{name}, {family}", name))


def value_of(table: Sequence[tuple[str, float]], number: float) -> str:
    """The last value of the table whose start is not above `number`; the first if all starts are above."""
    return [value for value, start in table if number >= start or start == table[0][1]][-1]


def _onsets(notes: Sequence[Sequence[float]]) -> list[float]:
    """The onsets of sorted notes in seconds; the notes of a chord share one onset."""
    onsets: list[float] = []
    for note in notes:
        if not onsets or note[0] - onsets[-1] > TOGETHER:
            onsets.append(note[0])
    return onsets


def _gaps(notes: Sequence[Sequence[float]]) -> list[float]:
    onsets = _onsets(notes)
    return [following - onset for onset, following in itertools.pairwise(onsets)]


def _density(notes: Sequence[Sequence[float]]) -> str | None:
    if not notes:
        return None
    seconds = max(note[1] for note in notes) - notes[0][0]
    return value_of(DENSITIES, len(notes) / max(seconds, 1.0))


def _tempo(notes: Sequence[Sequence[float]]) -> str | None:
    """The tempo, taking the median gap between onsets for an eighth note; None below three onsets."""
    gaps = _gaps(notes)
    return value_of(TEMPI, 30 / statistics.median(gaps)) if len(gaps) > 1 else None


def _articulation(notes: Sequence[Sequence[float]]) -> str | None:
    gaps = _gaps(notes)
    if len(gaps) < 2 or len(gaps) + 1 < len(notes):  # chords or several voices
        return None
    shares = [(note[1] - note[0]) / gap for note, gap in zip(notes, gaps, strict=False)]
    return value_of(ARTICULATIONS, statistics.median(shares))


def _mode(notes: Sequence[Sequence[float]]) -> str | None:
    """The mode whose profile, on any tonic, fits the durations of the pitch classes best.

    None for fewer than `MODE_NOTES` notes, or if all twelve pitch classes last equally long.
    """
    if len(notes) < MODE_NOTES:
        return None
    weights = [0.0] * 12
    for note in notes:
        weights[round(note[2]) % 12] += note[1] - note[0]
    if len(set(weights)) == 1:
        return None
    fits = {
        (mode, tonic): statistics.correlation(weights[tonic:] + weights[:tonic], profile)
        for mode, profile in PROFILES.items()
        for tonic in range(12)
    }
    return max(fits, key=lambda key: fits[key])[0]


def _plain(name: str | None) -> str | None:
    """An instrument's name as one says it: "Acoustic Guitar (nylon)" becomes "nylon acoustic guitar"."""
    if not name or name == "procedural":
        return None
    inside = re.search(r"\((.*)\)", name)
    outside = re.sub(r"\(.*\)|\d+", " ", name)
    return " ".join(f"{inside[1] if inside else ''} {outside}".lower().replace("_", " ").split()) or None


def _words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())


def _by_length() -> Iterator[tuple[list[str], str, str]]:
    """(words, trait, value) of each phrase, phrases of most words first."""
    entries = [
        (_words(phrase), trait, value)
        for trait, values in PHRASES.items()
        for value, synonyms in values.items()
        for phrase in synonyms
    ]
    yield from sorted(entries, key=lambda entry: -len(entry[0]))
