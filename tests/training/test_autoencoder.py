"""Stages of an autoencoder over codecs of other sizes than those of the one that ships."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from msdae.audio.mel import MelConfig
from msdae.codecs.base import Codec
from msdae.data import ClipCache, resident
from msdae.data.resident import ResidentClips
from msdae.data.views import ViewConfig
from msdae.inference.listen import listen
from msdae.models.autoencoder import Autoencoder
from msdae.models.config import CodecConfig, ModelConfig
from msdae.training.autoencoder import AutoencoderTask, TrainConfig
from msdae.training.loop import Loop
from msdae.training.stages import begin_stage, measured

CLIPS = 12


class Toy(Codec):
    """The samples of a hop, folded into channels."""

    name, fingerprint = "toy", "f"

    def __init__(self, channels, hop, sample_rate):
        super().__init__()
        self.channels, self.hop, self.sample_rate = channels, hop, sample_rate

    def encode(self, waveform):
        """The mean of every `hop / channels` samples."""
        return waveform.unflatten(-1, (-1, self.channels, self.hop // self.channels)).mean(-1).transpose(1, 2)

    def stream(self, latents):
        """Each value for as many samples."""
        for z in latents:
            yield z.transpose(1, 2).flatten(1).repeat_interleave(self.hop // self.channels, dim=1)


def write_cache(folder, codec, mel, split):
    """A cache of noise with labels of notes and sounds."""
    frames, rng = codec.clip_frames, np.random.default_rng(len(split))
    folder.mkdir(parents=True)
    latents = rng.standard_normal((CLIPS, codec.channels, frames)).astype(np.float16)
    np.save(folder / "latents.npy", latents)
    mels = rng.random((CLIPS, mel.bands, frames * codec.hop // mel.hop)).astype(np.float16)
    np.save(folder / "mels.npy", mels)
    labels = [
        {
            "name": f"{i}",
            "sound": f"{i % 3}",
            "score": f"{i // 3}",
            "path": "none",
            "start": 0.0,
            "notes": [[0.0, 1.0, 60 + i // 3, 90]],
        }
        for i in range(CLIPS)
    ]
    (folder / "clips.jsonl").write_text("".join(json.dumps(label) + "\n" for label in labels))
    sizes = {key: getattr(codec, key) for key in ("name", "fingerprint", "channels", "hop", "sample_rate")}
    manifest = {
        "format": 1,
        "key": split,
        "dataset": "toy",
        "split": split,
        "source": ".",
        "codec": sizes,
        "frames": frames,
        "mel": dataclasses.asdict(mel),
        "clips": CLIPS,
        "latent": {"mean": latents.mean((0, 2), np.float64).tolist(), "std": 1.0},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(("channels", "hop", "rate"), [(64, 512, 48000), (128, 2048, 44100)])
def test_two_steps_of_every_stage_over_a_toy_codec(channels, hop, rate, tmp_path):
    """Defect 27."""
    codec, mel = Toy(channels, hop, rate), MelConfig().fitted(rate, hop)
    for split in ("train", "valid"):
        write_cache(tmp_path / split, codec, mel, split)
    train, valid = (ClipCache(tmp_path / split) for split in ("train", "valid"))
    settings = TrainConfig(
        model=ModelConfig(widths=(16, 16, 24), hidden=16, mel=mel),
        steps=(2, 2, 2),
        batch_size=4,
        audio_every=2,
        validation_batches=1,
        trackers=("tensorboard",),
    )
    settings = dataclasses.replace(settings, model=measured(settings.model, codec, train))
    sizes = CodecConfig(name="toy", fingerprint="f", hop=hop, channels=channels, std=1.0)
    assert dataclasses.replace(settings.model.codec, mean=()) == sizes
    model = None
    for stage in (1, 2, 3):
        model = begin_stage("msdae", settings.model, stage, 0, model)
        task = AutoencoderTask(model, settings, train, valid, codec, listen)
        assert Loop(task, settings, 2, tmp_path / f"stage{stage}").run()
        model = Autoencoder.load(tmp_path / f"stage{stage}/model.safetensors")
    waveforms = listen(model, codec, next(valid.batches(2)))
    assert {waveform.shape for waveform in waveforms.values()} == {(codec.clip_samples,)}
    assert all(waveform.isfinite().all() for waveform in waveforms.values())
    assert torch.isfinite(torch.cat([p.flatten() for p in model.parameters()])).all()


WHOLE = {  # everything that a model can have, over a codec of half the hop
    "widths": (8, 16, 16, 24),
    "inject": (3, 3, 0),
    "code_channels": (24, 8, 12),
    "heads": 4,
    "around": 1,
    "tokens": 8,
    "token_hidden": 16,
    "attend": (3, 2, 1),
    "dropped": (0.1, 0.2, 0.2),
    "noise": 0.2,
    "hidden": 16,
}


def trained(codec, mel, folder, tmp_path, name, **options):
    """Two stages of a model with tokens; its task and weights."""
    train, valid = (ClipCache(folder / split) for split in ("train", "valid"))
    views = ViewConfig(loudness=0.5, vibrato=0.5)
    settings = TrainConfig(
        model=ModelConfig(mel=mel, **WHOLE), views=views, batch_size=4, validation_batches=1, trackers=()
    )
    settings = dataclasses.replace(settings, model=measured(settings.model, codec, train), **options)
    model = None
    for stage in (1, 2):
        model = begin_stage("msdae", settings.model, stage, 0, model)
        task = AutoencoderTask(model, settings, train, valid, codec, listen)
        loop = Loop(task, dataclasses.replace(settings, steps=(3, 3)), 3, tmp_path / name / f"stage{stage}")
        loop.resident = task.place(loop.device)
        assert loop.run()
        model = Autoencoder.load(tmp_path / name / f"stage{stage}/model.safetensors")
    return task, model


def test_clips_on_the_device_train_as_the_cache_does(tmp_path, monkeypatch):
    codec, mel = Toy(128, 2048, 44100), MelConfig().fitted(44100, 2048)
    for split in ("train", "valid"):
        write_cache(tmp_path / split, codec, mel, split)
    assert codec.clip_frames == 64
    task, read = trained(codec, mel, tmp_path, tmp_path, "read")
    assert not isinstance(task.train.clips, ResidentClips)
    monkeypatch.setattr(resident, "fits", lambda clips, device: True)
    task, placed = trained(codec, mel, tmp_path, tmp_path, "placed")
    assert isinstance(task.train.clips, ResidentClips) and isinstance(task.valid.clips, ResidentClips)
    for name, tensor in read.state_dict().items():
        torch.testing.assert_close(placed.state_dict()[name], tensor, rtol=1e-3, atol=1e-5)
    batch = next(task.valid.batches(2))
    values, _ = read.encode_tokens(batch.mel)
    assert values.shape == (2, 8, 32)
    assert [code.shape[1:] for code in read.encode(None, batch.mel)] == [(24, 1), (8, 8)]
