"""Clips of visitors: what they are called, and what they are as melody sources."""

import pytest
import torch

from msdae import audio
from msdae.app import clips
from msdae.audio.mel import LogMel
from msdae.symbolic.midi import write_midi
from msdae.symbolic.notes import Note


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("  a \n b ", "a b"),
        ("Take 1 / 2", "Take 1 / 2"),
        ("AC//DC", "AC//DC"),
        (" \n", "Untitled"),
        (None, "Untitled"),
        ("a\0b", "a\\x00b"),
        ("x" * 100, "x" * clips.NAME),
    ],
)
def test_a_name_is_shown_as_it_was_given(name, shown):
    """Regression: a blank name was shown as a dot."""
    assert clips.title(name) == shown


@pytest.mark.parametrize("samples", [4410, 1 << 20, (1 << 20) + 100, (1 << 21) + 1000])
def test_the_spectrogram_is_made_part_by_part(samples, monkeypatch):
    """Regression: that of an hour took 13 GB."""
    waveform, whole, lengths = 0.1 * torch.randn(samples), LogMel(), []
    monkeypatch.setattr(clips, "LogMel", lambda: Counting(lengths))
    torch.testing.assert_close(clips._mel(waveform), whole(waveform[None])[0])
    assert max(lengths) <= clips.PART + whole.config.n_fft and clips.PART % whole.config.hop == 0


class Counting(LogMel):
    """Notes how much it is given at once."""

    def __init__(self, lengths):
        super().__init__()
        self.lengths = lengths

    def forward(self, waveform):
        self.lengths.append(waveform.shape[-1])
        return super().forward(waveform)


def test_an_uploaded_score_keeps_its_voices(tmp_path):
    """Its sound alone would be rendered at once, which loses notes."""
    notes = [Note(0.0, 3.0, 48, 80), Note(0.0, 1.0, 72, 90), Note(1.0, 2.5, 74, 90)]
    write_midi(tmp_path / "a.mid", notes, 0)
    clip = clips.read(tmp_path / "a.mid", "a.mid", tmp_path, clips.Bounds(longest=2.0, largest=1.0))
    assert len(clip.source.voices()) == 2 and clip.source is not clip.source  # keeps no sound in memory
    assert max(note.offset for note in clip.source.notes) == 2.0 and not clip.whole
    whole, kept = torch.cat(list(clip.source.blocks())), audio.read(clip.path)
    assert len(whole) == len(kept) and (whole - kept).abs().max() < 1e-3
    assert clips.opened(clip.path, "b").source == clip.path
