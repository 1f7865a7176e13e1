"""Parts of the pieces in music21's corpus, as plain notes in quarter lengths."""

import functools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from msdae.errors import UserError

# Collections of many short pieces, in one to eight parts.
COLLECTIONS = (
    "bach",
    "corelli",
    "haydn",
    "monteverdi",
    "mozart",
    "palestrina",
    "ryansMammoth",
    "schumann_robert",
    "trecento",
)
# The larger collections are thinned to this many pieces, so that no one style fills the set.
PIECES_PER_COLLECTION = 300
# Larger files take music21 more than about half a second each.
MAX_BYTES = {".mxl": 20_000, ".xml": 200_000, ".krn": 12_000, ".abc": 12_000}


class ScoreNote(NamedTuple):
    onset: float  # in quarter lengths from the start of the piece
    duration: float  # in quarter lengths
    pitch: int  # MIDI


Part = Sequence[ScoreNote]


@functools.lru_cache(maxsize=1)
def pieces() -> tuple[str, ...]:
    """Names of the usable pieces: paths inside the corpus, in a fixed order.

    Raises:
        UserError: music21 is not installed.
    """
    root = _corpus_root()
    names: list[str] = []
    for collection in COLLECTIONS:
        files = (path for path in (root / collection).rglob("*") if _is_small_score(path))
        found = sorted(path.relative_to(root).as_posix() for path in files)
        step = max(1, len(found) // PIECES_PER_COLLECTION)
        names += found[::step]
    return tuple(names)


def parts(piece: str) -> list[Part]:
    """The pitched parts of one piece, ties joined; empty where music21 cannot read it as one score.

    Raises:
        UserError: music21 is not installed.
    """
    import music21

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # bars that are overfull, slurs without an end
            # From the source: music21's own cache would depend on what ran here before.
            score = music21.converter.parse(_corpus_root() / piece, forceSource=True)
    except music21.exceptions21.Music21Exception:
        return []
    return [notes for part in getattr(score, "parts", ()) if (notes := _notes(part))]


def _is_small_score(path: Path) -> bool:
    return path.suffix in MAX_BYTES and path.stat().st_size <= MAX_BYTES[path.suffix]


def _notes(part) -> list[ScoreNote]:
    from music21.harmony import Harmony

    notes = []
    for element in part.stripTies().flatten().notes:
        if isinstance(element, Harmony) or element.quarterLength <= 0:
            continue  # a chord symbol or a grace note: not sounded, or without a length of its own
        for pitch in element.pitches:
            notes.append(ScoreNote(float(element.offset), float(element.quarterLength), pitch.midi))
    return sorted(notes)


def _corpus_root() -> Path:
    try:
        from music21 import corpus
    except ImportError as error:
        raise UserError("the synth data needs music21: pip install music21") from error
    return Path(corpus.__file__).parent
