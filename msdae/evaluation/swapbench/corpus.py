"""The pieces that cases are drawn from, each read by music21 once and kept."""

import functools
import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from msdae.checkpoint import atomic
from msdae.data.sets.rendered_tracks import split_of
from msdae.symbolic import corpus as scores
from msdae.symbolic.corpus import Part, ScoreNote

FOLDER = Path("data/swapbench/pieces")


def pieces(*splits: str) -> list[str]:
    """The corpus pieces of `splits` (of `synth_tracks.SHARES`), in a fixed order.

    Raises:
        UserError: music21 is not installed.
    """
    return [piece for piece in scores.pieces() if split_of(piece) in splits]


@functools.lru_cache(maxsize=1024)
def parts(piece: str) -> list[Part]:
    """`scores.parts(piece)`, kept in `FOLDER`."""
    name = hashlib.sha256(f"{version('music21')} {piece}".encode()).hexdigest()[:16]
    path = FOLDER / f"{name}.json"
    if not path.exists():
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(scores.parts(piece)))
    return [[ScoreNote(*note) for note in part] for part in json.loads(path.read_text())]
