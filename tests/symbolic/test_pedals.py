import mido
import pytest

from msdae.symbolic.pedals import ends
from msdae.symbolic.scores import read_notes

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
