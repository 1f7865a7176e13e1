import numpy as np
import pytest
import soundfile
import torch

from msdae import audio
from msdae.audio.files import Recording
from msdae.errors import UserError
from msdae.inference.sources import (
    PlayedScore,
    as_source,
    levelled,
    melody_source,
    mixed_down,
    open_sound,
    require_audible,
    timbre_source,
)
from msdae.symbolic.midi import write_midi
from msdae.symbolic.notes import Note


@pytest.fixture
def tune(tmp_path):
    write_midi(tmp_path / "tune.mid", [Note(0.5, 1.0, 69, 90), Note(1.0, 1.5, 76, 90)], 0)
    return tmp_path / "tune.mid"


def test_a_score_is_played_at_any_rate(tune):
    played = open_sound(tune)
    assert isinstance(played, PlayedScore) and played.channels == 1
    waveform = torch.cat(list(played.blocks()))
    assert len(waveform) == played.samples == 2 * 44100
    assert waveform[:20_000].abs().max() < 1e-3 < waveform.abs().max() <= 1
    other = as_source(played, 22050)
    assert other.samples == 44100 == len(next(other.blocks()))
    assert as_source(played, 44100) is played
    assert as_source(str(tune), 44100).notes == played.notes


def test_recordings_and_arrays_are_what_they_were(tmp_path):
    audio.write(tmp_path / "a.wav", torch.zeros(100))
    assert isinstance(open_sound(tmp_path / "a.wav"), Recording)
    assert as_source(torch.zeros(100), 44100).samples == 100


@pytest.mark.parametrize("make", [levelled, melody_source, timbre_source])
def test_levelled_sources_are_of_one_rate(make):
    """Regression: they were taken as they were, at another pitch."""
    source = make(torch.zeros(100), 44100)
    assert make(source, 44100) is source
    with pytest.raises(UserError, match="a levelled source at 44100 Hz: give one at 22050 Hz"):
        make(source, 22050)


def test_bad_scores_say_what_is_wrong(tmp_path):
    (tmp_path / "a.mid").write_bytes(b"RIFF")
    with pytest.raises(UserError, match=r"a\.mid: not a readable MIDI file"):
        open_sound(tmp_path / "a.mid")
    with pytest.raises(UserError, match=r"b\.mid: no such file"):
        as_source(tmp_path / "b.mid", 44100)


def test_a_melody_whose_channels_cancel_each_other_is_named(tmp_path, caplog):
    """Regression: the rendering was silent without a word."""
    caplog.set_level("INFO")
    sound = 0.3 * torch.sin(torch.arange(44100) * 0.05)
    soundfile.write(tmp_path / "b.wav", torch.stack([sound, -sound], dim=1).numpy(), 44100)
    require_audible([levelled(sound, 44100)], levelled(tmp_path / "b.wav", 44100))
    assert "b.wav: nothing can be heard in the mean of its channels, so the rendering" in caplog.text


@pytest.mark.parametrize(
    ("second", "cancel"),
    [("first", False), ("other", False), ("silence", False), ("opposite", True), ("nearly", True)],
)
def test_channels_that_cancel_each_other_are_said(tmp_path, second, cancel):
    """Regression: of a microphone whose poles are swapped only the noise was heard, without a word."""
    torch.manual_seed(0)
    first, other = 0.1 * torch.randn(2, 30_000)
    channels = {"first": first, "other": other, "silence": 0 * first, "opposite": -first}
    channels["nearly"] = 0.02 * other - 0.9 * first
    both = torch.stack([first, channels[second]], dim=1)
    soundfile.write(tmp_path / "a.wav", both.numpy(), 16000)
    said = mixed_down(open_sound(tmp_path / "a.wav"))
    assert said.startswith("2 channels are processed as their mean (mid)")
    assert said.endswith("; give one of them alone") == cancel


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf"), 1e30])
def test_channels_of_silence_and_of_no_numbers_are_said(tmp_path, value):
    soundfile.write(tmp_path / "a.wav", np.full((500, 2), value), 16000, "FLOAT")
    assert mixed_down(open_sound(tmp_path / "a.wav")).endswith("(mid)")
