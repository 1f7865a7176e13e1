"""Tokens from sound to sound: sources of any length, mixes, files, learnt sounds."""

import dataclasses

import pytest
import torch

from msdae.audio.windows import Waveform
from msdae.errors import UserError
from msdae.inference.codes import Codes
from msdae.inference.encoding import Job, encoded, timbre_of
from msdae.inference.pipeline import Mix, Pipeline, Sampling
from msdae.inference.sounds import LearntSound, mixed_tokens
from msdae.models.adapter import Adapter
from msdae.nn.tokens import Tokens
from tests.inference.test_inference import Toy, random_model

FAST = Sampling(steps=2, sampler="euler", learn="never", transcription="never")
SIZES = {
    "tokens": 8,
    "token_hidden": 16,
    "attend": (1, 0),
    "attention": 2,
    "most_tokens": 48,
    "heads": 4,
    "code_channels": (24, 8, 12),
}


@pytest.fixture(scope="module")
def pipeline():
    codec = Toy()
    return Pipeline(random_model(codec, **SIZES), codec, FAST, batch=4)


@pytest.mark.parametrize(("seconds", "tokens"), [(0.5, 32), (3.0, 33), (60.0, 48)])
def test_swaps_with_sources_of_any_length(pipeline, melody, seconds, tokens):
    tune, timbre = melody(3.0)[0], melody(3.0, 1)[0].repeat(20)[: int(seconds * 44100)]
    codes = pipeline.encode(timbre, levels=(1,))
    assert codes.tokens.values.shape[:2] == (1, 8)
    assert abs(codes.tokens.values.shape[2] - tokens) <= 32 and codes.tokens.values.shape[2] <= 48
    assert codes.tokens.weights.sum().item() == pytest.approx(1)
    swapped = pipeline.swap(timbre, tune)
    assert swapped.shape == tune.shape and swapped.isfinite().all()
    without = pipeline.mix(pipeline.encode(tune), {1: codes})
    z = [pipeline.sample(c) for c in (without, dataclasses.replace(without, tokens=None))]
    assert (z[0] - z[1]).abs().max() > 1e-3  # tokens matter


@pytest.mark.parametrize(("seconds", "samples"), [(0.5, 131_072), (4.0, 176_400)])
def test_a_timbre_source_is_a_clip_at_least(pipeline, melody, seconds, samples):
    short = melody(seconds)[0]
    codes = timbre_of(pipeline, short)
    assert codes.samples == samples and set(codes.levels) == {1}
    torch.testing.assert_close(codes[1], pipeline.encode(short, samples=samples)[1])


