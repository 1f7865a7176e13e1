"""The model that ships gives the samples that it gave when it came to ship."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from msdae import codecs
from msdae.audio.mel import LogMel
from msdae.diffusion.samplers import sample
from msdae.models.autoencoder import Autoencoder

SAMPLES = 131072  # one clip
# By the code of commit 105a836, which gave the samples of the model before as the code of 2019877 did; the
# waveform anew since harmonics tell where low partials are.
EXPECTED = Path(__file__).with_name("embedded.safetensors")


def tones(pitches: list[int], partials: int) -> torch.Tensor:
    """(samples,): decaying tones, one every .37 s, made without a random number."""
    time = torch.arange(SAMPLES, dtype=torch.float64) / 44100
    waveform = torch.zeros(SAMPLES, dtype=torch.float64)
    for index, pitch in enumerate(pitches):
        since = (time - 0.37 * index).clamp_min(0)
        envelope = (time >= 0.37 * index) * torch.exp(-(3 if partials > 5 else 1) * since)
        for partial in range(1, partials + 1):
            hertz = 440 * 2 ** ((pitch - 69) / 12) * partial
            waveform += envelope * torch.sin(2 * torch.pi * hertz * since) / partial
    return (0.4 * waveform / waveform.abs().max()).float()


@pytest.fixture(scope="module")
def found() -> dict[str, torch.Tensor]:
    timbre = tones([48, 55, 52, 60, 48, 55, 52], partials=12)
    melody = tones([67, 69, 71, 72, 74, 76, 77, 79], partials=3)
    model = Autoencoder.from_pretrained("embedded")
    log_mel = LogMel(model.config.mel)
    draws = [np.random.default_rng([0, block]).standard_normal((64, 24), np.float32) for block in (0, 1)]
    noise = torch.from_numpy(np.concatenate(draws, axis=1)[None, :, :32])
    with torch.no_grad():
        other, content = (model.encode(None, log_mel(waveform[None])) for waveform in (timbre, melody))
        mixes = {
            "swap": model.mix(content, other, [1.0, 0.0, 0.0]),
            "half": model.mix(content, other, [0.5, 0.0, 0.0]),
            "reconstruction": content,
        }
        latents = {
            name: sample(model.denoiser(codes), noise, 20, "dpmpp_2m", sigma_min=0.01, sigma_max=20.0)
            for name, codes in mixes.items()
        }
    return {name: z[0] for name, z in latents.items()}


@pytest.mark.parametrize("name", ["swap", "half", "reconstruction"])
def test_latents_are_those_of_before(found, name):
    """To what kinds of CPU differ by after 20 steps, which is up to 1e-4."""
    torch.testing.assert_close(found[name], load_file(EXPECTED)[name], atol=3e-4, rtol=1e-4)


def test_the_waveform_is_that_of_before():
    """Decoded from the stored latents: where two frequencies fit a peak equally well, latents that differ by
    a rounding may choose another."""
    expected = load_file(EXPECTED)
    waveform = codecs.load("spectral-neural").decode(expected["swap"][None])[0, ::64]
    torch.testing.assert_close(waveform, expected["swap-waveform"], atol=1e-3, rtol=0)
