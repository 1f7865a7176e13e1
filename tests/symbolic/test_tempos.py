import pytest

from msdae.symbolic.scores import read_notes, read_score

UNIT = 0.6  # seconds of a quarter note at the usual tempo
END = '<barline location="right"><repeat direction="backward"/></barline>'


def note(key, length, fermata=None):
    """A note, or a rest if `key` is empty; length: eighths."""
    pitch = f"<pitch><step>{key}</step><octave>4</octave></pitch>" if key else "<rest/>"
    sign = "" if fermata is None else f"<notations><fermata>{fermata}</fermata></notations>"
    return f"<note>{pitch}<duration>{length}</duration>{sign}</note>"


@pytest.fixture
def path(tmp_path):
    def written(*parts):
        ids = [f"P{number}" for number in range(len(parts))]
        listed = "".join(f'<score-part id="{name}"><part-name>x</part-name></score-part>' for name in ids)
        text = f"<part-list>{listed}</part-list>"
        for name, bar in zip(ids, parts, strict=True):
            start = "<attributes><divisions>2</divisions></attributes>"
            text += f'<part id="{name}"><measure>{start}{bar}</measure></part>'
        (tmp_path / "a.musicxml").write_text(f"<score-partwise>{text}</score-partwise>")
        return tmp_path / "a.musicxml"

    return written


def read(path):
    """(onset, end) in eighths at the usual tempo, and the pitch, of what is played."""
    return [(round(2 * n.onset / UNIT, 4), round(2 * n.offset / UNIT, 4), n.pitch) for n in read_notes(path)]


@pytest.mark.parametrize(
    ("fermata", "length"),
    [("", 4), ("normal", 4), ("angled", 3), ("square", 6), ("double-square", 8), ("curlew", 4)],
)
def test_a_fermata_holds_all_parts(path, fermata, length):
    """Regression: it was ignored; composers read notes as they are written."""
    file = path(note("C", 2, fermata) + note("D", 2), note("E", 4))
    assert read(file) == [(0, length, 60), (0, length + 2, 64), (length, length + 2, 62)]
    score = read_score(file)
    assert score.changes == () and score.quarters == 2


def test_what_moves_under_a_fermata_is_in_time_until_the_last_of_it(path):
    file = path(note("C", 4, "") + note("C", 2), note("E", 2) + note("F", 1) + note("G", 1) + note("A", 2))
    assert read(file) == [(0, 2, 64), (0, 8, 60), (2, 3, 65), (3, 8, 67), (8, 10, 60), (8, 10, 69)]
    file = path(note("C", 2, "") + note("C", 2), note("E", 1) + note("F", 1, "") + note("G", 2))  # a chorale
    assert read(file) == [(0, 1, 64), (0, 4, 60), (1, 4, 65), (4, 6, 60), (4, 6, 67)]


def test_rests_are_held_and_repeats_have_their_fermatas(path):
    file = path(note("C", 2) + note("", 2, "") + note("D", 2, "square") + END)
    assert read(file) == [(0, 2, 60), (6, 12, 62), (12, 14, 60), (18, 24, 62)]


def test_tempo_marks_are_held_and_go_on_after_a_fermata(path):
    mark = "<direction><direction-type><metronome><beat-unit>quarter</beat-unit><per-minute>200</per-minute>"
    mark += "</metronome></direction-type></direction>"
    file = path(mark + note("C", 2, "") + note("D", 2))
    assert read(file) == [(0, 2, 60), (2, 3, 62)]


def test_a_slow_tempo_may_be_held(path):
    mark = '<direction><sound tempo="4"/></direction>'
    (only,) = read_notes(path(mark + note("C", 2, "")))
    assert 16 < only.offset < 17


def test_a_fermata_that_music21_has_written_holds(tmp_path):
    from music21 import chord, expressions, note, stream

    tones = [chord.Chord("C4 E4"), note.Note("D4")]
    tones[0].expressions.append(expressions.Fermata())
    stream.Part(tones).write("musicxml", tmp_path / "a.musicxml")
    assert read(tmp_path / "a.musicxml") == [(0, 4, 60), (0, 4, 64), (4, 6, 62)]
