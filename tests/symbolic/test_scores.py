import zipfile

import pytest

from msdae.errors import UserError
from msdae.symbolic.midi import read_midi, write_midi
from msdae.symbolic.notes import Note, Score, ScoreNote
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


def test_changes_of_the_tempo_come_back_from_midi(tmp_path):
    """Regression: only the first tempo was read and written."""
    score = Score(([ScoreNote(n, 1, 60 + n) for n in range(8)],), 60, ((2, 120), (6, 30)))
    write_score(tmp_path / "a.mid", score)
    back = read_score(tmp_path / "a.mid")
    assert [back.tempo, *(number for change in back.changes for number in change)] == [60, 2, 120, 6, 30]
    assert [note[:2] for note in back.parts[0]] == [(n, 1) for n in range(8)]
    onsets = [note.onset for note in read_notes(tmp_path / "a.mid")]
    assert onsets == pytest.approx([note.onset for note in score.notes()], abs=1e-3)
    assert onsets == pytest.approx([0, 1, 2, 2.5, 3, 3.5, 4, 6], abs=1e-3)


def test_a_score_is_played_at_its_tempo():
    assert TUNE.quarters == 2
    expected = [Note(0, 1, 60, 90), Note(0, 2, 48, 90), Note(1, 1.5, 64, 90)]
    assert Score(TUNE.parts, 60).notes() == expected


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


@pytest.mark.parametrize("encoding", ["UTF-8", "utf-8-sig", "UTF-16", "ISO-8859-1", "windows-1252"])
def test_musicxml_is_read_in_the_encoding_that_it_declares(tmp_path, encoding):
    """Regression: all was read as UTF-8, and what is in another encoding was refused."""
    declared = "UTF-8" if encoding == "utf-8-sig" else encoding
    text = XML.replace("UTF-8", declared).replace("<part-name>x", "<part-name>Flöte")
    (tmp_path / "a.xml").write_bytes(text.encode(encoding))
    assert read_score(tmp_path / "a.xml").parts == ([ScoreNote(0, 1, 60), ScoreNote(2, 2, 67)],)


def test_musicxml_of_another_kind_is_refused(tmp_path):
    (tmp_path / "a.xml").write_text(XML.replace("score-partwise", "score-timewise"))
    with pytest.raises(UserError, match=r"a\.xml: not a readable MusicXML file \(a score-timewise, not a"):
        read_score(tmp_path / "a.xml")


def part(number, *bars, sound=""):
    """A part of MusicXML: bars of (what comes before, keys of a whole note each, what comes after)."""
    text = f'<part id="P{number}">'
    for index, (before, keys, after) in enumerate(bars, start=1):
        start = f"<attributes><divisions>1</divisions>{sound}</attributes>" if index == 1 else ""
        notes = "".join(
            f"<note><pitch><step>{key}</step><octave>4</octave></pitch><duration>4</duration></note>"
            for key in keys
        )
        text += f'<measure number="{index}">{start}{before}{notes}{after}</measure>'
    return text + "</part>"


def written(path, *parts):
    listed = "".join(
        f'<score-part id="P{number}"><part-name>x</part-name></score-part>'
        for number in range(1, len(parts) + 1)
    )
    head = f'<score-partwise version="3.1"><part-list>{listed}</part-list>'
    path.write_text(f"{head}{''.join(parts)}</score-partwise>")
    return path


def line(place, inside):
    return f'<barline location="{place}">{inside}</barline>'


def words(inside, sound=""):
    return f"<direction><direction-type>{inside}</direction-type>{sound}</direction>"


def pace(tempo):
    return words(
        f"<metronome><beat-unit>quarter</beat-unit><per-minute>{tempo}</per-minute></metronome>",
        f'<sound tempo="{tempo}"/>',
    )


BEGIN, END = line("left", '<repeat direction="forward"/>'), line("right", '<repeat direction="backward"/>')


def test_musicxml_is_played_with_its_dynamics(tmp_path):
    """Regression: a score from pp to ff was played at one loudness."""
    soft, loud, sforzato = (words(f"<dynamics><{mark}/></dynamics>") for mark in ("pp", "ff", "sfz"))
    begin, end = words('<wedge type="crescendo"/>'), words('<wedge type="stop"/>')
    bars = [("", "A", ""), (soft, "B", ""), (begin, "CD", end), (loud, "E", ""), (sforzato, "F", "")]
    path = written(tmp_path / "a.musicxml", part(1, *bars, (soft + begin, "GA", end), ("", "B", "")))
    velocities = [note.velocity for note in read_notes(path)]
    assert velocities == [90, 33, 33, 72, 112, 127, 33, 41, 49]


