import pytest
import torch

from msdae.data.draws import Draws
from msdae.data.perturb import loudness, recolour, scramble, vibrato

GAIN = 10.0


@pytest.fixture
def mel():
    """Log-mels of a steady partial that starts at frame 100, on a quiet broad envelope."""
    level = torch.zeros(2, 128, 512) + 1e-3
    level[:, 40, 100:] = 2.0
    level[:, 20:80, 100:] += 0.05
    return torch.log1p(GAIN * level)


def drawn(seed=0, clips=2):
    return Draws((seed,), clips)


def test_recolouring_keeps_pitches_and_onsets(mel):
    changed = recolour(mel, drawn(), GAIN)
    assert changed.shape == mel.shape and changed.isfinite().all()
    assert (changed[:, :, 120:].mean(dim=2).argmax(dim=1) == 40).all()
    loudness = changed[:, 40]
    assert (loudness[:, 105:].min(dim=1).values > 3 * loudness[:, :95].max(dim=1).values).all()


def test_recolouring_lays_a_little_noise_below():
    """The same for all bands and frames of a clip, at most a hundredth of full scale."""
    changed = recolour(torch.zeros(16, 128, 64), drawn(clips=16), GAIN)
    noise = torch.expm1(changed) / GAIN
    assert torch.allclose(noise, noise[:, :1, :1].expand_as(noise), atol=1e-6)
    assert (noise > 0).all() and noise.max() <= 0.01 and noise[:, 0, 0].std() > 1e-3


def test_each_clip_is_recoloured_in_its_own_way(mel):
    changed = recolour(mel, drawn(), GAIN)
    assert (changed[0] - changed[1]).abs().max() > 0.1
    of_partial = (changed - mel)[:, 40, 100:].abs().mean(dim=1)
    assert of_partial.min() > 0.01  # noise changes it by .005 at most


def test_scrambling_moves_time_and_bands_but_keeps_the_sound(mel):
    changed = scramble(mel, drawn(1))
    assert changed.shape == mel.shape
    assert torch.allclose(changed.sum(dim=(1, 2)), mel.sum(dim=(1, 2)), rtol=0.2)
    assert (changed - mel).abs().max() > 1


def test_scrambling_without_room_only_shuffles():
    mel = torch.arange(512.0).expand(1, 8, 512)
    changed = scramble(mel, drawn(clips=1), bands=0, tempo=0.0)
    assert torch.equal(changed.sort(dim=2).values, mel) and not torch.equal(changed, mel)
    assert torch.equal(changed, scramble(mel, drawn(clips=1), bands=0, tempo=0.0))


def test_scrambling_changes_the_tempo_of_each_clip():
    mel = torch.arange(512.0).expand(64, 2, 512)
    steps = scramble(mel, drawn(clips=64), bands=0, tempo=0.25)[:, 0].diff(dim=1)
    inside = (steps >= 0) & (steps <= 2)  # not from one block to the next
    rates = (steps * inside).sum(dim=1) / inside.sum(dim=1)
    assert rates.min() == pytest.approx(0.75, abs=0.03) and rates.max() == pytest.approx(1.25, abs=0.03)


@pytest.mark.parametrize("frames", [512, 509, 7])
def test_shuffled_time_has_every_frame_once(frames):
    mel = torch.arange(float(frames)).expand(3, 4, frames)
    changed = scramble(mel, drawn(2, 3), bands=0, tempo=0.0)
    assert torch.equal(changed.sort(dim=2).values, mel)
    assert not torch.equal(changed[0], changed[1])


def test_loudness_changes_levels_and_nothing_else(mel):
    changed = loudness(mel, drawn())
    ratio = torch.expm1(changed) / torch.expm1(mel)
    assert torch.allclose(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-3)  # the same for all bands
    level = 20 * ratio[:, 0].log10()
    assert (level.abs() <= 16).all() and (level.max(dim=1).values - level.min(dim=1).values > 2).all()
    assert level.diff(dim=1).abs().max() < 0.3  # it glides
    assert (level[0] - level[1]).abs().max() > 1


def test_vibrato_moves_partials_up_and_down_but_keeps_them(mel):
    changed = vibrato(mel, drawn(1))
    assert (changed[:, :, 120:].mean(dim=2).argmax(dim=1) == 40).all()
    assert torch.equal(changed[:, 60, 120:], mel[:, 60, 120:])  # where the spectrum is even
    above, below = changed[:, 41, 120:], changed[:, 39, 120:]
    assert above.std() > 0.01 and (above - below).max() > 0.05 and (above - below).min() < -0.05
    quiet, loud = mel[0, 60, 200], mel[0, 40, 200]
    moved = (vibrato(mel[:1].expand(64, -1, -1), drawn(clips=64))[:, [39, 41], 120:] - quiet) / (loud - quiet)
    assert moved.amax() == pytest.approx(0.4, abs=0.02)  # of a band, at the deepest
    assert moved.amax(dim=(1, 2)).min() < 0.1


def test_the_change_of_a_clip_does_not_depend_on_those_beside_it(mel):
    for change in (
        scramble,
        vibrato,
        lambda x, d: recolour(x, d, GAIN),
        loudness,
    ):
        both, part = change(mel, drawn()), Draws((0,), 2, slice(1, 2))
        assert torch.allclose(both[1:], change(mel[1:], part), atol=1e-5)
        some = torch.tensor([False, True])
        assert torch.allclose(both[1:], change(mel[some], drawn().of(some)), atol=1e-5)
