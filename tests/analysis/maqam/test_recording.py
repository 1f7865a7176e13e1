import numpy as np
import pytest
import soundfile

from msdae.analysis.maqam.recording import analyse, ends, middles, name
from msdae.audio import pitch
from msdae.errors import UserError

RAST = (0, 200, 350, 0, 700, 500, 350, 200, 0, 0)  # cents


@pytest.mark.parametrize(
    ("cents", "label"), [(6000, "C4"), (6900, "A4"), (5012, "D3 +12 cents"), (6350.4, "E4 -50 cents")]
)
def test_names_of_pitches(cents, label):
    assert name(cents) == label


def test_first_and_last_third():
    assert ends(np.arange(10)).tolist() == [0, 1, 2, 7, 8, 9]
    assert ends(np.ones((4, 9))).shape == (4, 6)


def sung(cents=RAST, seconds=0.5, vibrato=0.0):
    """Tones of a bright sound above G3, (samples,) at 16 kHz. vibrato: cents either way."""
    time = np.arange(round(seconds * pitch.RATE)) / pitch.RATE
    swing = vibrato * np.sin(2 * np.pi * 5.5 * time)
    tones = []
    for tone in cents:
        phase = 2 * np.pi * np.cumsum(196 * 2 ** ((tone + swing) / 1200)) / pitch.RATE
        wave = sum(np.sin(number * phase) / number for number in range(1, 9))
        tones.append(0.3 * wave * np.minimum(1, 20 * np.minimum(time, time[::-1])))
    return np.concatenate(tones)


def analysed(path, waveform):
    soundfile.write(path, waveform, pitch.RATE, "PCM_24")
    return analyse(path)


def test_level_and_silence_at_the_ends_do_not_matter(tmp_path):
    """Regression: a soft recording had no steady pitch, and one with long silence no melody in its thirds."""
    plain = analysed(tmp_path / "a.wav", sung())
    assert plain.fits[0].maqam == "rast" and plain.tonic == pytest.approx(5500, abs=10)
    waits = np.pad(sung(), (20 * pitch.RATE, 8 * pitch.RATE))
    for waveform in (0.0005 * sung(), waits, 0.001 * waits):
        other = analysed(tmp_path / "b.wav", waveform)
        assert other.tonic == pytest.approx(plain.tonic, abs=10)
        found, expected = ([third and third.maqam for third in one.thirds] for one in (other, plain))
        assert found == expected and other.fits[0].maqam == "rast"
        hertz = [peak[0] for peak in other.dominant[1][:3]]
        assert hertz == pytest.approx([peak[0] for peak in plain.dominant[1][:3]], rel=0.01)
    with pytest.raises(UserError, match="is silent"):
        analysed(tmp_path / "b.wav", 0.00005 * sung())


@pytest.mark.parametrize("vibrato", [35.0, 60.0])
def test_a_singer_with_vibrato_has_a_melody(tmp_path, vibrato):
    """Regression: it was refused, as chords and drums are."""
    plain, sings = (analysed(tmp_path / "a.wav", sung(vibrato=cents)) for cents in (0.0, vibrato))
    assert sings.tonic == pytest.approx(plain.tonic, abs=15)
    assert sings.fits[0].maqam == plain.fits[0].maqam
    swings = sings.ornaments
    assert ((swings.vibrato_rate > 0) | (swings.trill_rate > 0)).mean() > 0.5
    noise = 0.1 * np.random.default_rng(0).standard_normal(5 * pitch.RATE)
    with pytest.raises(UserError, match="have a steady pitch, of 5.0 s"):
        analysed(tmp_path / "a.wav", noise)


def test_wide_trills_have_no_middle():
    time = np.arange(300) / pitch.FRAMES
    for extent, stays in ((40, False), (160, True)):
        cents = 6000 + extent * np.sin(2 * np.pi * 6 * time)
        assert np.array_equal(middles(cents), cents) == stays
        assert stays or np.abs(middles(cents)[20:-20] - 6000).max() < 8