def test_hairpins_may_begin_on_another_staff_or_at_a_grace_note(tmp_path):
    """Regression: scores for piano with such a hairpin were refused; music21 loses the latter's note."""
    begin, end = words('<wedge type="crescendo"/>'), words('<wedge type="stop"/>')
    upper, lower = (
        [tone(key, octave, 2).replace("</note>", f"<staff>{staff}</staff></note>") for key in "CD"]
        for staff, octave in ((1, 5), (2, 3))
    )
    bar = f"<attributes><staves>2</staves></attributes>{upper[0]}{upper[1]}{BACK}"
    bar += f"{begin}{lower[0]}{lower[1]}{end}"
    notes = read_notes(written(tmp_path / "a.xml", part(1, (bar, "", ""))))
    assert [note[2:] for note in notes] == [(48, 90), (72, 90), (50, 98), (74, 98)]
    grace = tone("E", 4, 0).replace("<note>", "<note><grace/>")
    notes = read_notes(
        written(tmp_path / "a.xml", part(1, (f"{begin}{grace}{tone('C', 4, 4)}{end}", "", "")))
    )
    assert [note[2:] for note in notes] == [(64, 90), (60, 90)]


def test_dynamics_between_staves_are_of_both(tmp_path):
    mark = words("<dynamics><p/></dynamics>", "<staff>1</staff>")
    pitch = "<pitch><step>{}</step><octave>4</octave></pitch>"
    note = f"<note>{pitch}<duration>4</duration>{{}}<staff>{{}}</staff></note>"
    accent = "<notations><articulations><accent/></articulations></notations>"
    bar = note.format("C", "", 1) + "<backup><duration>4</duration></backup>" + note.format("E", accent, 2)
    other = part(2, ("", "G", ""))
    piano = part(1, (f"<attributes><staves>2</staves></attributes>{mark}{bar}", "", ""))
    notes = read_notes(written(tmp_path / "a.xml", piano, other))
    assert [note[2:] for note in notes] == [(60, 49), (64, 65), (67, 90)]


def test_musicxml_is_read_as_it_sounds(tmp_path):
    """Regression: a horn in F sounded a fifth too high, no repeats were played, the first tempo held."""
    horn = "<transpose><diatonic>-4</diatonic><chromatic>-7</chromatic></transpose>"
    first = part(1, (pace(60) + BEGIN, "G", END), (pace(240), "A", ""), sound=horn)
    path = written(tmp_path / "a.musicxml", first, part(2, (BEGIN, "C", END), ("", "D", "")))
    expected = [ScoreNote(0, 4, 60), ScoreNote(4, 4, 60), ScoreNote(8, 4, 62)]
    score = read_score(path)
    assert score.parts == (expected, expected) and score.tempo == 60
    times = [(0, 4, 60), (4, 8, 60), (8, 9, 62)]
    assert [note[:3] for note in read_notes(path)] == [note for note in times for _ in range(2)]


ONE, TWO = (
    [line("left", f'<ending number="{turn}" type="start"/>'), f'<ending number="{turn}" type="stop"/>']
    for turn in (1, 2)
)
BACK = '<repeat direction="backward"/>'
SEGNO, FINE, CODA = words("<segno/>"), words("<words>Fine</words>"), words("<coda/>")


