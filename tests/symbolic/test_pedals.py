import mido
import pytest

from msdae.symbolic.pedals import ends
from msdae.symbolic.scores import read_notes, read_score

STROKES = [(0, 2, 60), (0, 2, 64), (4, 5, 60)]


@pytest.mark.parametrize(
    ("pedals", "expected"),
    [
        ({}, [2, 2, 5]),
        ({"sustain": [(1, True), (6, False)]}, [4, 6, 6]),
        ({"sustain": [(1, True), (3, False), (3, True)]}, [3, 3, 5]),
        ({"sustain": [(2, True), (3, False)]}, [3, 3, 5]),
        ({"sostenuto": [(1, True), (6, False)]}, [4, 6, 5]),  # does not hold what is struck later
        ({"sostenuto": [(2, True), (6, False)]}, [2, 2, 5]),  # nor what has ended
        ({"sostenuto": [(1, True)]}, [4, 5, 5]),
        ({"sostenuto": [(1, True), (3, False)], "sustain": [(2.5, True), (7, False)]}, [4, 7, 7]),
        ({"sustain": [(1, True), (6, False)], "silences": [0, 3]}, [3, 3, 6]),
        ({"silences": [1]}, [1, 1, 5]),
    ],
)  # fmt: skip
def test_pedals_hold_strokes(pedals, expected):
    assert ends(STROKES, **pedals) == expected


def read(path, *events):
    """The ends in quarter notes of two notes of one, the second a quarter note after the first.

    events: (time in quarter notes, controller, value).
    """
    messages = [(time, mido.Message("control_change", control=n, value=value)) for time, n, value in events]
    for onset, key in ((0, 60), (1, 64)):
        messages.append((onset, mido.Message("note_on", note=key, velocity=90)))
        messages.append((onset + 1, mido.Message("note_off", note=key)))
    track, now = mido.MidiTrack(), 0
    for time, message in sorted(messages, key=lambda pair: pair[0]):
        track.append(message.copy(time=round(480 * (time - now))))
        now = time
    mido.MidiFile(tracks=[track], ticks_per_beat=480).save(path)
    return [2 * note.offset for note in read_notes(path)]


def test_a_reset_of_all_controllers_lifts_the_pedals_of_a_file(tmp_path):
    """Regression: the sustain pedal stayed down to the end of the file, as it does not on a live keyboard."""
    path = tmp_path / "a.mid"
    assert read(path, (0, 64, 127), (5, 64, 0)) == [5, 5]
    assert read(path, (0, 64, 127), (3, 121, 0), (5, 64, 0)) == [3, 3]
    assert read(path, (0.5, 66, 127), (3, 121, 0), (5, 66, 0)) == [3, 2]


def test_the_sostenuto_pedal_of_midi_holds_the_keys_that_are_down(tmp_path):
    """Regression: it was ignored, and a held bass was as short as its key."""
    assert read(tmp_path / "a.mid", (0.5, 66, 127), (4, 66, 0)) == [4, 2]


def test_all_sounds_off_ends_what_the_pedal_holds(tmp_path):
    """Regression: it sounded on until the pedal went up; notes off leaves that to the pedal."""
    assert read(tmp_path / "a.mid", (0, 64, 127), (3, 120, 0), (5, 64, 0)) == [3, 3]
    assert read(tmp_path / "a.mid", (0, 64, 127), (3, 123, 0), (5, 64, 0)) == [5, 5]


def pedal(kind, more=""):
    return f'<direction><direction-type><pedal type="{kind}"{more}/></direction-type></direction>'


def keys(steps, staff=1, octave=4):
    """Notes of an eighth each."""
    pitch = "<pitch><step>{}</step><octave>{}</octave></pitch>"
    return "".join(
        f"<note>{pitch.format(step, octave)}<duration>1</duration><staff>{staff}</staff></note>"
        for step in steps
    )


def written(path, *bars, staves=1):
    text = f"<attributes><divisions>2</divisions><staves>{staves}</staves></attributes>"
    text = "".join(f"<measure>{text * (not number)}{bar}</measure>" for number, bar in enumerate(bars))
    listed = '<part-list><score-part id="P1"><part-name>x</part-name></score-part></part-list>'
    path.write_text(f'<score-partwise>{listed}<part id="P1">{text}</part></score-partwise>')
    return path


@pytest.mark.parametrize(
    ("bars", "ends"),
    [
        ([keys("CD") + pedal("start") + keys("EF"), keys("GA") + pedal("stop") + keys("B")],
         [1, 2, 6, 6, 6, 6, 7]),
        ([pedal("start", ' line="yes"') + keys("CD") + pedal("change") + keys("EF") + pedal("stop")],
         [2, 2, 4, 4]),
        ([pedal("start") + keys("CD") + pedal("start") + keys("EF") + pedal("stop") + keys("G")],
         [2, 2, 4, 4, 5]),
        ([pedal("start") + keys("CDC") + pedal("stop")], [2, 3, 3]),
        ([keys("C") + pedal("stop") + keys("D")], [1, 2]),
        ([keys("C") + pedal("sostenuto", ' number="2"') + keys("DE") + pedal("stop", ' number="2"')],
         [1, 3, 3]),
    ],
    ids=["over a bar line", "change", "no stop before the next", "a key again", "no start", "sostenuto"],
)  # fmt: skip
def test_pedal_marks_of_musicxml_hold_notes(tmp_path, bars, ends):
    """Regression: they were ignored; composers read notes as long as they are written."""
    path = written(tmp_path / "a.musicxml", *bars)
    assert [note.offset / 0.3 for note in read_notes(path)] == pytest.approx(ends, abs=0.01)
    assert all(note.duration == 0.5 for note in read_score(path).parts[0])


def test_a_pedal_mark_is_of_both_staves(tmp_path):
    mark = pedal("start").replace("</direction>", "<staff>2</staff></direction>")
    bar = keys("CD") + "<backup><duration>2</duration></backup>" + mark + keys("EF", 2, 3) + pedal("stop")
    path = written(tmp_path / "a.musicxml", bar, staves=2)
    assert [note.offset / 0.3 for note in read_notes(path)] == pytest.approx([2, 2, 2, 2])


def test_a_pedal_that_music21_has_written_holds_notes(tmp_path):
    from music21 import expressions, note, stream

    tune = [note.Note(pitch) for pitch in ("C4", "E4", "G4", "C5")]
    part = stream.Part(tune)
    mark = expressions.PedalMark(tune[0], tune[2])
    mark.pedalType, mark.pedalForm = expressions.PedalType.Sustain, expressions.PedalForm.Symbol
    part.insert(0, mark)
    part.write("musicxml", tmp_path / "a.musicxml")
    assert [note.offset / 0.6 for note in read_notes(tmp_path / "a.musicxml")] == pytest.approx([3, 3, 3, 4])
