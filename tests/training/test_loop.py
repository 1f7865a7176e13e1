"""The trainer on a few real clips: what it saves, repeats, freezes and refuses."""

import dataclasses
import json
import os
import re
import signal
from types import SimpleNamespace

import pytest
import torch
from accelerate.utils import DistributedType

from msdae import checkpoint, codecs
from msdae.data import ClipCache
from msdae.data.views import Views
from msdae.errors import UserError
from msdae.inference.listen import listen
from msdae.locks import only_process
from msdae.models.autoencoder import Autoencoder
from msdae.models.config import CodecConfig, ModelConfig
from msdae.training.autoencoder import AutoencoderTask, TrainConfig
from msdae.training.loop import Loop
from msdae.training.stages import begin_stage, stage_folder, train_stage

CODEC = codecs.load(codecs.DEFAULT)
TRAINED_ON = CodecConfig(fingerprint=CODEC.fingerprint)
MODEL = ModelConfig(widths=(16, 16, 24), hidden=16, codec=TRAINED_ON)
SETTINGS = TrainConfig(
    model=MODEL,
    steps=(6, 6, 6),
    batch_size=4,
    warmup=2,
    log_every=1,
    validate_every=3,
    validation_batches=1,
    save_every=2,
    audio_every=100,
    trackers=(),
    pretrain=0,
)


@pytest.fixture
def caches(tiny):
    return ClipCache(tiny / "train"), ClipCache(tiny / "valid")


@pytest.fixture
def build(caches, tmp_path):
    def loop(folder="a", model=None, data=caches, **changes):
        settings = dataclasses.replace(SETTINGS, **changes)
        model = model or begin_stage("msdae", MODEL, 1, 0)
        task = AutoencoderTask(model, settings, *data, CODEC, listen)
        return Loop(task, settings, settings.steps[0], tmp_path / folder)

    return loop


def losses(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"]) for line in lines if "loss" in line]


def stop_after(loop, step, number=signal.SIGTERM):
    """Send this process a signal while step `step` is logged."""
    write = loop.log.write

    def written(at, values):
        write(at, values)
        if at == step:
            os.kill(os.getpid(), number)

    loop.log.write = written
    return loop


def test_a_task_may_end_its_training(build, tmp_path):
    loop = build()
    loop.task.enough = lambda held_out: len(held_out) == 1
    assert loop.run() and loop.step == SETTINGS.validate_every
    assert (tmp_path / "a/model.safetensors").exists()
    path = tmp_path / "a/state.safetensors"
    tensors, header = checkpoint.load(path, "training state")
    assert header["step"] == loop.step
    for changes in ({}, {"log_every": 2, "workers": 0}):  # regression: with another log it went on
        again = build(**changes)
        assert again.run() and again.step == loop.step
    checkpoint.save(path, "training state", tensors, {k: v for k, v in header.items() if k != "enough"})
    assert build().run()  # of an older msdae: it goes on
    assert checkpoint.read_header(path, "training state")["step"] == 6


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_continues_bit_for_bit(build, number, tmp_path):
    assert build("whole").run()
    assert not stop_after(build("parts"), 3, number).run()
    assert not (tmp_path / "parts/model.safetensors").exists()
    assert build("parts").run()
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")
    models = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "parts")]
    assert models[0] == models[1]


def test_the_scale_of_fp16_is_part_of_the_state(build):
    """Regression: a run that was resumed began with the first scale, and skipped steps until it was found."""
    loops = build("scaled"), build("scaled")
    for loop, scale in zip(loops, (64.0, 65536.0), strict=True):
        loop.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    loops[0]._save("state")
    loops[1]._resume()
    assert loops[1].accelerator.scaler.get_scale() == 64


def test_killed_between_the_last_step_and_the_model_it_still_gets_its_model(build, tmp_path):
    assert build("whole").run()
    killed = build("killed")
    killed.task.finish = lambda folder: 1 / 0
    with pytest.raises(ZeroDivisionError):
        killed.run()
    assert build("killed").run()
    models = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed")]
    assert models[0] == models[1] and losses(tmp_path / "whole") == losses(tmp_path / "killed")


