"""Priors over log-mels: there and back, and what they cannot do."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from msdae import audio
from msdae.audio.loudness import OUTPUT_PEAK, measure
from msdae.audio.windows import Waveform
from msdae.data.sets import DATASETS
from msdae.data.sources import ClipLength, SourceFile
from msdae.data.tally import Tally
from msdae.errors import UserError
from msdae.inference.generation import LOUDNESS, Request
from msdae.inference.mels import MelGenerator, MelSpace
from msdae.inference.pieces import key, sound
from msdae.models.priors import PRIORS
from msdae.models.priors.base import new

SPACE = MelSpace("mel-64")


def tone(seconds=3.0):
    time = np.arange(int(44100 * seconds)) / 44100
    return torch.tensor(0.3 * np.sin(2 * np.pi * 440 * time), dtype=torch.float32)


def test_three_seconds_are_an_image_of_the_sources():
    assert SPACE.encode(tone(), 44100).shape == (64, 200)
    assert MelSpace("mel-128").encode(tone(), 44100).shape == (128, 200)


def test_a_tone_is_a_tone_after_its_way_back():
    mel = SPACE.encode(tone(), 44100)
    waveform = SPACE.decode(mel)
    spectrum = torch.fft.rfft(waveform[:88200] * torch.hann_window(88200)).abs()
    assert spectrum.argmax().item() / 2 == pytest.approx(440, abs=15)
    again = SPACE.encode(waveform, 44100)
    assert (again[:, 5:-5] - mel[:, 5 : again.shape[1] - 5]).abs().mean() < 0.3


def test_recordings_are_pieces_of_one_level(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone().numpy(), 44100)
    files = {"train": [SourceFile("a", tmp_path / "a.wav", 1)]}
    (piece,) = SPACE.encoded(files)["train"]
    assert piece.timbres == {} and piece.melody[1].shape == (64, piece.frames) and piece.frames == 200


@pytest.mark.parametrize("split", ["train", "valid"])
def test_recordings_without_sound_are_refused(split, tmp_path):
    """Regression: a prior over log-mels was trained on silence, or failed later without recordings."""
    soundfile.write(tmp_path / "a.wav", (tone() * (split == "valid")).numpy(), 44100)
    with pytest.raises(UserError, match="no recording with sound to learn from; give others with --data"):
        SPACE.encoded({split: [SourceFile("a", tmp_path / "a.wav", 1)]})


def test_a_part_of_a_recording_has_that_part_alone(tmp_path):
    """A folder's only recording is for training at its start and held out at its end."""
    soundfile.write(tmp_path / "a.wav", torch.cat([tone(6.0), torch.zeros(3 * 44100)]).numpy(), 44100)
    clip, path = ClipLength(3 * 44100), tmp_path / "a.wav"
    files = {"train": [SourceFile("a", path, 2)], "valid": [SourceFile("a", path, 1, first=2)]}
    pieces = MelSpace("mel-64", clip).encoded(files)
    assert (pieces["train"][0].frames, pieces["valid"][0].frames) == (400, 200)
    start, end = (pieces[split][0].melody[1] for split in ("train", "valid"))
    assert start.amax(dim=0).min() > 10 * end[:, 10:].amax()


@pytest.mark.parametrize("clips", [1, 2, 3])
def test_the_first_clip_of_a_recording_is_not_all_of_it(clips, tmp_path):
    """Where others are held out; a recording of one clip is all of it, also what is left over."""
    soundfile.write(tmp_path / "a.wav", tone(3.0 * clips + 0.5).numpy(), 44100)
    soundfile.write(tmp_path / "b.wav", tone().numpy(), 44100)
    clip = ClipLength(3 * 44100)
    found = DATASETS["folder"].scan(tmp_path, Tally(), clip)
    (file,) = (file for file in found["train"] if file.name == "a.wav")
    assert (file.first, file.clips) == (0, 1)
    samples = len(sound(file, clip, 44100))
    assert samples == (3.5 if clips == 1 else 3) * 44100
    assert (key({"train": [file]}) == key({"train": [replace(file, whole=True)]})) == (clips == 1)


def generator():
    prior = new("unet", PRIORS["unet"].Config(window=64, widths=(8, 8)), SPACE.grid, "mel-64", 0)
    for parameter in prior.parameters():
        parameter.data += 0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
    prior.mean.fill_(1.0)
    return MelGenerator(prior)


def test_what_is_drawn_is_a_file(tmp_path):
    generator().render_file(Request(seconds=2.0, seed=1), tmp_path / "y.wav")
    heard = audio.read(tmp_path / "y.wav")
    assert len(heard) == 88200 and heard.abs().max() < OUTPUT_PEAK
    # regression: its peak was set, so that a row of renderings had any loudness
    assert measure(Waveform(heard), 44100).integrated() == pytest.approx(LOUDNESS, abs=0.5)


def test_log_mels_know_no_timbre(tmp_path):
    with pytest.raises(UserError, match="which know no timbre and no melody"):
        generator().render_file(Request(timbre=tone()), tmp_path / "y.wav")
    assert not list(tmp_path.iterdir())
