import subprocess
import sys

import mir_eval
import numpy as np
import pretty_midi
import pytest
import soundfile
import torch

from msdae.errors import UserError
from msdae.evaluation.metrics import melody

MELODY = [(0.2, 0.7, 60), (0.9, 1.4, 64), (1.6, 2.1, 67), (2.3, 2.9, 72), (3.0, 3.6, 65)]


def tones(notes, seconds, sample_rate=44100):
    """Decaying tones of two partials with soft ends, as (samples,)."""
    time = torch.arange(int(seconds * sample_rate)) / sample_rate
    waveform = torch.zeros_like(time)
    for onset, offset, pitch in notes:
        local = time - onset
        phase = 2 * torch.pi * 440 * 2 ** ((pitch - 69) / 12) * local
        ends = (local / 0.005).clamp(0, 1) * ((offset - time) / 0.05).clamp(0, 1)
        waveform += torch.exp(-2 * local) * ends * (torch.sin(phase) + torch.sin(2 * phase) / 3)
    return 0.3 * waveform


def test_transcribes_a_known_melody():
    notes = melody.transcribe(tones(MELODY, 4.0), 44100)
    assert notes.shape[1] == 3
    assert melody.note_f1(np.array(MELODY), notes) == 1.0


def test_equals_the_packages_own_prediction(tmp_path):
    with melody._no_warnings():
        from basic_pitch import inference
    waveform = tones(MELODY, 4.0, melody.RATE)
    soundfile.write(tmp_path / "a.wav", waveform.numpy(), melody.RATE, subtype="FLOAT")
    package = sorted(note[:3] for note in inference.predict(tmp_path / "a.wav")[2])
    np.testing.assert_allclose(melody.transcribe(waveform, melody.RATE), package, atol=1e-9)


def test_takes_what_a_pipeline_takes(tmp_path):
    tune = tones(MELODY, 4.0)
    expected = melody.transcribe(tune, 44100)
    soundfile.write(tmp_path / "a.wav", tune.numpy(), 44100, subtype="FLOAT")
    stereo = np.stack([tune.numpy(), tune.numpy()])
    for sound in (
        tune.numpy(),
        stereo,
        torch.from_numpy(stereo),
        tmp_path / "a.wav",
        str(tmp_path / "a.wav"),
    ):
        np.testing.assert_allclose(melody.transcribe(sound, 44100), expected, atol=1e-9)
    for bad in (stereo.T, tmp_path / "b.wav", [0.1, 0.2]):
        with pytest.raises(UserError, match=r"give|no such file"):
            melody.transcribe(bad, 44100)


def test_a_batch_is_transcribed_as_each_recording_alone():
    tune, silence = tones(MELODY, 4.0), torch.zeros(3)
    waveforms = [tones(MELODY[:2], 1.6), silence, tones(MELODY, 9.0), silence[:0], tune]
    found = melody.transcribe_batch(waveforms, 44100)
    for waveform, notes in zip(waveforms, found, strict=True):
        np.testing.assert_array_equal(notes, melody.transcribe(waveform, 44100))
    assert [len(notes) for notes in found] == [2, 0, 5, 0, 5]
    assert melody.transcribe_batch([], 44100) == []


@pytest.mark.parametrize("samples", [0, 1, 3000, 100_000])
def test_silence_of_any_length_has_no_notes(samples):
    assert melody.transcribe(torch.zeros(samples), 44100).shape == (0, 3)


def test_does_not_load_tensorflow_or_print():
    code = (
        "import sys, torch; from msdae.evaluation.metrics.melody import transcribe; "
        "transcribe(torch.rand(44100) - 0.5, 44100); "
        "assert not any(name.split('.')[0] == 'tensorflow' for name in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr == ""


def test_f1_of_two_of_three_notes_is_the_closed_form():
    reference = np.array([(0.0, 0.5, 60), (1.0, 1.5, 62), (2.0, 2.5, 64)])
    estimated = np.array([(0.04, 0.2, 60), (1.0, 1.5, 63), (2.03, 2.9, 64), (3.0, 3.5, 70)])
    precision, recall = 2 / 4, 2 / 3
    assert melody.note_f1(reference, estimated) == pytest.approx(
        2 * precision * recall / (precision + recall)
    )
    assert melody.note_f1(reference, reference + [0.06, 0.06, 0]) == 0.0
    assert melody.note_f1(reference, reference + [0.06, 0.06, 0], onset_tolerance=0.1) == 1.0


def test_f1_equals_mir_evals_onset_and_pitch_scores():
    rng = np.random.default_rng(0)
    onsets = np.sort(rng.uniform(0, 10, 40))
    reference = np.stack([onsets, onsets + 0.3, rng.integers(50, 80, 40)], axis=1)
    estimated = reference + np.stack([rng.normal(0, 0.04, 40), rng.normal(0, 0.05, 40), np.zeros(40)], axis=1)
    hertz = pretty_midi.note_number_to_hz
    scores = mir_eval.transcription.evaluate(
        reference[:, :2], hertz(reference[:, 2]), estimated[:, :2], hertz(estimated[:, 2])
    )
    assert 0 < scores["F-measure_no_offset"] < 1
    assert melody.note_f1(reference, estimated) == pytest.approx(scores["F-measure_no_offset"])


def test_f1_of_nothing():
    none, some = np.zeros((0, 3)), np.array([(0.0, 0.5, 60)])
    assert melody.note_f1(none, none) == 1.0
    assert melody.note_f1(none, some) == melody.note_f1(some, none) == 0.0


def test_pitch_accuracy_takes_the_longest_note():
    notes = [np.array([(0, 2.0, 60), (1.9, 2.1, 72)]), np.array([(0, 1, 61)]), np.zeros((0, 3))]
    assert melody.pitch_accuracy([60, 60, 60], notes) == pytest.approx(1 / 3)
