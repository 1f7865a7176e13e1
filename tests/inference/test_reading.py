import pytest
import torch

from msdae.audio import temperament
from msdae.audio.levels import Levelled
from msdae.audio.periods import periods
from msdae.audio.windows import Resampled, Waveform
from msdae.inference import reading
from msdae.inference.reading import at_once, covered
from msdae.inference.sources import Voice, melody_source
from msdae.symbolic.notes import Note
from msdae.synthesis.players import play

RATE = 44100
TUNE = [Note(0.5 * n, 0.5 * n + 0.45, pitch, 90) for n, pitch in enumerate([79, 83, 81, 86, 84, 79, 83, 81])]
BASS = [Note(float(n), n + 0.95, pitch, 90) for n, pitch in enumerate([48, 53, 55, 50])]


def sound(voice):
    return torch.cat(list(voice.blocks()))


def test_a_line_is_one_voice_and_a_tune_over_a_bass_are_two():
    for notes, count in ((TUNE, 1), ([*TUNE, *BASS], 2)):
        source = melody_source(play(notes), RATE)
        voices = reading.voices(source, 3)
        assert len(voices) == count
        assert all(len(sound(voice)) == voice.samples == source.samples for voice in voices)
    [both] = reading.voices(source, 1)
    assert sound(both).abs().max() > 0.1


def test_what_is_played_is_as_loud_over_time_as_the_source():
    waveform = play(TUNE, player="violin")
    waveform[: len(waveform) // 2] *= 0.2
    source = melody_source(waveform, RATE)
    [voice] = reading.voices(source, 3)
    levels = [
        one.square().view(-1, 2048).mean(dim=1)[5:-30:10]
        for one in (sound(voice)[: 80 * 2048], sound(source)[: 80 * 2048])
    ]
    difference = 10 * (levels[0] / levels[1]).log10()
    assert difference.abs().median() < 3


@pytest.mark.parametrize(
    "noise", [torch.randn(3 * RATE, generator=torch.Generator().manual_seed(0)) / 10, torch.zeros(3 * RATE)]
)
def test_noise_and_silence_are_not_read(noise):
    assert reading.voices(Levelled(Waveform(noise), RATE), 3) == []


def test_a_single_note_is_not_read():
    """The model reads its pitch as well from the recording, and hears more of how it begins."""
    source = melody_source(play([Note(0.0, 2.0, 60, 90)]), RATE)
    assert reading.voices(source, 3) == []
    [voice] = reading.voices(source, 3, transpose=7)
    assert periods(voice, RATE).hertz.median() == pytest.approx(temperament.hertz(67), rel=0.002)


def test_parts_of_a_long_recording_join(monkeypatch):
    source = melody_source(play([*TUNE, *BASS]), RATE)
    whole = [sound(voice) for voice in reading.voices(source, 2)]
    monkeypatch.setattr(reading, "PART", 1)
    parts = [sound(voice) for voice in reading.voices(source, 2)]
    for one, other in zip(whole, parts, strict=True):
        assert (one - other).abs().max() < 0.02 * one.abs().max()


def test_sources_of_another_rate_are_read(tmp_path):
    source = Levelled(Resampled(Waveform(play(TUNE)), RATE, 22050), 22050)
    [voice] = reading.voices(source, 3)
    assert voice.samples == source.samples and voice.rate == 22050


def test_a_line_whose_notes_ring_on_is_one_voice():
    ringing = [note._replace(offset=note.offset + 0.3) for note in TUNE]
    assert at_once(ringing) > 0.1 and at_once(reading.stopped(ringing)) == 0
    assert [note.offset for note in reading.stopped(ringing)] == [*(n.onset for n in TUNE[1:]), 4.25]
    held = sorted([*TUNE, *BASS])
    assert reading.stopped(held) == held  # these end together
    assert reading.stopped([]) == []
    legato = [note._replace(offset=note.offset + 0.18) for note in TUNE]
    assert len(reading.voices(melody_source(play(legato, player="piano"), RATE), 3)) == 1


def test_shares():
    assert at_once([]) == at_once(TUNE) == at_once([Note(0.0, 0.05, 60, 90), *TUNE[1:]]) == 0
    assert at_once([*TUNE, *BASS]) > 0.5
    source = Levelled(Waveform(play(TUNE)), RATE)
    assert covered(TUNE, source) > 0.9 and covered(TUNE[:4], source) < 0.6 and covered([], source) == 0


def test_a_line_that_glides_as_singers_do_is_read_only_to_transpose_it():
    """Each note begins half an octave lower."""
    second = torch.arange(6 * RATE, dtype=torch.double) / RATE
    scoops = -6 * (1 - second % 0.5 / 0.18).clamp(0, 1)
    keys = torch.tensor([60, 64, 62, 65, 60, 67], dtype=torch.double).repeat(2).repeat_interleave(RATE // 2)
    tuned = [keys, keys + scoops]
    steady, sung = (
        sum(
            0.1 / n * torch.sin(n * 2 * torch.pi * temperament.hertz(pitches).cumsum(0) / RATE)
            for n in (1, 2, 3)
        )
        for pitches in tuned
    )
    assert [type(voice) for voice in melody_source(steady.float(), RATE).voices(3)] == [Voice]
    source = melody_source(sung.float(), RATE)
    assert source.voices(3) == [source]
    assert [type(voice) for voice in source.voices(3, transpose=12)] == [Voice]
