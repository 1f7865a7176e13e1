import pytest
import torch

from msdae.errors import UserError
from msdae.symbolic import instruments
from msdae.synthesis import sf2, soundfont

SCALE = [(0.0, 0.4, 60, 90), (0.5, 0.9, 64, 70), (1.0, 1.4, 67, 110)]
SECOND = 44100


def _render(notes=SCALE, program=0, samples=2 * SECOND):
    return soundfont.render(notes, soundfont.default(), program, samples)


def test_same_bytes_whatever_was_rendered_before():
    first = _render()
    _render([(0.0, 5.0, pitch, 127) for pitch in range(40, 90, 3)], program=48, samples=1000)
    assert torch.equal(_render(), first)


def test_sound_begins_and_ends_with_the_note():
    waveform = _render([(0.5, 1.0, 69, 100)], program=80)
    assert waveform.shape == (2 * SECOND,)
    assert waveform.dtype == torch.float32
    assert not waveform[: SECOND // 2].any()
    assert waveform[SECOND // 2 : SECOND // 2 + 2000].abs().max() > 0.01
    assert waveform[-SECOND // 4 :].abs().max() < 0.01 * waveform.abs().max()


def test_pitch_is_the_asked_one():
    waveform = _render([(0.0, 2.0, 69, 100)], program=73)
    spectrum = torch.fft.rfft(waveform[SECOND // 2 : SECOND // 2 + SECOND]).abs()
    assert abs(int(spectrum[100:2000].argmax()) + 100 - 440) <= 4


def test_order_of_the_notes_is_free_and_late_notes_are_not_heard():
    assert torch.equal(_render(SCALE[::-1]), _render())
    assert torch.equal(_render([*SCALE, (9.0, 9.5, 60, 100)]), _render())


def test_a_repeated_note_sounds_again():
    once = _render([(0.0, 0.5, 60, 100)], program=12)
    twice = _render([(0.0, 0.5, 60, 100), (0.5, 1.0, 60, 100)], program=12)
    struck = slice(SECOND // 2, SECOND // 2 + 4000)
    assert twice[struck].abs().max() > 3 * once[struck].abs().max()


def test_a_file_that_is_no_soundfont_is_refused(tmp_path):
    path = tmp_path / "bad.sf2"
    path.write_bytes(b"RIFF but not a SoundFont")
    with pytest.raises(UserError, match="bad.sf2: damaged .no SoundFont"):
        soundfont.render(SCALE, path, 0, 1000)
    with pytest.raises(UserError, match="missing.sf2: no such file"):
        soundfont.render(SCALE, tmp_path / "missing.sf2", 0, 1000)
    with pytest.raises(UserError, match="missing.sf2: no such file"):
        soundfont.fingerprint(tmp_path / "missing.sf2")


def without(path, *programs):
    """A copy of the default SoundFont whose presets of these programs are of another bank."""
    data = bytearray(soundfont.default().read_bytes())
    start = data.index(b"phdr") + 8
    for row in range(start, start + int.from_bytes(data[start - 4 : start], "little"), sf2.RECORDS["phdr"]):
        if int.from_bytes(data[row + 20 : row + 22], "little") in programs:
            data[row + 22 : row + 24] = (9).to_bytes(2, "little")
    path.write_bytes(data)
    return path


def test_instruments_that_a_soundfont_lacks_are_left_out(tmp_path, caplog):
    caplog.set_level("INFO")
    font = str(without(tmp_path / "some.sf2", 0, 76))
    voices, _ = instruments.voices([font, str(soundfont.default())], [])
    able = soundfont.able(voices)
    assert {voice.instrument.program for voice in voices if voice not in able} == {0, 76}
    assert all(voice.soundfont == font for voice in voices if voice not in able)
    assert "some.sf2: lacks 2 of" in caplog.text and caplog.text.count("lacks") == 1
    font = str(without(tmp_path / "none.sf2", *range(128)))
    with pytest.raises(UserError, match="none.sf2: has no General MIDI instrument"):
        soundfont.able(instruments.voices([font], [])[0])


def test_a_program_that_does_not_exist_is_refused():
    with pytest.raises(UserError, match="program 200 is not in this SoundFont"):
        _render(program=200)


def test_soundfonts_with_forged_tables_are_refused_before_they_are_played(tmp_path):
    """Regression: numbers that lead out of a table made the synthesiser read memory that is not its own."""
    font, path = soundfont.default().read_bytes(), tmp_path / "forged.sf2"
    bags, size = font.rfind(b"pbag"), font.rfind(b"smpl") + 4
    for name, place, forged in (
        ("leads out of its table", bags + 8 + 4 * 5, b"\xff\xff"),
        ("chunk of false size", size, b"\xff\xff\xff\xff"),
        ("leads out of the sound", font.rfind(b"shdr") + 8 + 24, b"\xff\xff\xff\xff"),
    ):
        path.write_bytes(font[:place] + forged + font[place + len(forged) :])
        with pytest.raises(UserError, match=f"forged.sf2: damaged .*{name}"):
            soundfont.render(SCALE, path, 0, 1000)
        path.unlink()
    path.write_bytes(font[: len(font) // 2])
    with pytest.raises(UserError, match="forged.sf2: damaged .cut short"):
        soundfont.render(SCALE, path, 0, 1000)
    path.unlink()
    path.mkdir()
    for read in (lambda: soundfont.fingerprint(path), lambda: soundfont.render(SCALE, path, 0, 1000)):
        with pytest.raises(UserError, match="forged.sf2: is a directory"):
            read()


def test_pitches_between_keys_are_tuned_and_leave_nothing_behind():
    before = _render()
    chord = [(0.0, 1.9, 69.3, 100), (0.0, 1.9, 76.8, 100)]
    spectrum = torch.fft.rfft(_render(chord, program=80)[SECOND // 2 : SECOND // 2 + SECOND]).abs()
    for pitch in (69.3, 76.8):
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        near = round(hertz) - 20
        assert abs(int(spectrum[near : near + 40].argmax()) + near - hertz) < 3
    assert torch.equal(_render(), before)


def test_a_held_note_keeps_its_tuning_however_many_others_follow():
    """Regression: a note between keys tuned what sixteen notes before had begun on its channel anew."""
    others = [(0.1 + 0.2 * n, 0.25 + 0.2 * n, 86.5 if n % 2 else 84.25, 60) for n in range(40)]
    waveform = _render([(0.0, 10.0, 60, 100), *others], program=16, samples=9 * SECOND)
    window = torch.hann_window(SECOND)
    spectra = [
        torch.fft.rfft(part * window).abs()[200:300] for part in (waveform[:SECOND], waveform[-SECOND:])
    ]
    assert [200 + int(spectrum.argmax()) for spectrum in spectra] == [262, 262]


def test_chunks_of_odd_size_may_lack_their_padding(tmp_path):
    font, path = soundfont.default().read_bytes(), tmp_path / "odd.sf2"
    place = font.index(b"smpl") + 4
    size = int.from_bytes(font[place : place + 4], "little")
    whole = int.from_bytes(font[4:8], "little")
    outer = font.rindex(b"LIST", 0, place) + 4
    length = int.from_bytes(font[outer : outer + 4], "little")
    longer = bytearray(font[: place + 4 + size] + b"x" + font[place + 4 + size :])
    for at, number in ((4, whole + 1), (outer, length + 1), (place, size + 1)):
        longer[at : at + 4] = number.to_bytes(4, "little")
    path.write_bytes(longer)
    sf2.check(path)
    longer.insert(place + 4 + size + 1, 0)
    longer[4:8], longer[outer : outer + 4] = (n.to_bytes(4, "little") for n in (whole + 2, length + 2))
    path.write_bytes(longer)
    sf2.check(path)
