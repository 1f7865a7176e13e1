"""Which sounds are learnt before they are played, and that a pipeline remembers them."""

from dataclasses import replace

import pytest
import torch

from msdae.audio.windows import Waveform
from msdae.inference import unknown
from msdae.inference.encoding import timbre_of
from msdae.inference.pipeline import Mix, Pipeline, Sampling
from msdae.symbolic.tunes import FRERE_JACQUES, notes_of
from msdae.synthesis import soundfont
from msdae.training import lesson
from tests.inference.test_inference import Toy, random_model
from tests.inference.test_pipeline import pipeline as unpooled
from tests.inference.test_sounds import sound


@pytest.fixture
def renderer(monkeypatch):
    """A pipeline of an untrained model, which knows no sound and learns in a moment."""
    brief = replace(lesson.BRIEF, steps=2, excerpts=replace(lesson.BRIEF.excerpts, excerpts=4))
    monkeypatch.setattr(lesson, "BRIEF", brief)
    monkeypatch.setattr(unknown, "distance", lambda pipeline, sound: unknown.UNKNOWN)
    return Pipeline(random_model(codec := Toy()), codec, Sampling(steps=4, transcription="never"))


@pytest.fixture(scope="module")
def timbre(melody):
    return melody(4.0, 1)[0]


@pytest.fixture(scope="module")
def source(melody):
    return melody(5.0)[0]


def mixed(renderer, mix, learn="auto", strengths=None):
    """The codes of a mix, for each of its strengths."""
    renderer.sampling = replace(renderer.sampling, learn=learn)
    ((_, made),) = renderer.mixed(mix, strengths or [mix.strength])
    return made.codes


def test_a_sound_that_the_model_does_not_know_is_learnt(renderer, timbre, source):
    (codes,) = mixed(renderer, Mix(source, {1: timbre}))
    assert codes.adapter is not None and codes.adapter.fits(renderer.model.unet)
    assert sum(tensor.abs().sum() for tensor in codes.adapter.tensors().values()) > 0
    both = mixed(renderer, Mix(source, {1: timbre, 2: timbre}))
    assert both[0].adapter is codes.adapter and not torch.equal(both[0][2], codes[2])
    assert timbre_of(renderer, timbre).adapter is codes.adapter


@pytest.mark.parametrize("distance", [unknown.UNKNOWN, unknown.UNKNOWN_FEW])
def test_a_single_note_has_to_be_further_from_what_the_model_knows(
    renderer, timbre, source, monkeypatch, distance
):
    monkeypatch.setattr(unknown, "distance", lambda pipeline, sound: distance)
    monkeypatch.setattr(unknown, "variety", lambda sound, sample_rate: unknown.FEW_NOTES - 0.01)
    (codes,) = mixed(renderer, Mix(source, {1: timbre}))
    assert (codes.adapter is None) == (distance < unknown.UNKNOWN_FEW)


@pytest.mark.parametrize("which", ["never", "known", "short", "learnt", "not pooled"])
def test_otherwise_nothing_is_learnt(renderer, timbre, source, which, monkeypatch):
    monkeypatch.setattr(lesson, "briefly", lambda *arguments, **others: pytest.fail("learns"))
    if which == "known":
        monkeypatch.setattr(unknown, "distance", lambda pipeline, sound: unknown.UNKNOWN - 0.01)
    if which == "not pooled":
        renderer = unpooled()
    known = sound(renderer, 0) if which == "learnt" else None
    levels = {"short": {1: timbre[:2000]}, "learnt": {1: known}}.get(which, {1: timbre})
    learn = {"never": "never", "known": "auto"}.get(which, "always")
    (codes,) = mixed(renderer, Mix(source, levels), learn)
    assert codes.adapter is (known.adapter if known else None)


