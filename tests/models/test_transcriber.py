import numpy as np
import pytest
import torch

from msdae import checkpoint
from msdae.audio.windows import Waveform
from msdae.errors import UserError
from msdae.models import transcriber
from msdae.models.transcriber import (
    EMPTY,
    FULL,
    HOP,
    KEYS,
    SAMPLE_RATE,
    STEPS,
    TOGETHER,
    Transcriber,
    decoded,
)
from msdae.symbolic.notes import Note
from msdae.synthesis import soundfont

FRAME = HOP / SAMPLE_RATE
PIANO, FLUTE = 0, 73


@pytest.fixture(scope="module")
def shipped():
    return transcriber.load()


def played(notes, program=PIANO, seconds=3.0):
    """The waveform of notes (onset, offset, pitch) by TimGM6mb, at the level that is read."""
    made = [Note(onset, offset, pitch, 90) for onset, offset, pitch in notes]
    rendered = soundfont.render(made, soundfont.default(), program, int(seconds * SAMPLE_RATE))
    return Waveform(0.6 * rendered / rendered.abs().max())


def found(expected, notes):
    """Whether the notes are the expected ones, at most 50 ms early or late."""
    pairs = zip(*(sorted((note[2], note[0]) for note in some) for some in (expected, notes)), strict=True)
    return all(one[0] == other[0] and abs(one[1] - other[1]) < 0.05 for one, other in pairs)


def probabilities(frames=40):
    return np.zeros((3, frames, len(KEYS)), np.float32)


def test_a_sine_is_in_the_middle_bin_of_its_key():
    time = torch.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    network = Transcriber()
    for pitch in (40, 69, 100):
        bins = network.bins(torch.sin(2 * torch.pi * 440 * 2 ** ((pitch - 69) / 12) * time)[None])
        assert bins.shape == (1, 2, 1 + len(time) // HOP, STEPS * (transcriber.HIGHEST - KEYS.start))
        middle = bins[0, 0, 40]
        assert abs(int(middle.argmax()) - 1 - STEPS * (pitch - KEYS.start)) <= 1
        assert FULL - 0.4 < middle.max() < FULL + 0.1
    assert (network.bins(torch.zeros(1, SAMPLE_RATE)) == EMPTY).all()


def test_parts_give_what_the_whole_gives(shipped):
    waveform = 0.1 * torch.randn((2 * TOGETHER + 50) * HOP + 77, generator=torch.Generator().manual_seed(0))
    parts = torch.cat(list(shipped._read(Waveform(waveform))), dim=1)[:2]
    with torch.inference_mode():
        whole = shipped(shipped.bins(waveform[None]))[0].sigmoid()
    assert parts.shape == whole.shape
    torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-5)


def test_notes_begin_at_their_peaks_and_end_where_they_fall_silent():
    onsets, sounding, levels = probabilities()
    onsets[9:12, 3] = 0.4, 0.9, 0.6  # nearer to the frame behind
    sounding[10:20, 3] = 0.8
    sounding[15, 3] = 0.1  # one frame alone ends nothing
    (note,) = decoded(onsets, sounding, levels)
    assert note[2] == KEYS[3] and 10 * FRAME < note[0] < 10.5 * FRAME
    assert note[1] == pytest.approx(20 * FRAME, abs=FRAME)


def test_repeated_notes_end_where_the_next_begins():
    onsets, sounding, levels = probabilities()
    onsets[[5, 15], 7] = 0.9
    sounding[5:30, 7] = 1.0
    first, second = decoded(onsets, sounding, levels)
    assert first[1] == pytest.approx(15 * FRAME) and second[0] == pytest.approx(15 * FRAME)


def test_equal_onsets_side_by_side_are_one_note():
    onsets, sounding, levels = probabilities()
    onsets[10:12, 7] = 0.9
    sounding[10:20, 7] = 1.0
    onsets[2:4, 9] = 0.9
    sounding[2, 9] = 1.0  # too short
    assert [note[2] for note in decoded(onsets, sounding, levels)] == [KEYS[7]]


def test_velocities_tell_how_loud_notes_are():
    onsets, sounding, levels = probabilities()
    for start, key, level in ((2, 7, -20.0), (8, 20, -35.0), (20, 30, -50.0)):
        onsets[start, key], sounding[start : start + 5, key] = 0.9, 0.9
        levels[start + 2, key] = level
        levels[levels == 0] = -100.0
    loud, soft, softest = (note.velocity for note in decoded(onsets, sounding, levels))
    assert loud > soft > softest >= 1


def test_soft_notes_of_a_chord_have_lower_velocities(shipped):
    notes = [Note(0.1, 1.5, 48, 45), Note(0.1, 1.5, 55, 45), Note(0.1, 1.5, 76, 110)]
    rendered = soundfont.render(notes, soundfont.default(), PIANO, 2 * SAMPLE_RATE)
    read = shipped.transcribe(Waveform(0.6 * rendered / rendered.abs().max()))
    velocities = {note.pitch: note.velocity for note in read}
    assert velocities[76] > 1.2 * max(velocities[48], velocities[55])


def test_improbable_and_silent_onsets_are_no_notes():
    onsets, sounding, levels = probabilities()
    onsets[10, 7], sounding[10:20, 7] = 0.45, 1.0
    onsets[10, 9] = 0.9
    assert decoded(onsets, sounding, levels) == [] and decoded(*probabilities(1)) == []


def test_the_transcriber_that_ships_reads_chords_and_a_tune_over_a_bass(shipped):
    first, second = (48, 55, 64), (53, 60, 65, 69)
    chords = [(0.1, 1.3, pitch) for pitch in first] + [(1.5, 2.8, pitch) for pitch in second]
    assert found(chords, shipped.transcribe(played(chords)))
    tune = [(0.1 + 0.4 * n, 0.45 + 0.4 * n, pitch) for n, pitch in enumerate((76, 74, 72, 77, 79, 76))]
    bass = [(0.1, 1.2, 48), (1.3, 2.5, 43)]
    assert found(tune + bass, shipped.transcribe(played(tune + bass)))
    assert found(tune, shipped.transcribe(played(tune, FLUTE)))


def test_silence_has_no_notes(shipped):
    assert shipped.transcribe(Waveform(torch.zeros(SAMPLE_RATE))) == []


def test_a_saved_transcriber_is_read_again(shipped, tmp_path):
    path = tmp_path / "t.safetensors"
    transcriber.save(shipped, path, {"clips": 3})
    again = transcriber.load(path)
    torch.testing.assert_close(again.state_dict(), shipped.state_dict())
    assert checkpoint.read_header(path, transcriber.KIND)["provenance"] == {"clips": 3}
    assert not any(parameter.requires_grad for parameter in again.parameters()) and not again.training


def test_files_of_another_kind_are_refused(shipped, tmp_path):
    path = tmp_path / "t.safetensors"
    with pytest.raises(UserError, match="no such file"):
        transcriber.load(path)
    checkpoint.save(path, "prior", shipped.state_dict(), {})
    with pytest.raises(UserError, match="holds a prior, expected a transcriber"):
        transcriber.load(path)
    checkpoint.save(path, transcriber.KIND, {"weight": torch.zeros(1)}, {})
    with pytest.raises(UserError, match="t.safetensors: its tensors do not fit.*train_transcriber.py"):
        transcriber.load(path)
