"""Learnt sounds where timbre sources stand: files, strengths, blends, refusals."""

import dataclasses

import pytest
import torch

from msdae import checkpoint
from msdae.errors import UserError
from msdae.inference.encoding import timbre_of
from msdae.inference.pipeline import Mix, Pipeline, Sampling
from msdae.inference.sounds import LearntSound, blended
from msdae.models.adapter import Adapter
from tests.inference.test_inference import Toy, random_model

FAST = Sampling(steps=2, sampler="euler", learn="never", transcription="never")


@pytest.fixture
def pipeline():
    codec = Toy()
    return Pipeline(random_model(codec), codec, FAST)


@pytest.fixture
def melody_source(melody):
    return melody(4.0)[0]


def sound(pipeline, seed):
    generator = torch.Generator().manual_seed(seed)
    tensors = Adapter.fresh(pipeline.model.unet, 2, generator).tensors()
    adapter = Adapter({name: 0.1 * torch.randn(t.shape, generator=generator) for name, t in tensors.items()})
    code = torch.randn(1, 32, 1, generator=generator)
    return LearntSound(code, adapter, pipeline.fingerprint, ("a.wav",), 5.0, 100, (0.4, 0.3))


def test_a_file_keeps_the_sound(tmp_path, pipeline, melody_source):
    first = sound(pipeline, 0)
    first.save(tmp_path / "a.sound")
    again = pipeline.load_sound(tmp_path / "a.sound")
    assert (again.names, again.seconds, again.steps, again.held_out) == (("a.wav",), 5.0, 100, (0.4, 0.3))
    one, other = (pipeline.swap(s, melody_source) for s in (first, again))
    torch.testing.assert_close(one, other, atol=0.02 * float(one.abs().max()), rtol=0)


