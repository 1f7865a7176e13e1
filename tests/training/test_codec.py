"""The three stages of the neural codec on a few tones."""

import json
import os
import shutil
import signal
from dataclasses import replace

import pytest
import torch

from msdae import audio, codecs
from msdae.codecs.neural import NeuralCodec, NeuralConfig
from msdae.errors import UserError
from msdae.training.codec import STAGES, CodecTrainConfig, ReconstructionTask, train
from msdae.training.log import Log
from msdae.training.recordings import RecordingExcerpts, Waveforms

CPU = torch.device("cpu")
FEW = CodecTrainConfig(
    steps=(4, 4, 4), batch_size=2, frames=6, warmup=1, log_every=2, save_every=2, audio_every=2
)


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """Four recordings of the same four notes in other orders, one of them at another rate."""
    folder = tmp_path_factory.mktemp("music")
    for index in range(4):
        rate = 48000 if index == 3 else 44100
        time = torch.arange(8 * rate) / rate
        pitch = 220 + 31 * ((time.floor() + index) % 4)
        note = sum(torch.sin(2 * torch.pi * pitch * k * (time % 1)) / k for k in range(1, 6))
        audio.write(folder / f"{index}.wav", 0.2 * note * torch.exp(-2 * (time % 1)), rate)
    return folder


def paths(music):
    return {"train": sorted(music.glob("*.wav"))}


@pytest.fixture(scope="module", autouse=True)
def short_survey():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("msdae.training.codec._SURVEYED", 4)
        yield


@pytest.fixture(scope="module")
def finished(music, tmp_path_factory):
    """The folder of a complete training, and its codec."""
    folder = tmp_path_factory.mktemp("finished")
    return folder, train(FEW, paths(music), folder, CPU)


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of that folder."""
    shutil.copytree(finished[0], tmp_path / "run")
    return tmp_path / "run"


def test_a_run_that_was_stopped_continues_bit_for_bit(music, finished, tmp_path, monkeypatch):
    write, stops = Log.write, [(name, 2) for name in STAGES]

    def stopping(log, step, values):
        write(log, step, values)
        if (log.name, step) in stops:
            stops.remove((log.name, step))
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Log, "write", stopping)
    for _ in STAGES:
        assert train(FEW, paths(music), tmp_path, CPU) is None
    continued = train(FEW, paths(music), tmp_path, CPU)
    for name, tensor in finished[1].state_dict().items():
        assert torch.equal(tensor, continued.state_dict()[name]), name


def test_bands_are_measured_over_the_first_batches(music, finished, tmp_path):
    """There they have a mean of 0 and a deviation of 1."""
    codec = finished[1]
    sizes = FEW.frames * codec.hop, codec.sample_rate
    excerpts = RecordingExcerpts(paths(music)["train"], FEW, *sizes, tmp_path, CPU)
    sound = [batch.waveform for batch, _ in zip(excerpts.batches(FEW.seed, 0), range(2), strict=False)]
    even = codec.log_mel(codec.spectrogram(torch.cat(sound))).flatten(0, 1)
    assert even.mean(0).abs().max() < 1e-3
    assert even.std(0).median() == pytest.approx(1, abs=1e-3)


def test_the_decoder_hears_of_its_judges(finished):
    lines = [json.loads(line) for line in (finished[0] / "adversarial/log.jsonl").read_text().splitlines()]
    terms = [line for line in lines if "adversarial" in line]
    assert terms and all(line["matching"] > 0 and line["adversarial"] != 0 for line in terms)


def test_a_decoder_is_trained_on_without_touching_the_latents(music, tmp_path):
    base = codecs.load("spectral-neural")
    before, decoder = base.fingerprint, base.frame[0].weight.clone()
    trained = train(FEW, paths(music), tmp_path, CPU, base)
    assert trained.fingerprint == before
    assert not torch.equal(trained.frame[0].weight, decoder)


def test_a_decoder_of_another_size_is_not_trained_on(music, tmp_path):
    """Regression: its settings were left out in silence, and the decoder that there was was trained."""
    base = codecs.load("spectral-neural")
    for config in (replace(base.config, frame=(256, 4)), NeuralConfig(shortcuts=True)):
        with pytest.raises(UserError, match=r"codec: has other settings than .* \(--latents\); leave them"):
            train(replace(FEW, codec=config), paths(music), tmp_path / "run", CPU, base)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("block", [4, 8])
def test_a_joint_training_of_another_size(music, tmp_path, block):
    config = NeuralConfig(
        block=block, bands=64, channels=16, encoder=(32, 2), context=(32, 1), frame=(32, 1), neighbours=1
    )
    settings = replace(FEW, codec=config, joint=True, steps=(2, 0, 2), peaks=0.1, harmonics=0.1)
    codec = train(settings, paths(music), tmp_path / "run", CPU, cache=tmp_path / "cache")
    assert codec.config == config and list((tmp_path / "cache").glob("*.pcm"))
    assert sorted(path.name for path in (tmp_path / "run").iterdir() if path.is_dir()) == [
        "adversarial",
        "latents",
    ]
    with pytest.raises(UserError, match="expected 1 or more"):
        replace(settings, steps=(0, 2))


def test_a_state_of_other_latents_is_refused(music, folder):
    with pytest.raises(UserError, match=r"decoder/state.safetensors: saved with another 'latents'.*--run"):
        train(FEW, paths(music), folder, CPU, codecs.load("spectral-neural"))


def test_the_loss_falls(music, tmp_path):
    settings = CodecTrainConfig(
        steps=(40, 1), batch_size=4, frames=6, warmup=1, log_every=20, mixed=0, hissed=0
    )
    train(settings, paths(music), tmp_path, CPU)
    lines = [json.loads(line) for line in (tmp_path / "latents/log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < 0.8 * losses[0]


def test_a_state_survives_other_hardware(music, finished, folder, monkeypatch):
    """Defect 14: statistics that another device would measure a little otherwise are kept."""
    (folder / "adversarial/state.safetensors").unlink()
    spectrogram = NeuralCodec.spectrogram
    monkeypatch.setattr(NeuralCodec, "spectrogram", lambda codec, x: spectrogram(codec, x) * (1 + 1e-6))
    codec = train(FEW, paths(music), folder, CPU)
    assert codec.fingerprint == finished[1].fingerprint


def test_other_recordings_do_not_continue_a_run(music, folder):
    with pytest.raises(UserError, match=r"latents/state.safetensors: saved with another 'data'"):
        train(FEW, {"train": paths(music)["train"][:3]}, folder, CPU)


@pytest.mark.parametrize("world", [1, 2])
def test_every_process_validates_as_often(music, tmp_path, world):
    """Regression: a process without validation excerpts left the others waiting for its losses."""
    codec = NeuralCodec()
    excerpts = RecordingExcerpts(
        paths(music)["train"], FEW, FEW.frames * codec.hop, codec.sample_rate, tmp_path
    )
    valid = Waveforms.beginnings(paths(music)["train"][:3], excerpts.samples, codec.sample_rate)
    task = ReconstructionTask(FEW, 0, codec, excerpts, valid)
    for rank in range(world):
        batches = list(task.validation(rank, world))
        assert [len(batch.waveform) for batch in batches] == ([2, 1] if world == 1 else [1, 1, 1])
        assert [name for batch in batches for name in batch.names] == valid.names
