"""Excerpts of generated recordings: where they come from, at which pitches, and what silence gives."""

import numpy as np
import pytest
import torch

from msdae import codecs
from msdae.audio.formants import envelope
from msdae.audio.mel import LogMel
from msdae.audio.windows import Waveform
from msdae.data.excerpts import ExcerptConfig, _excerpt, _looped, _pieces, excerpts
from msdae.errors import UserError

CODEC = codecs.load(codecs.DEFAULT)
MEL = LogMel()
RATE, CLIP = CODEC.sample_rate, CODEC.clip_samples
FEW = ExcerptConfig(excerpts=6)


def tone(seconds, hertz=440.0, level=0.3):
    return level * torch.sin(2 * torch.pi * hertz * torch.arange(int(seconds * RATE)) / RATE)


def peak(waveform):
    """Frequency of the highest peak of the spectrum, Hz."""
    spectrum = torch.fft.rfft(waveform * torch.hann_window(len(waveform)), n=1 << 19).abs()
    return float(spectrum.argmax()) * RATE / (1 << 19)


def test_excerpts_are_clips_and_repeat(melody):
    sources = [Waveform(melody(5.0)[0])]
    train, valid = excerpts(sources, CODEC, MEL, FEW, seed=3)
    assert train.z.shape == (6, CODEC.channels, CODEC.clip_frames) and train.mel.shape[1:] == (128, 512)
    assert valid is None and train.timbre.shape[1:] == (128, 512)
    again, _ = excerpts(sources, CODEC, MEL, FEW, seed=3)
    assert again.key == train.key != excerpts(sources, CODEC, MEL, FEW, seed=4)[0].key
    first, resumed = list(zip(train.batches(4, seed=1), range(3), strict=False))[2][0], None
    resumed = next(train.batches(4, seed=1, start=2))
    assert torch.equal(first.content, resumed.content) and first.indices == resumed.indices
    halves = [next(train.batches(4, 1, 2, rank, 2)) for rank in (0, 1)]
    assert torch.equal(torch.cat([half.timbre for half in halves]), first.timbre)
    assert torch.equal(first.mel, train.mel[first.indices].float())
    assert not torch.equal(first.content, first.mel) and not torch.equal(first.timbre, first.mel)


def test_transposition_stays_in_range():
    config, rng = ExcerptConfig(semitones=3), np.random.default_rng(0)
    pitches = [12 * np.log2(peak(_excerpt(tone(5), CODEC, config, rng)) / 440) for _ in range(12)]
    assert -3.01 < min(pitches) < -1 < 1 < max(pitches) < 3.01


def test_a_share_keeps_its_spectral_envelope_in_place():
    harmonics = torch.arange(1, 60)[:, None]
    weights = torch.exp(-(((110 * harmonics - 1500) / 300) ** 2))
    vowel = (weights * torch.sin(2 * torch.pi * 110 * harmonics * torch.arange(5 * RATE) / RATE)).sum(dim=0)
    highest = []
    for share in (1.0, 0.0):
        config = ExcerptConfig(semitones=12, formants=share)
        excerpt = _excerpt(0.05 * vowel, CODEC, config, np.random.default_rng(0))
        highest.append(float(envelope(excerpt).argmax()) * RATE / 2048)
    moved = 2 ** (np.random.default_rng(0).uniform(-12, 12) / 12)
    assert abs(moved - 1) > 0.1
    assert highest == [pytest.approx(1500, rel=0.08), pytest.approx(1500 * moved, rel=0.08)]


def test_the_end_of_a_long_recording_is_held_out_and_silence_left_out():
    sound = torch.cat([tone(8), torch.zeros(10 * RATE), tone(8, 550), tone(4, 880)])
    pieces, held_out, _ = _pieces([Waveform(sound)], CLIP, CLIP, share=0.2)
    assert {round(peak(piece)) for piece in held_out} == {880}
    assert {round(peak(piece)) for piece in pieces} == {440, 550}
    assert min(float(piece.square().mean()) for piece in pieces) > 1e-6


@pytest.mark.parametrize("noise", [0.0, 3e-4])
@pytest.mark.parametrize("seconds", [20, 30])
def test_silence_before_the_music_is_neither_learnt_nor_counted(seconds, noise):
    """Regression: the end was held out before silence was left out, so that all of the music was."""
    generator = torch.Generator().manual_seed(0)
    sound = torch.cat([torch.zeros(seconds * RATE), tone(6)])
    sound += noise * torch.randn(sound.shape, generator=generator)
    pieces, held_out, heard = _pieces([Waveform(sound)], CLIP, CLIP, share=0.2)
    assert not held_out and {round(peak(piece)) for piece in pieces} == {440}
    assert min(float(piece.square().mean()) for piece in pieces) > 0.03
    assert heard / RATE == pytest.approx(6, abs=0.2)


def test_the_last_fifth_of_what_can_be_heard_is_held_out():
    silence = torch.zeros(20 * RATE)
    sound = torch.cat([silence, tone(9), silence, tone(3.2), tone(3, 880), silence])
    pieces, held_out, heard = _pieces([Waveform(sound)], CLIP, CLIP, share=0.2)
    assert {round(peak(piece)) for piece in held_out} == {880}
    assert {round(peak(piece)) for piece in pieces} == {440} and sum(map(len, pieces)) > 12 * RATE
    assert heard / RATE == pytest.approx(15.2, abs=0.8)


def test_what_is_loud_at_its_end_alone_is_learnt_from_there():
    """Ticks that can be heard keep the silence before the music; nothing else is there to learn from."""
    ticks = torch.zeros(7, 2 * RATE)
    ticks[:, :10] = 0.3
    pieces, held_out, heard = _pieces([Waveform(torch.cat([*ticks, tone(2)]))], CLIP, CLIP, share=0.2)
    assert heard == 16 * RATE
    assert pieces and not held_out and {round(peak(piece)) for piece in pieces} == {440}


def test_an_hour_is_a_bounded_number_of_pieces():
    class Hour:
        samples = 3600 * RATE

        def blocks(self):
            block = tone(10)
            yield from (block for _ in range(360))

    pieces, held_out, heard = _pieces([Hour()], CLIP, CLIP, share=0.2)
    assert len(pieces) + len(held_out) < 64 and heard == Hour.samples
    notes = [Waveform(tone(0.1)) for _ in range(1000)]
    assert len(_pieces(notes, CLIP, CLIP, share=0.2)[0]) <= 48
    rare = Waveform(torch.cat([tone(0.4), torch.zeros(4 * RATE)]).repeat(60))
    assert 40 <= sum(map(len, _pieces([rare], CLIP, CLIP, share=0.2)[:2])) <= 49


@pytest.mark.parametrize("seconds", [0.06, 0.2])
def test_short_recordings_are_repeated(seconds):
    sound = tone(seconds) + 0.1
    train, valid = excerpts([Waveform(sound)], CODEC, MEL, FEW)
    assert valid is None and torch.isfinite(train.z).all() and len(train.z) == 6
    repeated = _looped(sound, CLIP)
    assert len(repeated) >= CLIP
    assert repeated.diff().abs().max() < 1.2 * sound.diff().abs().max()  # without clicks


def test_a_click_is_no_note():
    with pytest.raises(UserError, match="shorter than 0.05 s"):
        excerpts([Waveform(tone(0.01))], CODEC, MEL, FEW)


@pytest.mark.parametrize("level", [0.0, 1e-6])
def test_silence_is_refused(level):
    with pytest.raises(UserError, match="nothing can be heard"):
        excerpts([Waveform(tone(1, level=level)), Waveform(torch.zeros(100))], CODEC, MEL, FEW)
