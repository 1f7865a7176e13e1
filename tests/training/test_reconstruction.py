from dataclasses import replace

import pytest
import torch

from msdae.codecs.neural import NeuralCodec, NeuralConfig
from msdae.data.draws import Draws
from msdae.training.codec import CodecTrainConfig
from msdae.training.reconstruction import Reconstruction

SMALL = NeuralConfig(
    bands=32, channels=8, encoder=(16, 1), context=(16, 1), frame=(16, 1), extra=4, shortcuts=True
)
SETTINGS = CodecTrainConfig(peaks=0.1, onsets=0.1, harmonics=0.1)


def losses(latents, settings, waveform):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        codec = NeuralCodec(SMALL)
    network = Reconstruction(codec, latents, settings).eval()
    return network, network(waveform, Draws((0,), len(waveform)))[0]


@pytest.mark.parametrize(
    ("latents", "joint", "trained"),
    [
        (True, False, {"encoder", "shortcut", "context", "context_shortcut"}),
        (True, True, {"encoder", "shortcut", "context", "context_shortcut", "frame", "frame_shortcut"}),
        (False, True, {"context", "context_shortcut", "frame", "frame_shortcut"}),
    ],
)
def test_each_stage_trains_its_parts_and_all_of_them(latents, joint, trained):
    waveform = 0.1 * torch.randn(2, 6 * 4096, generator=torch.Generator().manual_seed(0))
    network, terms = losses(latents, replace(SETTINGS, joint=joint), waveform)
    sum(terms.values()).mean().backward()
    reached = {name.split(".")[1] for name, p in network.named_parameters() if p.grad is not None}
    assert reached == trained


def test_further_losses_are_there_where_they_have_a_weight():
    waveform = 0.1 * torch.randn(2, 6 * 4096, generator=torch.Generator().manual_seed(0))
    _, terms = losses(False, SETTINGS, waveform)
    _, plain = losses(False, CodecTrainConfig(), waveform)
    assert set(terms) - set(plain) == {"peaks", "onsets", "harmonics"}
    assert all(term.shape == (2,) and (term > 0).all() for term in terms.values())


def test_what_is_alike_costs_nothing():
    network, _ = losses(False, SETTINGS, torch.zeros(1, 6 * 4096))
    assert all(float(term) == 0 for term in network._shapes(torch.zeros(1, 48, 1025)).values())
    flat = network._shapes(torch.ones(1, 48, 1025))  # a gain alone moves no peak and no onset
    assert float(flat["peaks"]) == float(flat["onsets"]) == 0 and float(flat["harmonics"]) > 0
