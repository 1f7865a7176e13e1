"""transformers' network with laion-clap's names and steps; beside laion-clap itself where it is installed."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn as nn
from torch.testing import assert_close

from msdae.errors import UserError
from msdae.evaluation.metrics import clap

needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="transformers is not installed"
)
LAION = importlib.util.find_spec("laion_clap")
SMALL = {"depths": [1, 1, 2, 1], "patch_embeds_hidden_size": 32, "hidden_size": 256}
# A layer of laion-clap: its name there, in transformers, and how many of transformers' it holds.
LAYER = (
    ("norm1", ["layernorm_before"]),
    ("attn.qkv", ["attention.self.query", "attention.self.key", "attention.self.value"]),
    ("attn.proj", ["attention.output.dense"]),
    ("norm2", ["layernorm_after"]),
    ("mlp.fc1", ["intermediate.dense"]),
    ("mlp.fc2", ["output.dense"]),
)


def laions(network: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of transformers' network under the names of a checkpoint of laion-clap."""
    weights = network.state_dict()
    encoder = "audio_model.audio_encoder."
    state = {"logmel_extractor.melW": torch.zeros(1), "head.weight": torch.zeros(1)}
    for kind in ("weight", "bias"):
        for theirs, ours in LAYER:
            for name in [name for name in weights if name.endswith(f".{ours[0]}.{kind}")]:
                parts = [weights[name.replace(ours[0], other)] for other in ours]
                block = name.removeprefix(encoder).removesuffix(f"{ours[0]}.{kind}")
                if block.endswith("."):
                    state[f"{block}{theirs}.{kind}"] = torch.cat(parts)
        for name in ("norm", "patch_embed.proj", "patch_embed.norm"):
            state[f"{name}.{kind}"] = weights[f"{encoder}{name}.{kind}"]
        for name in [name for name in weights if "downsample" in name and name.endswith(kind)]:
            state[name.removeprefix(encoder)] = weights[name]
    for name in [name for name in weights if "relative_position" in name]:
        state[name.removeprefix(encoder).replace("attention.self", "attn")] = weights[name]
    for name in [name for name in weights if ".batch_norm." in name]:
        state[name.removeprefix(encoder).replace("batch_norm", "bn0")] = weights[name]
    branch = {f"audio_branch.{name}": tensor for name, tensor in state.items()}
    projections = (("audio_projection.0", "linear1"), ("audio_projection.2", "linear2"))
    return branch | {
        f"{theirs}.{kind}": weights[f"audio_projection.{ours}.{kind}"]
        for theirs, ours in projections
        for kind in ("weight", "bias")
    }


def random_network(seed=0, **sizes):
    torch.manual_seed(seed)
    network = clap.audio_network(**sizes)
    for tensor in network.state_dict().values():  # norms and biases begin at 1 and 0
        if tensor.is_floating_point():
            tensor.add_(0.05 * torch.rand_like(tensor))
    return network.eval()


@pytest.fixture
def small(monkeypatch):
    """A small network in place of HTSAT-base, and no weights anywhere."""
    monkeypatch.setattr(clap, "BASE", {**clap.BASE, **SMALL})
    monkeypatch.delenv(clap.VARIABLE, raising=False)
    clap.load.cache_clear()
    yield
    clap.load.cache_clear()


class Listener(nn.Module):
    """In place of the network: remembers the log-mels that it was given."""

    def forward(self, mels):
        self.mels = mels
        return type("Output", (), {"audio_embeds": mels.mean(dim=(1, 3))[:, :512]})


def test_the_network_hears_ten_seconds_of_48_khz_in_16_bits(monkeypatch):
    heard = []
    monkeypatch.setattr(clap, "log_mel", lambda audio: heard.append(audio) or torch.ones(len(audio), 600, 64))
    embedding = clap.Clap(Listener())
    waveforms = 2 * torch.rand(2, 3 * 44100, generator=torch.Generator().manual_seed(0)) - 1
    points = embedding.embed(waveforms, 44100)
    assert points.shape == (2, 512) and heard[0].shape == (2, 480_000)
    assert_close(points.norm(dim=1), torch.ones(2))
    steps = heard[0] * 32767
    assert (steps - steps.round()).abs().max() < 0.01 and heard[0].abs().max() <= 1
    assert torch.equal(heard[0][:, :144_000], heard[0][:, 288_000:432_000])  # three times, then silence
    assert not heard[0][:, 432_000:].any()
    assert embedding.embed(torch.rand(1, 11 * 48000), 48000).shape == (1, 512)


