import pytest
import torch

from msdae.evaluation.metrics import f0

NOTES = [(0.0, 0.5, 57, 100), (0.5, 1.0, 60, 100)]


def tones(*pitches):
    """Half a second of a sawtooth a pitch."""
    time = torch.arange(22050) / 44100
    return torch.cat([0.5 * ((time * 440 * 2 ** ((pitch - 69) / 12)) % 1 - 0.5) for pitch in pitches])


@pytest.fixture
def network():
    pytest.importorskip("swift_f0")


@pytest.mark.parametrize(
    ("pitches", "low", "high"),
    [((57, 60), 0.9, 1.0), ((57.3, 60.3), 0.9, 1.0), ((57, 62), 0.4, 0.6), ((58, 61), 0, 0.1)],
)
def test_frames_within_fifty_cents(network, pitches, low, high):
    assert low <= f0.raw_pitch_accuracy(NOTES, tones(*pitches), 44100) <= high


def test_silence_is_wrong(network):
    assert f0.raw_pitch_accuracy(NOTES, torch.zeros(44100), 44100) == 0.0


def test_it_says_nothing_without_notes_or_network(network, monkeypatch):
    assert f0.raw_pitch_accuracy([], tones(57), 44100) is None
    monkeypatch.setattr(f0, "_detector", lambda: None)
    assert f0.raw_pitch_accuracy(NOTES, tones(57, 60), 44100) is None and not f0.available()


def test_shared_pitch(network, monkeypatch):
    source = torch.cat([tones(57, 60), torch.zeros(22050)])
    assert f0.shared_pitch(source, source, 44100) == 1
    assert 0.4 < f0.shared_pitch(source, tones(57, 61), 44100) < 0.6
    assert 0.4 < f0.shared_pitch(source, tones(57), 44100) < 0.6
    assert f0.shared_pitch(torch.zeros(44100), source, 44100) is None
    monkeypatch.setattr(f0, "_detector", lambda: None)
    assert f0.shared_pitch(source, source, 44100) is None
