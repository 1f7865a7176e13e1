"""Examples where no SoundFont can be played, and the map."""

import numpy as np
import pytest

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
    assert played(notes_of(ODE_TO_JOY)).abs().max() == pytest.approx(0.5, abs=0.01)


def test_the_map_spreads_what_it_is_made_of():
    codes = np.random.default_rng(0).normal(size=(20, 8)) * [9, 3, 1, 1, 1, 1, 1, 1]
    chart = Map.of(codes)
    places = np.array([chart.place(code) for code in codes])
    assert places.min(axis=0) == pytest.approx([0, 0]) and places.max(axis=0) == pytest.approx([1, 1])
    order = np.argsort(places[:, 0])
    assert abs(np.corrcoef(codes[order, 0], np.arange(20))[0, 1]) > 0.8
    assert chart.place(100 * codes[0]) in [(x, y) for x in (0.0, 1.0) for y in (0.0, 1.0)]
