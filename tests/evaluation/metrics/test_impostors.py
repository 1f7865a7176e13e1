"""Clips that wear the spectral envelope of others."""

import numpy as np
import torch

from msdae.evaluation.metrics import impostors
from msdae.evaluation.metrics.mel import RANGE_DB
from msdae.evaluation.metrics.renditions import Renditions


def clips():
    """Of three instruments, each a tilt of its own with ripples that differ and move: (12, 128, 16)."""
    generator = torch.Generator().manual_seed(0)
    band = torch.linspace(-1, 1, 128)[:, None]
    tilts = torch.tensor([-10.0, 0.0, 10.0]).repeat_interleave(4)[:, None, None]
    mels = tilts * band + 3 * torch.randn(12, 128, 16, generator=generator)
    numbers = np.repeat([0, 1, 2], 4)
    return Renditions(mels.half(), numbers, numbers + 40, np.array([f"piece {n}" for n in range(12)]))


def test_an_impostor_has_the_envelope_of_another_instrument_and_its_own_movement():
    own = clips()
    made = impostors.of(own)
    assert (made.instruments != own.instruments).all()
    assert (made.programs == made.instruments + 40).all()
    for row in range(len(own.pieces)):
        worn = own.mels[own.pieces.tolist().index(made.pieces[row])].float()
        before, after = own.mels[row].float(), made.mels[row].float()
        away = impostors._envelopes(after[None]) - impostors._envelopes(worn[None])
        assert away.abs().max() < 0.5 < 4 < (before.mean(dim=1) - after.mean(dim=1)).abs().max()
        torch.testing.assert_close(after.diff(dim=1), before.diff(dim=1), atol=0.05, rtol=0)
    assert torch.equal(made.mels, impostors.of(own).mels)


def test_by_its_own_envelope_and_by_none_a_clip_stays_as_it_is():
    mel = clips().mels.float()
    torch.testing.assert_close(impostors.dressed(mel, mel), mel)
    torch.testing.assert_close(impostors.dressed(mel, mel.flip(0), 0.0), mel)


def test_the_range_of_a_clip_is_kept():
    low, silent = torch.full((1, 128, 4), -70.0), torch.full((1, 128, 4), -100.0)
    low[:, 0] = 0.0
    for other in (low.flip(1), silent):
        made = impostors.dressed(low, other)
        assert made.isfinite().all() and (made.amax() - made.amin()) <= RANGE_DB + 1e-3
