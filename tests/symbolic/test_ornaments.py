import pytest

from msdae.errors import UserError
from msdae.symbolic.scores import read_notes, read_score

LISTED = '<part-list><score-part id="P1"><part-name>x</part-name></score-part></part-list>'
START, STOP = '<tie type="start"/>', '<tie type="stop"/>'
DOT = "<articulations><staccato/></articulations>"


def note(key, length, signs="", chord=False, more="", octave=4):
    """A note of MusicXML. length: thirty-seconds."""
    pitch = f"<pitch><step>{key}</step><octave>{octave}</octave></pitch>"
    notations = f"<notations>{signs}</notations>" if signs else ""
    return f"<note>{'<chord/>' * chord}{pitch}<duration>{length}</duration>{more}{notations}</note>"


def signs(inside):
    return f"<ornaments>{inside}</ornaments>"


def tremolo(kind, marks):
    return signs(f'<tremolo type="{kind}">{marks}</tremolo>')


TRILL, ROLL = signs("<trill-mark/>"), "<arpeggiate/>"


@pytest.fixture
def path(tmp_path):
    def written(*bars, key=0):
        start = f"<attributes><divisions>8</divisions><key><fifths>{key}</fifths></key></attributes>"
        bars = "".join(f"<measure>{start * (not number)}{bar}</measure>" for number, bar in enumerate(bars))
        (tmp_path / "a.musicxml").write_text(
            f'<score-partwise>{LISTED}<part id="P1">{bars}</part></score-partwise>'
        )
        return tmp_path / "a.musicxml"

    return written


def read(path):
    """(onset, length) in thirty-seconds at the usual tempo, and the pitch, of what is played."""
    unit = 0.6 / 8
    return [
        (round(n.onset / unit, 4), round((n.offset - n.onset) / unit, 4), n.pitch) for n in read_notes(path)
    ]


@pytest.mark.parametrize(
    ("bar", "played"),
    [
        (note("D", 4, TRILL), [(0, 1, 62), (1, 1, 64), (2, 1, 62), (3, 1, 64)]),
        (note("D", 2, signs("<trill-mark/><accidental-mark>flat</accidental-mark>")),
         [(0, 1, 62), (1, 1, 63)]),
        (note("F", 1, TRILL), [(0, 0.5, 65), (0.5, 0.5, 67)]),
        (note("D", 3, TRILL), [(0, 1.5, 62), (1.5, 1.5, 64)]),  # fills its note
        (note("D", 8, signs("<mordent/>")), [(0, 1, 62), (1, 1, 61), (2, 6, 62)]),
        (note("D", 8, signs("<inverted-mordent/>")), [(0, 1, 62), (1, 1, 64), (2, 6, 62)]),
        (note("D", 8, signs("<turn/>")), [(0, 2, 64), (2, 2, 62), (4, 2, 61), (6, 2, 62)]),
        (note("D", 16, signs("<delayed-turn/>")),
         [(0, 8, 62), (8, 2, 64), (10, 2, 62), (12, 2, 61), (14, 2, 62)]),
        (note("D", 2, TRILL) + note("B", 2, chord=True, octave=3), [(0, 2, 59), (0, 1, 62), (1, 1, 64)]),
        (note("D", 2, TRILL, more=START) + note("D", 2, more=STOP),
         [(0, 1, 62), (1, 1, 64), (2, 1, 62), (3, 1, 64)]),
        (note("D", 2, more=START) + note("D", 2, TRILL, more=STOP), [(0, 3, 62), (3, 1, 64)]),
    ],
    ids=["trill", "flat", "short", "dotted", "mordent", "inverted mordent", "turn", "delayed turn", "chord",
         "goes on over a tie", "begins after a tie"],
)  # fmt: skip
def test_ornaments_are_played_in_the_key(path, bar, played):
    """Regression: they were ignored; composers read the note that is written."""
    file = path(bar, key=2)
    assert sorted(read(file)) == sorted(played)
    assert {n.pitch for n in read_score(file).parts[0]} <= {59, 62, 65}