@pytest.mark.parametrize(
    ("bars", "played"),
    [
        ([("", "C", ""), (BEGIN, "D", END), ("", "E", "")], "CDDE"),
        ([("", "C", END), ("", "D", END)], "CCDD"),
        ([("", "C", ""), (ONE[0], "D", line("right", ONE[1] + BACK)), (TWO[0], "E", line("right", TWO[1])),
          ("", "F", END)], "CDCEFF"),
        ([(BEGIN, "C", ""), (ONE[0], "D", line("right", ONE[1] + BACK)),
          (TWO[0], "E", line("right", TWO[1] + BACK)), ("", "F", "")], "CDCEF"),
        ([("", "C", line("right", '<repeat direction="backward" times="3"/>'))], "CCC"),
        ([("", "C", FINE), ("", "D", END), ("", "E", words("<words>D.C. al Fine</words>"))], "CDCDEC"),
        ([(BEGIN, "C", END), ("", "D", FINE), ("", "E", words("<words>D.C. al Fine</words>"))], "CCDECD"),
        ([("", "C", ""), (SEGNO, "D", CODA), ("", "E", words("<words>D.S. al Coda</words>")),
          (CODA, "F", "")], "CDEDF"),
        ([("", "C", ""), (SEGNO, "D", ""), ("", "E", words("<words>Dal Segno</words>"))], "CDEDE"),
        ([("", "C", ""), (BEGIN, "D", words("<words>D.S. al Fine</words>"))], "CD"),
    ],
)  # fmt: skip
def test_repeats_are_played(tmp_path, bars, played):
    """Signs may stand in one part alone; those that contradict each other are passed over."""
    path = written(tmp_path / "a.xml", part(1, *bars), part(2, *[("", key, "") for _, key, _ in bars]))
    pitches = [60 + dict(zip("CDEF", (0, 2, 4, 5), strict=True))[key] for key in played]
    expected = [ScoreNote(4 * place, 4, pitch) for place, pitch in enumerate(pitches)]
    assert read_score(path).parts == (expected, expected)


def sign(text, sound):
    return words(f"<words>{text}</words>", f"<sound {sound}/>")


DC, DS, TO = 'dacapo="yes"', 'dalsegno="segno"', 'tocoda="coda"'


@pytest.mark.parametrize(
    ("bars", "played"),
    [
        ([("", "C", ""), ("", "D", sign("D.C. senza rep.", DC))], "CDCD"),
        ([("", "C", sign("Fin", 'fine="yes"')), ("", "D", sign("Von vorn bis Fin", DC))], "CDC"),
        ([("", "C", sign("To Coda 𝄌", TO)), ("", "D", sign("D.C. al 𝄌", DC)), (CODA, "E", "")], "CDCE"),
        ([("", "C", ""), (sign("%", 'segno="segno"'), "D", sign("To 𝄌", TO)),
          ("", "E", sign("D.S. 𝄋 al Coda", DS)), (sign("𝄌", 'coda="coda"'), "F", "")], "CDEDF"),
        ([("", "C", sign("Fine", 'fine="yes"')), ("", "D", sign("D.C.", DC))], "CDC"),
        ([("", "C", ""), ("", "D", sign("dolce", 'dacapo="no"'))], "CD"),
        ([("", "C", words("<words/><coda/>", f"<sound {TO}/>")), ("", "D", sign("D.C. al Coda", DC)),
          (CODA, "E", "")], "CDCE"),
    ],
)  # fmt: skip
def test_jumps_are_those_of_their_sounds_where_words_are_not_known(tmp_path, bars, played):
    """Regression: a jump whose words music21 does not know was not made."""
    path = written(tmp_path / "a.xml", part(1, *bars))
    pitches = [60 + dict(zip("CDEF", (0, 2, 4, 5), strict=True))[key] for key in played]
    expected = [ScoreNote(4 * place, 4, pitch) for place, pitch in enumerate(pitches)]
    assert read_score(path).parts == (expected,)


def test_a_repeat_returns_to_its_tempo(tmp_path):
    bars = [(pace(60), "C", ""), (BEGIN, "D", ""), (pace(120), "E", END)]
    notes = read_notes(written(tmp_path / "a.xml", part(1, *bars)))
    assert [note.onset for note in notes] == [0, 4, 8, 10, 14] and notes[-1].offset == 16


def tone(key, octave, length, tie=None, chord=False, cue=False):
    ties = "" if tie is None else f'<tie type="{tie}"/>'
    pitch = f"{'<chord/>' if chord else ''}<pitch><step>{key}</step><octave>{octave}</octave></pitch>"
    return f"<note>{'<cue/>' if cue else ''}{pitch}<duration>{length}</duration>{ties}</note>"


BACK = "<backup><duration>4</duration></backup>"


