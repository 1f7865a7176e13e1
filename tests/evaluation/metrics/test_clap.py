"""The adapter around a stub of the package's network, and around the package itself where it is installed."""

import importlib.util

import numpy as np
import pytest
import torch
import torch.nn as nn

from msdae.errors import UserError
from msdae.evaluation.metrics import clap

installed = importlib.util.find_spec("laion_clap") is not None


class Stub(nn.Module):
    """In place of HTSAT: its interface, and ten features of what it was given."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(10, clap.WIDTH)

    def forward(self, audio, device=None):
        self.heard = audio["waveform"]
        return {"embedding": self.mix(self.heard.unflatten(1, (10, -1)).abs().mean(dim=-1))}


def stubbed():
    torch.manual_seed(0)
    projection = nn.Sequential(nn.Linear(clap.WIDTH, clap.DIM), nn.ReLU(), nn.Linear(clap.DIM, clap.DIM))
    return nn.ModuleDict({"audio_branch": Stub(), "audio_projection": projection})


@pytest.fixture
def stub(monkeypatch):
    monkeypatch.setattr(clap, "audio_network", stubbed)
    monkeypatch.delenv(clap.VARIABLE, raising=False)
    clap.load.cache_clear()


def test_the_network_hears_ten_seconds_of_48_khz_in_16_bits():
    embedding = clap.Clap(stubbed())
    waveforms = 2 * torch.rand(2, 3 * 44100, generator=torch.Generator().manual_seed(0)) - 1
    points = embedding.embed(waveforms, 44100)
    heard = embedding.network["audio_branch"].heard
    assert points.shape == (2, 512) and heard.shape == (2, 480_000)
    torch.testing.assert_close(points.norm(dim=1), torch.ones(2))
    steps = heard * 32767
    assert (steps - steps.round()).abs().max() < 0.01 and heard.abs().max() <= 1
    assert torch.equal(heard[:, :144_000], heard[:, 288_000:432_000])  # three times, then silence
    assert not heard[:, 432_000:].any()
    assert embedding.embed(torch.rand(1, 11 * 48000), 48000).shape == (1, 512)


def test_weights_of_a_checkpoint_are_found_by_the_environment_variable(stub, tmp_path, monkeypatch):
    network = stubbed()
    state = {f"module.{name}": tensor + 1 for name, tensor in network.state_dict().items()}
    state["module.text_branch.x"] = torch.zeros(3)
    torch.save({"epoch": 15, "name": "x", "score": np.float64(0.9), "state_dict": state}, tmp_path / "a.pt")
    monkeypatch.setenv(clap.VARIABLE, str(tmp_path / "a.pt"))
    loaded = clap.load()
    assert torch.equal(loaded.network["audio_branch"].mix.bias, network["audio_branch"].mix.bias + 1)
    assert loaded.fingerprint != clap.Clap(network).fingerprint


def test_what_is_missing_or_damaged_is_said(stub, tmp_path, monkeypatch):
    monkeypatch.setattr(clap, "_cached", lambda: None)
    with pytest.raises(UserError, match="hf download lukewys/laion_clap"):
        clap.load()
    torch.save({"state_dict": {"module.x": torch.zeros(1)}}, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(b"PK nothing")
    for name, message in (("a", "not the network"), ("b", "truncated"), ("c", "no such")):
        with pytest.raises(UserError, match=rf"{name}\.pt: {message}"):
            clap.load(tmp_path / f"{name}.pt")


class Evil:
    def __reduce__(self):
        return print, ("this must never run",)


def test_nothing_is_unpickled(stub, tmp_path, capfd):
    torch.save({"state_dict": Evil()}, tmp_path / "a.pt")
    with pytest.raises(UserError, match="more than tensors"):
        clap.load(tmp_path / "a.pt")
    assert "never" not in capfd.readouterr().out


@pytest.mark.skipif(installed, reason="laion-clap is installed")
def test_without_the_package_the_fix_is_named():
    with pytest.raises(UserError, match=r"pip install 'msdae\[clap\]'.*--embedding embedded"):
        clap.audio_network()


@pytest.mark.skipif(not installed, reason="laion-clap is not installed")
def test_the_packages_own_network():
    """With initial weights."""
    points = clap.Clap(clap.audio_network()).embed(torch.randn(2, 4096), 44100)
    assert points.shape == (2, 512) and torch.isfinite(points).all()
