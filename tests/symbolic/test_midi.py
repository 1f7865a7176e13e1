import math
import resource
import struct
import time

import pytest

from msdae.errors import UserError
from msdae.symbolic.midi import read_midi, read_midi_score, write_midi
from msdae.symbolic.notes import Note
from msdae.symbolic.scores import read_notes

ON, OFF, END = b"\x00\x90\x3c\x40", b"\x83\x60\x80\x3c\x40", b"\x00\xff\x2f\x00"
FAR = b"\xff\xff\xff\x7f\x80\x3c\x40"  # 2^28 - 1 ticks later
LATER = b"\x84\xe2\xad\x00\x80\x3c\x40"  # 10 000 000 ticks later


def _midi(*tracks, division=480):
    header = b"MThd" + struct.pack(">IHHH", 6, 1, len(tracks), division)
    return header + b"".join(b"MTrk" + struct.pack(">I", len(track)) + track for track in tracks)


def _track(*messages):
    """(ticks since the start, bytes) as a track."""
    events, now = b"", 0
    for tick, message in sorted(messages, key=lambda message: message[0]):
        late = tick - now
        events += bytes([late >> 14 & 127 | 128, late >> 7 & 127 | 128, late & 127]) + message
        now = tick
    return events + END


def _on(tick, pitch=60, velocity=64):
    return tick, bytes([0x90, pitch, velocity])


def _off(tick, pitch=60):
    return tick, bytes([0x80, pitch, 0])


def _pedal(tick, value):
    return tick, bytes([0xB0, 64, value])


def _at(tick, microseconds):
    return tick, _tempo(microseconds)[1:]


def _tempo(microseconds):
    return b"\x00\xff\x51\x03" + struct.pack(">I", microseconds)[1:]


def test_notes_come_back_from_a_file(tmp_path):
    notes = [Note(0.0, 0.5, 60, 90), Note(0.5, 1.25, 64, 70)]
    write_midi(tmp_path / "a.mid", notes, 0)
    assert read_midi(tmp_path / "a.mid") == notes
    (tmp_path / "b.mid").write_bytes(_midi(_tempo(500_000) + ON + OFF + END))
    assert read_midi(tmp_path / "b.mid") == [Note(0.0, 0.5, 60, 64)]


@pytest.mark.parametrize(
    "content",
    [
        _midi(ON + OFF + END, division=0),
        _midi(_tempo(0) + ON + OFF + END),
        _midi(ON + OFF + END, division=0xE728),  # frames of a film, not beats
        _midi(ON + FAR + END),
        _midi(_tempo(2**24 - 1) + ON + LATER + END, division=1),  # 10^8 s
        _midi(b"\xff" * 900_000),  # a number without an end
        _midi(b"\x00\x90\xf0\x40" + OFF + END),  # a pitch above 127
        _midi(b"\x00\xff\x51\x01\x05" + ON + OFF + END),
        _midi(ON)[:-2],
        b"\0" * (2 << 20),
        b"",
        b"text",
    ],
)
def test_damaged_files_are_refused_at_once(tmp_path, content):
    """Regression: a division or tempo of 0 ended in a traceback."""
    (tmp_path / "bad.mid").write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match="bad.mid: not a readable MIDI file .*; give a standard MIDI file"):
        read_midi(tmp_path / "bad.mid")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # kB
    with pytest.raises(UserError, match="is a directory"):
        read_midi(tmp_path)


def _read(tmp_path, *tracks, **settings):
    (tmp_path / "a.mid").write_bytes(_midi(*tracks))
    return [(note.onset, note.offset) for note in read_midi(tmp_path / "a.mid", **settings)]


def test_tempos_of_any_track_count_for_all(tmp_path):
    """Regression: those outside of the first track were passed over."""
    notes = _track(_on(0), _off(480), _on(960), _off(1440), _on(1440), _off(1920))
    tempos = _track(_at(960, 1_000_000), _at(1440, 250_000))
    assert _read(tmp_path, _track(), notes, tempos) == [(0, 0.5), (1, 2), (2, 2.25)]
    score = read_midi_score(tmp_path / "a.mid")
    assert (score.tempo, score.changes) == (120, ((2, 60), (3, 240)))
    assert score.parts == ([(0, 1, 60, 64), (2, 1, 60, 64), (3, 1, 60, 64)],)


