import logging

import numpy as np
import pytest
import soundfile

from msdae.errors import UserError
from msdae.synthesis import sfz


@pytest.fixture
def library(tmp_path):
    """A folder with three samples, whose names are as libraries have them."""
    (tmp_path / "Samples").mkdir()
    for name in ("Piano C#4.wav", "low.wav", "high.wav"):
        soundfile.write(tmp_path / "Samples" / name, np.full(100, 0.1), 8000)
    return tmp_path


def _read(library, text, name="piano.sfz"):
    path = library / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return sfz.read(path, library).regions


def test_regions_inherit_from_groups_masters_and_global(library):
    low, high, other = _read(
        library,
        """
        <control> default_path=Samples/
        <global> ampeg_release=0.5 volume=-6 lovel=10 // of all
        <master> tune=25 hivel=90
        <group> ampeg_release=0.7 /* over the
        global's */ <region> sample=low.wav key=c3
        <region>sample=high.wav lokey=60 hikey=c#5 pitch_keycenter=Bb4 transpose=-12 volume=0
        <master> <group> <region> sample=low.wav key=40 seq_length=3 seq_position=2 lorand=0.25
        """,
    )
    assert low.sample == library / "Samples" / "low.wav"
    assert low.keys == (48, 48) and low.centre == 48 and low.velocities == (10, 90)
    assert low.envelope.release == 0.7 and low.gain == pytest.approx(0.501, abs=1e-3)
    assert high.keys == (60, 73) and high.centre == 70 and high.gain == 1
    assert high.semitones(70) == pytest.approx(-11.75) and high.semitones(71) == pytest.approx(-10.75)
    assert other.envelope.release == 0.5 and other.shift == 0 and other.velocities == (10, 127)
    assert other.turn == (1, 3) and other.chance == (0.25, 1)


def test_a_key_replaces_the_range_and_centre_of_outer_headers(library):
    one, two, wide, inherited = _read(
        library,
        """
        <control> default_path=Samples/
        <global> sample=low.wav lokey=21 hikey=108 pitch_keycenter=60
        <region> key=61 <region> key=c3 pitch_keycenter=50
        <region> key=40 hikey=45
        <group> key=70 <region> lokey=65
        """,
    )
    assert (one.keys, one.centre) == ((61, 61), 61) and (two.keys, two.centre) == ((48, 48), 50)
    assert (wide.keys, wide.centre) == ((40, 45), 40)
    assert (inherited.keys, inherited.centre) == ((65, 70), 70)


def test_names_with_spaces_backslashes_and_letters_of_another_size(library):
    (region,) = _read(
        library, r"<region> sample=..\samples\PIANO c#4.WAV key=61 loop_mode=no_loop", "sfz/a.sfz"
    )
    assert region.sample == library / "Samples" / "Piano C#4.wav" and region.keys == (61, 61)


def test_texts_define_words_and_include_files(library):
    (library / "regions.txt").write_text("<region> sample=$NAME.wav key=$KEYS")
    first, second = _read(
        library,
        "<control> default_path=Samples/\n#define $KEY 60\n#define $KEYS 62 #define $NAME low\n"
        '#include "regions.txt"\n<region> sample=high.wav key=$KEY',
    )
    assert (first.sample.name, first.keys, second.keys) == ("low.wav", (62, 62), (60, 60))
    assert sfz.included(library / "piano.sfz") == {library / "regions.txt"}


def test_offsets_of_notes_hold_from_where_they_stand(library):
    first, second = _read(
        library,
        "<control> default_path=Samples/ note_offset=2 <region> sample=low.wav key=60\n"
        "<control> note_offset=0 octave_offset=-1\n<region> sample=low.wav key=60",
    )
    assert first.keys == (62, 62) and first.centre == 62 and second.keys == (48, 48)


def test_loops_envelopes_and_velocity_curves(library):
    first, second = _read(
        library,
        "<control> default_path=Samples/ <global> sample=low.wav\n"
        "<region> loop_start=10 loop_end=50 offset=5 end=90 amp_velcurve_64=0.9\n"
        "<region> loopmode=one_shot ampeg_attack=0.1 ampeg_decay=2 ampeg_sustain=30 amp_veltrack=0",
    )
    assert (first.loop, first.mode, first.start, first.end) == ((10, 50), "loop_continuous", 5, 91)
    assert first.curve == ((0, 0.0), (64, 0.9), (127, 1.0))
    assert second.mode == "one_shot" and second.loop is None and second.veltrack == 0
    assert (second.envelope.attack, second.envelope.decay, second.envelope.sustain) == (0.1, 2, 0.3)


def test_what_no_note_begins_is_left_out(library):
    regions = _read(
        library,
        """<control> default_path=Samples/ set_cc1=50 <global> sample=low.wav sw_default=20
        <region> trigger=release key=1
        <region> on_locc64=127 key=2
        <region> locc1=64 key=3
        <region> hicc1=64 key=4
        <region> sw_last=20 key=5
        <region> sw_last=21 key=6
        <region> sample=*sine key=7
        <region> locc7=100 hicc7=100 locc10=64 hicc10=64 locc11=127 key=8
        <region> hicc7=99 key=9
        <region> locc10=65 key=10
        """,
    )
    assert [region.centre for region in regions] == [4, 5, 8]


def test_unknown_opcodes_and_missing_samples_are_counted(library, caplog):
    caplog.set_level(logging.INFO)
    text = (
        "<global> cutoff=300 pan=20 <region> sample=Samples/low.wav <region> sample=gone.wav fil_type=lpf_2p"
    )
    assert len(_read(library, text)) == 1
    assert "opcodes that are not played: cutoff (2), fil_type (1)" in caplog.text
    assert "1 samples are missing, such as gone.wav" in caplog.text and "pan" not in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<region> sample=../outside.wav", "outside of"),
        ("<region> sample=/etc/passwd", "outside of"),
        (r"<region> sample=C:\piano.wav", "outside of"),
        ('#include "../other.sfz"', "outside of"),
        ('#include "piano.sfz"', "includes too many files, or itself"),
        ('#include "gone.sfz"', "gone.sfz: no such file"),
        ("<region> sample=Samples/low.wav volume=nan", "volume is nan"),
        ("<region> sample=Samples/low.wav key=h4", "piano.sfz: damaged"),
        (
            "\n".join(
                ["#define $A0 aaaaaaaaaa", *(f"#define $A{i} $A{i - 1}$A{i - 1}" for i in range(1, 40))]
            ),
            "too long",
        ),
    ],
)
def test_texts_that_are_refused_name_the_file_and_the_reason(library, text, message):
    with pytest.raises(UserError, match=message) as error:
        _read(library, text)
    assert "\n" not in str(error.value)


def test_texts_of_old_windows_programs_are_read(library):
    (region,) = _read(library, "<region> sample=Samples\\low.wav // caf\xe9\r\n".encode("cp1252"))
    assert region.keys == (0, 127)