def test_strength_and_verbs(pipeline, melody_source):
    learnt = sound(pipeline, 0)
    plain = pipeline.reconstruct(melody_source)
    torch.testing.assert_close(pipeline.swap(learnt, melody_source, strength=0.0), plain, atol=1e-5, rtol=0)
    full, half = (pipeline.swap(learnt, melody_source, strength=s) for s in (1.0, 0.5))
    assert (full - half).abs().max() > 0.01 < (half - plain).abs().max()
    codes = pipeline.mix(pipeline.encode(melody_source), {1: pipeline.encode(learnt)})
    z = pipeline.sample(codes)
    expected = pipeline.sample([codes, pipeline.encode(melody_source)])
    torch.testing.assert_close(expected[0], z)
    torch.testing.assert_close(expected[1], pipeline.sample(pipeline.encode(melody_source)))
    series = pipeline.interpolate(learnt, melody_source, 3, levels=(1,))
    for one, other in zip(series, (plain, half, full), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    assert torch.equal(pipeline.reconstruct(melody_source), plain)  # nothing is left on the model


def test_codes_stand_where_sounds_stand(pipeline, melody_source):
    """Regression: codes that were averaged or edited could only be rendered without all that a swap keeps."""
    learnt, timbre = sound(pipeline, 0), torch.randn(60_000, generator=torch.Generator().manual_seed(0)) / 10
    pipeline.sampling = Sampling(steps=2, sampler="euler", learn="never", transcription="never")
    for source, codes in ((learnt, pipeline.encode(learnt)), (timbre, timbre_of(pipeline, timbre))):
        for strength in (1.0, 0.5):
            expected = pipeline.swap(source, melody_source, strength=strength)
            given = pipeline.swap(codes, melody_source, strength=strength)
            torch.testing.assert_close(given, expected, atol=1e-5, rtol=0)
    own = pipeline.encode(melody_source)
    mix = Mix(melody_source, {1: learnt, 3: own.replace(3, 2 * own[3])})
    changed, plain = pipeline.render(mix), pipeline.swap(learnt, melody_source)
    assert changed.shape == plain.shape and (changed - plain).abs().max() > 0.01


def test_codes_that_cannot_stand_there_are_refused(pipeline, melody_source):
    codes = pipeline.encode(melody_source)
    with pytest.raises(UserError, match="codes of another model"):
        pipeline.swap(dataclasses.replace(codes, model="other"), melody_source)
    with pytest.raises(UserError, match="level 2: these codes have levels 1; "):
        pipeline.swap(pipeline.encode(melody_source, levels=(1,)), melody_source, levels=(2,))
    for call in (pipeline.reconstruct, pipeline.learn, pipeline.encode):
        with pytest.raises(UserError, match="codes are no recording; give the one whose length"):
            call(codes)


def test_a_new_sound_brings_its_own_dynamics(pipeline, melody_source):
    """One that is learnt: its melody is encoded with even dynamics, others' as it is."""
    learnt, timbre = sound(pipeline, 0), torch.randn(44100, generator=torch.Generator().manual_seed(0)) / 10
    melody_source = pipeline.resolved(Mix(melody_source)).melody
    plain, evened = (pipeline.encode(melody_source, levels=(2, 3), even=even) for even in (False, True))
    assert (plain[2] - evened[2]).abs().max() > 0.01 < (plain[3] - evened[3]).abs().max()

    def mixed(levels, series=(1.0,), **settings):
        usual = {"learn": "never", "transcription": "never"}
        pipeline.sampling = Sampling(steps=2, sampler="euler", **{**usual, **settings})
        ((_, made),) = pipeline.mixed(Mix(melody_source, levels), series)
        return made

    for settings, source, expected in (
        ({}, learnt, evened),
        ({}, timbre, plain),
        ({"dynamics": "sound"}, timbre, evened),
        ({"dynamics": "melody"}, learnt, plain),
    ):
        whole, without = mixed({1: source}, (1.0, 0.5), **settings).codes
        for level in (2, 3):
            torch.testing.assert_close(whole[level], expected[level])
            torch.testing.assert_close(without[level], plain[level])
    torch.testing.assert_close(mixed({1: timbre, 2: timbre}, dynamics="sound").codes[0][3], evened[3])
    torch.testing.assert_close(mixed({2: timbre}, dynamics="sound").codes[0][3], plain[3])


def test_a_file_of_before_with_frames_is_read(tmp_path, pipeline):
    sound(pipeline, 0).save(tmp_path / "a.sound")
    tensors, header = checkpoint.load(tmp_path / "a.sound", "sound")
    tensors["heard.0"] = torch.zeros(64, 9)
    checkpoint.save(tmp_path / "b.sound", "sound", tensors, {**header, "heard": [[5.0, 1.0]]})
    old, new = (pipeline.load_sound(tmp_path / name).adapter.tensors() for name in ("b.sound", "a.sound"))
    assert all(torch.equal(old[name], new[name]) for name in new) and len(old) == len(new)


def test_between_two_sounds(pipeline, melody_source):
    a, b = sound(pipeline, 0), sound(pipeline, 1)
    ends = [pipeline.swap(s, melody_source) for s in (a, b)]
    for strength, expected in zip((0.0, 1.0), ends, strict=True):
        rendered = pipeline.swap(a.blend(b, strength), melody_source)
        torch.testing.assert_close(rendered, expected, atol=1e-5, rtol=1e-4)
    middle = pipeline.swap(a.blend(b, 0.5), melody_source)
    assert all((middle - end).abs().max() > 0.01 for end in ends)
    on_the_way = pipeline.mix(pipeline.mix(pipeline.encode(melody_source), {1: a.codes}), {1: b.codes}, 0.5)
    torch.testing.assert_close(pipeline.render(Mix(melody_source, {1: a.blend(b, 0.5)})), middle)
    change = Adapter.sum([a.adapter, b.adapter], [0.5, 0.5]).tensors()
    assert all(torch.equal(t, change[name]) for name, t in on_the_way.adapter.tensors().items())
    assert blended(None, None, 0.5) is None


def test_refusals(tmp_path, pipeline, melody_source):
    learnt = sound(pipeline, 0)
    learnt.save(tmp_path / "a.sound")
    other = Pipeline(random_model(Toy(), widths=(8, 8, 8)), Toy(), FAST)
    with pytest.raises(UserError, match=r"a\.sound: a sound of another model"):
        other.load_sound(tmp_path / "a.sound")
    with pytest.raises(UserError, match="of another model"):
        other.swap(learnt, melody_source)
    with pytest.raises(UserError, match="two models"):
        learnt.blend(sound(other, 0), 0.5)
    with pytest.raises(UserError, match="strength"):
        learnt.blend(learnt, 1.5)
    with pytest.raises(UserError, match="level 2"):
        pipeline.swap(learnt, melody_source, levels=(1, 2))
    with pytest.raises(UserError, match="LearntSound"):
        pipeline.swap(melody_source, learnt)
    with pytest.raises(UserError, match=r"a\.sound: a learnt sound, no recording; give it .*load_sound"):
        pipeline.swap(str(tmp_path / "a.sound"), melody_source)
    with pytest.raises(UserError, match=r"a\.wav: a recording, no learnt sound"):
        pipeline.load_sound(tmp_path / "a.wav")
    with pytest.raises(UserError, match="nothing to learn from; give"):
        pipeline.learn([])
    with pytest.raises(UserError, match="save the sound itself"):
        pipeline.mix(pipeline.encode(melody_source), {1: learnt.codes}).save(tmp_path / "x.codes")


@pytest.mark.parametrize("damage", ["header", "nan", "tensors", "kind"])
def test_damaged_files_are_refused(tmp_path, pipeline, damage):
    path = tmp_path / "a.sound"
    sound(pipeline, 0).save(path)
    tensors, header = checkpoint.load(path, "sound")
    if damage == "header":
        del header["names"]
    if damage == "nan":
        tensors["code"] = tensors["code"] * float("nan")
    if damage == "tensors":
        del tensors["adapter.middle.conv1.up"]
    kind = "codes" if damage == "kind" else "sound"
    facts = {k: v for k, v in header.items() if k not in ("format", "kind")}
    checkpoint.save(path, kind, tensors, facts)
    with pytest.raises(UserError, match=r"a\.sound"):
        pipeline.load_sound(path)
