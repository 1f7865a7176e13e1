import zipfile

import pytest

from msdae.errors import UserError
from msdae.symbolic.notes import Note, Score, ScoreNote, write_midi
from msdae.symbolic.scores import check_score, is_score, read_notes, read_score, write_score

TUNE = Score(([ScoreNote(0, 1, 60), ScoreNote(1, 0.5, 64)], [ScoreNote(0, 2, 48)]), 90)
XML = """<?xml version="1.0" encoding="UTF-8"?>
<score-partwise version="3.1"><part-list><score-part id="P1"><part-name>x</part-name></score-part></part-list>
<part id="P1"><measure number="1"><attributes><divisions>2</divisions></attributes>
<direction><direction-type><metronome><beat-unit>quarter</beat-unit><per-minute>60</per-minute></metronome>
</direction-type><sound tempo="60"/></direction>
<note><pitch><step>C</step><octave>4</octave></pitch><duration>2</duration></note>
<note><rest/><duration>2</duration></note>
<note><pitch><step>G</step><octave>4</octave></pitch><duration>4</duration></note></measure></part>
</score-partwise>"""


def test_scores_come_back_from_midi(tmp_path):
    path = tmp_path / "a.mid"
    write_score(path, TUNE, 73)
    back = read_score(path)
    assert back.tempo == pytest.approx(90, abs=1e-3)
    for part, expected in zip(back.parts, TUNE.parts, strict=True):
        for note, other in zip(part, expected, strict=True):
            assert note == pytest.approx(other, abs=1e-2)
    assert max(note.offset for note in read_notes(path)) == pytest.approx(2 * 60 / 90, abs=1e-2)


def test_a_score_is_played_at_its_tempo():
    assert TUNE.quarters == 2
    expected = [Note(0, 1, 60, 70), Note(0, 2, 48, 70), Note(1, 1.5, 64, 70)]
    assert Score(TUNE.parts, 60).notes(70) == expected


def test_musicxml_plain_and_packed(tmp_path):
    plain, packed = tmp_path / "a.musicxml", tmp_path / "a.mxl"
    plain.write_text(XML)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/container.xml", "<container/>")
        archive.writestr("a.xml", XML)
    for path in (plain, packed):
        score = read_score(path)
        assert score.tempo == 60
        assert score.parts == ([ScoreNote(0, 1, 60), ScoreNote(2, 2, 67)],)
        assert read_notes(path)[1].onset == 2


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]>'


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.xml", XML.replace("<score-partwise", BOMB + "<score-partwise", 1).encode(), "declares entities"),
        ("a.xml", XML.replace("<score", BOMB + "<score", 1).replace("UTF-8", "UTF-16").encode("utf-16"),
         "declares entities"),
        ("a.musicxml", b"<a>" + b" " * (5 << 20), "larger than music"),
        ("a.mxl", b"PK\x03\x04 no archive", "damaged"),
        ("a.xml", b"hello", "not a readable MusicXML"),
        ("a.xml", b"", "not a readable MusicXML"),
        ("a.xml", XML[:300].encode(), "not a readable MusicXML"),
        ("a.mid", b"", "not a readable MIDI"),
        ("a.mid", b"MThd", "not a readable MIDI"),
    ],
)  # fmt: skip
def test_bad_scores_are_refused_in_a_line(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    for read in (read_score, read_notes):
        with pytest.raises(UserError, match=reason) as caught:
            read(tmp_path / name)
        assert name in str(caught.value) and "\n" not in str(caught.value)


def test_an_archive_that_unfolds_is_not_unfolded(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.mxl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.xml", b" " * (64 << 20))
    with pytest.raises(UserError, match="larger than music"):
        read_score(tmp_path / "a.mxl")


def test_drums_alone_are_no_score(tmp_path):
    end, hit = b"\x00\xff\x2f\x00", b"\x00\x99\x3c\x40\x83\x60\x89\x3c\x40"
    head = b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk"
    (tmp_path / "drums.mid").write_bytes(head + (len(hit + end)).to_bytes(4, "big") + hit + end)
    for read in (read_score, read_notes):
        with pytest.raises(UserError, match="no pitched notes"):
            read(tmp_path / "drums.mid")


def test_what_lasts_hours_is_refused(tmp_path):
    write_midi(tmp_path / "long.mid", [Note(0, 1, 60, 90), Note(4000, 4001, 60, 90)], 0)
    with pytest.raises(UserError, match="1.1 hours"):
        read_notes(tmp_path / "long.mid")


def test_names_say_what_is_a_score(tmp_path):
    assert is_score("a.MID") and is_score("b.mxl") and not is_score("c.wav")
    with pytest.raises(UserError, match="written as .mid"):
        check_score(tmp_path / "a.xml")
    with pytest.raises(UserError, match="no such file"):
        read_score(tmp_path / "a.mid")
