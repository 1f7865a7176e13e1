"""Mixes on the way: of a sound the renderings are mixed, of what follows time the codes are."""

import dataclasses

import pytest
import torch

from msdae import audio
from msdae.errors import UserError
from msdae.inference import pipeline as pipeline_module
from msdae.inference.latents import latents
from msdae.inference.mixing import sample
from msdae.inference.pipeline import Mix, Pipeline, Sampling
from tests.inference.test_inference import Toy, random_model
from tests.inference.test_pipeline import pipeline as unpooled

SERIES = [0.0, 0.25, 1.0]


@pytest.fixture(scope="module")
def pipeline():
    return Pipeline(
        random_model(codec := Toy()), codec, Sampling(steps=2, learn="never", transcription="never")
    )


def mixed(renderer, mix, series):
    """What to sample for a mix whose melody source has one voice."""
    ((_, made),) = renderer.mixed(mix, series)
    return made


@pytest.fixture(scope="module")
def sources(melody):
    return melody(3.0)[0], melody(3.0, 1)[0]


def test_a_series_of_one_sound_is_two_renderings(pipeline, sources):
    tune, timbre = sources
    made = mixed(pipeline, Mix(tune, {1: timbre}), SERIES)
    assert len(made.codes) == 2
    without, between, whole = sample(pipeline, [made], [0])
    torch.testing.assert_close(between, 0.75 * without + 0.25 * whole)
    torch.testing.assert_close(without, pipeline.sample(pipeline.encode(tune)))
    alone = mixed(pipeline, Mix(tune, {1: timbre}), [1.0])
    torch.testing.assert_close(whole, pipeline.sample(alone.codes)[0])


def test_a_series_of_no_strengths_is_refused(pipeline, sources):
    with pytest.raises(UserError, match="a series of no strengths; give one at least"):
        pipeline.mixed(Mix(sources[0], {1: sources[1]}), [])


def test_codes_that_follow_time_are_mixed_themselves(pipeline, sources):
    tune, other = sources
    made = mixed(pipeline, Mix(tune, {1: other, 3: other}), SERIES)
    content, there = pipeline.encode(tune), pipeline.encode(other)
    (halfway,) = pipeline.model.mix([content[3]], [there[3]], [0.25])
    low, high = (made.codes[place] for place in made.ways[1][:2])
    torch.testing.assert_close(low[3], halfway)
    assert torch.equal(low[3], high[3]) and torch.equal(low[1], content[1]) and torch.equal(high[1], there[1])
    assert [len(set(way[:2])) for way in made.ways] == [1, 2, 1]


def test_a_model_whose_level_1_follows_time_mixes_its_codes(sources):
    renderer = unpooled()
    made = mixed(renderer, Mix(sources[0], {1: sources[1]}), SERIES)
    assert len(made.codes) == 3 and all(first == last for first, last, _ in made.ways)


def test_mixes_of_several_recordings_at_once(pipeline, sources):
    tune, timbre = sources
    group = [mixed(pipeline, Mix(m, {1: t}), [0.5]) for m, t in ((tune, timbre), (timbre, tune))]
    together = sample(pipeline, group, [3, 4])
    assert (together[0] - sample(pipeline, group[:1], [4])[0]).abs().max() > 0.1
    for made, seed, z in zip(group, (3, 4), together, strict=True):
        torch.testing.assert_close(sample(pipeline, [made], [seed])[0], z, atol=1e-4, rtol=1e-3)


def test_files_of_a_series_are_those_of_its_strengths(pipeline, sources, tmp_path, monkeypatch):
    """Regression: each strength was encoded and sampled on its own."""
    mix = Mix(sources[0], {1: sources[1]})
    for strength in SERIES:
        pipeline.render_file(dataclasses.replace(mix, strength=strength), tmp_path / f"{strength}.wav")
    sampled = []
    monkeypatch.setattr(
        pipeline_module, "latents", lambda *given: sampled.append(given[1]) or latents(*given)
    )
    pipeline.render_series(mix, {tmp_path / f"series-{strength}.wav": strength for strength in SERIES})
    assert [len(recordings) for recordings in sampled] == [2]
    for strength in SERIES:
        alone, one = (audio.read(tmp_path / f"{name}{strength}.wav") for name in ("", "series-"))
        torch.testing.assert_close(one, alone, atol=1e-3, rtol=0)


def test_a_series_of_no_files_is_none(pipeline, sources):
    assert pipeline.render_series(Mix(sources[0], {1: sources[1]}), {}) == []
