import dataclasses
import re
import zlib

import numpy as np
import pytest
import soundfile
import torch

from msdae.audio import intonation, tuning
from msdae.audio.contour import Contour
from msdae.codecs import Codec
from msdae.errors import UserError
from msdae.evaluation.swapbench.cases import CLIP_SAMPLES, plan
from msdae.evaluation.swapbench.sounds import play
from msdae.evaluation.swapbench.systems import (
    Bounds,
    CaseBatch,
    Folder,
    Function,
    Model,
    Output,
    check_names,
    unique,
)
from msdae.inference.pipeline import Pipeline, Sampling
from tests.inference.test_inference import Toy, random_model

CPU = torch.device("cpu")
FAST = Sampling(steps=2, learn="never", transcription="never")


@pytest.fixture(scope="module")
def batch():
    drawn = plan("test", 0, {"note": 2})
    sounds = (
        torch.stack([play(getattr(case, role)) for case in drawn]) for role in ("timbre", "melody", "truth")
    )
    return CaseBatch(drawn, *sounds)


def part(batch, index):
    chosen = slice(index, index + 1)
    return CaseBatch(batch.cases[chosen], batch.timbre[chosen], batch.melody[chosen], batch.truth[chosen])


def rendered(system, batch, *outputs):
    return {output: system.render(batch, output) for output in outputs or system.outputs}


def test_bounds(batch, codec):
    found = rendered(Bounds(codec, CPU), batch)
    assert torch.equal(found[Output("copy melody source")], batch.melody)
    assert torch.equal(found[Output("copy timbre source")], batch.timbre)
    assert torch.equal(found[Output("truth")], batch.truth)
    torch.testing.assert_close(found[Output("codec")], codec.decode(codec.encode(batch.truth)))
    assert Output("truth") not in Bounds(codec, CPU, truth=False).outputs


@pytest.fixture
def alone(codec, monkeypatch):
    """Nothing but codes comes from a melody source: no phases, no tuning, no bends and no accents."""
    monkeypatch.setattr(type(codec), "follow", Codec.follow)
    monkeypatch.setattr(tuning, "offset", lambda sound, rate: 0.0)
    monkeypatch.setattr(intonation, "bent", lambda cents: np.zeros(len(cents)))
    monkeypatch.setattr(Contour, "followed", lambda self, blocks, level, notes: blocks)


def test_levels_come_from_the_timbre_source(batch, codec, tiny_model, alone):
    system = Model("m", Pipeline(tiny_model(), codec, FAST))
    assert [output.levels for output in system.outputs] == ["", "1", "2", "3", "1,2", "2,3"]
    batch = part(batch, 0)
    same = dataclasses.replace(batch, timbre=batch.truth, melody=batch.truth)
    whole, swapped = rendered(system, same, Output("m"), Output("m", "2,3")).values()
    assert torch.equal(whole, swapped)

    swapped = rendered(system, batch, Output("m", "1"), Output("m", "2,3"))
    mirrored = dataclasses.replace(batch, timbre=batch.melody, melody=batch.timbre)
    opposite = rendered(
        Model("m", Pipeline(tiny_model(), codec, FAST), [(2, 3)]), mirrored, Output("m", "2,3")
    )
    torch.testing.assert_close(swapped[Output("m", "1")], opposite[Output("m", "2,3")])
    assert not torch.allclose(swapped[Output("m", "1")], swapped[Output("m", "2,3")])


def test_a_case_has_its_own_noise_whatever_the_batch(batch, codec, tiny_model):
    (together,) = rendered(Model("m", Pipeline(tiny_model(), codec, FAST)), batch, Output("m")).values()
    for seed, alike in ((0, True), (1, False)):
        system = Model(
            "m", Pipeline(tiny_model(), codec, Sampling(2, seed=seed, learn="never", transcription="never"))
        )
        (alone,) = rendered(system, part(batch, 1), Output("m")).values()
        assert (torch.cosine_similarity(alone[0], together[1], dim=0) > 0.98) == alike


@pytest.mark.parametrize(("stage", "levels"), [(1, [""]), (2, ["", "1", "2"])])
def test_only_levels_that_exist_are_swapped_and_one_stays(stage, levels, codec, tiny_model):
    system = Model("m", Pipeline(tiny_model(stage), codec))
    assert [output.levels for output in system.outputs] == levels


