"""Stages of an autoencoder over codecs of other sizes than those of the one that ships."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from msdae.audio.mel import MelConfig
from msdae.codecs.base import Codec
from msdae.data import ClipCache
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
            "notes": [[0.0, 1.0, 60 + i // 3]],
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
