import numpy as np
import pytest
import torch

from msdae.audio import pitch, temperament
from msdae.errors import UserError


@pytest.fixture
def network():
    pytest.importorskip("swift_f0")


def sawtooth(hertz, seconds=1.0, rate=44100):
    time = torch.arange(round(seconds * rate)) / rate
    return 0.5 * ((time * hertz) % 1 - 0.5)


@pytest.mark.parametrize("key", [45.5, 57.25, 69.0])
def test_quarter_tones(network, key):
    track = pitch.track(sawtooth(440 * 2 ** ((key - 69) / 12)), 44100)
    assert len(track.cents) == len(track.seconds) == pytest.approx(pitch.FRAMES, abs=2)
    assert np.nanmedian(track.cents) == pytest.approx(100 * key, abs=10)
    assert float(temperament.hertz(np.nanmedian(track.cents) / 100)) == pytest.approx(
        440 * 2 ** ((key - 69) / 12), rel=0.005
    )


def test_silence_and_noise_have_no_pitch(network):
    noise = torch.randn(44100, generator=torch.Generator().manual_seed(0))
    for waveform in (torch.zeros(44100), 0.1 * noise):
        assert np.isnan(pitch.track(waveform, 44100).cents).mean() > 0.9
    tail = torch.cat([sawtooth(220), 1e-3 * sawtooth(330)])
    assert np.isnan(pitch.track(tail, 44100).cents[-30:]).all()


def test_without_the_network(monkeypatch):
    monkeypatch.setattr(pitch, "detector", lambda: None)
    with pytest.raises(UserError, match=r"pip install 'msdae\[judges\]'"):
        pitch.track(sawtooth(220), 44100)


def test_runs_of_marked_frames():
    assert pitch.runs(np.array([1, 1, 0, 1, 0, 0, 1], bool)) == [(0, 2), (3, 4), (6, 7)]
    assert pitch.runs(np.zeros(4, bool)) == pitch.runs(np.zeros(0, bool)) == []