@pytest.mark.parametrize("samples", [22_050, 131_072, 200_000])
def test_what_is_cut_off_is_not_heard(pipeline, melody, samples):
    """Regression: sound after the samples that were asked for was in the codes of the last window."""
    tune = melody(6.0)[0]
    end = -(-samples // pipeline.codec.hop) * pipeline.codec.hop
    jobs = (Job(Waveform(sound), samples, (1, 2, 3)) for sound in (tune, tune[:end]))
    cut, alone = (encoded(pipeline, job) for job in jobs)
    for level in cut.levels:
        torch.testing.assert_close(cut[level], alone[level])


def test_tokens_are_heard_in_the_sound_of_the_source_alone(pipeline, melody):
    tune = melody(7.0)[0]
    codes = pipeline.encode(tune)
    assert codes.windows > 1
    assert pipeline.encode(tune, levels=(2, 3)).tokens is None
    silent = torch.cat([tune, torch.zeros(44100 * 20)])
    padded = pipeline.encode(silent, levels=(1,)).tokens
    plain = pipeline.encode(tune, levels=(1,)).tokens
    assert padded.values.shape[2] <= plain.values.shape[2] + 4


def test_strengths_mix_sets_of_tokens(pipeline, melody):
    tune, one, other = melody(3.0)[0], *(melody(4.0, seed)[0] for seed in (1, 2))
    content, codes = pipeline.encode(tune), [pipeline.encode(x, levels=(1,)) for x in (one, other)]
    half = pipeline.mix(pipeline.mix(content, {1: codes[0]}), {1: codes[1]}, 0.25)
    sizes = [c.tokens.values.shape[2] for c in codes]
    assert half.tokens.values.shape[2] == sum(sizes)
    assert half.tokens.weights[0, : sizes[0]].sum().item() == pytest.approx(0.75)
    series = pipeline.interpolate(one, tune, 3, levels=(1,))
    ends = pipeline.reconstruct(tune), pipeline.swap(one, tune)
    for found, expected in zip(series[::2], ends, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
    assert all((series[1] - end).abs().max() > 1e-3 for end in ends)
    assert mixed_tokens(None, codes[0].tokens, 0.25).weights.sum().item() == pytest.approx(0.25)
    assert mixed_tokens(None, None, 0.5) is None


def test_recordings_of_other_numbers_of_tokens_are_sampled_together_as_apart(pipeline, melody):
    tune = pipeline.encode(melody(5.0)[0])
    few = dataclasses.replace(tune, tokens=Tokens(*(x[..., :3] for x in tune.tokens)))
    group = [tune, few, dataclasses.replace(tune, tokens=None)]
    for together, codes in zip(pipeline.sample(group), group, strict=True):
        torch.testing.assert_close(together, pipeline.sample(codes), atol=1e-4, rtol=1e-4)


def test_files_keep_tokens(pipeline, melody, tmp_path):
    codes = pipeline.encode(melody(3.0)[0])
    codes.save(tmp_path / "a.safetensors")
    loaded = Codes.load(tmp_path / "a.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(codes.tokens, loaded.tokens, strict=True))
    assert set(loaded.levels) == {1, 2, 3}
    assert torch.equal(pipeline.sample(loaded), pipeline.sample(codes))
    assert loaded.replace(1, loaded[1]).tokens is None and loaded.replace(2, loaded[2]).tokens is not None


def test_learnt_sounds_have_tokens(pipeline, melody, tmp_path):
    tune = melody(3.0)[0]
    learnt = pipeline.learn(melody(4.0, 3)[0], steps=2)
    assert 0 < learnt.tokens.values.shape[2] <= 48
    assert any("attentions" in name for name in learnt.adapter.tensors())
    learnt.save(tmp_path / "a.sound")
    again = pipeline.load_sound(tmp_path / "a.sound")
    pair = [pipeline.swap(sound, tune) for sound in (learnt, again)]
    torch.testing.assert_close(*pair, atol=0.02 * float(pair[0].abs().max()), rtol=0)
    bare = dataclasses.replace(again, tokens=None)
    assert (pipeline.swap(bare, tune) - pair[1]).abs().max() > 1e-3
    middle = again.blend(LearntSound(bare.code, Adapter(bare.adapter.tensors()), bare.model), 0.5)
    assert middle.tokens.weights.sum().item() == pytest.approx(0.5, abs=1e-2)
    assert pipeline.render(Mix(tune, {1: middle})).isfinite().all()


def test_tokens_that_do_not_fit_are_refused(pipeline, melody):
    codes = pipeline.encode(melody(3.0)[0])
    values, weights = codes.tokens
    for tokens in (
        Tokens(values[0], weights),
        Tokens(values, weights[:, 1:]),
        Tokens(values * torch.nan, weights),
    ):
        with pytest.raises(UserError, match="tokens"):
            dataclasses.replace(codes, tokens=tokens)
    with pytest.raises(UserError, match="below 0"):
        dataclasses.replace(codes, tokens=Tokens(values, -weights))
    with pytest.raises(UserError, match="tokens of 4 channels; this model needs 8"):
        pipeline.sample(dataclasses.replace(codes, tokens=Tokens(values[:, :4], weights)))
