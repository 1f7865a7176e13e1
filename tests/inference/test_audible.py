"""What can be heard of a source, and that one note is sampled from less noise."""

import dataclasses

import pytest
import torch

from msdae.audio.windows import Waveform
from msdae.inference import audible
from msdae.inference.latents import latents
from msdae.inference.pipeline import Mix, Pipeline, Sampling
from tests.inference.test_inference import Toy, random_model

RATE = 44100


@pytest.fixture(scope="module")
def note():
    time = torch.arange(3 * RATE) / RATE
    return sum(torch.sin(2 * torch.pi * 220 * k * time) * torch.exp(-time) / k for k in range(1, 6)) / 4


@pytest.fixture(scope="module")
def pipeline():
    return Pipeline(random_model(codec := Toy()), codec, Sampling(steps=2))


def test_silence_is_left_out(note):
    padded = torch.cat([torch.zeros(5 * RATE), note, torch.zeros(RATE), note.repeat(5)])
    heard = audible.audible(Waveform(padded), RATE)
    assert len(heard) == audible.HEARD * RATE and heard[: audible.PART].abs().max() > 0.1
    assert len(audible.audible(Waveform(torch.zeros(RATE)), RATE)) == 0


def test_one_note_has_less_noise_than_a_melody_or_silence(note, melody):
    assert audible.noise_scale(Waveform(note), RATE) == audible.ONE_NOTE_NOISE
    assert audible.noise_scale(Waveform(torch.cat([torch.zeros(RATE), note])), RATE) == audible.ONE_NOTE_NOISE
    assert audible.noise_scale(Waveform(melody(3.0)[0]), RATE) == 1
    assert audible.noise_scale(Waveform(torch.zeros(RATE)), RATE) == 1


def test_codes_know_it_and_a_mix_takes_that_of_the_finest_level(pipeline, note, melody):
    of_note, of_tune = pipeline.encode(note), pipeline.encode(melody(3.0)[0])
    assert (of_note.noise, of_tune.noise) == (audible.ONE_NOTE_NOISE, 1)
    finest = max(of_note.levels)
    assert pipeline.encode(note, levels=[1]).noise == 1
    assert pipeline.mix(of_note, {1: of_tune}).noise == audible.ONE_NOTE_NOISE
    assert pipeline.mix(of_note, {finest: of_tune}).noise == 1
    assert pipeline.mix(of_note, {finest: of_tune}, 0.5).noise == pytest.approx(0.8)
    (swapped,), _ = pipeline.mixed(Mix(note, {1: melody(3.0)[0]}), [1.0])
    assert swapped.noise == audible.ONE_NOTE_NOISE


def test_takes_without_noise_are_the_same(pipeline, note):
    codes = pipeline.encode(note)
    for scale in (0.0, 1.0):
        (one,), (other,) = (
            latents(pipeline.model, [dataclasses.replace(codes, noise=scale)], [seed], pipeline.route(), 8)
            for seed in range(2)
        )
        assert torch.equal(one, other) == (scale == 0)
