"""Codes and sound that a prior draws, through the Python interface."""

import dataclasses
import math

import pytest
import torch

from msdae.audio.windows import Waveform
from msdae.errors import UserError
from msdae.inference.encoding import timbre_of
from msdae.inference.generation import FADE_SECONDS, Generator, Request
from msdae.inference.pipeline import Pipeline, Sampling
from msdae.models.priors import PRIORS, PriorSampling
from msdae.models.priors.base import new
from msdae.models.priors.grid import Grid
from tests.inference.test_inference import Toy, random_model


@pytest.fixture(scope="module")
def generator(checkpoint):
    return drawing(Pipeline.from_pretrained(checkpoint, "cpu", Sampling(steps=2, learn="never")))


def drawing(pipeline):
    """A small prior, not trained, of a pipeline's codes."""
    settings = PRIORS["dit"].Config(window=32, width=16, layers=1, heads=2, text=0)
    prior = new("dit", settings, Grid.of(pipeline.model), pipeline.fingerprint, 0)
    return Generator(pipeline, prior, PriorSampling(prior_steps=2))


@pytest.mark.parametrize("part", ["timbre", "beginning", "melody"])
def test_codes_are_had_of_what_renderings_are_made_of(generator, tune, part):
    """Regression: `codes` took opened sources alone."""
    codes = generator.codes(Request(1.0, **{part: tune}))
    assert set(codes.levels) == {1, 2, 3} and all(
        torch.isfinite(code).all() for code in codes.levels.values()
    )


def test_a_short_timbre_source_is_repeated_as_in_a_swap(generator, tune):
    """Regression: it was followed by silence, which is no part of its sound."""
    pipeline, short = generator.pipeline, tune[0, :20_000]
    heard = pipeline.encode(short, samples=pipeline.codec.clip_samples, levels=[1])
    assert torch.equal(generator.codes(Request(1.0, timbre=short))[1], heard[1])


def test_codes_stand_where_a_timbre_source_stands(generator, tune):
    """Regression: they were taken for a recording, and refused with a hint that is for swaps."""
    pipeline = generator.pipeline
    drawn, heard = generator.codes(Request(1.0)), timbre_of(pipeline, tune)
    for codes in (drawn, heard):
        assert torch.equal(generator.codes(Request(1.0, timbre=codes, seed=1))[1], codes[1])
    from_codes, from_sound = (generator.codes(Request(1.0, timbre=timbre)) for timbre in (heard, tune))
    assert torch.equal(from_codes[3], from_sound[3])
    assert generator.render(Request(1.0, timbre=drawn)).isfinite().all()
    with pytest.raises(UserError, match="codes of another model"):
        generator.codes(Request(1.0, timbre=dataclasses.replace(drawn, model="other")))
    for name in ("melody", "beginning"):
        with pytest.raises(UserError, match="codes are no recording"):
            generator.codes(Request(1.0, **{name: drawn}))


def test_a_seed_is_that_of_the_rendering_too(generator, tune):
    """Regression: latents had the pipeline's seed whatever was asked for."""
    requests = [Request(1.0, melody=tune, seed=seed) for seed in (1, 1, 2)]
    first, same, other = (torch.cat(list(generator.stream(request))) for request in requests)
    assert torch.equal(first, same) and not torch.equal(first, other)


@pytest.mark.parametrize("given", ["timbre", "beginning"])
def test_what_a_sound_is_taken_from_is_not_silent(generator, tmp_path, given):
    """Regression: a silent file was written, or noise."""
    with pytest.raises(UserError, match="nothing can be heard"):
        generator.render_file(Request(1.0, **{given: torch.zeros(44100)}), tmp_path / "y.wav")
    assert not (tmp_path / "y.wav").exists()


@pytest.mark.parametrize("given", ["timbre", "melody"])
def test_a_source_needs_a_level_that_is_a_timbre(given, tune):
    """Regression: the sound of a timbre source was left unheard, without a word."""
    codec = Toy()
    generator = drawing(Pipeline(random_model(codec, pooled=()), codec))
    assert generator.codes(Request(1.0)).windows == 1
    with pytest.raises(UserError, match="all levels of this model change over time"):
        generator.codes(Request(1.0, **{given: tune}))


def test_a_recording_and_what_continues_it_are_joined_at_an_even_level(generator):
    rate, fade = generator.rate, round(FADE_SECONDS * generator.rate)
    torch.manual_seed(0)
    beginning, drawn = (Waveform(0.1 * torch.randn(samples)) for samples in (3 * rate, 5 * rate))
    joined = torch.cat(list(generator._continued(beginning, drawn.blocks())))
    level = joined[beginning.samples - fade : beginning.samples].square().mean().sqrt()
    assert 20 * abs(math.log10(float(level) / 0.1)) < 0.5


@pytest.mark.parametrize("factor", [1.0, 0.1, 0.001])
def test_a_continuation_is_as_loud_as_its_recording_at_any_level(generator, factor):
    """Regression: what followed a recording of -40 dB and less was up to 12 dB louder than the recording."""
    rate = generator.rate
    torch.manual_seed(0)
    beginning, drawn = (Waveform(level * torch.randn(3 * rate)) for level in (0.2 * factor, 0.2))
    joined = torch.cat(list(generator._continued(beginning, drawn.blocks())))
    new = joined[beginning.samples :].square().mean().sqrt()
    assert 20 * math.log10(float(new) / (0.2 * factor)) == pytest.approx(0, abs=0.5)


def test_what_follows_a_silent_end_is_as_loud_as_the_recording(generator):
    """Regression: it was 40 dB softer, as the end was."""
    rate = generator.rate
    torch.manual_seed(0)
    sound, drawn = (0.2 * torch.randn(seconds * rate) for seconds in (3, 9))
    beginning = Waveform(torch.cat([sound, torch.zeros(8 * rate)]))
    joined = torch.cat(list(generator._continued(beginning, Waveform(drawn).blocks())))
    new = joined[beginning.samples :].square().mean().sqrt()
    assert 20 * math.log10(float(new) / 0.2) == pytest.approx(0, abs=3)


def test_what_is_too_short_to_be_heard_is_continued_at_its_level(generator):
    torch.manual_seed(0)
    beginning, drawn = Waveform(0.002 * torch.randn(500)), Waveform(0.2 * torch.randn(9000))
    joined = torch.cat(list(generator._continued(beginning, drawn.blocks())))
    assert joined[500:].square().mean().sqrt() < 0.01