def test_a_complete_stage_is_left_alone(build, tmp_path):
    build().run()
    before = (tmp_path / "a/model.safetensors").stat().st_mtime_ns
    assert build().run()
    assert (tmp_path / "a/model.safetensors").stat().st_mtime_ns == before


def test_a_stopped_run_is_not_complete_because_fewer_steps_are_asked_for(build, tmp_path):
    assert not stop_after(build(), 4).run()
    with pytest.raises(UserError, match="stopped at step 5, past the 3 asked for"):
        build(steps=(3, 3, 3)).run()
    assert build().run()
    assert build(steps=(3, 3, 3)).run()  # the product of a run that has ended stays
    assert (tmp_path / "a/model.safetensors").exists()


def test_other_settings_do_not_continue_a_run(build):
    build().run()
    with pytest.raises(UserError, match="another 'seed'"):
        build(seed=1).run()


def test_other_rates_than_those_so_far_are_noted(build, caplog):
    """Regression: a second learning rate in one folder got the first one's model, as if it were complete."""
    caplog.set_level("INFO")
    stop_after(build(), 2).run()
    build(learning_rate=0.5, steps=(7, 7, 7), log_every=3).run()
    assert "with learning_rate 0.001, not 0.5: it goes on with these" in caplog.text
    caplog.clear()
    build(steps=(7, 7, 7)).run()
    assert "with learning_rate 0.5, not 0.001: choose another folder to train" in caplog.text
    caplog.clear()
    build(learning_rate=0.5).run()
    assert "note" not in caplog.text and "complete (7 steps)" in caplog.text


def test_accumulation_equals_the_whole_batch(build, tmp_path):
    build("whole", contrast=0.0).run()  # its negatives are those of one part
    build("parts", accumulation=2, contrast=0.0).run()
    for one, other in zip(losses(tmp_path / "whole"), losses(tmp_path / "parts"), strict=True):
        assert one == (other[0], pytest.approx(other[1], rel=1e-5))


def test_gradients_are_clipped(build):
    """So short a gradient is nothing beside the constant that Adam divides by."""
    moved = []
    for folder, clip in (("a", 1.0), ("b", 1e-14)):
        model = begin_stage("msdae", MODEL, 1, 0)
        before = torch.cat([parameter.detach().flatten().clone() for parameter in model.parameters()])
        loop = build(folder, model, clip=clip, ema=0.0)
        loop.total = 2
        assert loop.run()
        after = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
        moved.append((after - before).norm())
    assert moved[1] < 1e-3 * moved[0]


def test_a_batch_that_cannot_be_divided_is_refused(build):
    with pytest.raises(UserError, match="batch_size 4 is not divisible into 3"):
        build(accumulation=3)


def test_frozen_encoders_stay_bit_identical_and_their_gradients_absent(build, tmp_path):
    first = begin_stage("msdae", MODEL, 1, 0)
    second = begin_stage("msdae", MODEL, 2, 0, first)
    build(model=second).run()
    after = Autoencoder.load(tmp_path / "a/model.safetensors").state_dict()
    before = first.state_dict()
    for name in before:
        if name.startswith("encoders.0."):
            assert torch.equal(before[name], after[name])
    assert not torch.equal(before["unet.conv_in.weight"], after["unet.conv_in.weight"])
    assert all(parameter.grad is None for parameter in second.encoders[0].parameters())


def poison(loop, step, of="loss"):
    """NaN in the losses of step `step`, or in their gradient alone."""
    inner = loop.task.losses
    weight = loop.learners["model"].ema.parameters[0]

    def poisoned(batch, draws):
        terms = inner(batch, draws)
        if loop.step != step:
            return terms
        added = terms["denoising"] * float("nan") if of == "loss" else (weight.sum() * 0).sqrt()
        return {**terms, "denoising": terms["denoising"] + added}

    loop.task.losses = poisoned
    return loop