@pytest.mark.parametrize("levels", [{}, {2: "timbre"}, {1: "source", 2: "timbre"}])
def test_the_melody_sources_own_sound_is_learnt_where_it_is_played(renderer, timbre, source, levels):
    named = {"timbre": timbre, "source": source}
    (codes,) = mixed(renderer, Mix(source, {level: named[name] for level, name in levels.items()}))
    own, swapped = mixed(renderer, Mix(source, {1: timbre}), strengths=[0.5])
    assert swapped.adapter is not codes.adapter is not None
    assert levels or codes.adapter is own.adapter  # swaps of levels that follow time are not tuned
    assert len(mixed(renderer, Mix(source, {1: timbre}), strengths=[0.0])) == 1


def test_swaps_and_series_play_what_was_learnt(renderer, timbre, source, caplog):
    caplog.set_level("INFO", "msdae")
    series = renderer.interpolate(timbre, source, 3, levels=(1,))
    ends = renderer.reconstruct(source), renderer.swap(timbre, source)
    for found, expected in zip(series[::2], ends, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
    assert caplog.messages == [unknown.UNKNOWN_SOUND] * 3
    renderer.sampling = replace(renderer.sampling, learn="never")
    plain = renderer.reconstruct(source), renderer.swap(timbre, source)
    assert all((one - other).abs().max() > 0.01 for one, other in zip(ends, plain, strict=True))
    assert caplog.messages == [unknown.UNKNOWN_SOUND] * 3


def test_a_sound_is_remembered(renderer, timbre, source, monkeypatch):
    """Whatever it is given as, and of whatever seed; but only the last ones are."""
    learn, learnt = lesson.briefly, []
    monkeypatch.setattr(lesson, "briefly", lambda *a, **b: learnt.append(a[2]) or learn(*a, **b))
    first, again = (mixed(renderer, Mix(source, {1: one}))[0] for one in (timbre, Waveform(timbre)))
    renderer.sampling = replace(renderer.sampling, seed=1)
    (other,) = mixed(renderer, Mix(source, {1: timbre}))
    assert first.adapter is again.adapter is other.adapter and len(learnt) == 1
    mixed(renderer, Mix(source, {1: timbre}), "always")
    assert len(learnt) == 2
    monkeypatch.setattr(unknown, "REMEMBERED", 2)
    mixed(renderer, Mix(source, {1: timbre.flip(0)}))
    assert len(learnt) == 3 and len(renderer.remembered) == 2
    mixed(renderer, Mix(source, {1: timbre}))
    assert len(learnt) == 4
    monkeypatch.setattr(unknown, "distance", lambda pipeline, sound: pytest.fail("is known"))
    mixed(renderer, Mix(source, {1: timbre}))


def test_the_model_that_ships_knows_its_soundfont_and_learns_another_sound():
    pipeline, font = Pipeline.from_pretrained("embedded", "cpu"), soundfont.default()
    notes = notes_of(FRERE_JACQUES)
    known = [soundfont.render(notes, font, program, 5 * 44100) for program in (0, 40, 73)]
    moments = torch.arange(5 * 44100) / 44100
    bells = sum(
        torch.sin(2 * torch.pi * 97 * 1.37**k * moments) * torch.exp(-(moments % 0.5) * (2 + k))
        for k in range(12)
    )
    distances = [unknown.distance(pipeline, waveform) for waveform in (*known, bells / 12)]
    assert max(distances[:3]) < unknown.UNKNOWN < distances[3]
    assert unknown.distance(pipeline, 0.1 * known[0]) == pytest.approx(distances[0], rel=0.05)

    before = pipeline.fingerprint
    pipeline.swap(bells / 12, known[0])
    (learnt,) = pipeline.remembered.values()
    pipeline.sampling = replace(pipeline.sampling, learn="never")
    plain, closer = (pipeline.render(Mix(bells / 12, levels)) for levels in ({}, {1: learnt}))
    own, *made = (pipeline.log_mel(waveform[None]) for waveform in (bells / 12, plain, closer))
    far = [(mel - own).square().mean() for mel in made]
    assert far[1] < 0.9 * far[0]
    del pipeline.fingerprint
    assert pipeline.fingerprint == before  # the model stays as it is
