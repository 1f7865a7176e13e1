import mido
import pytest
import torch

from msdae.synthesis.keyboard import Keyboard

RATE = 44100


@pytest.fixture
def keyboard():
    return Keyboard()


def pitch(waveform: torch.Tensor) -> float:
    """Hz of the loudest partial."""
    spectrum = torch.fft.rfft(waveform * torch.hann_window(len(waveform))).abs()
    return float(spectrum.argmax()) * RATE / len(waveform)


def test_a_key_sounds_until_it_is_released(keyboard):
    assert not keyboard(512).any()
    keyboard.tell(mido.Message("note_on", note=69, velocity=127))
    sound = torch.cat([keyboard(512) for _ in range(60)])
    assert pitch(sound) == pytest.approx(440, rel=0.01) and 0.05 < sound.abs().max() < 1
    keyboard.tell(mido.Message("note_on", note=69, velocity=0))
    keyboard(RATE)
    assert keyboard(512).abs().max() < 0.02 * sound.abs().max()


def test_a_key_has_its_pitch_at_another_rate():
    keyboard = Keyboard(48000)
    keyboard.tell(mido.Message("note_on", note=69, velocity=127))
    sound = torch.cat([keyboard(512) for _ in range(60)])
    assert pitch(sound) * 48000 / RATE == pytest.approx(440, rel=0.01)


def test_the_pedal_holds_and_the_wheel_bends(keyboard):
    keyboard.tell(mido.Message("control_change", control=64, value=127))
    keyboard.tell(mido.Message("note_on", note=69, velocity=127))
    loud = keyboard(RATE // 4).abs().max()
    keyboard.tell(mido.Message("note_off", note=69))
    keyboard(RATE // 2)
    assert keyboard(RATE // 4).abs().max() > 0.1 * loud
    keyboard.tell(mido.Message("control_change", control=64, value=0))
    keyboard.tell(mido.Message("program_change", program=3))  # says nothing
    keyboard(RATE)
    keyboard.tell(mido.Message("note_on", note=69, velocity=127))
    keyboard.tell(mido.Message("pitchwheel", pitch=8191))
    keyboard(2048)
    assert pitch(keyboard(RATE // 2)) == pytest.approx(440 * 2 ** (2 / 12), rel=0.01)


def test_a_key_that_is_struck_again_while_the_pedal_holds_it_ends_with_the_pedal():
    """Regression: the stroke before sounded on, of an organ for ever."""
    keyboard = Keyboard(player="organ")
    keyboard.tell(mido.Message("control_change", control=64, value=127))
    for _ in range(3):
        keyboard.tell(mido.Message("note_on", note=69, velocity=127))
        keyboard(RATE // 10)
        keyboard.tell(mido.Message("note_off", note=69))
        assert keyboard(RATE // 10).abs().max() > 0.05
    keyboard.tell(mido.Message("control_change", control=64, value=0))
    keyboard(RATE)
    assert keyboard(512).abs().max() < 1e-3


@pytest.mark.parametrize("control", [120, 123])
def test_a_panic_button_ends_all(control):
    """Regression: a key whose release was lost sounded on, of an organ for ever."""
    keyboard = Keyboard(player="organ")
    keyboard.tell(mido.Message("control_change", control=64, value=127))
    for note in (57, 69):
        keyboard.tell(mido.Message("note_on", note=note, velocity=127))
    keyboard.tell(mido.Message("note_off", note=57))
    assert keyboard(RATE // 10).abs().max() > 0.02
    keyboard.tell(mido.Message("control_change", control=control))
    keyboard(RATE)
    assert keyboard(RATE // 10).abs().max() < 1e-3


@pytest.mark.parametrize("control", [7, 11])
def test_volume_and_expression_make_it_softer(control):
    """Regression: a pedal or fader of the keyboard had no effect."""
    keyboard = Keyboard(player="organ")
    keyboard.tell(mido.Message("note_on", note=69, velocity=127))
    loud = keyboard(RATE // 4).abs().max()
    keyboard.tell(mido.Message("control_change", control=control, value=32))
    keyboard(2048)
    assert 0 < keyboard(RATE // 4).abs().max() < 0.2 * loud


def test_a_reset_centres_the_wheel_and_lifts_the_pedals():
    keyboard = Keyboard(player="organ")  # whose loudest partial is an octave below the key
    for control, value in ((64, 127), (11, 1)):
        keyboard.tell(mido.Message("control_change", control=control, value=value))
    keyboard.tell(mido.Message("pitchwheel", pitch=8191))
    keyboard.tell(mido.Message("control_change", control=121))
    keyboard.tell(mido.Message("note_on", note=69, velocity=127))
    keyboard(2048)
    sound = keyboard(RATE // 2)
    assert pitch(sound) == pytest.approx(220, rel=0.01) and sound.abs().max() > 0.05
    keyboard.tell(mido.Message("note_off", note=69))
    keyboard(RATE)
    assert keyboard(512).abs().max() < 1e-3
