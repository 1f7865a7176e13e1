import pytest
import torch

from msdae.data.perturb import recolour, scramble

GAIN = 10.0


@pytest.fixture
def mel():
    """Log-mels of a steady partial that starts at frame 100, on a quiet broad envelope."""
    level = torch.zeros(2, 128, 512) + 1e-3
    level[:, 40, 100:] = 2.0
    level[:, 20:80, 100:] += 0.05
    return torch.log1p(GAIN * level)


def drawn(seed=0, clips=2):
    return [torch.Generator().manual_seed(seed + 100 * clip) for clip in range(clips)]


def test_recolouring_keeps_pitches_and_onsets(mel):
    changed = recolour(mel, drawn(), 1.0, GAIN)
    assert changed.shape == mel.shape and changed.isfinite().all()
    assert (changed[:, :, 120:].mean(dim=2).argmax(dim=1) == 40).all()
    loudness = changed[:, 40]
    assert (loudness[:, 105:].min(dim=1).values > 3 * loudness[:, :95].max(dim=1).values).all()


def test_recolouring_changes_the_envelope_by_as_much_as_is_asked(mel):
    none, little, much = ((recolour(mel, drawn(), s, GAIN) - mel).abs().mean() for s in (0.0, 0.2, 1.0))
    assert none < 1e-4 < little < much


def test_each_clip_is_recoloured_in_its_own_way(mel):
    changed = recolour(mel, drawn(), 1.0, GAIN)
    assert (changed[0] - changed[1]).abs().max() > 0.1


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


def test_the_change_of_a_clip_does_not_depend_on_those_beside_it(mel):
    for change in (scramble, lambda x, g: recolour(x, g, 1.0, GAIN)):
        both = change(mel, drawn())
        assert torch.allclose(both[1:], change(mel[1:], drawn()[1:]), atol=1e-5)