@pytest.mark.parametrize(
    ("messages", "played"),
    [
        ([_on(0), _on(240), _off(480), _off(960)], [(0, 0.5), (0.25, 1)]),
        ([_on(0), _on(960), _off(1920)], [(0, 2), (1, 2)]),  # one end for two
        ([_on(0), _off(480), _on(480), (960, _on(0, velocity=0)[1])], [(0, 0.5), (0.5, 1)]),
        ([_on(0), _on(960, 62), _off(1440, 62)], [(0, 1.5), (1, 1.5)]),  # none
        ([_on(480), _off(480), _off(960)], []),
    ],
)  # fmt: skip
def test_strokes_end_in_turn(tmp_path, messages, played):
    assert _read(tmp_path, _track(*messages)) == played


def test_a_pedal_counts_for_its_channel_on_any_track(tmp_path):
    notes = _track(_on(0), _off(240), (0, b"\x91\x43\x40"), (240, b"\x81\x43\x40"))
    assert _read(tmp_path, _track(_pedal(0, 127), _pedal(1920, 0)), notes, pedal=True) == [(0, 0.25), (0, 2)]
    other_port = _track((0, b"\xff\x21\x01\x01"), _pedal(0, 127), _pedal(1920, 0))
    assert _read(tmp_path, other_port, notes, pedal=True) == [(0, 0.25), (0, 0.25)]


def test_keys_of_more_than_seven_sharps_and_many_ticks_are_read(tmp_path):
    (tmp_path / "a.mid").write_bytes(_midi(b"\x00\xff\x59\x02\x0b\x00" + ON + OFF + END))
    assert read_midi(tmp_path / "a.mid") == [Note(0, 0.5, 60, 64)]
    (tmp_path / "a.mid").write_bytes(_midi(ON + LATER + END, division=15_360))
    assert read_midi(tmp_path / "a.mid") == [Note(0, 325.5208, 60, 64)]


def test_each_track_and_program_is_a_part(tmp_path):
    two = _track(_on(0), _off(480), (480, b"\xc0\x05"), _on(480, 62), _off(960, 62))
    drums = _track((0, b"\x99\x24\x40"), (480, b"\x89\x24\x40"))
    (tmp_path / "a.mid").write_bytes(_midi(two, drums, _track(_on(0, 48), _off(960, 48))))
    assert read_midi_score(tmp_path / "a.mid").parts == ([(0, 1, 60, 64)], [(1, 1, 62, 64)], [(0, 2, 48, 64)])
    assert len(read_midi(tmp_path / "a.mid")) == 4 and len(read_midi(tmp_path / "a.mid", drums=False)) == 3


def _wheel(tick, semitones, reach=2, channel=0):
    place = min(16383, 8192 + round(8192 * semitones / reach))
    return tick, bytes([0xE0 + channel, place & 127, place >> 7])


def _control(tick, *pairs):
    return [(tick, bytes([0xB0, number, value])) for number, value in pairs]


REACH_12 = _control(0, (101, 0), (100, 0), (6, 12), (38, 0), (101, 127), (100, 127))
OTHER = _control(0, (101, 0), (100, 0), (99, 1), (98, 8), (6, 64))  # a parameter that is not registered


@pytest.mark.parametrize(
    ("messages", "pitch"),
    [
        ([], 60),
        ([_wheel(0, 0.5)], 60.5),  # a quarter tone, as of a maqam
        ([_wheel(0, 1), _wheel(96, 2)], 62),  # bent up to a whole tone, as on a guitar
        ([_wheel(432, 2)], 60),  # towards the next note
        ([_wheel(tick, 0.3 * math.sin(tick * math.pi / 40)) for tick in range(0, 480, 10)], 60),  # a vibrato
        ([*REACH_12, _wheel(0, 12, 12), _wheel(480, 0)], 72),
        ([*REACH_12, *_control(0, (6, 3)), _wheel(0, -6, 12)], 54),  # no parameter is selected
        ([*OTHER, _wheel(0, -1)], 59),
        ([_wheel(0, 2), *_control(0, (121, 0))], 60),
        ([_wheel(0, 2, channel=1)], 60),
        ([_wheel(0, 0.05)], 60),
        ([*_control(0, (101, 0), (100, 0), (6, 127)), _wheel(0, -127, 127)], 0),
    ],
)
def test_the_pitch_wheel_moves_notes(tmp_path, messages, pitch):
    """Regression: bent notes and those of other tunings were played on their keys."""
    (tmp_path / "a.mid").write_bytes(_midi(_track(*messages, _on(0), _off(480))))
    (note,) = read_midi(tmp_path / "a.mid", controls=True)
    assert note.pitch == pytest.approx(pitch, abs=0.01)
    assert read_midi(tmp_path / "a.mid") == [note._replace(pitch=60)]


