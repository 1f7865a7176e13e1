"""Examples where no SoundFont can be played, and the map."""

import sys

import numpy as np
import pytest
import torch

from msdae import audio
from msdae.app import examples
from msdae.app.clips import played
from msdae.app.examples import Map
from msdae.errors import UserError
from msdae.inference.pipeline import Pipeline
from msdae.symbolic.tunes import ODE_TO_JOY, notes_of


@pytest.fixture
def silent(monkeypatch):
    """As where tinysoundfont is not installed."""

    def missing(*arguments):
        raise UserError("rendering needs tinysoundfont")

    monkeypatch.setattr("msdae.synthesis.soundfont.render", missing)


def test_formulas_play_where_no_soundfont_can(silent, checkpoint, tmp_path):
    pipeline = Pipeline.from_pretrained(checkpoint, "cpu")
    loaded = examples.load(pipeline, tmp_path, lambda entries, **look: entries)
    assert [clip.name for clip in loaded.sounds.values()] == [f"Formula {n}" for n in range(1, 13)]
    assert len(loaded.melodies) == len(examples.MELODIES)
    clips = [*loaded.sounds.values(), *loaded.melodies.values()]
    assert all(0.1 < audio.read(clip.path).abs().max() <= 0.51 for clip in clips)
    assert all(0 <= share <= 1 for clip in loaded.sounds.values() for share in clip.place)
    again = examples.load(pipeline, tmp_path, lambda entries, **look: entries)
    assert [clip.path for clip in again.sounds.values()] == [clip.path for clip in loaded.sounds.values()]


def test_a_score_is_played_without_a_soundfont(silent):
    assert torch.cat(list(played(notes_of(ODE_TO_JOY)).blocks())).abs().max() == pytest.approx(0.5, abs=0.01)


@pytest.fixture(params=["umap", "components"])
def chart(request, monkeypatch):
    """(codes, their map): three groups of ten, by UMAP and as without it."""
    if request.param == "umap":
        pytest.importorskip("umap", reason="the extra `eval` is not installed")
    else:
        monkeypatch.setitem(sys.modules, "umap", None)
    rng = np.random.default_rng(0)
    codes = np.repeat(rng.normal(size=(3, 8)) * 5, 10, axis=0) + rng.normal(size=(30, 8))
    return codes, Map.of(codes)


def test_sounds_that_are_alike_lie_together_on_the_map(chart):
    codes, chart = chart
    places = np.array([chart.place(code) for code in codes])
    assert places.min(axis=0) == pytest.approx([0, 0]) and places.max(axis=0) == pytest.approx([1, 1])
    distances = np.linalg.norm(places[:, None] - places, axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert (distances.argmin(axis=1) // 10 == np.arange(30) // 10).all()


def test_a_new_sound_lies_between_those_that_are_nearest(chart):
    codes, chart = chart
    places = np.array([chart.place(code) for code in codes])
    for code, group in ((codes[:10].mean(axis=0), places[:10]), (100 * codes[25], places)):
        place = chart.place(code)
        assert (group.min(axis=0) <= place).all() and (place <= group.max(axis=0)).all()
