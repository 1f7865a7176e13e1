import pytest
import torch

from msdae.errors import UserError
from msdae.symbolic.notes import Note
from msdae.synthesis.players import PEAK, PLAYER, PLAYERS, play, play_voices

NOTES = [Note(0.0, 0.4, 69, 90)]


@pytest.mark.parametrize("player", PLAYERS)
def test_every_player_sounds_the_pitch(player):
    waveform = play(NOTES, 30_000, player)
    assert waveform.dtype == torch.float32 and waveform.shape == (30_000,)
    assert waveform.abs().max() == pytest.approx(PEAK, rel=1e-3)
    spectrum = torch.fft.rfft(waveform[2000:18_384]).abs()
    bins = torch.arange(len(spectrum)) * 44100 / 16_384
    near = lambda hertz: float(spectrum[(bins - hertz).abs() < 8].max())  # noqa: E731
    assert max(near(440), near(880)) > 5 * near(622)


def test_it_plays_until_the_last_note_has_faded():
    assert len(play(NOTES)) == round(0.9 * 44100) and PLAYER in PLAYERS
    with pytest.raises(UserError, match="player 'kazoo'"):
        play(NOTES, player="kazoo")


@pytest.mark.parametrize("player", [PLAYER, "held formula"])
def test_voices_add_up_to_the_whole(player):
    low, high = [Note(0.0, 0.5, 45, 60)], [Note(0.2, 0.6, 76, 110)]
    apart = play_voices([low, high], player=player)
    whole = play([*low, *high], player=player)
    assert apart.shape == (2, len(whole)) and (apart.sum(dim=0) - whole).abs().max() < 1e-3
    assert apart[0].abs().max() < apart[1].abs().max() and not apart[1, : round(0.19 * 44100)].any()