def test_a_model_is_scored_by_the_verbs_that_users_call(batch, codec, tiny_model, alone):
    """Regression, defect 23: the benchmark had a sampler of its own."""
    pipeline = Pipeline(tiny_model(), codec, FAST)
    system, case = Model("m", pipeline), part(batch, 0)
    (swapped,) = system.render(case, Output("m", "1"))
    content, other = (pipeline.encode(sound[0], 44100) for sound in (case.melody, case.timbre))
    seed = zlib.crc32(f"0 {case.cases[0].id}".encode())
    z = pipeline.sample(pipeline.mix(content, {1: other}), seeds=seed)
    torch.testing.assert_close(swapped, pipeline.decode(z)[:CLIP_SAMPLES])


def test_codecs_of_another_rate_are_scored(batch):
    codec = Toy(128, 512, 48000)
    system = Model("m", Pipeline(random_model(codec), codec, FAST))
    for output in (Output("m"), Output("m", "1")):
        assert system.render(batch, output).shape == batch.melody.shape
    round_trip = Bounds(codec, CPU).render(batch, Output("codec"))
    similarity = torch.cosine_similarity(round_trip, batch.truth, dim=1)
    assert round_trip.shape == batch.truth.shape and (similarity > 0.8).all()


def test_any_function_can_swap(batch):
    function = Function("mean", lambda timbre, melody: (timbre + melody)[:1000] / 2)
    (found,) = rendered(function, batch).values()
    assert found.shape == (2, CLIP_SAMPLES) and not found[:, 1000:].any()
    torch.testing.assert_close(found[:, :1000], (batch.timbre + batch.melody)[:, :1000] / 2)
    with pytest.raises(UserError, match="finite mono"):
        rendered(Function("bad", lambda timbre, melody: melody[None]), batch)
    with pytest.raises(UserError, match="nothing: gave no finite mono"):
        rendered(Function("nothing", lambda timbre, melody: None), batch)


def test_a_function_may_work_in_place_and_give_an_array(batch):
    def swap(timbre, melody):
        melody.mul_(0)
        return timbre.mul_(2).numpy().astype("float64")

    melody, timbre = batch.melody.clone(), batch.timbre.clone()
    (found,) = rendered(Function("rude", swap), batch).values()
    assert torch.equal(found, 2 * timbre) and found.dtype == torch.float32
    assert torch.equal(batch.melody, melody) and torch.equal(batch.timbre, timbre)


def test_recordings_of_another_system(batch, tmp_path):
    first, second = (case.id for case in batch.cases)
    soundfile.write(tmp_path / f"{first}.flac", batch.truth[0].numpy(), 44100)
    with pytest.raises(UserError, match=f"has no {second}.wav"):
        rendered(Folder("theirs", tmp_path), batch)
    (found,) = rendered(Folder("theirs", tmp_path), part(batch, 0)).values()
    torch.testing.assert_close(found[0], batch.truth[0], atol=1e-3, rtol=0)
    with pytest.raises(UserError, match=f"has no {second}.wav"):
        Folder("theirs", tmp_path).check(batch.cases)
    for waveform, message in ((batch.truth[1, :60_000], "1.36 s long"), (batch.truth[1] * torch.nan, "NaN")):
        soundfile.write(tmp_path / f"{second}.wav", waveform.numpy(), 44100, subtype="FLOAT")
        with pytest.raises(UserError, match=f"{second}.wav: .*{message}"):
            Folder("theirs", tmp_path).check(batch.cases)
    soundfile.write(tmp_path / f"{second}.wav", batch.truth[1, ::2].numpy(), 22050)
    folder = Folder("theirs", tmp_path)
    folder.check(batch.cases)  # another rate is brought to the sources'
    before = folder.fingerprint
    soundfile.write(tmp_path / f"{second}.wav", 0.9 * batch.truth[1, ::2].numpy(), 22050)
    folder.check(batch.cases)
    assert folder.fingerprint != before
    with pytest.raises(UserError, match="no such folder"):
        Folder("theirs", tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a", "a"], "'a': cannot be a name, or is one already"),
        (["truth"], "'truth': cannot"),
        (["a/b"], "'a/b': cannot"),
        ([""], "'': cannot"),
        (["a {1}"], "'a {1}': a model's own rows"),
        (["a {1} learnt"], "a model's own rows"),
        (["a 1,2"], "a model's own rows"),
    ],
)
def test_names_of_others_are_refused(names, said):
    with pytest.raises(UserError, match=re.escape(said)):
        check_names(names, ("truth",))
    check_names(["a", "a stage1", "2"])


def test_rows_have_one_name_each():
    twice = [Function("mine", lambda timbre, melody: melody)] * 2
    with pytest.raises(UserError, match="name of two rows"):
        unique(twice)