@pytest.mark.parametrize("of", ["loss", "gradient"])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_nan_stops_with_step_clips_and_state(build, tmp_path, caches, of, accumulation):
    """Regression: of a gradient alone it was noticed a step later, when both states had it."""
    said = r"not finite at step 2 \(clips: (.+)\); .*failed.safetensors"
    with pytest.raises(UserError, match=said) as error:
        poison(build(accumulation=accumulation), 2, of).run()
    batch = next(Views(caches[0], SETTINGS.views).batches(4, start=2))
    names = re.search(said, str(error.value)).group(1).split(", ")
    assert names == (batch.names[:2] if of == "loss" and accumulation == 2 else batch.names)
    assert not (tmp_path / "a/model.safetensors").exists()
    failed, before = (
        checkpoint.load(tmp_path / f"a/{name}.safetensors", "training state") for name in ("failed", "state")
    )
    assert failed[1]["step"] == before[1]["step"] == 2
    assert all(torch.equal(tensor, before[0][name]) for name, tensor in failed[0].items())


@pytest.mark.parametrize("of", ["loss", "gradient"])
def test_where_waiting_costs_nan_is_noticed_at_the_next_line_of_the_log_and_no_state_is_spoilt(
    build, tmp_path, of
):
    loop = poison(build(log_every=5, save_every=2), 3, of)
    loop.waits = False  # as with an accelerator
    with pytest.raises(UserError, match="in a step up to 4; state.safetensors holds the last state before"):
        loop.run()
    tensors, header = checkpoint.load(tmp_path / "a/state.safetensors", "training state")
    assert header["step"] == 2 and all(tensor.isfinite().all() for tensor in tensors.values())


def test_training_on_views_with_a_contrastive_loss(build, tmp_path):
    for name in ("a", "b"):
        assert build(name).run()
    log = [json.loads(line) for line in (tmp_path / "a/log.jsonl").read_text().splitlines()]
    for line in log:
        if "loss" in line:
            assert line["contrast"] > 0
            assert line["loss"] == pytest.approx(line["denoising"] + line["contrast"], rel=1e-5)
    assert losses(tmp_path / "a") == losses(tmp_path / "b")


def test_validation_repeats_and_uses_the_average(build):
    loop = build()
    first = loop.validate()
    loop.step = 3
    assert loop.validate() == first
    for average in loop.learners["model"].ema.averages:
        average.add_(0.1)
    assert loop.validate()["valid/loss"] != first["valid/loss"]


