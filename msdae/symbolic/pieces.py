"""The pieces that composers are trained on: tunes or chorales of music21's corpus, or a folder of scores."""

import functools
from collections.abc import Callable
from pathlib import Path

from msdae.errors import UserError, printable
from msdae.progress import Progress, silent
from msdae.symbolic import corpus
from msdae.symbolic.chorales import VOICES, chorales, is_line
from msdae.symbolic.notes import Score
from msdae.symbolic.scores import SUFFIXES, read_score
from msdae.symbolic.tokens import Line, highest, melody

SPLITS = ("train", "valid", "test")
SHARES = {"valid": 8, "test": 8, "train": 84}  # percent of the pieces
OPENING = 8  # intervals; pieces that begin with the same ones are in the same split
Pieces = dict[str, dict[str, Score]]  # {split: {name: score}}


def lines(progress: Progress = silent) -> Pieces:
    """The 1 059 monophonic fiddle tunes of Ryan's Mammoth Collection, in music21's corpus.

    The first call takes about four minutes; its result is cached.

    Raises:
        UserError: music21 is not installed.
    """
    return _lines(progress)


@functools.lru_cache(maxsize=1)
def _lines(progress: Progress) -> Pieces:
    names = corpus.collection("ryansMammoth", "*.abc")
    scores = {name: Score(tuple(corpus.parts(name))) for name in progress(names, "corpus", unit="piece")}
    return split({name: score for name, score in scores.items() if len(score.parts) == 1})


def folder(path: str | Path, voices: int, progress: Progress = silent) -> tuple[Pieces, list[str]]:
    """The usable MIDI and MusicXML files in a folder and its subfolders, and a message for each other one.

    voices: 1 to use the highest part of any file; a larger number to use only files with exactly that many
        parts, all monophonic.

    Raises:
        UserError: there is no such folder, or its usable files have too few different openings for three
            splits.
    """
    path = Path(path)
    if not path.is_dir():
        raise UserError(f"{printable(path)}: no such folder; give one with MIDI or MusicXML files")
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    scores, refused = {}, []
    for file in progress(files, "read", unit="file"):
        try:
            score = read_score(file)
        except UserError as error:
            refused.append(str(error))
            continue
        if voices > 1 and not (len(score.parts) == voices and all(map(is_line, score.parts))):
            refused.append(f"{printable(file)}: has not {voices} parts of one note at a time")
            continue
        scores[file.relative_to(path).as_posix()] = (
            score if voices > 1 else Score((highest(score),), score.tempo)
        )
    pieces = split(scores)
    if not all(pieces.values()):
        raise UserError(
            f"{printable(path)}: {len(scores)} of {len(files)} files can be used, too few to hold some out; "
            f"give three or more {'scores in four voices' if voices > 1 else 'with notes'} that begin "
            "differently" + (f" ({refused[0]})" if refused else "")
        )
    return pieces, refused


def split(scores: dict[str, Score]) -> Pieces:
    """Assign pieces to splits by a hash of the intervals that they begin with.

    A split that would stay empty takes from `train` the last piece and all that begin alike, if `train` has
    others too.
    """
    openings = {name: _opening(melody(score)) for name, score in scores.items()}
    pieces: Pieces = {name: {} for name in SPLITS}
    for name, score in scores.items():
        pieces[corpus.split_of(openings[name], SHARES)][name] = score
    for other in SPLITS[1:]:
        train = pieces["train"]
        if not pieces[other] and len({openings[name] for name in train}) > 1:
            last = openings[max(train)]
            pieces[other] = {name: train.pop(name) for name in list(train) if openings[name] == last}
    return pieces


def _opening(symbols: Line) -> str:
    """The first `OPENING` intervals of a line, as a string."""
    pitches = [pitch for pitch, _ in symbols if pitch < 128][: OPENING + 1]
    return repr([after - before for before, after in zip(pitches[:-1], pitches[1:], strict=True)])


SOURCES: dict[int, Callable[..., Pieces]] = {
    1: lines,
    VOICES: lambda progress=silent: chorales(),
}  # {number of voices: function that returns the pieces}
