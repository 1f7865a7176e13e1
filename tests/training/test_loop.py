"""The trainer on a few real clips: what it saves, repeats, freezes and refuses."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from msdae import audio, codecs
from msdae.data import ClipCache
from msdae.data.encode import Encoding
from msdae.data.prepare import prepare
from msdae.data.sets import folder
from msdae.data.sources import ClipLength
from msdae.data.tally import Tally
from msdae.data.views import ViewConfig
from msdae.errors import UserError
from msdae.inference.pipeline import Pipeline, Sampling
from msdae.models.autoencoder import Autoencoder
from msdae.models.config import ModelConfig
from msdae.models.msdae import MSDAE
from msdae.training.loop import EMA, Draws, TrainConfig, Trainer
from msdae.training.stages import begin_stage, stage_folder, train_stage

ROOT = Path(__file__).parents[2]
MODEL = ModelConfig(widths=(16, 16, 24), hidden=16)
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
def trainer(caches, tmp_path):
    def build(folder="a", model=None, **changes):
        settings = dataclasses.replace(SETTINGS, **changes)
        model = model or begin_stage("msdae", MODEL, 1, 0, None, True)
        return Trainer(settings, model, codecs.load(codecs.DEFAULT), *caches, tmp_path / folder, {})

    return build


def losses(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"]) for line in lines if "loss" in line]


def stop_after(trainer, step, number=signal.SIGTERM):
    """Send this process a signal while step `step` is logged."""
    log = trainer._log

    def logged(values):
        log(values)
        if trainer.step == step:
            os.kill(os.getpid(), number)

    trainer._log = logged
    return trainer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_continues_bit_for_bit(trainer, number, tmp_path):
    assert trainer("whole").run()
    assert not stop_after(trainer("parts"), 3, number).run()
    assert not (tmp_path / "parts/model.safetensors").exists()
    assert trainer("parts").run()
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")
    models = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "parts")]
    assert models[0] == models[1]


def test_killed_between_the_last_step_and_the_model_it_still_gets_its_model(trainer, tmp_path):
    assert trainer("whole").run()
    killed = trainer("killed")
    killed._save_model = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        killed.run()
    assert trainer("killed").run()
    models = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed")]
    assert models[0] == models[1] and losses(tmp_path / "whole") == losses(tmp_path / "killed")


def test_a_complete_stage_is_left_alone(trainer, tmp_path):
    trainer().run()
    before = (tmp_path / "a/model.safetensors").stat().st_mtime_ns
    assert trainer().run()
    assert (tmp_path / "a/model.safetensors").stat().st_mtime_ns == before


def test_other_settings_do_not_continue_a_run(trainer):
    trainer().run()
    with pytest.raises(UserError, match="another 'seed'"):
        trainer(seed=1).run()


def test_accumulation_equals_the_whole_batch(trainer, tmp_path):
    trainer("whole", contrast=0.0).run()  # its negatives are those of one part
    trainer("parts", accumulation=2, contrast=0.0).run()
    for one, other in zip(losses(tmp_path / "whole"), losses(tmp_path / "parts"), strict=True):
        assert one == (other[0], pytest.approx(other[1], rel=1e-5))


def test_a_batch_that_cannot_be_divided_is_refused(trainer):
    with pytest.raises(UserError, match="batch_size 4 is not divisible into 3"):
        trainer(accumulation=3)


def test_frozen_encoders_stay_bit_identical_and_their_gradients_absent(trainer, tmp_path):
    first = begin_stage("msdae", MODEL, 1, 0, None, True)
    second = begin_stage("msdae", MODEL, 2, 0, first, True)
    trainer(model=second).run()
    after = Autoencoder.load(tmp_path / "a/model.safetensors").state_dict()
    before = first.state_dict()
    for name in before:
        if name.startswith("encoders.0."):
            assert torch.equal(before[name], after[name])
    assert not torch.equal(before["unet.conv_in.weight"], after["unet.conv_in.weight"])
    assert all(parameter.grad is None for parameter in second.encoders[0].parameters())


def test_nan_stops_with_step_clips_and_state(trainer, tmp_path):
    broken = trainer()
    inner = broken._losses

    def poisoned(batch, draws, part):
        found, *rest = inner(batch, draws, part)
        return (found * float("nan") if broken.step == 2 else found), *rest

    broken._losses = poisoned
    with pytest.raises(UserError, match=r"not finite at step 2 \(clips: .+\); .*failed.safetensors"):
        broken.run()
    assert (tmp_path / "a/failed.safetensors").exists()
    assert not (tmp_path / "a/model.safetensors").exists()


def test_training_on_views_with_a_contrastive_loss(trainer, tmp_path):
    for name in ("a", "b"):
        assert trainer(name).run()
    log = [json.loads(line) for line in (tmp_path / "a/log.jsonl").read_text().splitlines()]
    assert all(line["contrast"] > 0 for line in log if "loss" in line)
    assert losses(tmp_path / "a") == losses(tmp_path / "b")


def test_validation_repeats_and_uses_the_average(trainer):
    held = trainer()
    first = held.validate()
    assert held.validate() == first
    for average in held.ema.averages:
        average.add_(0.1)
    assert held.validate()["valid/loss"] != first["valid/loss"]


def test_audio_of_reconstructions_and_swaps_is_logged(trainer, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer(steps=(2, 2, 2), audio_every=2, trackers=("tensorboard",)).run()
    events = EventAccumulator(str(tmp_path / "a/logs/msdae")).Reload()
    tags = events.Tags()
    assert "reconstruction/0" in tags["audio"] and "swap of level 1/1" in tags["audio"]
    assert {"loss", "lr", "clips/s", "gradient norm", "valid/loss"} <= set(tags["scalars"])


def test_draws_do_not_depend_on_how_the_batch_is_shared():
    whole = Draws.of((1, 2, 3), 8, (4, 5), 3, 0.5)
    parts = [Draws.of((1, 2, 3), 8, (4, 5), 3, 0.5).part(i, i + 4) for i in (0, 4)]
    assert torch.equal(whole.noise, torch.cat([part.noise for part in parts]))
    assert not torch.equal(whole.noise, Draws.of((1, 2, 4), 8, (4, 5), 3, 0.5).noise)
    assert Draws.of((0,), 1000, (1, 1), 3, 0.14).drop.float().mean().item() == pytest.approx(0.14, abs=0.03)


def test_ema_warms_up_and_is_swapped_in_and_out():
    layer = torch.nn.Linear(1, 1, bias=False)
    ema = EMA(layer, 0.9)
    start = layer.weight.item()
    with torch.no_grad():
        layer.weight += 1
    ema.update(0)  # decay (1 + 0) / (10 + 0)
    with ema.swapped_in():
        assert layer.weight.item() == pytest.approx(start + 0.9)
    assert layer.weight.item() == pytest.approx(start + 1)


def test_learning_rate_warms_up_and_falls():
    settings = TrainConfig(learning_rate=1.0, warmup=10, decay=0.5)
    rates = [settings.rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == rates[50] == 1 and rates[99] == pytest.approx(0.02)


def test_stages_of_a_run_follow_each_other(tiny, tmp_path):
    settings = dataclasses.replace(SETTINGS, steps=(2, 2, 2))
    for stage in (1, 2, 3):
        assert train_stage("msdae", stage, settings, tmp_path, [tiny])
    last = Autoencoder.load(stage_folder(tmp_path, 3) / "model.safetensors")
    assert last.stage == 3 and last.provenance["steps"] == [2, 2, 2]
    assert last.config.codec.std == ClipCache(tiny / "train").manifest["latent"]["std"]
    first = Autoencoder.load(stage_folder(tmp_path, 1) / "model.safetensors").state_dict()
    frozen = [name for name in first if name.startswith("encoders.0.")]
    assert frozen and all(torch.equal(first[name], last.state_dict()[name]) for name in frozen)


def test_the_encoder_of_a_pooled_level_is_trained_alone_first(tiny, tmp_path):
    settings = dataclasses.replace(SETTINGS, pretrain=3, pretrain_batch=8)
    for stage in (1, 2):
        assert train_stage("msdae", stage, settings, tmp_path, [tiny])
    first = Autoencoder.load(tmp_path / "stage1/model.safetensors")
    fresh = begin_stage("msdae", first.config, 1, 0, None, True).state_dict()
    alone = Autoencoder.load(tmp_path / "stage1/encoder/model.safetensors").state_dict()
    assert {name.split(".")[0] for name in fresh if not fresh[name].equal(alone[name])} == {"encoders"}
    lines = [json.loads(line) for line in (tmp_path / "stage1/encoder/log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "lr" in line] == [1, 2, 3]
    assert not (tmp_path / "stage2/encoder").exists()  # level 2 is not pooled
    assert Autoencoder.load(tmp_path / "stage2/model.safetensors").provenance["steps"] == [6, 6]


def test_contrast_alone_finds_the_sound_of_other_excerpts_again(tiny, tmp_path):
    settings = dataclasses.replace(SETTINGS, pretrain=60, pretrain_batch=16, steps=(1, 1, 1))
    assert train_stage("msdae", 1, settings, tmp_path, [tiny])
    lines = [json.loads(line) for line in (tmp_path / "stage1/encoder/log.jsonl").read_text().splitlines()]
    found = [line["contrast"] for line in lines if "lr" in line]
    assert sum(found[-10:]) < 0.7 * sum(found[:10])


def test_an_incomplete_stage_before_is_named(tiny, tmp_path, trainer):
    stop_after(trainer("run/stage1"), 3).run()
    with pytest.raises(UserError, match="stage 1 is not complete"):
        train_stage("msdae", 2, SETTINGS, tmp_path / "run", [tiny])


def test_a_start_that_does_not_fit_is_refused():
    first = MSDAE(MODEL, 1)
    with pytest.raises(UserError, match="needs a model with 2 levels"):
        begin_stage("msdae", MODEL, 3, 0, first, True)
    with pytest.raises(UserError, match="another 'inject'"):
        begin_stage("msdae", dataclasses.replace(MODEL, inject=(1, 1, 0)), 2, 0, first, True)


def test_freezing_leaves_only_the_stage_trainable():
    model = MSDAE(MODEL, 2)
    model.freeze()
    trained = {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"encoders", "unet", "null_codes"}
    assert not any(p.requires_grad for p in model.encoders[0].parameters())


def test_shards_train_like_a_cache(tiny, tmp_path):
    synth = [
        "--dataset",
        "synth",
        "--clips",
        "24",
        "--seed",
        "7",
        "--source",
        tiny / "source",
        "--shards",
        "10",
    ]
    line = [sys.executable, ROOT / "experiments/prepare_data.py", *synth, "--out", tmp_path / "shards"]
    subprocess.run([str(part) for part in line], check=True, capture_output=True)
    plain = ViewConfig("same", "same", 0, 0)
    settings = dataclasses.replace(SETTINGS, steps=(2, 2, 2), views=plain, contrast=0.0)
    assert train_stage("msdae", 1, settings, tmp_path, [tmp_path / "shards"])
    assert len(losses(tmp_path / "stage1")) == 2


def test_a_folder_of_recordings_without_labels_trains_and_swaps(tmp_path):
    music = tmp_path / "music"
    music.mkdir()
    seconds = torch.arange(2 * ClipLength().samples) / 44100
    for number in range(4):
        tune = torch.sin(2 * torch.pi * 220 * (1 + number / 7) * seconds) * (1 + torch.sin(9 * seconds)) / 4
        audio.write(music / f"{number}.wav", tune)
    report = Tally()
    files = folder.scan(music, report)
    prepare(files, tmp_path / "data", music, "folder", Encoding(codecs.DEFAULT), report, workers=1)
    settings = dataclasses.replace(SETTINGS, steps=(2, 2, 2), batch_size=2, views=ViewConfig(recolour=1.0))
    for stage in (1, 2, 3):
        assert train_stage("msdae", stage, settings, tmp_path / "run", [tmp_path / "data"])
    pipeline = Pipeline.from_pretrained(tmp_path / "run/stage3", "cpu", Sampling(steps=2))
    one, other = (audio.read(music / f"{number}.wav") for number in (0, 1))
    swapped = pipeline.swap(timbre=one, melody=other)
    assert swapped.shape == other.shape and swapped.isfinite().all() and swapped.abs().max() > 0.01


def test_stage_2_starts_from_the_model_that_ships_whatever_the_data(tiny, tmp_path):
    few = {"steps": (2, 2, 2), "batch_size": 2, "validation_batches": 1, "pretrain": 0}
    settings = TrainConfig(trackers=(), **few)
    assert train_stage("msdae", 2, settings, tmp_path, [tiny])
    shipped, trained = (Autoencoder.from_pretrained(name) for name in ("embedded", str(tmp_path / "stage2")))
    assert trained.config.codec == shipped.config.codec and trained.config.bands == shipped.config.bands
