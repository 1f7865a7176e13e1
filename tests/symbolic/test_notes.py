import resource
import struct

import pytest

from msdae.errors import UserError
from msdae.symbolic.notes import Note, read_midi, write_midi

ON, OFF, END = b"\x00\x90\x3c\x40", b"\x83\x60\x80\x3c\x40", b"\x00\xff\x2f\x00"
FAR = b"\xff\xff\xff\x7f\x80\x3c\x40"  # 2^28 - 1 ticks later
LATER = b"\x84\xe2\xad\x00\x80\x3c\x40"  # 9 999 000 ticks later


def _midi(track, division=480):
    header = b"MThd" + struct.pack(">IHHH", 6, 1, 1, division)
    return header + b"MTrk" + struct.pack(">I", len(track)) + track


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
        _midi(b"\x00\xff\x59\x02\x7f\x05" + ON + OFF + END),
        _midi(b""),
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