@pytest.mark.parametrize(
    ("bars", "notes"),
    [
        ([tone("E", 5, 4, "start") + BACK + tone("C", 4, 4, "start"),
          tone("E", 5, 4, "stop") + BACK + tone("C", 4, 4, "stop")], [(0, 8, 60), (0, 8, 76)]),
        ([tone("C", 4, 4) + tone("E", 4, 4, "start", chord=True),
          tone("D", 4, 4) + tone("E", 4, 4, "stop", chord=True)], [(0, 4, 60), (0, 8, 64), (4, 4, 62)]),
        ([tone("E", 4, 4, "start"), tone("E", 4, 4, "continue"), tone("E", 4, 2, "stop") + tone("E", 4, 2)],
         [(0, 10, 64), (10, 2, 64)]),
        ([tone("E", 4, 4, "start"), tone("D", 4, 4)], [(0, 4, 64), (4, 4, 62)]),
    ],
    ids=["two voices", "one tone of a chord", "three bars", "without an end"],
)  # fmt: skip
def test_ties_are_joined_tone_by_tone(tmp_path, bars, notes):
    """Regression: a tie of one voice was joined to another voice's, one of a chord's not at all."""
    path = written(tmp_path / "a.xml", part(1, *[(bar, "", "") for bar in bars]))
    assert read_score(path).parts == ([ScoreNote(*note) for note in notes],)


def test_quarter_tones_are_played_and_are_the_nearest_keys_to_composers(tmp_path):
    """Regression: they were played as the keys beside them."""
    flat = tone("E", 4, 4, "start").replace("<octave>", "<alter>-0.5</alter><octave>")
    end = tone("E", 4, 4, "stop").replace("<octave>", "<alter>-0.5</alter><octave>")
    horn = "<transpose><diatonic>-4</diatonic><chromatic>-7</chromatic></transpose>"
    bars = (pace(240) + flat, "", ""), (end, "C", "")
    path = written(tmp_path / "a.xml", part(1, *bars), part(2, *bars, sound=horn))
    assert [note[:3] for note in read_notes(path)] == [(0, 2, 56.5), (0, 2, 63.5), (2, 3, 53), (2, 3, 60)]
    pitches = [note.pitch for part in read_score(path).parts for note in part]
    assert all(isinstance(pitch, int) for pitch in pitches) and pitches[1::2] == [60, 53]
    assert abs(pitches[0] - 63.5) == abs(pitches[2] - 56.5) == 0.5


@pytest.mark.parametrize(("alter", "played", "key"), [(0.25, 64, 64), (-0.31, 63.5, 64), (-0.7, 63.5, 63)])
def test_other_tunings_are_played_to_the_nearest_quarter_tone(tmp_path, alter, played, key):
    """Regression: a score with a note in another tuning was refused."""
    bar = tone("E", 4, 4).replace("<octave>", f"<alter>{alter}</alter><octave>")
    path = written(tmp_path / "a.xml", part(1, (bar, "", "")))
    assert read_notes(path)[0].pitch == played and read_score(path).parts[0][0].pitch == key


def test_cue_notes_are_not_played(tmp_path):
    """Regression: what another part plays, shown in small notes, was taken for the part's own."""
    cues = tone("E", 5, 2, "start", cue=True) + tone("G", 5, 2, "start", chord=True, cue=True)
    last = tone("E", 5, 1, "stop", cue=True) + tone("G", 5, 1, "stop", chord=True, cue=True)
    path = written(
        tmp_path / "a.xml", part(1, (tone("C", 4, 2) + cues, "", ""), (last + tone("D", 4, 3), "", ""))
    )
    assert read_score(path).parts == ([ScoreNote(0, 2, 60), ScoreNote(5, 3, 62)],)


@pytest.mark.parametrize("named", ["main.xml", "scores/main.musicxml"])
def test_the_score_of_an_archive_is_the_one_that_it_names(tmp_path, named):
    scores = {key: written(tmp_path / f"{key}.xml", part(1, ("", key, ""))).read_bytes() for key in "CG"}
    with zipfile.ZipFile(tmp_path / "a.mxl", "w") as archive:
        archive.writestr("extra.xml", scores["G"])
        archive.writestr(
            "META-INF/container.xml",
            f'<container><rootfiles><rootfile full-path="{named}"/></rootfiles></container>',
        )
        archive.writestr(named, scores["C"])
    assert read_score(tmp_path / "a.mxl").parts == ([ScoreNote(0, 4, 60)],)


