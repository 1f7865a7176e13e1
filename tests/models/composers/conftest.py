"""Small pieces, and small composers of every kind."""

import numpy as np
import pytest

from msdae.models.composers import COMPOSERS
from msdae.models.composers.base import new
from msdae.symbolic.notes import Score, ScoreNote

SMALL = {
    "lstm": {"embedding": 8, "hidden": 16, "layers": 1, "window": 16},
    "transformer": {"width": 16, "layers": 1, "heads": 2, "window": 16},
    "four_voices": {"width": 16, "layers": 1, "heads": 2, "window": 16},
    "vae": {"channels": 8, "hidden": 8, "latent": 4, "decoder": 16},
    "musegan": {"noise": 4, "width": 8, "critic": 8},
    "roll_diffusion": {"channels": (8, 8, 8), "steps": 2},
}


def tune(seed: int, notes: int = 40) -> Score:
    rng = np.random.default_rng(seed)
    onset, part = 0.0, []
    for pitch in rng.choice([60, 62, 64, 65, 67, 69, 71, 72], notes):
        part.append(ScoreNote(onset, 0.5, int(pitch)))
        onset += 0.5
    return Score((part,))


def chorale(seed: int, beats: int = 20) -> Score:
    rng = np.random.default_rng(seed)
    roots = rng.choice([0, 5, 7, 9], beats)
    parts = [
        [ScoreNote(float(b), 1.0, low + int(r)) for b, r in enumerate(roots)] for low in (72, 67, 60, 48)
    ]
    return Score(tuple(parts))


@pytest.fixture(scope="session")
def small():
    """A function of a kind and its settings: an untrained composer and pieces for it."""

    def make(kind: str, **settings):
        if kind == "roll_diffusion":
            pytest.importorskip("diffusers")
        family = COMPOSERS[kind]
        pieces = [tune(n) if family.voices == 1 else chorale(n) for n in range(4)]
        return new(kind, family.Config(**{**SMALL[kind], **settings}), pieces, 0), pieces

    return make
