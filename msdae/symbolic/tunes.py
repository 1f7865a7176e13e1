"""Traditional melodies, as (MIDI pitch, beats)."""

from collections.abc import Sequence

from msdae.symbolic.notes import Note

BEAT = 0.5  # seconds
FRERE_JACQUES = [
    *[(60, 1), (62, 1), (64, 1), (60, 1)] * 2,
    *[(64, 1), (65, 1), (67, 2)] * 2,
]  # fmt: skip
ODE_TO_JOY = [
    (64, 1), (64, 1), (65, 1), (67, 1), (67, 1), (65, 1), (64, 1), (62, 1),
    (60, 1), (60, 1), (62, 1), (64, 1), (64, 1.5), (62, 0.5), (62, 2),
]  # fmt: skip
TWINKLE = [
    (60, 1), (60, 1), (67, 1), (67, 1), (69, 1), (69, 1), (67, 2),
    (65, 1), (65, 1), (64, 1), (64, 1), (62, 1), (62, 1), (60, 2),
]  # fmt: skip
GREENSLEEVES = [
    (69, 0.5), (72, 1), (74, 0.5), (76, 0.75), (77, 0.25), (76, 0.5), (74, 1), (71, 0.5), (67, 0.75),
    (69, 0.25), (71, 0.5), (72, 1), (69, 0.5), (69, 0.75), (68, 0.25), (69, 0.5), (71, 1), (68, 0.5), (64, 1),
]  # fmt: skip


def notes_of(tune: Sequence[tuple[int, float]]) -> list[Note]:
    """The notes of `tune`, played once at `BEAT`; times in seconds."""
    notes, onset = [], 0.0
    for pitch, beats in tune:
        notes.append(Note(onset, onset + beats * BEAT, pitch, 100))
        onset += beats * BEAT
    return notes