QUARTER, HALF = "<beat-unit>quarter</beat-unit>", "<beat-unit>half</beat-unit>"


@pytest.mark.parametrize(
    "mark",
    [QUARTER + f"<per-minute>{text}</per-minute>" for text in ("c. 72", "66-80", "")] + [QUARTER + HALF],
)
def test_a_mark_without_a_number_has_the_tempo_of_its_sound(tmp_path, mark):
    """Regression: it was passed over, and the tempo of the mark before went on, or 100."""
    pace = words(f"<metronome>{mark}</metronome>", '<sound tempo="72"/>')
    path = written(
        tmp_path / "a.xml", part(1, (pace, "C", ""), (words(f"<metronome>{mark}</metronome>"), "C", ""))
    )
    score = read_score(path)
    assert (score.tempo, score.changes) == (72, ())


def test_a_tempo_that_midi_cannot_say_is_refused(tmp_path):
    """Regression: what was composed after such a score could not be written."""
    with pytest.raises(UserError, match=r"a\.xml: not a readable MusicXML file \(a tempo of 3\)"):
        read_score(written(tmp_path / "a.xml", part(1, (pace(3), "C", ""))))


def test_repeats_without_an_end_are_refused(tmp_path):
    end = line("right", '<repeat direction="backward" times="1000000000"/>')
    path = written(tmp_path / "a.xml", part(1, (BEGIN, "C", end)))
    with pytest.raises(UserError, match=r"a\.xml: not a readable MusicXML file \(its repeats make more than"):
        read_score(path)


def test_the_pedal_of_midi_holds_notes(tmp_path):
    """Until it is up or the key is struck again; one that never goes up holds to the end of the last note."""
    pretty_midi = pytest.importorskip("pretty_midi")
    midi, track = pretty_midi.PrettyMIDI(), pretty_midi.Instrument(0)
    keys = [(0, 0.5, 60), (1, 1.5, 60), (1, 1.2, 64), (2.5, 3, 67), (3.5, 4, 72), (4.5, 5, 74)]
    track.notes = [pretty_midi.Note(90, pitch, start, end) for start, end, pitch in keys]
    pedal = [(0.25, 127), (0.3, 80), (2, 0), (3.75, 127)]
    track.control_changes = [pretty_midi.ControlChange(64, value, time) for time, value in pedal]
    midi.instruments.append(track)
    midi.write(str(tmp_path / "a.mid"))
    ends = [round(note.offset, 2) for note in read_notes(tmp_path / "a.mid")]
    assert ends == [1, 2, 2, 3, 5, 5]
    assert [round(note.offset, 2) for note in read_midi(tmp_path / "a.mid")] == [0.5, 1.2, 1.5, 3, 4, 5]


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
        ("a.xml", XML.replace("<duration>2", "<duration>-2").encode(), "a note before the beginning"),
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


@pytest.mark.parametrize("strokes", [0, 1, 2])
def test_a_pedal_that_goes_up_after_the_last_key_holds_until_then(tmp_path, strokes):
    """Regression: the last chord was cut, or not, by how often the pedal had been used before."""
    pretty_midi = pytest.importorskip("pretty_midi")
    midi, track = pretty_midi.PrettyMIDI(), pretty_midi.Instrument(0)
    track.notes = [pretty_midi.Note(80, key, 2.0 + 0.1 * n, 2.5 + 0.1 * n) for n, key in enumerate((60, 64))]
    pedal = [(0.2 * n + 0.1 * up, 127 * (1 - up)) for n in range(strokes) for up in (0, 1)]
    pedal += [(1.5, 127), (4.0, 0)]
    track.control_changes = [pretty_midi.ControlChange(64, value, time) for time, value in pedal]
    midi.instruments.append(track)
    midi.write(str(tmp_path / "a.mid"))
    assert [note.offset for note in read_notes(tmp_path / "a.mid")] == pytest.approx([4.0, 4.0], abs=0.01)


def test_a_tempo_that_begins_later_begins_there(tmp_path):
    """Regression: a mark at the end was the tempo of the whole."""
    path = written(tmp_path / "a.musicxml", part(1, ("", "C", ""), (pace(45), "D", "")))
    score = read_score(path)
    assert (score.tempo, score.changes) == (100, ((4, 45),))
