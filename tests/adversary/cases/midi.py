"""MIDI files, and others that are read by a function of their own."""

from harness import Case, calls
from library import content
from trees import MIDI

HEAD = MIDI[:14]


def track(events: bytes, length: int | None = None) -> bytes:
    """A file of one track."""
    return HEAD + b"MTrk" + (len(events) if length is None else length).to_bytes(4, "big") + events


END, NOTE = b"\x00\xff\x2f\x00", b"\x00\x90\x3c\x40\x83\x60\x80\x3c\x40"
BAD = {
    "empty": b"",
    "text": b"hello",
    "head": HEAD,
    "head-cut": HEAD[:10],
    "no-notes": track(END),
    "drums": track(b"\x00\x99\x3c\x40\x83\x60\x89\x3c\x40" + END),
    "division-0": HEAD[:12] + b"\0\0" + MIDI[14:],
    "smpte": HEAD[:12] + b"\xe7\x28" + MIDI[14:],
    "format-7": HEAD[:8] + b"\0\7" + MIDI[10:],
    "tracks-65535": HEAD[:10] + b"\xff\xff" + MIDI[12:],
    "tracks-0": HEAD[:10] + b"\0\0" + MIDI[12:],
    "length-4g": HEAD + b"MTrk\xff\xff\xff\xff" + MIDI[22:],
    "head-4g": b"MThd\xff\xff\xff\xff" + MIDI[8:],
    "running": track(b"\x00\x3c\x40" + END),
    "endless-number": track(b"\xff" * 40 + NOTE + END),
    "late": track(b"\xff\xff\xff\x7f\x90\x3c\x40" + b"\xff\xff\xff\x7f\x80\x3c\x40" + END),
    "tempo-0": track(b"\x00\xff\x51\x03\0\0\0" + NOTE + END),
    "tempo-short": track(b"\x00\xff\x51\x01\7" + NOTE + END),
    "signature-0": track(b"\x00\xff\x58\x04\0\0\0\0" + NOTE + END),
    "key": track(b"\x00\xff\x59\x02\x7f\x7f" + NOTE + END),
    "note-255": track(b"\x00\x90\xff\xff\x83\x60\x80\xff\xff" + END),
    "sysex": track(b"\x00\xf0\xff\xff\xff\x7f" + NOTE + END),
    "meta-4g": track(b"\x00\xff\x01\xff\xff\xff\x7f" + NOTE + END),
    "never-off": track(b"\x00\x90\x3c\x40" + END),
    "zeros": bytes(1000),
    "rmid": b"RIFF\x00\x01\x00\x00RMIDdata" + MIDI,
}
MAY_WORK = {
    "tempo-0",
    "key",
    "late",
    "tracks-0",
    "tracks-65535",
    "format-7",
    "tempo-short",
    "signature-0",
    "smpte",
    "length-4g",
    "note-255",
    "head-4g",
    "never-off",
    "drums",
}
for _name, _data in BAD.items():
    content(f"m-{_name}.mid", _data)
content("m-good.mid", MIDI)


def _notes(name: str):
    from msdae.data.sources import read_notes

    def call(place) -> None:
        for onset, offset, pitch, velocity in read_notes(place / name):
            assert 0 <= onset <= offset < 1e7 and 0 <= pitch <= 127 and 0 <= velocity <= 127, (onset, offset)

    return call


def _pitched(name: str):
    from msdae.symbolic.midi import read_midi

    return lambda place: read_midi(place / name)


CASES = [
    *calls(
        (f"read-notes @m-{name}.mid", rf"m-{name}\.mid: ", _notes(f"m-{name}.mid"))
        for name in BAD
        if name not in MAY_WORK
    ),
    *calls(
        (f"read-midi @m-{name}.mid", rf"m-{name}\.mid: ", _pitched(f"m-{name}.mid"))
        for name in BAD
        if name not in MAY_WORK | {"no-notes"}
    ),
    *calls((f"notes-or-words @m-{name}.mid", None, _notes(f"m-{name}.mid")) for name in sorted(MAY_WORK)),
    Case("read-notes @m-good.mid", call=_notes("m-good.mid")),
]