def test_the_log_mel_is_librosas():
    librosa = pytest.importorskip("librosa")
    audio = torch.rand(1, 48000, generator=torch.Generator().manual_seed(0)) - 0.5
    power = librosa.feature.melspectrogram(
        y=audio[0].numpy(), sr=48000, n_fft=1024, hop_length=480, n_mels=64, fmin=50, fmax=14000,
        pad_mode="reflect",
    )  # fmt: skip
    expected = torch.from_numpy(librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None)).T[None]
    assert_close(clap.log_mel(audio), expected, atol=1e-3, rtol=0)
    assert clap.log_mel(torch.zeros(1, 48000)).unique().tolist() == [-100]


@needs_transformers
def test_weights_of_a_checkpoint_are_found_by_the_environment_variable(small, tmp_path, monkeypatch):
    network = random_network()
    state = {f"module.{name}": tensor for name, tensor in laions(network).items()}
    state["module.text_branch.x"] = torch.zeros(3)
    torch.save({"epoch": 15, "name": "x", "score": np.float64(0.9), "state_dict": state}, tmp_path / "a.pt")
    monkeypatch.setenv(clap.VARIABLE, str(tmp_path / "a.pt"))
    loaded = clap.load()
    assert loaded.fingerprint == clap.Clap(network).fingerprint != clap.Clap(random_network(1)).fingerprint
    waveforms = torch.rand(2, 30_000) - 0.5
    assert_close(loaded.embed(waveforms, 44100), clap.Clap(network).embed(waveforms, 44100))


@needs_transformers
def test_a_folder_of_transformers_is_loaded(small, tmp_path):
    network = random_network()
    network.save_pretrained(tmp_path / "clap")
    assert clap.load(tmp_path / "clap").fingerprint == clap.Clap(network).fingerprint
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: not a folder of CLAP's"):
        clap.load(tmp_path / "empty")


@needs_transformers
def test_what_is_missing_or_damaged_is_said(small, tmp_path, monkeypatch):
    monkeypatch.setattr(clap, "_cached", lambda: None)
    with pytest.raises(UserError, match="hf download lukewys/laion_clap"):
        clap.load()
    torch.save({"state_dict": {"module.x": torch.zeros(1)}}, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(b"PK nothing")
    (tmp_path / "d.pt").write_bytes(b"")
    for name, message in (("a", "not the network"), ("b", "truncated"), ("c", "no such"), ("d", "truncated")):
        with pytest.raises(UserError, match=rf"{name}\.pt: {message}"):
            clap.load(tmp_path / f"{name}.pt")


class Evil:
    def __reduce__(self):
        return print, ("this must never run",)


@needs_transformers
def test_nothing_is_unpickled(small, tmp_path, capfd):
    torch.save({"state_dict": Evil()}, tmp_path / "a.pt")
    with pytest.raises(UserError, match="more than tensors"):
        clap.load(tmp_path / "a.pt")
    assert "never" not in capfd.readouterr().out


def test_without_transformers_the_fix_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match=r"pip install 'msdae\[clap\]'.*--embedding embedded"):
        clap.audio_network()


@needs_transformers
@pytest.mark.skipif(LAION is None, reason="laion-clap is not installed")
def test_equals_laion_clap(tmp_path, monkeypatch):
    """Its own network with random weights, through its own steps, and the same weights as a checkpoint."""
    monkeypatch.syspath_prepend(str(Path(LAION.origin).parent))
    from clap_module.htsat import create_htsat_model
    from clap_module.model import CLAPAudioCfp

    torch.manual_seed(0)
    branch = create_htsat_model(CLAPAudioCfp(model_type="HTSAT", model_name="base", hop_size=480))
    projection = nn.Sequential(nn.Linear(1024, 512), nn.ReLU(), nn.Linear(512, 512))
    theirs = nn.ModuleDict({"audio_branch": branch, "audio_projection": projection}).eval()
    for name, tensor in theirs.state_dict().items():
        if tensor.is_floating_point() and not any(part in name for part in ("extractor", "attn_mask")):
            tensor.add_(0.05 * torch.rand_like(tensor))
    state = {f"module.{name}": tensor for name, tensor in theirs.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "a.pt")
    waveforms = torch.rand(3, 3 * 48000, generator=torch.Generator().manual_seed(1)) - 0.5
    waveforms[1] *= torch.linspace(0, 1, waveforms.shape[1])
    waveforms[2] = 0.4 * torch.sin(torch.arange(waveforms.shape[1]) / 20)
    audio = clap._filled((waveforms.clamp(-1, 1) * 32767).to(torch.int16) / 32767)
    with torch.no_grad():
        expected = projection(branch({"waveform": audio}, device="cpu")["embedding"])
    found = clap.load(tmp_path / "a.pt").embed(waveforms, 48000)
    assert_close(found, nn.functional.normalize(expected), atol=1e-5, rtol=0)
    apart = (found[0] - found[1]).norm(), (found[0] - found[2]).norm()
    assert min(apart) > 1e-3  # the weights tell the clips apart
