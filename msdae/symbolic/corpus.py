"""The pieces of music21's corpus: their names, their splits, and their parts as notes in quarter lengths."""

import functools
import hashlib
import json
import warnings
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from msdae import folders
from msdae.errors import UserError, required
from msdae.files import atomic, read_json, reading
from msdae.symbolic.musicxml import tones
from msdae.symbolic.notes import Part, ScoreNote

# Collections of many short pieces in one to eight parts.
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
SHARES = {"train": 76, "validation": 8, "test": 8, "unseen": 8}  # percent of the pieces
# Larger collections are thinned towards this many pieces, so that no style dominates.
PIECES_PER_COLLECTION = 300
# music21 needs more than about half a second for a larger file.
MAX_BYTES = {".mxl": 20_000, ".xml": 200_000, ".krn": 12_000, ".abc": 12_000}


def pieces(*splits: str) -> list[str]:
    """The names of the usable pieces in the given splits, in a fixed order.

    splits: keys of `SHARES`; all splits if none is given.

    The name of a piece is its path inside the corpus.

    Raises:
        UserError: music21 is not installed.
    """
    return [piece for piece in _pieces() if not splits or split_of(piece) in splits]


def collection(name: str, pattern: str = "*") -> list[str]:
    """The names of all pieces of a collection whose file names match the pattern, in a fixed order.

    Raises the errors of `pieces`.
    """
    root = _corpus_root()
    return sorted(path.relative_to(root).as_posix() for path in (root / name).glob(pattern))


def split_of(piece: str, shares: Mapping[str, int] = SHARES) -> str:
    """The split of a piece, which depends on nothing but a hash of its name.

    shares: percent of the pieces in each split; they add up to 100.
    """
    place = int(hashlib.sha256(piece.encode()).hexdigest(), 16) % 100
    for split, share in shares.items():
        if place < share:
            return split
        place -= share
    raise AssertionError("the shares add up to 100")


@functools.lru_cache(maxsize=2048)
def parts(piece: str) -> list[Part]:
    """The pitched parts of one piece, with tied notes joined; empty if music21 cannot read it as one score.

    Parsing takes music21 about half a second, so the result is kept in the cache folder.

    Raises:
        UserError: music21 is not installed.
    """
    _corpus_root()  # raises the UserError
    name = hashlib.sha256(f"{version('music21')} {piece}".encode()).hexdigest()[:16]
    path = folders.cache() / "pieces" / f"{name}.json"
    with suppress(UserError), reading(path):  # the cached file is missing or damaged
        stored = read_json(path, list)
        return [[ScoreNote(*map(float, note[:2]), int(note[2])) for note in part] for part in stored]
    piece_parts = _read(piece)
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(piece_parts))
    return piece_parts


@functools.lru_cache(maxsize=1)
def _pieces() -> tuple[str, ...]:
    root = _corpus_root()
    names: list[str] = []
    for collection in COLLECTIONS:
        paths = (path for path in (root / collection).rglob("*") if _is_small_score(path))
        files = sorted(path.relative_to(root).as_posix() for path in paths)
        step = max(1, len(files) // PIECES_PER_COLLECTION)
        names += files[::step]
    return tuple(names)


def _read(piece: str) -> list[Part]:
    import music21

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # overfull bars, slurs without an end
            # forceSource: the content of music21's own cache depends on what ran on this machine before.
            score = music21.converter.parse(_corpus_root() / piece, forceSource=True)
    except music21.exceptions21.Music21Exception:
        return []
    # Ties are joined by music21's `stripTies`: rendered data sets and SwapBench's cases depend on its result.
    score_parts = list(getattr(score, "parts", ()))
    for part in score_parts:
        part.stripTies(inPlace=True)  # a copy has the same notes and takes as long as parsing the piece
    parts = ([note for note, _ in tones(part)] for part in score_parts)
    return [sorted(notes) for notes in parts if notes]


def _is_small_score(path: Path) -> bool:
    return path.suffix in MAX_BYTES and path.stat().st_size <= MAX_BYTES[path.suffix]


def _corpus_root() -> Path:
    corpus = required("music21.corpus", "the synth data needs music21: pip install music21")
    return Path(corpus.__file__).parent
