import dataclasses

import pytest
import soundfile
import torch

from msdae.data.sources import ClipLength
from msdae.errors import UserError
from msdae.evaluation.swapbench.cases import plan
from msdae.evaluation.swapbench.sounds import play
from msdae.evaluation.swapbench.systems import Batch, Bounds, Folder, Function, Model, Output, unique
from msdae.inference.pipeline import Sampling
from msdae.models.msdae import MSDAE

CPU = torch.device("cpu")
FAST = Sampling(steps=2)


@pytest.fixture(scope="module")
def batch():
    drawn = plan("test", 0, {"note": 2})
    sounds = (
        torch.stack([play(getattr(case, role)) for case in drawn]) for role in ("timbre", "melody", "truth")
    )
    return Batch(drawn, *sounds)


def part(batch, index):
    chosen = slice(index, index + 1)
    return Batch(batch.cases[chosen], batch.timbre[chosen], batch.melody[chosen], batch.truth[chosen])


def rendered(system, batch, *outputs):
    return {output: system.render(batch, output) for output in outputs or system.outputs}


def test_bounds(batch, codec):
    found = rendered(Bounds(codec, CPU), batch)
    assert torch.equal(found[Output("copy melody source")], batch.melody)
    assert torch.equal(found[Output("copy timbre source")], batch.timbre)
    assert torch.equal(found[Output("truth")], batch.truth)
    torch.testing.assert_close(found[Output("codec")], codec.decode(codec.encode(batch.truth)))
    assert Output("truth") not in Bounds(codec, CPU, truth=False).outputs


def test_levels_come_from_the_timbre_source(batch, codec, tiny_model):
    system = Model("m", tiny_model(), codec, FAST)
    assert [output.levels for output in system.outputs] == ["", "1", "2", "3", "1,2", "2,3"]
    batch = part(batch, 0)
    same = dataclasses.replace(batch, timbre=batch.truth, melody=batch.truth)
    whole, swapped = rendered(system, same, Output("m"), Output("m", "2,3")).values()
    assert torch.equal(whole, swapped)

    swapped = rendered(system, batch, Output("m", "1"), Output("m", "2,3"))
    mirrored = dataclasses.replace(batch, timbre=batch.melody, melody=batch.timbre)
    opposite = rendered(Model("m", tiny_model(), codec, FAST, [(2, 3)]), mirrored, Output("m", "2,3"))
    torch.testing.assert_close(swapped[Output("m", "1")], opposite[Output("m", "2,3")])
    assert not torch.allclose(swapped[Output("m", "1")], swapped[Output("m", "2,3")])


def test_a_case_has_its_own_noise_whatever_the_batch(batch, codec, tiny_model):
    (together,) = rendered(Model("m", tiny_model(), codec, FAST), batch, Output("m")).values()
    for seed, alike in ((0, True), (1, False)):
        system = Model("m", tiny_model(), codec, Sampling(2, seed=seed))
        (alone,) = rendered(system, part(batch, 1), Output("m")).values()
        assert (torch.cosine_similarity(alone[0], together[1], dim=0) > 0.98) == alike


@pytest.mark.parametrize(("stage", "levels"), [(1, [""]), (2, ["", "1", "2"])])
def test_only_levels_that_exist_are_swapped_and_one_stays(stage, levels, codec, tiny_model):
    system = Model("m", tiny_model(stage), codec)
    assert [output.levels for output in system.outputs] == levels


def test_another_codec_is_refused(codec, tiny_model):
    config = tiny_model().config
    other = dataclasses.replace(config, codec=dataclasses.replace(config.codec, fingerprint="0"))
    with pytest.raises(UserError, match="one codec together"):
        Model("m", MSDAE(other), codec)


def test_any_function_can_swap(batch):
    function = Function("mean", lambda timbre, melody: (timbre + melody)[:1000] / 2)
    (found,) = rendered(function, batch).values()
    assert found.shape == (2, ClipLength().samples) and not found[:, 1000:].any()
    torch.testing.assert_close(found[:, :1000], (batch.timbre + batch.melody)[:, :1000] / 2)
    with pytest.raises(UserError, match="finite mono"):
        rendered(Function("bad", lambda timbre, melody: melody[None]), batch)


def test_recordings_of_another_system(batch, tmp_path):
    first, second = (case.id for case in batch.cases)
    soundfile.write(tmp_path / f"{first}.flac", batch.truth[0].numpy(), 44100)
    with pytest.raises(UserError, match=f"has no {second}.wav"):
        rendered(Folder("theirs", tmp_path), batch)
    (found,) = rendered(Folder("theirs", tmp_path), part(batch, 0)).values()
    torch.testing.assert_close(found[0], batch.truth[0], atol=1e-3, rtol=0)
    with pytest.raises(UserError, match="no such folder"):
        Folder("theirs", tmp_path / "nowhere")


def test_rows_have_one_name_each():
    twice = [Function("mine", lambda timbre, melody: melody)] * 2
    with pytest.raises(UserError, match="name of two rows"):
        unique(twice)