@pytest.mark.parametrize(
    ("bar", "played"),
    [
        (note("C", 8, tremolo("single", 3)), [(n, 1, 60) for n in range(8)]),
        (note("C", 16, tremolo("single", 1), more="<type>half</type>"), [(4 * n, 4, 60) for n in range(4)]),
        (note("C", 4, tremolo("single", 2), more="<type>eighth</type>"), [(n, 1, 60) for n in range(4)]),
        (note("C", 8, tremolo("unmeasured", 0)), [(n, 1, 60) for n in range(8)]),
        (note("C", 8, tremolo("single", 1) + DOT), [(0, 2, 60), (4, 2, 60)]),
        (note("C", 4, tremolo("single", 1), more=START) + note("C", 4, tremolo("single", 1), more=STOP),
         [(0, 2, 60), (2, 2, 60), (4, 2, 60), (6, 2, 60)]),
        (note("C", 4, tremolo("single", 1)) + note("E", 4, chord=True),
         [(0, 2, 60), (0, 2, 64), (2, 2, 60), (2, 2, 64)]),
        (note("C", 4, tremolo("start", 2), more="<type>quarter</type>")
         + note("E", 4, chord=True, more="<type>quarter</type>")
         + note("G", 4, tremolo("stop", 2), more="<type>quarter</type>"),
         [(0, 2, 60), (0, 2, 64), (2, 2, 67), (4, 2, 60), (4, 2, 64), (6, 2, 67)]),
        (note("C", 1, tremolo("start", 2)) + "<backup><duration>1</duration></backup>"
         + note("G", 4, tremolo("stop", 2)), [(0, 1, 60), (0, 4, 67)]),
    ],
    ids=["three marks", "one", "with a flag", "no number", "dots", "tied", "chord", "two notes",
         "two notes at once"],
)  # fmt: skip
def test_tremolos_are_played(path, bar, played):
    """Regression: they were ignored."""
    assert read(path(bar)) == played


@pytest.mark.parametrize(
    ("sign", "played"),
    [
        (ROLL, [(0, 8, 60), (1, 7, 64), (2, 6, 67)]),
        ('<arpeggiate direction="down"/>', [(0, 8, 67), (1, 7, 64), (2, 6, 60)]),
        ("<non-arpeggiate/>", [(0, 8, 60), (0, 8, 64), (0, 8, 67)]),
    ],
)
def test_rolled_chords_begin_with_their_first_tone(path, sign, played):
    """Regression: they were struck as one."""
    assert read(path("".join(note(key, 8, sign, chord=key != "E") for key in "ECG"))) == played


def test_a_roll_leaves_half_of_a_short_chord(path):
    assert read(path(note("C", 2, ROLL) + note("E", 2, ROLL, True) + note("G", 2, ROLL, True))) == [
        (0, 2, 60),
        (0.5, 1.5, 64),
        (1, 1, 67),
    ]


def test_chords_of_several_bars_may_have_one_number(path):
    """music21 takes them for one chord."""
    roll = '<arpeggiate number="1"/>'
    bar = note("C", 4, roll) + note("E", 4, roll, chord=True)
    assert read(path(bar, bar)) == [(0, 4, 60), (1, 3, 64), (4, 4, 60), (5, 3, 64)]


def test_ornaments_of_a_file_that_music21_has_written_are_played(tmp_path):
    from music21 import expressions, note, stream

    tones = [note.Note(pitch, quarterLength=0.5) for pitch in ("C4", "E4")]
    tones[0].expressions.append(expressions.Trill())
    tones[1].expressions.append(expressions.Tremolo())
    stream.Part(tones).write("musicxml", tmp_path / "a.musicxml")
    played = [60, 62, 60, 62, 64, 64, 64, 64, 64, 64, 64, 64]
    assert [n.pitch for n in read_notes(tmp_path / "a.musicxml")] == played


@pytest.mark.parametrize(
    ("key", "sign", "mark", "played"),
    [
        ("E", "trill-mark", "natural", [(0, 1, 62), (1, 1, 63)]),
        ("E", "trill-mark", None, [(0, 1, 62), (1, 1, 64)]),
        ("D", "trill-mark", "flat", [(0, 1, 60), (1, 1, 61)]),
        ("E", "turn", "natural", [(0, 0.5, 63), (0.5, 0.5, 62), (1, 0.5, 60), (1.5, 0.5, 62)]),
    ],
)
def test_accidentals_of_ornaments_are_those_of_the_written_key(path, key, sign, mark, played):
    """A clarinet's written trill from E to F, in D major, sounds from D to E flat."""
    clarinet = "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose>"
    mark = f"<accidental-mark>{mark}</accidental-mark>" if mark else ""
    bar = f"<attributes>{clarinet}</attributes>" + note(key, 2, signs(f"<{sign}/>{mark}"))
    assert read(path(bar, key=2)) == played


def test_more_strokes_than_music_has_are_refused(path):
    bar = note("C", 32, tremolo("single", 8)) * 400
    with pytest.raises(UserError, match="more than 200000 notes"):
        read_notes(path(bar))
