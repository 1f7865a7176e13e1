import pytest

from msdae.symbolic.scores import read_notes, read_score

LISTED = '<part-list><score-part id="P1"><part-name>x</part-name></score-part></part-list>'
SECONDS = 0.6  # of a quarter note
BACK = "<backup><duration>{}</duration></backup>"


def note(key, length, signs="", grace=None, chord=False, tie=None, octave=4, voice=1):
    """A note of MusicXML. length: eighths, or what a grace note is written as; grace: its attributes."""
    start = "<chord/>" if chord else ""
    start = start if grace is None else f"<grace{grace}/>{start}"
    end = f"<type>{length}</type>" if grace is not None else ""
    lasts = "" if grace is not None else f"<duration>{length}</duration>"
    ties = "" if tie is None else f'<tie type="{tie}"/>'
    signs = f"<notations><articulations><{signs}/></articulations></notations>" if signs else ""
    pitch = f"<pitch><step>{key}</step><octave>{octave}</octave></pitch>"
    return f"<note>{start}{pitch}{lasts}{ties}<voice>{voice}</voice>{end}{signs}</note>"


@pytest.fixture
def read(tmp_path):
    def parsed(*bars, written=False):
        """(onset, length) in eighths and the pitch of the notes of bars of four quarters."""
        text = ""
        for number, bar in enumerate(bars, start=1):
            start = "<attributes><divisions>2</divisions></attributes>" if number == 1 else ""
            text += f'<measure number="{number}">{start}{bar}</measure>'
        path = tmp_path / "a.musicxml"
        path.write_text(f'<score-partwise>{LISTED}<part id="P1">{text}</part></score-partwise>')
        if written:
            return [(2 * n.onset, 2 * n.duration, n.pitch) for n in read_score(path).parts[0]]
        eighth = SECONDS / 2
        return [
            tuple(pytest.approx(value / unit) for value, unit in zip(times, (eighth, eighth, 1), strict=True))
            for times in ((n.onset, n.offset - n.onset, n.pitch) for n in read_notes(path))
        ]

    return parsed


def test_staccato_is_short(read):
    """Regression: repeated notes with dots were one long tone to a melody source."""
    signs = ("staccato", "staccatissimo", "detached-legato", "tenuto")
    bar = "".join(note("C", 2, sign) for sign in signs)
    assert read(bar) == [(0, 1, 60), (2, 2 / 3, 60), (4, 4 / 3, 60), (6, 2, 60)]
    assert read(bar, written=True) == [(0, 2, 60), (2, 2, 60), (4, 2, 60), (6, 2, 60)]


def test_a_tie_is_not_cut_by_a_dot(read):
    first, last = (note("C", 8, tie=tie, signs="staccato") for tie in ("start", "stop"))
    assert read(first, last) == [(0, 16, 60)]


@pytest.mark.parametrize(
    ("bar", "notes"),
    [
        (note("D", "eighth", grace=' slash="yes"') + note("C", 8), [(0, 0.25, 62), (0.25, 7.75, 60)]),
        (note("D", "eighth", grace="") + note("C", 8), [(0, 1, 62), (1, 7, 60)]),
        (note("D", "quarter", grace=' slash="no"') + note("C", 2), [(0, 1, 62), (1, 1, 60)]),
        (
            note("D", "16th", grace="") + note("E", "16th", grace="") + note("C", 8),
            [(0, 0.5, 62), (0.5, 0.5, 64), (1, 7, 60)],
        ),
        (
            note("D", "eighth", grace="") + note("F", "eighth", grace="", chord=True) + note("C", 8),
            [(0, 1, 62), (0, 1, 65), (1, 7, 60)],
        ),
        (
            note("C", 8) + note("B", "16th", grace="") + note("D", "16th", grace=""),
            [(0, 7, 60), (7, 0.5, 71), (7.5, 0.5, 62)],
        ),
        (
            note("C", 8) + BACK.format(8) + note("D", 4, voice=2)
            + note("F", "eighth", grace="", voice=2) + note("E", 4, voice=2),
            [(0, 4, 62), (0, 8, 60), (4, 1, 65), (5, 3, 64)],
        ),
    ],
    ids=["short", "long", "half of the note", "two", "a chord", "after the last note", "a voice"],
)  # fmt: skip
def test_grace_notes_sound(read, bar, notes):
    """Regression: they were left out."""
    assert read(note("G", 8), bar)[1:] == [(8 + onset, length, pitch) for onset, length, pitch in notes]
    assert len(read(note("G", 8), bar, written=True)) == 1 + bar.count("<duration>") - bar.count("<backup>")


def test_a_grace_note_is_as_loud_as_the_notes_around_it(read, tmp_path):
    mark = "<direction><direction-type><dynamics><pp/></dynamics></direction-type></direction>"
    read(note("G", 8), mark + note("D", "eighth", grace="") + note("C", 8))
    assert [n.velocity for n in read_notes(tmp_path / "a.musicxml")] == [90, 33, 33]


def test_repeats_have_their_grace_notes(read):
    end = '<barline location="right"><repeat direction="backward"/></barline>'
    once = [(0, 1, 62), (1, 7, 60)]
    twice = read(note("D", "eighth", grace="") + note("C", 8) + end)
    assert twice == [*once, *[(8 + onset, length, pitch) for onset, length, pitch in once]]


def test_a_bar_of_grace_notes_alone_is_read(read):
    """Regression: a score without a time signature that has one was refused, for a division by zero."""
    grace = note("D", "eighth", grace="")
    assert read(note("C", 8), grace, note("E", 8)) == [(0, 8, 60), (8, 8, 64)]
    assert read(grace, note("C", 6), note("E", 10)) == [(0, 6, 60), (6, 10, 64)]