def test_what_a_wheel_says_of_a_note_is_looked_at_up_to_a_number(tmp_path):
    """Thousands of notes that are all held while the wheel turns are read in seconds."""
    notes = [_on(tick, tick % 128) for tick in range(1, 8001)]
    wheel = [_wheel(tick, math.sin(tick)) for tick in range(8001)]
    ends = [_off(9000, tick % 128) for tick in range(1, 8001)]
    (tmp_path / "a.mid").write_bytes(_midi(_track(*notes, *wheel, *ends)))
    start = time.process_time()
    assert len(read_midi(tmp_path / "a.mid", controls=True)) == 8000
    assert time.process_time() - start < 8


def test_a_wheel_is_of_its_channel_on_any_track(tmp_path):
    notes = _track(_on(0), _off(480), (0, b"\x91\x43\x40"), (480, b"\x81\x43\x40"))
    (tmp_path / "a.mid").write_bytes(_midi(_track(_wheel(0, 1), _wheel(0, -0.5, channel=1)), notes))
    assert [note.pitch for note in read_midi(tmp_path / "a.mid", controls=True)] == [61, 66.5]
    assert [note.pitch for note in read_notes(tmp_path / "a.mid")] == [61, 66.5]
    assert [part[0].pitch for part in read_midi_score(tmp_path / "a.mid").parts] == [60, 67]


def test_volume_and_expression_make_notes_softer(tmp_path):
    """Regression: swells that a sequencer writes as controllers were played at one loudness."""
    swell = [pair for step in range(10) for pair in _control(480 + 48 * step, (11, 60 + 2 * step))]
    softer = _track(*_control(0, (7, 50)), *swell, _on(0), _off(480), _on(480, 62), _off(960, 62))
    (tmp_path / "a.mid").write_bytes(_midi(softer, _track((0, b"\x91\x43\x40"), (480, b"\x81\x43\x40"))))
    assert [(note.pitch, note.velocity) for note in read_notes(tmp_path / "a.mid")] == [
        (60, 32),
        (67, 64),
        (62, 17),
    ]
    assert {note.velocity for note in read_midi(tmp_path / "a.mid")} == {64}


def test_a_volume_above_the_usual_one_leaves_accents(tmp_path):
    notes = [_on(0), _off(480), (480, b"\x90\x3e\x7f"), _off(960, 62)]
    (tmp_path / "a.mid").write_bytes(
        _midi(_track(*_control(0, (7, 127), (11, 0)), *_control(0, (121, 0)), *notes))
    )
    assert [note.velocity for note in read_notes(tmp_path / "a.mid")] == [64, 127]


@pytest.mark.parametrize("number", [120, 123])
def test_all_notes_off_ends_the_notes_of_its_channel(tmp_path, number):
    """Regression: what a sequencer ends so when it is stopped lasted to the end of the track."""
    other, later = [(0, b"\x91\x43\x40"), (960, b"\x81\x43\x40")], [_on(960, 62), _off(1440, 62)]
    track = _track(_on(0), _on(240, 64), *other, *_control(480, (number, 0)), *later)
    (tmp_path / "a.mid").write_bytes(_midi(track))
    assert [(note.pitch, note.offset) for note in read_midi(tmp_path / "a.mid")] == [
        (60, 0.5),
        (67, 1.0),
        (64, 0.5),
        (62, 1.5),
    ]


def test_a_muted_channel_is_not_played(tmp_path):
    """Regression: its notes were struck as softly as MIDI can say."""
    other = _track((0, b"\x91\x43\x40"), (480, b"\x81\x43\x40"))
    (tmp_path / "a.mid").write_bytes(_midi(_track(*_control(0, (7, 0)), _on(0), _off(480)), other))
    assert [note.pitch for note in read_notes(tmp_path / "a.mid")] == [67]
    assert len(read_midi(tmp_path / "a.mid")) == 2