def test_audio_of_reconstructions_and_swaps_is_logged(build, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    build(steps=(2, 2, 2), audio_every=2, trackers=("tensorboard",)).run()
    events = EventAccumulator(str(tmp_path / "a/logs/msdae")).Reload()
    tags = events.Tags()
    assert "reconstruction/0" in tags["audio"] and "swap of level 1/1" in tags["audio"]
    assert {"loss", "denoising", "lr", "clips/s", "gradient norm", "valid/loss"} <= set(tags["scalars"])


def test_networks_that_are_sharded_are_gathered_for_the_audio_log_and_the_product(
    build, tmp_path, monkeypatch
):
    """Defect 12: on one rank a sharded network cannot be called."""
    monkeypatch.setattr("msdae.training.loop.DistributedType", SimpleNamespace(FSDP=DistributedType.NO))
    loop = build()
    called = []
    loop.task.sounds = lambda: called.append(loop.networks["model"]) or {}
    loop.schedule = dataclasses.replace(loop.schedule, audio_every=3)
    loop.log.open = lambda settings: loop.folder.mkdir()
    loop.accelerator.trackers = [type("Tracker", (), {"name": "none", "finish": lambda self: None})()]
    loop.accelerator.log = lambda values, step: None
    prepared = loop.networks["model"]
    assert loop.run()
    assert len(called) == 2 and all(network is not prepared for network in called)
    averaged = loop.learners["model"].averaged()
    assert all(torch.equal(tensor, averaged[name]) for name, tensor in called[-1].state_dict().items())
    model = Autoencoder.load(tmp_path / "a/model.safetensors").state_dict()
    assert all(torch.equal(tensor, averaged[name]) for name, tensor in model.items())


def test_other_data_does_not_continue_a_run(build, caches):
    """Defect 6."""
    build().run()
    other = ClipCache(caches[0].path)
    other.manifest = {**other.manifest, "key": "another"}
    with pytest.raises(UserError, match=r"state.safetensors: saved with another 'data'.*--run"):
        build(data=(other, caches[1])).run()


def test_a_state_of_the_old_layout_is_refused(build, tmp_path):
    checkpoint.save(
        tmp_path / "a/state.safetensors", "training state", {}, {"stage": 1, "step": 2, "config": {}}
    )
    with pytest.raises(UserError, match="saved by an older msdae"):
        build().run()


def test_batches_are_read_by_several_processes_in_the_same_order(build, tmp_path):
    build("one").run()
    build("two", workers=2).run()
    assert losses(tmp_path / "one") == losses(tmp_path / "two")


def test_the_log_of_a_run_that_saved_no_state_is_begun_anew(build, tmp_path):
    """Regression: steps that were done again stood in the log twice."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a/log.jsonl").write_text('{"step": 1, "loss": 9.0}\n')
    assert build(steps=(2, 2, 2)).run()
    assert [step for step, _ in losses(tmp_path / "a")] == [1, 2]


def test_a_damaged_log_is_named(build, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/log.jsonl").write_text('{"loss": 9.0}\n')
    with pytest.raises(UserError, match="log.jsonl: damaged .*delete it"):
        build(steps=(2, 2, 2)).run()


def test_a_full_disk_leaves_the_last_state_from_which_the_run_continues(build, tmp_path, largest):
    assert build("whole").run()
    with largest(200), pytest.raises(UserError, match="(log.jsonl|state.safetensors): file too large"):
        build("full").run()
    assert not (tmp_path / "full/state.safetensors").exists()
    stop_after(build("full"), 2).run()
    with open(tmp_path / "full/log.jsonl", "a") as log:
        log.write('{"step": 3, "lo')  # as much as there was room for
    with largest(2000), pytest.raises(UserError, match="state.safetensors: file too large"):
        build("full").run()
    assert build("full").run()
    assert losses(tmp_path / "whole") == losses(tmp_path / "full")
    models = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "full")]
    assert models[0] == models[1]


def test_a_folder_is_trained_in_by_one_process(caches, tmp_path):
    said = pytest.raises(UserError, match=f"stage1: in use by process {os.getpid()} on .* since")
    with only_process(stage_folder(tmp_path, 1)), said:
        train_stage("msdae", 1, SETTINGS, tmp_path, [caches[0].path.parent])


def test_a_batch_that_memory_has_no_room_for_is_refused(build, monkeypatch, tmp_path):
    monkeypatch.setattr("msdae.limits.available_memory", lambda: 10**7)
    with pytest.raises(UserError, match="stage 1, batch_size 4: needs about .* GB.*; lower batch_size"):
        build()
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"step": -1}, "older msdae"),
        ({"step": "3"}, "'step' of its header is 3, expected int"),
        ({"same": [1]}, "older msdae"),
        ({"same": {}}, "saved with another"),
    ],
)
def test_states_with_edited_headers_are_refused(build, tmp_path, change, said):
    assert build(steps=(1,)).run()
    path = tmp_path / "a/state.safetensors"
    tensors, header = checkpoint.load(path, "training state")
    checkpoint.save(path, "training state", tensors, {**header, **change})
    with pytest.raises(UserError, match=f"state.safetensors: .*{said}"):
        build().run()


def test_states_with_other_tensors_are_refused(build, tmp_path):
    assert build(steps=(1,)).run()
    path = tmp_path / "a/state.safetensors"
    tensors, header = checkpoint.load(path, "training state")
    for damage in (lambda name: name.startswith("model.ema"), lambda name: ".exp_avg." in name):
        kept = {name: tensor for name, tensor in tensors.items() if not damage(name)}
        flat = {name: tensor.flatten()[:1] if damage(name) else tensor for name, tensor in tensors.items()}
        for edited in (kept, flat):
            checkpoint.save(path, "training state", edited, header)
            with pytest.raises(UserError, match="state.safetensors: .*; delete it"):
                build().run()
