import logging
import struct
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from msdae.audio import temperament
from msdae.errors import UserError
from msdae.symbolic.notes import Note
from msdae.synthesis import pitch, sampler

RATE = 44100
SCALE = ("C", "Cs", "D", "Ds", "E", "F", "Fs", "G", "Gs", "A", "As", "B")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """Measured pitches are kept in a folder of the test."""
    monkeypatch.setenv("MSDAE_HOME", str(tmp_path_factory.mktemp("home")))


def _save(path, key, seconds=1.0, rate=RATE, level=0.5, silence=0.0):
    """Write a sawtooth of a MIDI pitch after some silence."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * rate)) / rate
    tone = sum(np.sin(2 * np.pi * k * temperament.hertz(key) * time) / k for k in range(1, 6))
    soundfile.write(path, level * np.concatenate([np.zeros(round(silence * rate)), tone / 2]), rate)


def _sfz(folder, text):
    folder.mkdir(exist_ok=True)
    (folder / "piano.sfz").write_text(text)
    (instrument,) = sampler.instruments(folder)
    return instrument


def _loudness(waveform, start, end):
    return float(np.sqrt(np.mean(waveform[round(start * RATE) : round(end * RATE)] ** 2)))


@pytest.fixture
def simple(tmp_path):
    """An instrument of one sample, four seconds of C4 at another rate than ours."""
    _save(tmp_path / "lib" / "a.wav", 60, 4.0, 32000)
    return _sfz(tmp_path / "lib", "<region> sample=a.wav lokey=36 hikey=84 ampeg_release=0.2")


@pytest.mark.parametrize("key", [36, 59, 60, 73, 84])
def test_notes_have_the_pitch_that_they_are_asked_for(simple, key):
    waveform = sampler.render([Note(0.2, 1.0, key, 100)], simple, 2 * RATE)
    assert waveform.dtype == np.float32 and waveform.shape == (2 * RATE,)
    assert pitch.measure(waveform, RATE, key) == pytest.approx(key, abs=0.1)
    assert not waveform[: round(0.199 * RATE)].any() and _loudness(waveform, 0.2, 0.21) > 0.01
    assert _loudness(waveform, 1.3, 2.0) < 1e-3 < _loudness(waveform, 0.85, 0.95)


def test_the_noise_of_a_plectrum_is_no_onset(tmp_path):
    rng = np.random.default_rng(0)
    for key, name in ((60, "C4"), (67, "G4")):
        _save(tmp_path / "lib" / f"lute_{name}.wav", key, silence=0.2)
        waveform, _ = soundfile.read(tmp_path / "lib" / f"lute_{name}.wav")
        waveform[: round(0.19 * RATE)] += rng.uniform(-0.05, 0.05, round(0.19 * RATE))
        soundfile.write(tmp_path / "lib" / f"lute_{name}.wav", waveform, RATE)
    (instrument,) = sampler.instruments(tmp_path / "lib")
    waveform = sampler.render([Note(0.0, 0.5, 60, 127)], instrument, RATE)
    assert _loudness(waveform, 0.02, 0.05) > 0.5 * _loudness(waveform, 0.1, 0.3)


def test_high_transpositions_do_not_alias(tmp_path):
    _save(tmp_path / "lib" / "a.wav", 96, 1.0)
    instrument = _sfz(tmp_path / "lib", "<region> sample=a.wav pitch_keycenter=96")
    waveform = sampler.render([Note(0.0, 0.4, 115, 127)], instrument, RATE // 4)
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    assert spectrum[: round(6000 / 4)].max() < 1e-3 * spectrum.max()  # 6.27 kHz is the fundamental


def test_velocities_take_their_layer_and_its_gain(tmp_path):
    for name, level in (("soft", 0.1), ("loud", 0.8)):
        _save(tmp_path / "lib" / f"{name}.wav", 60, level=level)
    instrument = _sfz(tmp_path / "lib", "<region> sample=soft.wav hivel=63 <region> sample=loud.wav lovel=64")
    levels = [
        np.abs(sampler.render([Note(0, 1, 60, v)], instrument, RATE // 2)).max() for v in (30, 60, 64, 127)
    ]
    gains = np.array([0.1, 0.1, 0.8, 0.8]) * (np.array([30, 60, 64, 127]) / 127) ** 2
    assert levels / gains == pytest.approx(levels[0] / gains[0], rel=0.02)


def test_takes_alternate_and_the_seed_says_which_is_first(tmp_path):
    for key in (60, 64):
        _save(tmp_path / "lib" / f"{key}.wav", key)
    text = "<region> sample=60.wav seq_position=1 <region> sample=64.wav seq_position=2"
    instrument = _sfz(tmp_path / "lib", "<global> seq_length=2 " + text)
    notes = [Note(0.5 * i, 0.5 * i + 0.4, 60, 100) for i in range(4)]
    first = set()
    for seed in "abcdef":
        waveform = sampler.render(notes, instrument, 2 * RATE, seed)
        assert np.array_equal(waveform, sampler.render(notes, instrument, 2 * RATE, seed))
        peaks = [np.abs(np.fft.rfft(part[:16000])).argmax() * RATE / 16000 for part in np.split(waveform, 4)]
        heard = [round(12 * np.log2(peak / temperament.hertz(60))) for peak in peaks]
        assert heard in ([0, 4, 0, 4], [4, 0, 4, 0])
        first.add(heard[0])
    assert first == {0, 4}


@pytest.mark.parametrize(
    ("mode", "late"), [("loop_continuous", True), ("loop_sustain", True), ("no_loop", False)]
)
def test_loops_hold_long_notes_and_other_samples_end_by_themselves(tmp_path, mode, late):
    _save(tmp_path / "lib" / "a.wav", 69, 0.5)  # 440 Hz: 100 periods are 10023 samples
    instrument = _sfz(
        tmp_path / "lib", f"<region> sample=a.wav key=69 loop_mode={mode} loop_start=5000 loop_end=15022"
    )
    waveform = sampler.render([Note(0.0, 2.0, 69, 100)], instrument, 3 * RATE)
    assert (_loudness(waveform, 1.7, 1.9) > 0.05) == late and not waveform[round(2.6 * RATE) :].any()
    if late:
        assert pitch.measure(waveform[RATE : 2 * RATE], RATE, 69) == pytest.approx(69, abs=0.05)


@pytest.mark.parametrize(
    ("text", "header", "late"),
    [
        ("", True, True),
        ("loop_mode=loop_sustain", True, True),
        ("loop_mode=no_loop", True, False),
        ("", False, False),
        ("loop_mode=Loop_Continuous", False, True),
        ("loop_mode=loop_continuous loop_start=5000", False, True),
        ("loop_start=5000 loop_end=15022", False, True),
        ("loop_start=5000 loop_end=15023", False, True),
    ],
)
def test_loops_are_those_of_the_text_then_of_the_header_then_the_whole_sample(tmp_path, text, header, late):
    path = tmp_path / "lib" / "a.wav"
    _save(path, 69, 15023 / RATE)
    if header:
        fields = struct.pack("<15I", *(0, 0, 0, 69, 0, 0, 0, 1, 0), *(0, 0, 5000, 15022, 0, 0))
        data = path.read_bytes() + b"smpl" + struct.pack("<I", len(fields)) + fields
        path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    instrument = _sfz(tmp_path / "lib", f"<region> sample=a.wav key=69 {text}")
    waveform = sampler.render([Note(0.0, 1.0, 69, 100)], instrument, RATE)
    assert (_loudness(waveform, 0.7, 0.9) > 0.05) == late


@pytest.mark.parametrize(
    ("text", "sounding"), [("", 69), ("key=60", 60), ("lokey=40 hikey=80", 69), ("note_offset=12", 69)]
)
def test_a_sample_that_is_the_centre_has_the_pitch_of_its_header(tmp_path, text, sounding):
    """Regression: it was taken for middle C, or for the region's key."""
    path = tmp_path / "lib" / "a.wav"
    _save(path, 69, 1.0)
    fields = struct.pack("<9I", 0, 0, 0, 69, 0, 0, 0, 0, 0)
    data = path.read_bytes() + b"smpl" + struct.pack("<I", len(fields)) + fields
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    control = f"<control> {text} " if "offset" in text else ""
    instrument = _sfz(tmp_path / "lib", f"{control}<region> sample=a.wav pitch_keycenter=sample {text}")
    waveform = sampler.render([Note(0.0, 0.8, sounding, 100)], instrument, RATE)
    assert pitch.measure(waveform[: RATE // 2], RATE, sounding) == pytest.approx(sounding, abs=0.1)


def test_slurred_notes_overlap_and_others_do_not(simple):
    def between(pause):
        notes = [Note(0.0, 0.5, 60, 100), Note(0.5 + pause, 1.0, 67, 100)]
        alone = sampler.render(notes[1:], simple, RATE)
        return _loudness(sampler.render(notes, simple, RATE) - alone, 0.5, 0.53)

    assert between(0.0) > 1.5 * between(0.1) > 0


def test_folders_carry_pitch_dynamics_and_takes_in_their_names(tmp_path):
    for key, name in ((48, "C3"), (52, "E3"), (58, "As3"), (61, "Db4")):
        _save(
            tmp_path / "flutes" / "flute" / f"flute_{name}_15_forte_normal.wav", key + 0.2, 0.6, silence=0.3
        )
        _save(tmp_path / "flutes" / "flute" / f"flute_{name}_15_pianissimo_normal.wav", key, 0.6, level=0.1)
    _save(tmp_path / "flutes" / "flute" / "flute_C3_025_forte_normal.wav", 48, 0.1)  # too short to alternate
    (instrument,) = sampler.instruments(tmp_path / "flutes")
    assert (instrument.name, instrument.low, instrument.high) == ("flutes/flute", 46, 63)
    assert not instrument.polyphonic and len(sampler.regions_of(instrument)) == 8
    for key, velocity, name in (
        (49, 40, "C3_15_pp"),
        (51, 100, "E3_15_f"),
        (61, 64, "Db4_15_p"),
        (63, 127, "Db4_15_f"),
    ):
        (region,) = sampler.choose(sampler.regions_of(instrument), key, velocity)
        assert region.sample.name.replace("pianissimo", "pp").startswith(f"flute_{name}"), key
        waveform = sampler.render([Note(0.0, 0.5, key, velocity)], instrument, RATE)
        assert pitch.measure(waveform, RATE, key) == pytest.approx(key, abs=0.1)
        assert _loudness(waveform, 0.0, 0.05) > 0.003  # the silence before the onset is left out


@pytest.mark.parametrize(
    "names",
    [
        ["A_029__F1_3", "A_034_As1_3", "A_041__F2_3", "A_046_As2_1"],
        ["MartinGM2_029__F1_1", "MartinGM2_034_Bb1_1", "MartinGM2_041__F2_1", "MartinGM2_046_Bb2_1"],
        ["Piano-F1", "Piano-A#1", "Piano-F2", "Piano-Bb2"],
        [
            "killer_bass_f1_vl3_rr1",
            "killer_bass_bb1_vl3_rr1",
            "killer_bass_f2_vl3_rr1",
            "killer_bass_bb2_vl3_rr2",
        ],
        ["pno_029_v3", "pno_034_v3", "pno_041_v3", "pno_046_v3"],
        ["take_12", "take_13", "take_14", "take_15"],  # no pitches
        ["Sus_F0", "Sus_As0", "Sus_F1", "Sus_As1"],  # C3 is 60 there
        ["grand_F2v16", "grand_As2v16", "grand_F3v16", "grand_As3v16"],  # C5 is 60 there
        ["a", "b", "c", "d"],
        ["x_A1", "x_As1", "x_F2", "x_As2"],  # the first is an F
    ],
)
def test_pitches_are_those_that_sound_whatever_the_names_count(tmp_path, names):
    for name, key in zip(names, (29, 34, 41, 46), strict=True):
        _save(tmp_path / "lib" / f"{name}.flac", key, 1.0)
    (instrument,) = sampler.instruments(tmp_path / "lib")
    assert (instrument.low, instrument.high) == (27, 48)
    regions = sorted(sampler.regions_of(instrument), key=lambda region: region.centre)
    assert [region.centre for region in regions] == pytest.approx([29, 34, 41, 46], abs=0.1)


def test_a_name_that_the_sound_does_not_confirm_is_believed_where_no_name_is(tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE)
    for name, others in (("horn", range(48, 60)), ("rattle", ())):
        for key in others:
            _save(tmp_path / name / f"{name}_{SCALE[key - 48]}3.wav", key)
        for octave in "45":
            (tmp_path / name).mkdir(exist_ok=True)
            soundfile.write(tmp_path / name / f"{name}_C{octave}.wav", noise * int(octave) / 10, RATE)
    (tmp_path / "horn" / "horn_C5.wav").unlink()
    horn, rattle = sampler.instruments(tmp_path)
    assert (horn.high, rattle.low, rattle.high) == (61, 58, 74)


@pytest.mark.parametrize("measured", [True, False])
def test_numbers_in_names_that_no_sound_confirms_are_no_pitches(tmp_path, monkeypatch, measured):
    """Regression: noises whose names tell their lengths, "_025_", played melodies."""
    (tmp_path / "drum").mkdir()
    for seed in range(2):
        noise = 0.1 * np.random.default_rng(seed).standard_normal(RATE)
        soundfile.write(tmp_path / "drum" / f"drum_025_{seed}.wav", noise, RATE)
    if measured:
        with pytest.raises(UserError, match="no sample that can be read and has a pitch"):
            sampler.instruments(tmp_path)
    else:  # names are all there is
        monkeypatch.setattr(pitch, "load_librosa", lambda: None)
        assert [instrument.low for instrument in sampler.instruments(tmp_path)] == [23]


@pytest.mark.parametrize("order", ["{dynamics}_piano_{note}", "piano_{dynamics}_{note}", "{note} {dynamics}"])
def test_an_instrument_named_piano_has_the_dynamics_that_vary(tmp_path, order):
    for dynamics in ("ff", "pp"):
        for key, note in ((60, "C4"), (64, "E4")):
            _save(tmp_path / "lib" / f"{order.format(dynamics=dynamics, note=note)}.wav", key)
    (instrument,) = sampler.instruments(tmp_path / "lib")
    regions = sampler.regions_of(instrument)
    assert {region.velocities for region in regions if "pp" in region.sample.name} == {(0, 72)}
    assert {region.velocities for region in regions if "ff" in region.sample.name} == {(73, 127)}


def test_articulations_are_instruments_of_their_own(tmp_path):
    for style in ("arco-normal", "pizz-normal"):
        for key, name in ((48, "C3"), (52, "E3"), (55, "G3"), (60, "C4")):
            _save(tmp_path / "cello" / f"cello_{name}_15_forte_{style}.wav", key)
    _save(tmp_path / "cello" / "cello_C4_15_forte_snap-normal.wav", 60)
    assert [i.name for i in sampler.instruments(tmp_path / "cello")] == [
        "cello/arco",
        "cello/pizz",
    ]


def test_pitches_are_measured_once(tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    for key, name in ((48, "C3"), (60, "C4")):
        _save(tmp_path / "lib" / f"{name}.wav", key)
    before = sampler.instruments(tmp_path / "lib")
    assert "measuring the pitches of 2 samples" in caplog.text
    monkeypatch.setattr(pitch, "measure", None)
    for kept in (sampler._folder, sampler._contents):
        kept.cache_clear()
    assert sampler.instruments(tmp_path / "lib") == before


def test_what_cannot_play_is_counted_and_the_rest_plays(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    for key, name in ((48, "C3"), (60, "C4")):
        _save(tmp_path / "lib" / "harp" / f"harp_{name}.wav", key)
    (tmp_path / "lib" / "harp" / "harp_E4.wav").write_text("no sound")
    _save(tmp_path / "lib" / "harp" / "harp_G4.wav", 67, level=0)
    _save(tmp_path / "lib" / "sfz" / "a.wav", 60)
    (tmp_path / "lib" / "sfz" / "b.wav").write_text("no sound")
    (tmp_path / "lib" / "sfz" / "good.sfz").write_text("<region> sample=a.wav <region> sample=b.wav key=3")
    (tmp_path / "lib" / "sfz" / "bad.sfz").write_text("<region> sample=../../x.wav")
    names = [instrument.name for instrument in sampler.instruments(tmp_path / "lib")]
    assert names == ["lib/sfz/good", "lib/harp"]
    assert "harp: 2 of 4 samples are silent, cannot be read" in caplog.text
    assert "good.sfz: 1 samples cannot be read, such as b.wav" in caplog.text
    assert "left out: " in caplog.text and "outside of" in caplog.text


def test_a_text_is_parsed_once(tmp_path, monkeypatch):
    parsed = []
    monkeypatch.setattr(
        sampler.sfz, "_Library", lambda *of, made=sampler.sfz._Library: parsed.append(of) or made(*of)
    )
    _save(tmp_path / "lib" / "a.wav", 60)
    instrument = _sfz(tmp_path / "lib", "<region> sample=a.wav")
    assert sampler.regions_of(instrument) and sampler.instruments(tmp_path / "lib") == [instrument]
    assert len(parsed) == 1


def test_folders_of_notes_beside_an_sfz_file_are_instruments_too(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    for folder in ("cello", "x", "x releases"):
        for key, name in ((48, "C3"), (60, "C4")):
            _save(tmp_path / "lib" / folder / f"{folder}_{name}.wav", key)
    text = "<region> sample=x/x_C3.wav <region> sample=x releases/x releases_C3.wav trigger=release"
    (tmp_path / "lib" / "piano.sfz").write_text(text)
    assert [one.name for one in sampler.instruments(tmp_path / "lib")] == ["lib/piano", "lib/cello"]
    (tmp_path / "lib" / "gone.sfz").symlink_to(tmp_path / "gone.sfz")
    assert [one.name for one in sampler.instruments(tmp_path / "lib")] == ["lib/piano"]
    assert "left out: " in caplog.text and "gone.sfz: no such file" in caplog.text


def test_silent_and_damaged_samples_are_named_when_they_play(tmp_path, caplog):
    _save(tmp_path / "lib" / "a.flac", 60, level=0)
    instrument = _sfz(tmp_path / "lib", "<region> sample=a.flac")
    assert not sampler.render([Note(0, 1, 60, 100)], instrument, 1000).any()
    assert "a.flac: is silent" in caplog.text
    _save(tmp_path / "lib" / "b.flac", 60)
    instrument = _sfz(tmp_path / "lib", "<region> sample=b.flac key=60")
    sampler._contents.cache_clear()
    data = (tmp_path / "lib" / "b.flac").read_bytes()
    (tmp_path / "lib" / "b.flac").write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match="b.flac"):
        sampler.render([Note(0, 1, 60, 100)], replace(instrument, low=0), 1000)


def test_drum_kits_are_no_instruments(tmp_path, caplog):
    """Regression: melodies were played on kits, under labels of pitches that do not sound."""
    _save(tmp_path / "lib/one.wav", 60)
    texts = {
        "effects": "<region> lokey=50 hikey=59 pitch_keytrack=0",
        "piano": "<region> key=60 pitch_keytrack=0",
    }
    for name in ("Standard Kit", "drums", "TR Drum_Set", "Orchestral Percussion", "Steel Drums", "Kitten"):
        texts[name] = "<region> key=60"
    for name, text in texts.items():
        (tmp_path / "lib" / f"{name}.sfz").write_text(f"{text} sample=one.wav")
    with caplog.at_level("INFO", "msdae"):
        names = [instrument.name for instrument in sampler.instruments(tmp_path / "lib")]
    assert names == ["lib/Kitten", "lib/Steel Drums", "lib/piano"]
    assert caplog.text.count("a drum kit, whose keys are no pitches") == 5
    with pytest.raises(UserError, match="drums.sfz: a drum kit.*; give instruments"):
        sampler.instruments(tmp_path / "lib/drums.sfz")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "neither SFZ files nor samples"),
        ({"a.sfz": "// nothing"}, "no region whose sample can be read"),
        ({"a.sfz": "<region> sample=gone.wav"}, "no region whose sample can be read"),
        ({"a.sfz": "<region> sample=a.sfz locc1=64"}, "that a note plays with all controllers at rest"),
        ({"C4.wav": "no sound"}, "no sample that can be read"),
    ],
)
def test_libraries_that_hold_nothing_are_refused(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        sampler.instruments(tmp_path)
    with pytest.raises(UserError, match="no such library"):
        sampler.instruments(tmp_path / "gone")


def test_instruments_share_files_whatever_links_lead_to_them(tmp_path):
    for key in (60, 64, 67, 72):
        _save(tmp_path / "lib" / f"{key}.wav", key)
    for name, keys in (("low", (60, 64)), ("high", (64, 67)), ("top", (72,))):
        text = "".join(f"<region> sample={key}.wav key={key}\n" for key in keys)
        (tmp_path / "lib" / f"{name}.sfz").write_text(text)
    (tmp_path / "link").symlink_to(tmp_path / "lib")
    high, low, top = sampler.instruments(tmp_path / "lib")
    (linked,) = (one for one in sampler.instruments(tmp_path / "link") if one.name == "link/low")
    assert sampler.shared(low, high) and sampler.shared(linked, high) and sampler.shared(linked, low)
    assert not sampler.shared(linked, top)


def test_a_text_that_includes_itself_is_named(tmp_path):
    (tmp_path / "a.sfz").write_text('#include "a.sfz"')
    with pytest.raises(UserError, match="a.sfz: damaged .*includes too many files, or itself"):
        sampler.instruments(tmp_path)


def test_decoded_samples_are_kept_up_to_a_size(tmp_path, monkeypatch):
    loads, load = [], sampler.sample_folder.load
    monkeypatch.setattr(sampler.sample_folder, "load", lambda path: loads.append(path) or load(path))
    monkeypatch.setattr(sampler, "_kept", type(sampler._kept)())
    monkeypatch.setattr(sampler, "KEPT", 400_000)  # bytes: two of the samples
    paths = [tmp_path / f"{key}.wav" for key in (60, 61, 62)]
    for key, path in zip((60, 61, 62), paths, strict=True):
        _save(path, key)
    for number in (0, 1, 0, 2, 0, 1):
        assert len(sampler._decoded(paths[number])[0]) == RATE
    assert [paths.index(path) for path in loads] == [0, 1, 2, 1]


def test_the_fingerprint_of_a_library_is_of_its_texts_however_their_names_end(tmp_path):
    marks = set()
    for number, tune in enumerate((0, 50)):
        _save(tmp_path / str(number) / "a.wav", 60)
        (tmp_path / str(number) / "PIANO.SFZ").write_text(f"<region> sample=a.wav key=60 tune={tune}")
        marks.add(sampler.fingerprint(tmp_path / str(number)))
    assert len(marks) == 2
