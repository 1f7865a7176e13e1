"""Scores as melody sources and prompts: MIDI files of `midi`, and MusicXML."""

import io
import zipfile

from harness import bad, calls
from library import content

from cases.midi import BAD, MAY_WORK

BOMB = b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]><score-partwise>&c;</score-partwise>'
NOTE = b"<note><pitch><step>C</step><octave>4</octave></pitch><duration>1</duration></note>"
HEAD = b'<score-partwise version="3.1"><part-list><score-part id="P"/></part-list><part id="P"><measure>'
XML = {
    "empty": b"",
    "text": b"hello",
    "bomb": BOMB,
    "bomb-utf16": BOMB.decode().encode("utf-16"),
    "cut": HEAD + NOTE,
    "no-notes": HEAD + b"</measure></part></score-partwise>",
    "huge": HEAD + b" " * (5 << 20),
    "deep": b"<a>" * 100_000,
}


def _archive(name: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return stream.getvalue()


PACKED = {
    "unfolds": _archive("a.xml", b" " * (64 << 20)),
    "no-score": _archive("a.txt", b"x"),
    "cut": _archive("a.xml", HEAD)[:40],
    "outside": _archive("../../a.xml", BOMB),
}
for _name, _data in XML.items():
    content(f"x-{_name}.musicxml", _data)
for _name, _data in PACKED.items():
    content(f"x-{_name}.mxl", _data)


def _read(name: str):
    from msdae.symbolic.scores import read_notes, read_score

    def call(place) -> None:
        read_score(place / name)
        for onset, offset, pitch, _ in read_notes(place / name):
            assert 0 <= onset < offset < 3601 and 0 <= pitch <= 127

    return call


CASES = [
    *calls(
        (f"score @m-{n}.mid", None if n in MAY_WORK else rf"m-{n}\.mid: ", _read(f"m-{n}.mid")) for n in BAD
    ),
    *calls((f"score @x-{n}.musicxml", rf"x-{n}\.musicxml: ", _read(f"x-{n}.musicxml")) for n in XML),
    *calls((f"score @x-{n}.mxl", rf"x-{n}\.mxl: ", _read(f"x-{n}.mxl")) for n in PACKED),
    *bad(
        "compose --out t.mid {}",
        [
            ("--prompt @m-empty.mid", r"m-empty\.mid"),
            ("--prompt @m-drums.mid", "no pitched notes"),
            ("--prompt @x-bomb.musicxml", "declares entities"),
            ("--bars 0", "--bars"),
            ("--bars 100000", "--bars"),
            ("--temperature nan", "--temperature"),
            ("--top-p 0", "--top-p"),
            ("--trained @m-good.mid", r"m-good\.mid"),
            ("--between @m-good.mid @m-good.mid", "--between"),
        ],
    ),
    *bad(
        "swap --timbre @m-good.mid --melody {} --out y.wav",
        [
            ("@m-empty.mid", r"m-empty\.mid"),
            ("@m-no-notes.mid", "no pitched notes"),
            ("@x-cut.mxl", r"x-cut\.mxl"),
        ],
    ),
]
